"""Pages for people."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Blueprint, abort, current_app, make_response, render_template, request

from . import calendars, storage

blueprint = Blueprint("pages", __name__)


def zone():
    name = request.args.get("zone", current_app.config["TIME_ZONE"])
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        abort(400, f"{name} is not a time zone")


@blueprint.app_template_filter("local")
def local(text, where):
    return datetime.fromisoformat(text).astimezone(where).strftime("%d %B %Y, %H:%M %Z")


@blueprint.get("/")
def index():
    return render_template("index.html", events=storage.all_events(request.args.get("q", "")), zone=zone())


@blueprint.get("/events/<int:number>.ics")
def calendar(number):
    event = storage.find(number) or abort(404)
    response = make_response(calendars.render(event, request.args.get("encoding", "utf-8")))
    response.content_type = "text/calendar"
    return response


@blueprint.app_errorhandler(404)
@blueprint.app_errorhandler(400)
def failed(error):
    return render_template("error.html", error=error), error.code
