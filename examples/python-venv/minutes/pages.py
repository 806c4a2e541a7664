"""Pages from templates."""

import locale
from importlib import resources

import markdown
import yaml
from jinja2 import Environment, PackageLoader, select_autoescape

_environment = Environment(loader=PackageLoader("minutes"), autoescape=select_autoescape(["html"]))


def _words(language):
    text = resources.files("minutes").joinpath("languages.yml").read_text(encoding="utf-8")
    languages = yaml.safe_load(text)
    return languages.get(language, languages["en"])


def render(meeting, form, language):
    template = _environment.get_template(f"meeting.{form}")
    body = markdown.markdown(meeting.text, extensions=["tables", "sane_lists"]) if form == "html" else meeting.text
    people = sorted(meeting.people, key=locale.strxfrm)
    return template.render(meeting=meeting, body=body, people=people, words=_words(language))
