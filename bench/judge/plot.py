"""
One picture of the results: how many healthy releases each judge stops against how fast it sees harm.

Good is low and left. The seconds are the median over harmful runs at 50 and 500 requests/s; a run in
which a judge never stopped counts as the whole bake.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean, median

from bench.judge.cells import TWO
from bench.judge.picture import DARK, LIGHT, SHAPES, paint
from bench.judge.report import Groups, stops
from bench.judge.run import OURS

WIDE, HIGH = 820, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 660, 50, 350
LEAST, MOST = 0.0005, 1.0
"""Shares of the horizontal axis; below the least a judge stands at the edge."""
LONGEST_S = 600.0
QUICKEST_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One judge: share of healthy releases stopped, seconds to the verdict on a harmful one."""

    judge: str
    stopped: float
    seconds: float


def points(groups: Groups) -> list[Point]:
    """All judges that looked at both healthy and harmful releases; candidate of two instances."""
    healthy = [
        results for cell, results in groups.items() if cell.section == "healthy" and cell.layout == TWO
    ]
    harm = [
        results
        for cell, results in groups.items()
        if cell.section == "harm" and cell.layout == TWO and cell.rps >= 50.0 and "late" not in cell.world
    ]
    found = []
    for judge in dict.fromkeys(name for results in healthy for one in results for name in one.stops):
        counts = [pair for results in healthy if (pair := stops(results, judge))[1] > 0]
        seconds = [
            LONGEST_S if (at := result.stops[judge]) is None else at
            for results in harm
            for result in results
            if judge in result.stops
        ]
        if seconds and judge != "two-arm oracle":
            share = fmean(hits / runs for hits, runs in counts)
            found.append(Point(judge=judge, stopped=share, seconds=median(seconds)))
    return found


def svg(groups: Groups) -> str:
    """The picture."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" role="img">',
            "<title>Each judge: healthy releases stopped, and seconds until harm is stopped</title>",
            f"<style>{SHAPES}{paint(LIGHT)}",
            f"  @media (prefers-color-scheme: dark) {{\n{paint(DARK)}\n  }}\n</style>",
            f'<rect class="card" x="0.5" y="0.5" width="{WIDE - 1}" height="{HIGH - 1}" rx="8"/>',
            *_axes(),
            *_dots(points(groups)),
            "</svg>\n",
        ]
    )


def _axes() -> Iterator[str]:
    yield f'<text class="title" x="{LEFT}" y="28">Quiet and fast: low and left is better</text>'
    for share in (0.001, 0.01, 0.1, 1.0):
        x = _x(share)
        yield f'<line class="grid" x1="{x:.0f}" x2="{x:.0f}" y1="{TOP}" y2="{BOTTOM}"/>'
        yield f'<text class="soft" x="{x:.0f}" y="{BOTTOM + 18}" text-anchor="middle">{share:.1%}</text>'
    for seconds in (5, 10, 30, 60, 120, 300, 600):
        y = _y(seconds)
        yield f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.0f}" y2="{y:.0f}"/>'
        yield f'<text class="soft" x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{seconds} s</text>'
    yield (
        f'<text class="soft" x="{LEFT}" y="{BOTTOM + 42}">'
        "across: healthy releases stopped (mean of all worlds); up: median seconds to stop a bad one</text>"
    )


def _dots(found: list[Point]) -> Iterator[str]:
    taken: list[float] = []
    for point in sorted(found, key=lambda one: one.seconds):
        x, y = _x(point.stopped), _y(point.seconds)
        label = y + 4
        while any(abs(label - other) < 15.0 for other in taken):
            label -= 15.0
        taken.append(label)
        tone = "good" if point.judge == OURS else "bad"
        yield (
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'
            if tone == "bad"
            else (f'<circle class="band good" style="fill-opacity:1" cx="{x:.1f}" cy="{y:.1f}" r="8"/>')
        )
        yield f'<text class="{tone}" x="{x + 12:.1f}" y="{label:.1f}">{point.judge}</text>'


def _x(share: float) -> float:
    part = math.log(max(min(share, MOST), LEAST) / LEAST) / math.log(MOST / LEAST)
    return LEFT + part * (RIGHT - LEFT)


def _y(seconds: float) -> float:
    part = math.log(max(seconds, QUICKEST_S) / QUICKEST_S) / math.log(LONGEST_S / QUICKEST_S)
    return BOTTOM - part * (BOTTOM - TOP)
