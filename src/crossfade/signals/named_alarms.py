"""
Alarms of CloudWatch by name, of metrics and composite ones: all that anybody asks for, a hundred a call.

Four answers are told apart (R24): OK; ALARM; INSUFFICIENT_DATA; there is no such alarm. A call that fails
is none of them. Each is asked at most every `EVERY` of clock time, for all gates of all releases together:
AWS allows few such calls, and its own deployments live on the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

from crossfade.aws import calling
from crossfade.errors import CrossfadeError
from crossfade.release.values import Instant

EVERY: Final = timedelta(seconds=10)
"""Clock time between two questions; AWS itself looks at most alarms once a minute."""

FORGOTTEN: Final = timedelta(minutes=15)
"""An alarm that no gate has asked for in so long is not asked about any more."""

MOST: Final = 100
"""Names in one call; AWS's limit."""

MISSING: Final = ""
"""The state of an alarm that there is not."""


class Clients(Protocol):
    """Where boto3's clients come from: `crossfade.aws.Door`."""

    def client(self, service: str) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What CloudWatch says of one alarm."""

    state: str
    """OK, ALARM, INSUFFICIENT_DATA, or `MISSING`."""
    reason: str = ""


class NamedAlarms:
    """Answers for names; one object for all gates of a process."""

    def __init__(self, door: Clients) -> None:
        self._door = door
        self._wanted: dict[str, Instant] = {}
        self._known: dict[str, Stated] = {}
        self._asked: Instant | None = None
        self._error: CrossfadeError | None = None

    def ask(self, names: Iterable[str], now: Instant) -> tuple[Mapping[str, Stated], Instant]:
        """What is known of these alarms, and since when. Raises `CrossfadeError` while the question fails."""
        names = tuple(names)
        self._wanted |= dict.fromkeys(names, now)
        self._wanted = {name: at for name, at in self._wanted.items() if at > now - FORGOTTEN}
        new = any(name not in self._known for name in names)
        due = self._asked is None or now - self._asked >= EVERY or (new and self._error is None)
        if due:
            self._asked = now
            try:
                self._known = self._described(tuple(self._wanted))
                self._error = None
            except CrossfadeError as error:
                self._error = error
        if self._error is not None:
            raise self._error
        assert self._asked is not None  # noqa: S101  # it has just been set, or was
        return {name: self._known[name] for name in names}, self._asked

    def _described(self, names: Sequence[str]) -> dict[str, Stated]:
        found = {name: Stated(state=MISSING) for name in names}
        for first in range(0, len(names), MOST):
            asked: dict[str, Any] = {
                "AlarmNames": list(names[first : first + MOST]),
                "AlarmTypes": ["MetricAlarm", "CompositeAlarm"],
                "MaxRecords": MOST,
            }
            while True:
                with calling("cloudwatch", "DescribeAlarms"):
                    said = self._door.client("cloudwatch").describe_alarms(**asked)
                for alarm in (*said.get("MetricAlarms", ()), *said.get("CompositeAlarms", ())):
                    found[alarm["AlarmName"]] = Stated(
                        state=alarm.get("StateValue") or MISSING, reason=alarm.get("StateReason") or ""
                    )
                if not said.get("NextToken"):
                    break
                asked["NextToken"] = said["NextToken"]
        return found
