"""Every benchmark, one line each: the figure here, and its ratio to something plain measured beside it."""

from __future__ import annotations

import sys

from bench import engine, heart, judge, start


def main() -> None:
    """Print the table; `--short` takes fewer rounds."""
    short = "--short" in sys.argv[1:]
    print(f"{'what':<44} {'here':>12}   ratio")
    for part in (start, heart, judge, engine):
        for name, here, ratio in part.lines(short=short):
            print(f"{name:<44} {here:>12}   {ratio}", flush=True)


main()
