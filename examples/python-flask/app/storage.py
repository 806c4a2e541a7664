"""Events in a SQLite database."""

import os
import sqlite3
from datetime import datetime

from flask import current_app, g


def init_app(app):
    os.makedirs(app.instance_path, exist_ok=True)
    app.config.setdefault("DATABASE", os.path.join(app.instance_path, "events.sqlite"))
    with app.open_resource("schema.sql") as schema, sqlite3.connect(app.config["DATABASE"]) as connection:
        connection.executescript(schema.read().decode())
    app.teardown_appcontext(close)


def connection():
    if "connection" not in g:
        g.connection = sqlite3.connect(current_app.config["DATABASE"])
        g.connection.row_factory = sqlite3.Row
    return g.connection


def close(_error=None):
    if "connection" in g:
        g.pop("connection").close()


def add(title, starts: datetime, place):
    with connection() as db:
        cursor = db.execute(
            "INSERT INTO events (title, starts, place) VALUES (?, ?, ?)", (title, starts.isoformat(), place)
        )
    return cursor.lastrowid


def find(number):
    return connection().execute("SELECT * FROM events WHERE id = ?", (number,)).fetchone()


def all_events(words=""):
    return connection().execute(
        "SELECT * FROM events WHERE title LIKE ? ORDER BY starts, id", (f"%{words}%",)
    ).fetchall()
