"""The examination as a person reads it, and as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crossfade.doctor.check import Check, State

_WIDTH = max(len(state) for state in State)


def lines(title: str, checks: Sequence[Check]) -> list[str]:
    """A line a check; why and fix under those that are not good."""
    names = max((len(one.name) for one in checks), default=0)
    said = [title, ""]
    for one in checks:
        head = f"{one.state:<{_WIDTH}}  {one.name:<{names}}  "
        said.append(f"{head}{f'{one.id} ' if one.id else ''}{one.said}")
        if one.state is not State.OK:
            inset = " " * len(head)
            said += [f"{inset}{word}  {text}" for word, text in (("why", one.why), ("fix", one.fix)) if text]
    return [*said, "", _summary(checks)]


def _summary(checks: Sequence[Check]) -> str:
    counted = [(sum(one.state is state for one in checks), word) for state, word in _WORDS]
    return ", ".join(f"{number} {word}" for number, word in counted if number)


_WORDS = (
    (State.OK, "ok"),
    (State.WARN, "to be mended"),
    (State.FAIL, "in the way of a release"),
    (State.UNKNOWN, "not checked"),
)


def data(service: str, checks: Sequence[Check], code: int) -> Mapping[str, object]:
    """The same as JSON has it; absent fields left out."""
    return {"service": service, "exit_code": code, "checks": [_data(one) for one in checks]}


def _data(one: Check) -> Mapping[str, str]:
    state = {State.FAIL: "fail", State.UNKNOWN: "not_checked"}.get(one.state, one.state.value)
    fields = {
        "name": one.name,
        "state": state,
        "id": one.id,
        "what": one.said,
        "why": one.why,
        "fix": one.fix,
    }
    return {key: value for key, value in fields.items() if value}
