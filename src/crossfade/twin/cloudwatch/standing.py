"""One alarm as it stands: its definition, its state and when it is looked at next."""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import dataclass, field
from typing import Any, Final

from crossfade.twin.cloudwatch.alarms import CompositeAlarm, Definition, MetricAlarm
from crossfade.twin.cloudwatch.api import moment
from crossfade.twin.cloudwatch.judging import State
from crossfade.twin.cloudwatch.reasons import CREATED, stamp

COMPOSITE_AFTER_S: Final = 1.0  # a composite alarm is evaluated so soon after it was put


@dataclass(slots=True, kw_only=True)
class Standing:
    """Mutable: the book alone changes it, under its lock."""

    definition: Definition
    arn: str
    configured_at: float
    updated_at: float
    transitioned_at: float
    actions_enabled: bool = True
    tags: dict[str, str] = field(default_factory=dict)
    state: State = "INSUFFICIENT_DATA"
    reason: str = CREATED
    reason_data: str | None = None
    failed: str | None = None  # why the last evaluation came to nothing

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def kind(self) -> str:
        return "MetricAlarm" if isinstance(self.definition, MetricAlarm) else "CompositeAlarm"

    @property
    def step(self) -> int:
        """Seconds between two evaluations; 10 for a high-resolution alarm."""
        fine = isinstance(self.definition, MetricAlarm) and self.definition.period < 60
        return 10 if fine else 60

    def due_after(self, now: float) -> float:
        """The next evaluation: each alarm has its own second of the minute, always the same."""
        if isinstance(self.definition, CompositeAlarm):
            return now + COMPOSITE_AFTER_S
        phase = zlib.crc32(self.name.encode()) % self.step
        return math.floor((now - phase) / self.step) * self.step + self.step + phase

    def described(self) -> dict[str, Any]:
        """As DescribeAlarms shows it."""
        shown = {
            **self.definition.shown,
            "AlarmArn": self.arn,
            "AlarmConfigurationUpdatedTimestamp": moment(self.configured_at),
            "ActionsEnabled": self.actions_enabled,
            "StateValue": self.state,
            "StateReason": self.failed or self.reason,
            "StateUpdatedTimestamp": moment(self.updated_at),
            "StateTransitionedTimestamp": moment(self.transitioned_at),
        }
        if self.reason_data is not None:
            shown["StateReasonData"] = self.reason_data
        if self.failed is not None:
            shown["EvaluationState"] = "EVALUATION_ERROR"
        return shown

    def remembered(self) -> dict[str, Any]:
        """The state, as the history's JSON keeps it."""
        found: dict[str, Any] = {"stateValue": self.state, "stateReason": self.reason}
        if self.reason_data is not None:
            found["stateReasonData"] = json.loads(self.reason_data)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One entry of an alarm's history."""

    alarm: str
    kind: str
    at: float
    item: str
    summary: str
    data: str

    def described(self) -> dict[str, Any]:
        return {
            "AlarmName": self.alarm,
            "AlarmType": self.kind,
            "Timestamp": moment(self.at),
            "HistoryItemType": self.item,
            "HistorySummary": self.summary,
            "HistoryData": self.data,
        }


def configured(standing: Standing, what: str, at: float) -> Past:
    """A ConfigurationUpdate; `what` is created, updated or deleted."""
    shown = {key: value for key, value in standing.definition.shown.items() if key != "Metrics"}
    data = {
        "version": "1.0",
        "type": {"created": "Create", "updated": "Update", "deleted": "Delete"}[what],
        "timestamp": stamp(at),
        f"{what}Alarm": {"alarmArn": standing.arn, **shown},
    }
    return Past(
        alarm=standing.name,
        kind=standing.kind,
        at=at,
        item="ConfigurationUpdate",
        summary=f'Alarm "{standing.name}" {what}',
        data=json.dumps(data, default=str),
    )
