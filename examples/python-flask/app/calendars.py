"""Events as other programs import them."""

from datetime import datetime, timezone
from importlib import resources
from string import Template


def render(event, encoding):
    template = Template(resources.files("app").joinpath("event.ics.txt").read_text(encoding="utf-8"))
    starts = datetime.fromisoformat(event["starts"]).astimezone(timezone.utc)
    text = template.substitute(
        number=event["id"], title=event["title"], place=event["place"] or "", starts=starts.strftime("%Y%m%dT%H%M%SZ")
    )
    return text.encode(encoding, "replace")
