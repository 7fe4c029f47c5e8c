"""The judge beside the others, in healthy and harmful worlds; `docs/judge.md` has the figures."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.judge import report
from bench.judge.cells import SETS, cells
from bench.judge.peers import PEERS
from bench.judge.run import load, run


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for and print the tables."""
    parser = argparse.ArgumentParser(prog="./dev bench judge", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under two minutes: few runs, fewer cells")
    parser.add_argument("--runs", type=int, help="runs in a healthy cell (default 1000; quick: 6)")
    parser.add_argument("--seeds", choices=SETS, default="held-out")
    parser.add_argument("--only", default="", help="sections or worlds that contain this")
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--out", type=Path, help="raw results, kept and gone on with")
    parser.add_argument("--tables", action="store_true", help="only print what --out holds")
    asked = parser.parse_args(arguments)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out = asked.out or Path(folder) / "runs.jsonl"
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
        for line in report.tables(report.grouped(load(out))):
            print(line)
    print(f"\nseeds: {asked.seeds}; {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
