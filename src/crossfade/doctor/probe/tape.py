"""
The trace of a probe: every call with its time and the shape of its answer, states as they changed, figures.

Times are seconds of the clock since the beginning: a twin's may run faster than ours. Values of answers are
not kept, only which fields they had: a trace holds no address and no secret.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from botocore import xform_name  # type: ignore[import-untyped]

from crossfade.aws import calling
from crossfade.aws.failures import code_of
from crossfade.errors import CrossfadeError, PlatformError

VERSION: Final = 1
AGAIN: Final = frozenset({"CF4306", "CF4307"})
"""Throttled, or not answered: the same call may be made again."""

TRIES: Final = 8
_ANONYMOUS: Final = frozenset({"ResponseMetadata"})


class Time:
    """The clock that a probe lives by: `factor` of its seconds pass in one of ours; it says `epoch` now."""

    def __init__(self, factor: float = 1.0, epoch: float | None = None) -> None:
        self.factor = factor
        self._began = time.monotonic()
        self._epoch = time.time() if epoch is None else epoch

    def now(self) -> float:
        """Epoch seconds of it, and never backwards."""
        return self._epoch + (time.monotonic() - self._began) * self.factor

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self.factor)


@dataclass(slots=True, kw_only=True)
class Step:
    """One step's part of the trace."""

    name: str
    began_s: float
    ended_s: float | None = None
    failed: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


class Tape:
    """Records. One thread uses it."""

    def __init__(self, clock: Time, where: Mapping[str, Any]) -> None:
        self.clock = clock
        self._began = clock.now()
        self._where = dict(where)
        self.steps: list[Step] = []

    @property
    def at(self) -> float:
        """Seconds since the beginning."""
        return self.clock.now() - self._began

    def step(self, name: str) -> Step:
        """From now on everything belongs to this one."""
        self.close()
        self.steps.append(Step(name=name, began_s=self.at))
        return self.steps[-1]

    def close(self, failed: str = "") -> None:
        """The step has ended."""
        if self.steps and self.steps[-1].ended_s is None:
            self.steps[-1].ended_s = self.at
            self.steps[-1].failed = failed

    def call(self, client: Any, action: str, **asked: Any) -> Mapping[str, Any]:
        """
        One operation, again where it was throttled or not answered; each try is on the tape.

        Raises `AccessError`, `PlatformError`.
        """
        service, method = str(client.meta.service_model.service_name), getattr(client, xform_name(action))
        for left in reversed(range(TRIES)):
            began = self.clock.now()
            try:
                with calling(service, action):
                    reply: Mapping[str, Any] = method(**asked)
            except CrossfadeError as error:
                code = code_of(error.__cause__) if error.__cause__ is not None else ""
                self._called(service, action, began, code or error.id, ())
                if error.id not in AGAIN or not left:
                    raise
                self.clock.sleep(1.0)
            else:
                self._called(service, action, began, "", tuple(sorted(set(shape(reply)))))
                return reply
        raise AssertionError(action)

    def _called(self, service: str, action: str, began: float, code: str, said: Sequence[str]) -> None:
        call = {
            "action": f"{service}:{action}",
            "at_s": round(began - self._began, 3),
            "ms": round((self.clock.now() - began) * 1000 / self.clock.factor, 1),
            "code": code,
            "shape": list(said),
        }
        self.steps[-1].calls.append(call)

    def saw(self, what: str, state: str) -> None:
        """A state; kept where it is another than before in this step."""
        states = self.steps[-1].states
        last = next((one["state"] for one in reversed(states) if one["what"] == what), None)
        if state != last:
            states.append({"what": what, "state": state, "at_s": round(self.at, 2)})

    def figure(self, name: str, value: float | str | None) -> None:
        """Something that was measured."""
        self.steps[-1].figures[name] = round(value, 3) if isinstance(value, float) else value

    def document(self) -> dict[str, Any]:
        """As the file has it."""
        return {
            "version": VERSION,
            "where": self._where,
            "steps": [
                {
                    "name": one.name,
                    "began_s": round(one.began_s, 2),
                    "took_s": None if one.ended_s is None else round(one.ended_s - one.began_s, 2),
                    **({"failed": one.failed} if one.failed else {}),
                    "calls": one.calls,
                    "states": one.states,
                    "figures": one.figures,
                }
                for one in self.steps
            ],
        }


def shape(value: Any, path: str = "") -> Iterator[str]:
    """The fields that an answer has, without what they say."""
    match value:
        case dict():
            for key, child in value.items():
                if key not in _ANONYMOUS:
                    yield from shape(child, f"{path}.{key}" if path else str(key))
        case list():
            for child in value:
                yield from shape(child, f"{path}[]")
            if not value:
                yield f"{path}[]"
        case _:
            yield path


def refused(error: CrossfadeError, *codes: str) -> bool:
    """Whether AWS refused with one of these codes."""
    return (
        isinstance(error, PlatformError) and error.__cause__ is not None and code_of(error.__cause__) in codes
    )
