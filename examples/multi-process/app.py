"""Polls: who is for what. Behind nginx, which serves the pages."""

import json
import os
import sqlite3

from flask import Flask, g, jsonify, request

app = Flask(__name__, static_folder=None)
DATABASE = os.environ.get("POLLS_DB", "/var/lib/polls/polls.db")


def database():
    if "db" not in g:
        g.db = sqlite3.connect(DATABASE)
        g.db.execute("CREATE TABLE IF NOT EXISTS votes (poll TEXT, choice TEXT)")
    return g.db


@app.teardown_appcontext
def close(_error):
    if "db" in g:
        g.db.close()


def polls():
    with open("polls.json", encoding="utf-8") as file:
        return json.load(file)


@app.get("/api/polls")
def index():
    return jsonify(sorted(polls()))


@app.route("/api/polls/<name>", methods=["GET", "POST"])
def poll(name):
    if name not in polls():
        return jsonify(error="there is no such poll"), 404
    if request.method == "POST":
        choice = (request.get_json(silent=True) or {}).get("choice")
        if choice not in polls()[name]["choices"]:
            return jsonify(error="this is no choice"), 422
        with database() as db:
            db.execute("INSERT INTO votes VALUES (?, ?)", (name, choice))
    rows = database().execute("SELECT choice, count(*) FROM votes WHERE poll = ? GROUP BY choice", (name,))
    counts = dict(rows.fetchall())
    return jsonify({choice: counts.get(choice, 0) for choice in polls()[name]["choices"]})
