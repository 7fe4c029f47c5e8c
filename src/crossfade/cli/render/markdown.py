"""
The summary of a release for a job page or a pull request, as GitHub's Markdown.

Bounded below GitHub's limit for a comment; a stranger's text can neither break out of
its table cell nor become a link, a mention or a tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from crossfade.cli.render import causes, explain, fields, words
from crossfade.cli.render import story as tale
from crossfade.cli.render.story import Story
from crossfade.release.plan import Plan, Step
from crossfade.release.state import REACHES, Outcome
from crossfade.release.values import Event

LIMIT = 65_000
"""Characters; GitHub refuses a comment of more than 65,536, and some of ours take two places."""

ROWS = 60
"""Rows of one table."""

_MARKS = re.compile(r"([\\`*_\[\]|~$])")
_CALLS = re.compile(r"(@|#|:(?=//)|\bwww(?=\.))", re.IGNORECASE)
"""What GitHub makes a mention, a reference or a link even when escaped: broken by a space of no width."""


def summary(plan: Plan, entries: Sequence[fields.EntryLike], *, way_back_line: str = "") -> str:
    """Outcome, steps, gates, way back, what next; without a last line end."""
    story = tale.read(plan, entries)
    parts = [
        [f"## {_icon(story)} {escape(story.title)}: {escape(story.word.replace('_', ' '))}"],
        [_prose(line) for line in causes.headline(story)],
        list(_steps(story)),
        list(_gates(story)),
        list(_facts(story, way_back_line)),
    ]
    return _bounded("\n\n".join("\n".join(part) for part in parts if part))


def escape(text: str) -> str:
    """A stranger's text as text: no mark of it is obeyed, no name called, no address linked."""
    marked = _MARKS.sub(r"\\\1", words.clean(text).replace("&", "&amp;").replace("<", "&lt;"))
    return _CALLS.sub(r"\1&#8203;", marked)


def _prose(text: str) -> str:
    """A sentence of ours: what it holds between backticks is code, which obeys nothing either."""
    parts = words.clean(text).split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    # A dot at either end keeps the blanks there, which `clean` would take.
    return "".join(
        f"`{part}`" if number % 2 and part else escape(f".{part}.")[1:-1] for number, part in enumerate(parts)
    )


def code(text: str) -> str:
    """As code, with a fence longer than any inside."""
    plain = words.clean(text, clip=2000)
    fence = "`" * (max((len(run) for run in re.findall(r"`+", plain)), default=0) + 1)
    return f"{fence} {plain} {fence}" if "`" in plain else f"`{plain}`"


def _icon(story: Story) -> str:
    """A word, not a picture: it is read aloud, and seen without colour."""
    if story.outcome is Outcome.SUCCEEDED:
        return "OK"
    return "STOP" if story.turned or story.stuck or story.refused or story.ended else "RUNNING"


def _steps(story: Story) -> Iterator[str]:
    if story.state is None:
        return
    yield "| step | weight | bake | reached | state |"
    yield "| --- | ---: | ---: | --- | --- |"
    for step in story.plan.on[:ROWS]:
        reached = _reached(story, step)
        yield (
            f"| {escape(step.name)} | {words.weight(step.world.weight)} "
            f"| {words.duration(step.bake) if step.bake else ''} "
            f"| {words.stamp(reached.ts) if reached else ''} | {_state(story, step)} |"
        )
    if len(story.plan.on) > ROWS:
        yield f"| and {len(story.plan.on) - ROWS} more | | | | |"


def _reached(story: Story, step: Step) -> Event | None:
    return next((e for e in story.events if e.step == step.name and e.type is REACHES[step.kind]), None)


def _state(story: Story, step: Step) -> str:
    names = [one.name for one in story.plan.on]
    standing = tale.standing(story)
    here, at = names.index(standing) if standing in names else 0, names.index(step.name)
    if at < here or story.outcome is Outcome.SUCCEEDED:
        return "done"
    if at > here:
        return "not reached" if story.turned is not None else "to come"
    return "**turned back here**" if story.turned is not None else f"**{escape(story.word)}**"


def _gates(story: Story) -> Iterator[str]:
    rows = [(name, event) for name, event in tale.gates(story).items() if event.numbers or event.message]
    if not rows:
        return
    yield "| gate | step | stable | candidate | ratio | limit | requests | evidence | verdict |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    for name, event in rows[:ROWS]:
        cells = (escape(name), escape(event.step or ""), *_numbers(event.numbers), _says(event))
        yield f"| {' | '.join(cells)} |"


def _says(event: Event) -> str:
    verdict = (fields.verdict(event) or "extended").replace("_", " ")
    return f"**{verdict}**" if verdict == "fail" else verdict


def _numbers(numbers: Mapping[str, object]) -> tuple[str, ...]:
    ratio = words.number(numbers, "ratio")
    counts = [words.number(numbers, f"n_{side}") for side in ("stable", "candidate")]
    evidence, bound = words.number(numbers, "evidence"), words.number(numbers, "bound")
    return (
        words.observed(numbers, "stable") or "",
        words.observed(numbers, "candidate") or "",
        "" if ratio is None else words.times(ratio),
        words.limit_of(numbers) or "",
        " / ".join("?" if n is None else words.count(n) for n in counts) if any(counts) else "",
        ""
        if evidence is None
        else words.count(evidence) + ("" if bound is None else f" of {words.count(bound)}"),
    )


def _facts(story: Story, way_back: str) -> Iterator[str]:
    for label, said in explain.facts(story, way_back):
        if label == "Check me":
            shown = ", ".join(code(part) for part in said.split("  ") if part)
        else:
            shown = code(said) if label == "Break glass" else _prose(said)
        yield f"- **{label}**: {shown}" if label else f"  - {shown}"


def _bounded(text: str) -> str:
    """Whole lines up to the limit; what is missing is said."""
    if len(text) <= LIMIT:
        return text
    more = "\n\n(cut: `crossfade explain` shows all of it)"
    return text[: LIMIT - len(more)].rpartition("\n")[0] + more
