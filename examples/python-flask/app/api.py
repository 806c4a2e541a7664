"""What programs use."""

from datetime import datetime

from flask import Blueprint, jsonify, request

from . import storage

blueprint = Blueprint("api", __name__)


@blueprint.get("/health")
def health():
    return jsonify(status="ok", events=len(storage.all_events()))


@blueprint.get("/events")
def events():
    return jsonify([dict(event) for event in storage.all_events(request.args.get("q", ""))])


@blueprint.post("/events")
def add():
    given = request.get_json(silent=True) or request.form
    try:
        starts = datetime.fromisoformat(given["starts"])
        title = given["title"].strip()
    except (KeyError, ValueError, TypeError):
        return jsonify(error="an event has a title, and starts at a time in ISO 8601"), 422
    if starts.tzinfo is None:
        return jsonify(error="the time needs its offset"), 422
    return jsonify(id=storage.add(title, starts, given.get("place"))), 201
