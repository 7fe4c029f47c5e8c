"""Two traces side by side: calls, the fields of their answers, states in their order, figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

Trace = Mapping[str, Any]


def compare(mine: Trace, other: Trace) -> list[str]:
    """Lines for a person; those that begin with `differs` are what one of the two does not do."""
    said = [f"mine   {_where(mine)}", f"other  {_where(other)}", ""]
    theirs = {one["name"]: one for one in other["steps"]}
    for step in mine["steps"]:
        there = theirs.pop(step["name"], None)
        if there is None:
            said.append(f"differs  {step['name']}: only in mine")
            continue
        said.append(f"{step['name']:<9}{_seconds(step)} | {_seconds(there)}")
        said += [f"  {line}" for line in _step(step, there)]
    said += [f"differs  {name}: only in the other" for name in theirs]
    return said


def differences(lines: Sequence[str]) -> int:
    """How many of the lines tell of one."""
    return sum(line.lstrip().startswith("differs") for line in lines)


def _where(trace: Trace) -> str:
    where = trace["where"]
    how = f"twin, preset {where['preset']}, clock x{where['factor']:g}" if where["kind"] == "twin" else "AWS"
    return f"{how}, {where['region']}"


def _seconds(step: Mapping[str, Any]) -> str:
    took = step["took_s"]
    return "not ended" if took is None else f"{took:.1f} s" + (" FAILED" if step.get("failed") else "")


def _step(mine: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    if (ours := _actions(mine)) != (theirs := _actions(other)):
        yield f"differs  calls: {' '.join(ours)} | {' '.join(theirs)}"
    shapes, others = _shapes(mine), _shapes(other)
    for action in sorted(shapes.keys() & others.keys()):
        for whose, fields in (
            ("mine", shapes[action] - others[action]),
            ("the other", others[action] - shapes[action]),
        ):
            if fields:
                yield f"differs  {action} answers only in {whose}: {', '.join(sorted(fields))}"
    for what in dict.fromkeys((*_states(mine), *_states(other))):
        ours, theirs = _states(mine).get(what, ()), _states(other).get(what, ())
        word = "states " if ours == theirs else "differs"
        yield f"{word}  {what}: {_chain(ours)} | {_chain(theirs)}"
    for name in dict.fromkeys((*mine["figures"], *other["figures"])):
        yield f"figure   {name}: {_said(mine, name)} | {_said(other, name)}"


def _actions(step: Mapping[str, Any]) -> tuple[str, ...]:
    """In order; what is polled counts once, and what was tried again too."""
    return tuple(action for action, _ in groupby(call["action"] for call in step["calls"]))


def _shapes(step: Mapping[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for call in step["calls"]:
        if not call["code"]:
            found.setdefault(call["action"], set()).update(call["shape"])
    return found


def _states(step: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for one in step["states"]:
        found[one["what"]] = (*found.get(one["what"], ()), one["state"])
    return found


def _chain(states: Sequence[str]) -> str:
    return " > ".join(states) or "none"


def _said(step: Mapping[str, Any], name: str) -> str:
    value = step["figures"].get(name, "-")
    return f"{value:g}" if isinstance(value, float) else str(value)
