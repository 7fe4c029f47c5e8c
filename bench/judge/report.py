"""Raw results as tables: false stops with their upper bounds, seconds to the verdict, passes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import fmean

from bench.judge.cells import TWO, Cell, Section
from bench.judge.harm import HARMLESS_TO_PASS
from bench.judge.run import OURS, PEERS_LOOK, Result
from bench.judge.worlds import Layout

Groups = dict[Cell, list[Result]]


def grouped(results: Iterable[Result]) -> Groups:
    groups: Groups = defaultdict(list)
    for result in results:
        groups[result.cell].append(result)
    return groups


def upper_bound(hits: int, runs: int, miss: float = 0.05) -> float:
    """The largest rate at which `hits` or fewer of `runs` still come with chance `miss`
    (Clopper and Pearson, one-sided).
    """
    if hits >= runs:
        return 1.0
    low, high = hits / runs, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _at_most(hits, runs, middle) > miss else (low, middle)
    return high


def _at_most(hits: int, runs: int, rate: float) -> float:
    logs = [
        math.lgamma(runs + 1) - math.lgamma(k + 1) - math.lgamma(runs - k + 1)
        + k * math.log(rate) + (runs - k) * math.log1p(-rate)
        for k in range(hits + 1)
    ]  # fmt: skip
    return math.fsum(map(math.exp, logs))


def stops(results: Sequence[Result], judge: str) -> tuple[int, int]:
    """(stopped, runs that this judge saw)."""
    seen = [result.stops[judge] for result in results if judge in result.stops]
    return sum(at is not None for at in seen), len(seen)


def false_stops(groups: Groups, section: Section, layout: Layout) -> Iterator[str]:
    """A line per world: worst and mean over traffics, in percent; the bound is of the worst cell."""
    cells = {c: r for c, r in groups.items() if c.section == section and c.layout == layout}
    judges = _judges(cells)
    yield f"{'world':<28} {'runs a cell':>11} {'worst (mean)':>16} {'bound':>6}   " + "  ".join(
        f"{name:>12}" for name in judges if name != OURS
    )
    for world in dict.fromkeys(cell.world for cell in cells):
        own = [results for cell, results in cells.items() if cell.world == world]
        shown = {name: _worst(own, name) for name in judges}
        worst, mean, bound = shown.pop(OURS)
        yield (
            f"{world:<28} {min(map(len, own)):>11} {f'{worst:.2f} ({mean:.2f}) %':>16} {bound:5.2f}%   "
            + "  ".join(f"{f'{worst:.0f} ({mean:.1f})':>12}" for worst, mean, _ in shown.values())
        )


def _worst(own: Sequence[Sequence[Result]], judge: str) -> tuple[float, float, float]:
    counts = [pair for results in own if (pair := stops(results, judge))[1] > 0]
    shares = [100.0 * hits / runs for hits, runs in counts]
    worst = max(counts, key=lambda count: count[0] / count[1])
    return max(shares), fmean(shares), 100.0 * upper_bound(*worst)


def seconds(groups: Groups, section: Section, layout: Layout) -> Iterator[str]:
    """A line per harm and traffic: median/p90 seconds, share seen when below 99 %; passes of ours."""
    cells = {c: r for c, r in groups.items() if c.section == section and c.layout == layout}
    judges = _judges(cells)
    yield f"{'regression':<26} {'rps':>4} {'runs':>5} {'passed':>6}   " + "  ".join(
        f"{name:>15}" for name in judges
    )
    for cell, results in sorted(cells.items(), key=lambda pair: (pair[0].rps, pair[0].world)):
        passed = sum(result.said == "pass" for result in results)
        yield f"{cell.world:<26} {cell.rps:>4g} {len(results):>5} {passed:>6}   " + "  ".join(
            f"{_when(results, name):>15}" for name in judges
        )


def _when(results: Sequence[Result], judge: str) -> str:
    """Median/p90 from the harm on; runs stopped before it began are false alarms, and left out."""
    seen = [(result.stops[judge], result.since) for result in results if judge in result.stops]
    times = sorted(math.inf if at is None else at - since for at, since in seen if at is None or at > since)
    if not times:
        return "-"
    middle, late = times[len(times) // 2], times[min(len(times) - 1, math.ceil(0.9 * len(times)) - 1)]
    share = sum(time < math.inf for time in times) / len(times)
    said = f"{_s(middle)}/{_s(late)}" if share >= 0.1 else "-"
    return said if share >= 0.99 else f"{said} {share:.0%}"


def _s(value: float) -> str:
    return "-" if value == math.inf else f"{value:g}"


def passed_harm(groups: Groups) -> tuple[int, int]:
    """(passes, runs) of releases that must not pass."""
    bad = [
        result
        for cell, results in groups.items()
        if cell.section == "harm" and cell.world not in HARMLESS_TO_PASS
        for result in results
    ]
    return sum(result.said == "pass" for result in bad), len(bad)


def _judges(cells: Groups) -> list[str]:
    return list(
        dict.fromkeys([OURS, *(n for results in cells.values() for one in results for n in one.stops)])
    )


Table = Callable[[Groups, Section, Layout], Iterator[str]]


def tables(groups: Groups) -> Iterator[str]:
    """Everything that was measured."""
    kinds: tuple[tuple[Section, str, Table], ...] = (
        ("healthy", "HEALTHY releases stopped, in %, of 10 min, 5 s counts", false_stops),
        ("long bake", "HEALTHY releases stopped, bake of 60 min, 50 requests/s", false_stops),
        ("60 s counts", "HEALTHY releases stopped, counts every 60 s, 500 requests/s", false_stops),
        ("nasty", "HEALTHY releases stopped in nasty worlds of our own (`nasty.py`)", false_stops),
        ("given", "stopped GIVEN that it happens to the candidate", false_stops),
        ("harm", "HARM: median/p90 seconds until it is stopped", seconds),
    )
    yield f"the other judges see the first {PEERS_LOOK} runs of a cell; the bound is 95 %, one-sided"
    for section, title, table in kinds:
        for layout in dict.fromkeys(cell.layout for cell in groups if cell.section == section):
            yield f"\n{title}; candidate {layout}"
            yield from table(groups, section, layout)
    passes, runs = passed_harm(groups)
    yield f"\nharmful releases that passed: {passes} of {runs}"
    own = [
        stops(results, OURS)
        for cell, results in groups.items()
        if cell.section == "healthy" and cell.layout == TWO and not cell.world.startswith("slower")
    ]
    if own:
        shares = [hits / runs for hits, runs in own]
        hits, runs = sum(hits for hits, _ in own), sum(runs for _, runs in own)
        yield (
            f"healthy, 2 instances @ 10 %, without slower machines: worst cell {max(shares):.2%}, "
            f"mean {fmean(shares):.3%} of "
            f"{len(own)} cells; {hits} of {runs} runs, bound {upper_bound(hits, runs):.3%}"
        )
