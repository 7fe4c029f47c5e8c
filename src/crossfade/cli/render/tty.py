"""
The live screen of one release: what is, why it waits, the way back, what to type next.

At most 24 lines, 80 to 110 columns, ASCII signs each with its word, so that nothing is
lost without colour. The only module that imports rich; `following` redraws it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from crossfade.cli.render import causes, fields, plain, words
from crossfade.cli.render import story as tale
from crossfade.cli.render.story import Story
from crossfade.release.plan import Plan, Step
from crossfade.release.state import Outcome, Road
from crossfade.release.values import NOTHING

LINES = 24
"""The height of the smallest terminal people use."""

NARROW, WIDE = 80, 110

STEPS, GATES, EVENTS = 7, 5, 4
"""Rows of each part; what is left out is counted in words. With the rest they stay below `LINES`."""

_STYLES = {"bad": "bold red", "good": "green", "wait": "yellow", "dim": "dim", "head": "bold", "": ""}


@dataclass(frozen=True, slots=True)
class _Row:
    text: str
    style: str = ""


class Frame:
    """One picture of the screen; lays itself out to the console's width."""

    def __init__(self, parts: Sequence[Sequence[_Row]]) -> None:
        self._parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rows cut at the width, with `...`; parts set apart by blank lines where all fits."""
        del console
        width = min(options.max_width, WIDE)
        parts = [part for part in self._parts if part]
        airy = sum(len(part) for part in parts) + len(parts) - 1 <= LINES
        rows = [
            row for n, part in enumerate(parts) for row in ((_Row(""),) if airy and n else ()) + tuple(part)
        ]
        for row in rows[:LINES]:
            text = row.text if len(row.text) <= width else row.text[: width - 4].rstrip() + " ..."
            yield Text(text, style=_STYLES[row.style], no_wrap=True, overflow="crop", end="\n")


class Screen:
    """Fed with journal entries and live notes, asked for a picture at any time."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._entries: list[fields.EntryLike] = []
        self._note: Mapping[str, object] = {}

    def feed(self, entry: fields.EntryLike) -> None:
        """One entry more; one that was fed before is passed over, so that a reader may begin again."""
        if not self._entries or entry.seq > self._entries[-1].seq:
            self._entries.append(entry)

    def note(self, note: Mapping[str, object]) -> None:
        """
        The live evidence of this look, replacing the last; every key is optional.

        `gates` name to numbers and `say` · `phase` · `weight` thousandths · `way_back` the line ·
        `waits_for` texts · `instances` side to [ready, wanted] · `truth` as the engine's note has it,
        read for the weight, and for the gates where there is no `gates`.
        """
        self._note = note

    def render(self) -> Frame:
        """The picture of now."""
        story = tale.read(self._plan, self._entries)
        head = (*self._header(story), *self._fleet(story))
        steps, gates = tuple(self._steps(story)), tuple(self._gates(story))
        foot = (*self._way_back(story), *self._hints(story))
        return Frame((head, steps, gates, (*self._waits(story), *self._events()), foot))

    def _header(self, story: Story) -> Iterator[_Row]:
        word = self._word(story).replace("_", " ")
        style = "bad" if word in {"stuck", "rolled back", "rolling back", "closed"} else "head"
        running = story.state is not None and story.outcome is None
        place = causes.standing(story)[len(word) :] if running else ""
        yield _Row(f"{story.title}   {words.short(self._plan.release)}   {word.upper()}{place}", style)

    def _word(self, story: Story) -> str:
        """The journal's word; before there is one, the note's."""
        return story.word if story.state is not None else words.clean(self._note.get("phase") or story.word)

    def _fleet(self, story: Story) -> Iterator[_Row]:
        ended = story.outcome in (Outcome.SUCCEEDED, Outcome.ROLLED_BACK)
        share = _weight(story) if ended else self._share(story)
        told = self._note.get("instances")
        sides = told if isinstance(told, Mapping) else {}
        names = {"candidate": story.candidate, "stable": story.stable}
        ready = [
            f"{name} {pair[0]} of {pair[1]} ready"
            for side, name in names.items()
            if isinstance(pair := sides.get(side), list | tuple) and len(pair) == 2
        ]
        shown = (
            "      ?  weight not known" if share is None else f"{words.weight(share):>7}  {words.bar(share)}"
        )
        yield _Row(f"{shown}   {', '.join(ready)}".rstrip())

    def _share(self, story: Story) -> int | None:
        """The weight as truth has it, where the note brings it; unknown there is no number (R06)."""
        truth = self._note.get("truth")
        if isinstance(truth, Mapping) and isinstance(weights := truth.get("weights"), Mapping):
            span = weights.get("value")
            high = words.number(span, "high") if isinstance(span, Mapping) else None
            return None if high is None else int(high)
        weight = words.number(self._note, "weight")
        return _weight(story) if weight is None else int(weight)

    def _steps(self, story: Story) -> Iterator[_Row]:
        road = self._plan.on
        here = next((n for n, step in enumerate(road) if step.name == tale.standing(story)), 0)
        over = story.outcome is Outcome.SUCCEEDED
        rows = [self._step(story, step, len(road) if over else here, n) for n, step in enumerate(road)]
        if len(rows) <= STEPS:
            yield from rows
            return
        first = min(max(here - 2, 0), len(rows) - (STEPS - 1))
        yield from rows[first : first + STEPS - 1]
        yield _Row(f"    {first} earlier, {len(rows) - first - STEPS + 1} later steps not shown", "dim")

    def _step(self, story: Story, step: Step, here: int, n: int) -> _Row:
        bake = f", bake {words.duration(step.bake)}" if step.bake else ""
        if n < here:
            return _Row(f"  + {step.name:<14} done", "good")
        if n > here:
            last = ", then no way back in seconds" if step.point_of_no_return else ""
            said = "not reached" if story.turned or story.outcome else f"to come{bake}{last}"
            return _Row(f"  . {step.name:<14} {said}", "dim")
        if story.turned is not None:
            return _Row(f"  ! {step.name:<14} turned back here {causes.because(story)}", "bad")
        held = story.state is not None and (story.state.paused or story.state.hold)
        word = self._word(story)
        sign, style = ("=", "wait") if held else (">", "head")
        return _Row(f"  {sign} {step.name:<14} {word}{self._baked(step)}", style)

    def _baked(self, step: Step) -> str:
        """How much of the bake has settled data behind it: the least of its gates."""
        seen = [words.number(numbers, "window_s") for numbers in plain.gates_of(self._note).values()]
        known = [seconds for seconds in seen if seconds is not None]
        if not step.bake:
            return ""
        whole = words.duration(step.bake)
        return f", {words.duration(min(known))} of {whole} seen" if known else f", bake {whole}"

    def _gates(self, story: Story) -> Iterator[_Row]:
        live = plain.gates_of(self._note)
        if not live or story.turned is not None:
            # The verdict that turned it is in the journal: a note of an older look does not hide it.
            found = tale.gates(story, tale.standing(story))
            live |= {name: {**event.numbers, "say": fields.verdict(event)} for name, event in found.items()}
        if not live:
            return
        yield _Row(
            f"  {'gate':<14}{'stable':>9}{'candidate':>11}{'ratio':>7}{'limit':>7}{'n':>15}"
            f"{'evid.':>7}  says",
            "dim",
        )
        shown = list(live.items())[: GATES if len(live) <= GATES else GATES - 1]
        for name, numbers in shown:
            yield _gate(name, numbers, {gate.name for gate in self._plan.gates if gate.observe})
        if len(shown) < len(live):
            yield _Row(f"  and {len(live) - len(shown)} more gates: crossfade status", "dim")

    def _waits(self, story: Story) -> Iterator[_Row]:
        told = self._note.get("waits_for")
        waits = (
            [words.clean(wait) for wait in told]
            if isinstance(told, list | tuple)
            else list(tale.waits(story))
        )
        if waits and story.outcome is None:
            yield _Row(f"  waits for  {'; '.join(waits)}", "wait")

    def _events(self) -> Iterator[_Row]:
        for entry in self._entries[-EVENTS:]:
            said = plain.line(entry, self._plan).split(" ", 3)[3]
            yield _Row(f"  {words.clock(entry.event.ts)}  {said}")

    def _way_back(self, story: Story) -> Iterator[_Row]:
        line = self._note.get("way_back")
        if line:
            yield _Row(f"  {words.clean(line)}")
        failing = story.turned is not None or story.stuck is not None
        if failing and self._plan.break_glass:
            # Cut on a narrow screen; whole in the lines that follow it, and in `explain`.
            yield _Row(f"  break glass  {words.clean(self._plan.break_glass, clip=2000)}", "dim")

    def _hints(self, story: Story) -> Iterator[_Row]:
        said = "; ".join(causes.next_steps(story, watching=True))
        if story.outcome is not None or story.turned is not None:
            said = f"`crossfade explain {words.short(self._plan.release)}`; {said}"
        yield _Row(f"  next  {said}", "head")


def _weight(story: Story) -> int:
    """The last weight that was verified; without a look at truth there is no other."""
    if story.state is None:
        return NOTHING
    return story.state.had if story.state.road is Road.ON or story.home is None else NOTHING


def _gate(name: str, numbers: Mapping[str, object], observing: set[str]) -> _Row:
    at = words.quantile(numbers.get("at"))
    label = f"{words.clean(name)} {at}" if at else words.clean(name)
    ratio = words.number(numbers, "ratio")
    pair = [words.number(numbers, f"n_{side}") for side in ("stable", "candidate")]
    n = "/".join("?" if value is None else words.count(value) for value in pair) if any(pair) else ""
    say = words.clean(numbers.get("say") or numbers.get("verdict") or "unknown").replace("_", " ")
    needs = words.number(numbers, "needs_s")
    more = f", {words.duration(needs)} more" if needs else ""
    only = ", observed only" if name in observing else ""
    row = (
        f"  {label[:14]:<14}{words.observed(numbers, 'stable') or '':>9}"
        f"{words.observed(numbers, 'candidate') or '':>11}"
        f"{'' if ratio is None else words.times(ratio):>7}{words.limit_of(numbers) or '':>7}"
        f"{n:>15}{words.progress(numbers) or '':>7}  {say}{more}{only}"
    )
    style = {"fail": "bad", "pass": "good"}.get(say, "wait" if say in {"no data", "inconclusive"} else "")
    return _Row(row.rstrip(), style)
