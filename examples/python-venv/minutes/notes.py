"""Notes: a head in YAML, then Markdown."""

from dataclasses import dataclass, field
from datetime import date

import yaml


class Malformed(Exception):
    """These are no notes."""


@dataclass
class Meeting:
    title: str
    day: date
    people: list = field(default_factory=list)
    text: str = ""


def read(text):
    parts = text.split("---\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise Malformed("notes begin with a head between lines of ---")
    try:
        head = yaml.load(parts[1], Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return Meeting(head["title"], head["day"], head.get("people", []), parts[2])
    except yaml.YAMLError as error:
        raise Malformed(f"the head is not YAML: {error.problem}") from error
    except (KeyError, TypeError) as error:
        raise Malformed(f"the head has no {error}") from error
