"""The command line."""

import argparse
import sys
from importlib import metadata

from . import notes, pages


def main():
    parser = argparse.ArgumentParser(prog="minutes")
    parser.add_argument("--version", action="version", version=metadata.version("minutes"))
    parser.add_argument("--format", choices=["html", "text"], default="html")
    parser.add_argument("--language", default="en")
    parser.add_argument("file", nargs="?", type=argparse.FileType("r", encoding="utf-8"), default=sys.stdin)
    options = parser.parse_args()
    try:
        meeting = notes.read(options.file.read())
        sys.stdout.write(pages.render(meeting, options.format, options.language))
    except notes.Malformed as error:
        print(f"minutes: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
