from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Flask, jsonify, request

app = Flask(__name__)


@app.get("/")
def index():
    return jsonify(message="Clock")


@app.get("/noon/<path:zone>")
def noon(zone):
    try:
        return jsonify(noon=datetime(2024, 7, 15, 12, tzinfo=ZoneInfo(zone)).isoformat())
    except (ZoneInfoNotFoundError, ValueError):
        return jsonify(error="no such zone"), 404


@app.post("/encode")
def encode():
    body = request.get_json()
    return jsonify(hex=body["text"].encode(body["encoding"]).hex())
