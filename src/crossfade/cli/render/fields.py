"""
The public JSON of an event: which fields there are, what they mean, and nothing else.

These names are API. A field that an event has nothing to say about is left out.
`ndjson.py` and `explain --json` print this; `plain.py` shows the same values as words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from crossfade.cli.render import words
from crossfade.cli.render.words import short
from crossfade.release.plan import Kind, Plan, Step
from crossfade.release.values import ALL, Event, EventType, Say

__all__ = [
    "FIELDS",
    "VERSION",
    "EntryLike",
    "hook_name",
    "place",
    "plain_json",
    "record",
    "short",
    "verdict",
    "where",
]

VERSION = 1
"""Of this form; it rises when a field changes its meaning, never when one is added."""

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "v": "version of this form",
        "seq": "place in the release's journal, from 1, without gaps",
        "ts": "when, RFC 3339 in UTC to the millisecond",
        "service": "the deployable",
        "release": "id of the attempt, a ULID",
        "type": "what happened; `....requested` is written before the effect, the rest are facts",
        "step": "name of the step of the plan that it is about",
        "weight": "the candidate's share of production traffic at that step, percent",
        "gate": "the gate, or the hook, that it is about",
        "stable": "what the gate saw on stable: a share from 0 to 1, or a plain number",
        "candidate": "what the gate saw on the candidate, in the same window",
        "ratio": "candidate against stable",
        "limit": "the ratio that was tested",
        "n_stable": "requests of stable behind the verdict",
        "n_candidate": "requests of the candidate behind the verdict",
        "verdict": "pass, fail, not_yet, no_data or inconclusive",
        "cause": "why the release turned back",
        "key": "the hook, the command or the hold that it is about",
        "verb": "what a person asked for",
        "seconds": "time in which nobody looked",
        "actor": "who",
        "reason": "why, in their words",
        "message": "one sentence, in words and numbers; a stranger's text, escape it",
        "numbers": "everything the verdict stored, to replay it",
        "prev_hash": "hash of the entry before: the chain that shows tampering",
    }
)

_SAYS = {
    EventType.GATE_PASSED: Say.PASS,
    EventType.GATE_FAILED: Say.FAIL,
    EventType.GATE_WAITING: Say.NOT_YET,
    EventType.GATE_NO_DATA: Say.NO_DATA,
    EventType.GATE_INCONCLUSIVE: Say.INCONCLUSIVE,
}


class EntryLike(Protocol):
    """A journal entry as the engine's store gives it."""

    @property
    def seq(self) -> int: ...
    @property
    def service(self) -> str: ...
    @property
    def release(self) -> str: ...
    @property
    def event(self) -> Event: ...
    @property
    def prev_hash(self) -> str: ...


def record(entry: EntryLike, plan: Plan) -> dict[str, object]:
    """
    The event as JSON values, in the order of `FIELDS`.

    Text is given as it was written: JSON escapes what a terminal would obey.
    """
    del plan  # one call for every renderer; the form needs nothing that the event does not say
    event, numbers = entry.event, entry.event.numbers
    said: dict[str, object] = {
        "v": VERSION,
        "seq": entry.seq,
        "ts": words.stamp(event.ts, millis=True),
        "service": entry.service,
        "release": entry.release,
        "type": event.type.value,
        "step": event.step,
        "weight": None if event.weight is None else event.weight / 10,
        "gate": event.gate,
        "stable": words.seen(numbers, "stable"),
        "candidate": words.seen(numbers, "candidate"),
        **{name: words.number(numbers, name) for name in ("ratio", "limit", "n_stable", "n_candidate")},
        "verdict": verdict(event),
        "cause": event.cause.value if event.cause else None,
        "key": event.key,
        "verb": event.verb,
        "seconds": plain_json(event.seconds),
        "actor": event.actor,
        "reason": event.reason,
        "message": event.message,
        "numbers": plain_json(numbers) if numbers else None,
        "prev_hash": entry.prev_hash,
    }
    return {name: value for name, value in said.items() if value is not None}


def verdict(event: Event) -> str | None:
    """What the gate of this event said; None where it is about no gate."""
    if event.type in _SAYS:
        return _SAYS[event.type].value
    said = event.numbers.get("verdict")
    return said if isinstance(said, str) else None


def plain_json(value: object) -> object:
    """A value that JSON can hold: NaN and infinity are null, strange things their text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): plain_json(inner) for key, inner in value.items()}
        case list() | tuple():
            return [plain_json(inner) for inner in value]
        case _:
            return str(value)


def traffic_steps(plan: Plan) -> tuple[Step, ...]:
    """The steps at which weight moves, which people count: promoting too, unless all is there already."""
    shifts = [step for step in plan.on if step.kind is Kind.SHIFTING]
    last = [step for step in plan.on if step.kind is Kind.PROMOTING]
    return (*shifts, *(last if not shifts or shifts[-1].world.weight < ALL else ()))


def place(plan: Plan, name: str | None) -> tuple[int, int] | None:
    """(n, of) of a traffic step; None for any other step."""
    steps = traffic_steps(plan)
    found = next((n for n, step in enumerate(steps, 1) if step.name == name), None)
    return None if found is None else (found, len(steps))


def where(plan: Plan, name: str | None) -> str:
    """A step in words: `step 1 of 3 (10 %)`, or its name and weight where no traffic moves."""
    step = next((step for step in (*plan.on, *plan.back) if step.name == name), None)
    if step is None:
        return words.clean(name or "an unnamed step")
    at = place(plan, name)
    share = words.weight(step.world.weight)
    return f"step {at[0]} of {at[1]} ({share})" if at else f"{step.name} ({share})"


_HOOKS: Mapping[str, str] = MappingProxyType(
    {
        "before": "before_traffic",
        "after": "after_traffic",
        "back": "on_rollback",
        "over": "hand_over",
        "return": "hand_over",
    }
)


def hook_name(plan: Plan, key: str | None) -> str:
    """A hook in words, from the key under which it runs: `before_traffic 1, http /healthz`."""
    if key is None:
        return "a hook"
    when, _, index = key.partition(":")[2].partition(":")
    spoken = _HOOKS.get(when)
    name = f"{spoken} {int(index) + 1}" if spoken and index.isdigit() else key
    runs = "; ".join(f"{kind} {what}" for kind, what in plan.hooks.get(key, {}).items())
    return words.clean(f"{name}, {runs}" if runs else name)
