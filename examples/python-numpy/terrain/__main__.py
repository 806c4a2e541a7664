"""python -m terrain stats|shade|smooth FILE [-o FILE]"""

import argparse
import sys

from . import __version__, grid, pictures


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="terrain", description="Heights on a grid.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    stats = commands.add_parser("stats", help="what is high and what is steep")
    stats.add_argument("file", nargs="?", default="data/hill.asc")
    shade = commands.add_parser("shade", help="a picture of the light on it")
    shade.add_argument("file", nargs="?", default="data/hill.asc")
    shade.add_argument("-o", "--output", default="/tmp/shade.png")
    shade.add_argument("--azimuth", type=float, default=315)
    shade.add_argument("--label", default="")
    smooth = commands.add_parser("smooth", help="the grid without its roughest waves")
    smooth.add_argument("file", nargs="?", default="data/hill.asc")
    smooth.add_argument("--keep", type=float, default=0.25)
    options = parser.parse_args(arguments)
    try:
        terrain = grid.read(sys.stdin if options.file == "-" else options.file)
    except (OSError, ValueError) as error:
        print(f"terrain: {error}", file=sys.stderr)
        return 1
    if options.command == "stats":
        for name, value in grid.statistics(terrain).items():
            print(f"{name:<10} {value:.3f}")
    elif options.command == "smooth":
        grid.write(sys.stdout, grid.smooth(terrain, options.keep))
    else:
        pictures.save(grid.shade(terrain, options.azimuth), options.output, options.label)
        print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
