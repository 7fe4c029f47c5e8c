"""
What a release will do, for people at a terminal: at most 100 columns, no colour.

`plan_words.py` has the words, `plan_data.py` says the same as JSON and as Markdown.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator

from crossfade.cli.render import plan_words as told
from crossfade.cli.render import words
from crossfade.cli.render.plan_words import Planned
from crossfade.cli.render.what_if import what_ifs

WIDTH = 100
LABEL = 14
_SHORT_ID = 12


def text(planned: Planned) -> str:
    """The whole screen, without a last line end."""
    parts = (
        _head(planned),
        _refusals(planned),
        _steps(planned),
        _sights(planned),
        _sums(planned),
        _way_back(planned),
        _failures(planned),
    )
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part)))


def _head(planned: Planned) -> Iterator[str]:
    plan = planned.plan
    left = f"{told.title(planned)}   {told.kind(planned)}"
    yield f"{left}   plan only: nothing was changed"
    for text_, key in ((plan.stable, "stable_identity"), (plan.candidate, "identity")):
        identity = plan.artifact.get(key)
        if text_ is not None and identity:
            role = "serving" if key == "stable_identity" else "candidate"
            yield _line(role, f"{words.clean(text_)} is {words.clean(identity)[:_SHORT_ID]}")
    if planned.no_gates:
        yield _line("no gates", words.clean(planned.no_gates))


def _refusals(planned: Planned) -> Iterator[str]:
    if not planned.objections:
        return
    yield "REFUSED: deploy would not open this release now"
    for objection in planned.objections:
        yield from _wrapped(f"{objection.id} ", objection.what, indent=2)
        yield from _wrapped("why  ", words.clean(objection.why), indent=4)
        yield from _wrapped("fix  ", words.clean(objection.fix), indent=4)


def _steps(planned: Planned) -> Iterator[str]:
    names = max(len("step"), *(len(stop.step.name) for stop in planned.ahead.stops))
    rows = [("step", "weight", "bake (max)", "old+new", "peak", "done after", "goes on when")]
    for stop in planned.ahead.stops:
        step = stop.step
        cells = (step.name, words.weight(step.world.weight), told.bake(step), f"{stop.old} + {stop.new}")
        rows.append((*cells, str(stop.moving), told.span(stop.ends), told.holds(planned.plan, stop)))
    widths = [names, 6, *(max(len(row[column]) for row in rows) for column in range(2, 6))]
    lead = sum(widths) + 2 * len(widths)
    for row in rows:
        name, weight, baked, sides, most, after, must = row
        padded = (
            f"{name:<{names}}",
            f"{weight:>6}",
            f"{baked:<{widths[2]}}",
            f"{sides:>{widths[3]}}",
            f"{most:>{widths[4]}}",
            f"{after:<{widths[5]}}",
        )
        first, *more = textwrap.wrap(must, WIDTH - lead) or [""]
        yield "  ".join((*padded, first)).rstrip()
        yield from (" " * lead + line for line in more)


def _sights(planned: Planned) -> Iterator[str]:
    if planned.plan.stable is None:
        return
    if not planned.sights:
        if not planned.no_gates:
            yield from _wrapped("What the gates can see   ", f"not shown: {planned.sightless}", indent=0)
            if planned.traffic.per_s is None:
                yield "  crossfade plan REVISION --traffic 50/s shows it for a traffic you expect"
        return
    yield f"What the gates can see   {told.traffic(planned)}; 9 times in 10"
    if late := told.counted(planned):
        yield from _wrapped("counted by ", late, indent=2)
    last = ""
    for sight in planned.sights:
        at = "" if sight.step == last else sight.step
        last = sight.step
        baked = words.duration(sight.bake_s)
        more = f" ({words.duration(sight.max_bake_s)})" if sight.max_bake_s > sight.bake_s else ""
        seen = told.must_see(sight, planned.traffic.errors)
        yield (
            f"  {at:<8} {sight.gate:<9} {seen:<20} takes {told.needs(sight.alone_s):<7} "
            f"bake {baked + more:<10} {told.judgement(sight)}"
        ).rstrip()
    if any(sight.past for sight in planned.sights):
        yield from _wrapped(
            "",
            f"at 100 % against {planned.plan.stable}'s past: weaker, a change for everybody fools it",
            indent=2,
        )
    for sight in planned.blind:
        yield from _wrapped("RISK  ", told.risk(sight), indent=2)
        yield from _wrapped("fix   ", told.fix(sight), indent=2)


def _sums(planned: Planned) -> Iterator[str]:
    yield from _wrapped(f"{'Takes':<{LABEL}}", told.takes(planned), indent=0)
    if planned.plan.stable is not None:
        yield from _wrapped(f"{'Costs':<{LABEL}}", told.costs(planned), indent=0)
    asked = list(told.people(planned)) or ["nobody is waited for"]
    for index, line in enumerate(asked):
        label = "People" if index == 0 else ""
        yield from _wrapped(f"{label:<{LABEL}}", line, indent=0)


def _way_back(planned: Planned) -> Iterator[str]:
    yield "The way back"
    yield from _wrapped(f"{'now':<26} ", words.clean(planned.way_back, clip=600), indent=2)
    for label, said in told.ways(planned):
        yield from _wrapped(f"{label:<26} ", said, indent=2)
    if planned.drill not in planned.way_back:
        yield f"  {words.clean(planned.drill)}"
    if planned.plan.break_glass:
        yield "  undo without crossfade, once it has begun:"
        yield from _command(planned.plan.break_glass)


def _failures(planned: Planned) -> Iterator[str]:
    yield "If something goes wrong   (the number is what deploy exits with)"
    for found in what_ifs(planned.plan, planned.on_interrupt):
        code = "-" if found.exit_code is None else str(found.exit_code)
        yield from _wrapped(f"{code:>3}  ", f"{words.clean(found.when)}: {words.clean(found.then)}", indent=2)


def _command(command: str) -> Iterator[str]:
    """A shell command over several lines: it can still be copied as it stands."""
    line = "   "
    for word in shlex.split(command):
        quoted = shlex.quote(word)
        if len(line) + len(quoted) + 3 > WIDTH and line.strip():
            yield f"{line} \\"
            line = "     "
        line += f" {quoted}"
    yield line


def _line(label: str, said: str) -> str:
    return f"  {label:<{LABEL - 2}}{said}"


def _wrapped(label: str, said: str, *, indent: int) -> Iterator[str]:
    """Text after a label, its next lines below its beginning."""
    lead = " " * indent + label
    yield from textwrap.wrap(
        said,
        WIDTH,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_long_words=False,
        break_on_hyphens=False,
    )
