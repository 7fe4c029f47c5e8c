"""
Every benchmark, one line each: the figure here, and its ratio to something plain measured beside it.

`./dev bench judge` is one of its own: the judge in simulated releases, beside other judges. So is
`./dev bench migrations`: classic migrations, proved, read by `migrate lint`, and read by squawk;
`./dev bench migrations large`: 300 tables and 1,000 statements.
"""

from __future__ import annotations

import sys

from bench import engine, heart, start
from bench.judge import __main__ as judges
from bench.judge import speed
from bench.migrations import classics, large


def main() -> None:
    """Print the table; `--short` takes fewer rounds. `judge …`: see `bench/judge/`."""
    if sys.argv[1:2] == ["judge"]:
        judges.main(sys.argv[2:])
        return
    if sys.argv[1:3] == ["migrations", "large"]:
        sys.exit(large.main(sys.argv[3:]))
    if sys.argv[1:2] == ["migrations"]:
        sys.exit(classics.main(sys.argv[2:]))
    short = "--short" in sys.argv[1:]
    print(f"{'what':<44} {'here':>12}   ratio")
    for part in (start, heart, speed, engine):
        for name, here, ratio in part.lines(short=short):
            print(f"{name:<44} {here:>12}   {ratio}", flush=True)

    if short:
        judges.main(["--quick", "--runs", "2", "--without-peers"])
        sys.exit(classics.main(["--rounds", "1"]))


if __name__ == "__main__":
    main()
