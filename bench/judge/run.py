"""
Runs of cells on all cores: when does each judge stop, and does ours pass?

Raw results go to a file of JSON lines as they come, so that a run of hours can be cut short
and gone on with, and its tables made again (`report.py`).
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.judge.cells import BENDS, Cell
from bench.judge.peers import PEERS
from bench.judge.worlds import Layout, draw
from crossfade.judge import METHOD, open_stream

OURS = "crossfade"
CHUNK = 10
"""Runs in one job: short enough to keep all cores busy to the end."""
PEERS_LOOK = 120
"""The others see the first runs of a cell only: their figures are coarse enough."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run: seconds until each judge stopped (None: never), and what ours said at the end."""

    cell: Cell
    run: int
    stops: dict[str, float | None]
    said: str
    blame: str | None
    since: float = 0.0
    """When the harm began."""
    seeds: str = ""
    method: str = ""


def one(cell: Cell, seeds: str, run: int, peers: Sequence[str]) -> Result:
    """Draw the release and let all judges look at it."""
    header, intervals = draw(
        BENDS[cell.world],
        seed=cell.seed(seeds, run),
        rps=cell.rps,
        layout=cell.layout,
        bake_s=cell.bake_s,
        every=cell.every,
    )
    stops: dict[str, float | None] = {}
    for name in peers if run < PEERS_LOOK else ():
        peer = PEERS[name](header)
        stops[name] = next((one["end"] for one in intervals if peer.push(one)), None)
    about: dict[str, Any] = {"since": header.pop("truth", {}).get("since", 0.0), "seeds": seeds}
    about["method"] = METHOD
    stream = open_stream({**header, "preset": cell.preset})
    stops[OURS] = None
    for interval in intervals[:-1]:
        if stream.feed(interval):
            stops[OURS] = interval["end"]
            break
    else:
        last = stream.push(intervals[-1])
        if last["verdict"] == "fail":
            stops[OURS] = intervals[-1]["end"]
        said, blame = str(last["verdict"]), last["blame"]
        return Result(cell=cell, run=run, stops=stops, said=said, blame=blame, **about)
    return Result(cell=cell, run=run, stops=stops, said="fail", blame=stream.blame, **about)


def run(
    cells: Iterable[Cell], *, seeds: str, peers: Sequence[str], out: Path, cores: int | None = None
) -> Iterator[Result]:
    """All runs of the cells that `out` does not hold yet. Raises ValueError where it holds others."""
    held = load(out)
    if any((result.seeds, result.method) != (seeds, METHOD) for result in held):
        raise ValueError(f"{out} holds runs of other seeds or of another method: choose another --out")
    done = {(result.cell, result.run) for result in held}
    jobs = []
    for cell in cells:
        left = [number for number in range(cell.runs) if (replace(cell, runs=0), number) not in done]
        jobs += [(cell, seeds, left[i : i + CHUNK], peers) for i in range(0, len(left), CHUNK)]
    with (
        multiprocessing.get_context("spawn").Pool(cores or os.cpu_count()) as pool,
        out.open("a", encoding="utf-8") as file,
    ):
        for results in pool.imap_unordered(_job, jobs):
            for result in results:
                file.write(json.dumps(asdict(result), separators=(",", ":")) + "\n")
                yield result
            file.flush()


def _job(job: tuple[Cell, str, Sequence[int], Sequence[str]]) -> list[Result]:
    cell, seeds, numbers, peers = job
    results = [one(cell, seeds, number, peers) for number in numbers]
    return [replace(result, cell=replace(cell, runs=0)) for result in results]


def load(path: Path) -> list[Result]:
    """Results of an earlier run; none if there was none."""
    if not path.exists():
        return []
    return [_read(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _read(raw: dict[str, Any]) -> Result:
    cell = Cell(**{**raw["cell"], "layout": Layout(**raw["cell"]["layout"])})
    return Result(**{**raw, "cell": cell})
