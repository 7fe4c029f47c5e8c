"""
What is measured: which worlds at which traffic, layout, interval and bake, and how often.

A `Cell` is one such combination. Its runs are numbered, and a run's seed is made of the
seed set, the cell's name and that number: `dev` is what constants were chosen on, `seen` what
was reported before they changed once more, `held-out` what is reported.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bench.judge import harm, healthy, nasty
from bench.judge.worlds import Bend, Layout

SETS = {"dev": 0, "seen": 1, "held-out": 2}
Section: TypeAlias = Literal["healthy", "long bake", "60 s counts", "nasty", "harm", "given"]
TRAFFIC = (5.0, 50.0, 500.0)
TWO = Layout()
LONE = Layout(instances=1, counted=False)
OTHERS = (Layout(instances=10), Layout(instances=10, weight=0.5), Layout(weight=0.05))

BENDS: Mapping[str, Bend] = {
    **healthy.WORLDS,
    **healthy.SLOWER,
    **nasty.WORLDS,
    **harm.EFFECTS,
    **harm.GIVEN,
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One combination. `rps`: requests per second of both arms."""

    section: Section
    world: str
    rps: float
    layout: Layout = TWO
    every: float = 5.0
    bake_s: float = 600.0
    runs: int = 1000
    preset: str = "normal"

    def seed(self, seeds: str, run: int) -> tuple[int, ...]:
        name = f"{self.world}/{self.rps:g}/{self.layout}/{self.every:g}/{self.bake_s:g}"
        return SETS[seeds], zlib.crc32(name.encode()), run


def cells(*, runs: int, quick: bool = False) -> Iterator[Cell]:
    """All of them; `runs` of each healthy cell with two instances, the rest in proportion."""
    some, few = max(runs * 3 // 10, 2), max(runs * 12 // 100, 2)
    traffic = (50.0, 500.0) if quick else TRAFFIC
    for world in (*healthy.WORLDS, *healthy.SLOWER):
        yield from _each("healthy", world, traffic, (TWO,), runs)
    for effect in harm.EFFECTS:
        yield from _each("harm", effect, traffic, (TWO,), some)
    if quick:
        return
    for world in nasty.WORLDS:
        yield from _each("nasty", world, traffic, (TWO,), runs)
    for effect in harm.GIVEN:
        yield from _each("given", effect, traffic, (TWO,), few)
    for world in ("stable", "drift, both arms", "retries", "sick ~20 s", "rates wander"):
        yield Cell(section="long bake", world=world, rps=50.0, bake_s=3600.0, runs=few)
        yield Cell(section="60 s counts", world=world, rps=500.0, every=60.0, runs=some)
    for world in (*healthy.WORLDS, *healthy.SLOWER):
        yield from _each("healthy", world, traffic, (LONE,), some)
    for world in nasty.WORLDS:
        yield from _each("nasty", world, traffic, (LONE, OTHERS[0]), some)
    for effect in harm.EFFECTS:
        yield from _each("harm", effect, traffic, (LONE, *OTHERS[:2]), few)
    for world in healthy.WORLDS:
        yield from _each("healthy", world, traffic, OTHERS, few)
    for effect in harm.GIVEN:
        yield from _each("given", effect, traffic, (LONE, OTHERS[0]), few)


def _each(
    section: Section, world: str, traffic: Iterable[float], layouts: Iterable[Layout], runs: int
) -> Iterator[Cell]:
    for layout in layouts:
        for rps in traffic:
            yield Cell(section=section, world=world, rps=rps, layout=layout, runs=runs)
