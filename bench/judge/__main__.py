"""The judge beside the others, in healthy and harmful worlds; `docs/judge.md` has the figures."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.judge import forecast, plot, replays, report
from bench.judge.cells import SETS, cells
from bench.judge.peers import PEERS
from bench.judge.run import load, run


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for and print the tables."""
    parser = argparse.ArgumentParser(prog="./dev bench judge", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("worlds", "forecast", "replays"),
        default="worlds",
        help="false stops and seconds to the verdict; whether forecasts come true; stored verdicts again",
    )
    parser.add_argument("--quick", action="store_true", help="under two minutes: few runs, fewer cells")
    parser.add_argument("--runs", type=int, help="runs in a healthy cell (default 1000; quick: 6)")
    parser.add_argument("--seeds", choices=SETS, default="held-out")
    parser.add_argument("--only", default="", help="sections or worlds that contain this")
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--out", type=Path, help="raw results, kept and gone on with")
    parser.add_argument("--plot", type=Path, help="write the picture of all judges here, as SVG")
    parser.add_argument("--tables", action="store_true", help="only print what --out holds")
    asked = parser.parse_args(arguments)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        if asked.what == "worlds":
            _worlds(asked, asked.out or Path(folder) / "runs.jsonl", begin)
        elif asked.what == "forecast":
            _print(forecast.lines(runs=asked.runs or (10 if asked.quick else 100), seeds=SETS[asked.seeds]))
        else:
            _print(replays.lines(Path(folder), asked.runs or (600 if asked.quick else 10_000), asked.seeds))
    print(f"\nseeds: {asked.seeds}; {time.monotonic() - begin:.0f} s")


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        print(line, flush=True)


def _worlds(asked: argparse.Namespace, out: Path, begin: float) -> None:
    if not asked.tables:
        wanted = [
            cell
            for cell in cells(runs=asked.runs or (6 if asked.quick else 1000), quick=asked.quick)
            if any(word in f"{cell.section} {cell.world}" for word in asked.only.split(","))
        ]
        total, peers = sum(cell.runs for cell in wanted), () if asked.without_peers else tuple(PEERS)
        done = 0
        for done, _ in enumerate(run(wanted, seeds=asked.seeds, peers=peers, out=out), start=1):
            if done % 200 == 0:
                print(f"{done} of {total} runs, {time.monotonic() - begin:.0f} s", file=sys.stderr)
    groups = report.grouped(load(out))
    _print(report.tables(groups))
    if asked.plot:
        asked.plot.write_text(plot.svg(groups), encoding="utf-8")


if __name__ == "__main__":
    main()
