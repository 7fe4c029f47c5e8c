"""
Stored verdicts, judged again: header, intervals and verdicts of releases in every world go to a file
as JSON and come back; each verdict must be the same to the last bit.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

from bench.judge.cells import BENDS, SETS
from bench.judge.worlds import Layout, draw
from crossfade.judge import METHODS, open_stream, replay

BAKE_S = 300.0
LAYOUTS = (Layout(), Layout(instances=1, counted=False), Layout(instances=10, weight=0.5))


def store(path: Path, verdicts: int, seeds: str) -> int:
    """Write so many verdicts or a few more, by all methods in turn; how many they are."""
    written = 0
    turns = itertools.cycle(itertools.product(METHODS, LAYOUTS, BENDS))
    with path.open("w", encoding="utf-8") as file:
        for number in itertools.count():
            method, layout, world = next(turns)
            header, intervals = draw(
                BENDS[world], seed=(SETS[seeds], number), rps=50.0, layout=layout, bake_s=BAKE_S, every=5.0
            )
            header.pop("truth", None)
            stream = open_stream({**header, "method": method})
            said = [stream.push(interval) for interval in intervals]
            stored = {"header": {**header, "method": method}, "intervals": intervals, "verdicts": said}
            file.write(json.dumps(stored) + "\n")
            written += len(said)
            if written >= verdicts:
                return written
    return written


def compare(path: Path) -> tuple[int, int]:
    """(verdicts that came out the same, verdicts)."""
    same = total = 0
    with path.open(encoding="utf-8") as file:
        for line in file:
            stored = json.loads(line)
            again = json.loads(json.dumps(replay(stored["header"], stored["intervals"])))
            total += len(again)
            same += sum(one == other for one, other in zip(again, stored["verdicts"], strict=True))
    return same, total


def lines(folder: Path, verdicts: int, seeds: str) -> Iterator[str]:
    path = folder / "verdicts.jsonl"
    store(path, verdicts, seeds)
    same, total = compare(path)
    yield f"{same} of {total} stored verdicts came out the same, to the last bit"
