"""A board of events, shown in the visitor's time zone."""

import logging
import os

from flask import Flask

from . import api, pages, storage


def create_app(settings=None):
    app = Flask(__name__, instance_path=os.environ.get("EVENTS_DATA", "/srv/events/data"))
    app.config.from_object("app.settings")
    app.config.from_prefixed_env("EVENTS")
    app.config.from_mapping(settings or {})
    logging.basicConfig(level=app.config["LOG_LEVEL"], format="%(levelname)s %(name)s %(message)s")
    storage.init_app(app)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(api.blueprint, url_prefix="/api")
    return app
