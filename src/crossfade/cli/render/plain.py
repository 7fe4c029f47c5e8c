"""
One plain line per event, for CI and for `grep`: a time, who, what, then `key=value`.

Never more than one line an event, whatever a message holds. `heartbeat` says every
30 s that the release lives, with the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from crossfade.cli.render import fields, words
from crossfade.release.plan import Plan
from crossfade.release.values import Event

_BARE = re.compile(r"[\w.%:/+@,-]+", re.ASCII)


def line(entry: fields.EntryLike, plan: Plan) -> str:
    """The event as one line, without its end."""
    event = entry.event
    noun, _, verb = event.type.value.partition(".")
    head = f"{words.stamp(event.ts)} {_name(entry.service)} {words.short(entry.release)}"
    return " ".join((head, noun.upper(), verb, *_pairs(event, plan)))


def heartbeat(note: Mapping[str, object], plan: Plan, now: datetime | None = None) -> str:
    """
    That the release lives, as one line: phase, weight, each gate's evidence, what it waits for, the way back.

    `note` is the live evidence that `tty.Screen.note` takes; `weight` in it is in thousandths.
    The time is `now`, else the look's own (`at`).
    """
    at = words.stamp(now) if now is not None else _at(note)
    said = [f"{at} {_name(plan.service)} {words.short(plan.release)} STILL"]
    said.append(_name(str(note.get("phase") or "running")))
    weight = words.number(note, "weight")
    if weight is not None:
        said.append(f"weight={weight / 10:g}%")
    said += [f"{_name(name)}={_gate(numbers)}" for name, numbers in gates_of(note).items()]
    waits = note.get("waits_for")
    if isinstance(waits, list | tuple) and waits:
        said.append(f"waits={_value('; '.join(str(wait) for wait in waits))}")
    if note.get("way_back"):
        said.append(f"way_back={_value(str(note['way_back']).removeprefix('can go back: '))}")
    return " ".join(said)


def gates_of(note: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """The gates of a note by name: its `gates`, else the verdicts of its `truth`; other shapes left out."""
    gates = note.get("gates")
    if isinstance(gates, Mapping):
        return {str(name): numbers for name, numbers in gates.items() if isinstance(numbers, Mapping)}
    truth = note.get("truth")
    verdicts = truth.get("verdicts") if isinstance(truth, Mapping) else None
    found: dict[str, Mapping[str, object]] = {}
    for verdict in verdicts if isinstance(verdicts, list | tuple) else ():
        if isinstance(verdict, Mapping):
            numbers = verdict.get("numbers")
            kept = numbers if isinstance(numbers, Mapping) else {}
            told = {"say": verdict.get("say"), "window_s": verdict.get("covers")}
            found[str(verdict.get("gate"))] = {**kept, **told}
    return found


def _at(note: Mapping[str, object]) -> str:
    try:
        return words.stamp(datetime.fromisoformat(str(note.get("at"))))
    except ValueError:
        return "-"


def _gate(numbers: Mapping[str, object]) -> str:
    say = _value(numbers.get("say") or numbers.get("verdict") or "unknown")
    done = words.progress(numbers)
    return say if done is None else f"{say}:{done.replace(' ', '')}"


def _pairs(event: Event, plan: Plan) -> Iterator[str]:
    numbers = event.numbers
    if event.step is not None:
        at = fields.place(plan, event.step)
        yield f"step={at[0]}/{at[1]}" if at else f"step={_name(event.step)}"
    if event.weight is not None:
        yield f"weight={event.weight / 10:g}%"
    for name, text in (("gate", event.gate), ("cause", event.cause and event.cause.value)):
        if text is not None:
            yield f"{name}={_value(_own(text, plan))}"
    yield from _numbers(numbers)
    if event.seconds is not None:
        yield f"seconds={event.seconds:.4g}"
    # A verdict's sentence repeats its numbers; where there are none, the sentence is all there is.
    message = event.message if words.number(numbers, "ratio") is None else None
    for name, said in (
        ("key", event.key and _own(event.key, plan)),
        ("verb", event.verb),
        ("actor", event.actor),
        ("reason", event.reason),
        ("message", message),
    ):
        if said:
            yield f"{name}={_value(said)}"


def _numbers(numbers: Mapping[str, object]) -> Iterator[str]:
    at = words.quantile(numbers.get("at"))
    if at is not None:
        yield f"at={_value(at)}"
    for name in ("ratio", "limit"):
        value = words.number(numbers, name)
        if value is not None:
            yield f"{name}={value:.3g}"
    for name in ("n_stable", "n_candidate"):
        value = words.number(numbers, name)
        if value is not None:
            yield f"{name}={value:.0f}"
    evidence, bound = words.number(numbers, "evidence"), words.number(numbers, "bound")
    if evidence is not None:
        yield f"evidence={_evidence(evidence)}" + (f"/{bound:g}" if bound is not None else "")


def _own(text: str, plan: Plan) -> str:
    """A key without the release that begins it: the line has said which."""
    return text.removeprefix(f"{plan.release}:")


def _evidence(value: float) -> str:
    return f"{value:.0f}" if 10 <= value < 1e9 else f"{value:.2g}"


def _name(text: str) -> str:
    return re.sub(r"[\s=\"]+", "_", words.clean(text))


def _value(value: object) -> str:
    r"""Bare where it is one plain word, else in double quotes with `"` and `\` escaped."""
    text = words.clean(value)
    if _BARE.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
