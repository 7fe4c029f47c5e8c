"""Why an alarm is in its state, in the kind of words and the kind of JSON that CloudWatch writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossfade.twin.cloudwatch.api import moment
from crossfade.twin.cloudwatch.judging import Judged, Settings, State

CREATED: Final = "Unchecked: Initial alarm creation"

_COMPARED: Final = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
_TREATED: Final = {
    "breaching": "Breaching",
    "notBreaching": "NonBreaching",
    "missing": "Missing",
    "ignore": "Ignored",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an evaluation saw. `points` are those of the whole reach, oldest first."""

    at: float
    start: int
    period: int
    points: Sequence[float | None]
    samples: Sequence[float | None]
    statistic: str | None
    unit: str | None
    to_alarm_given: bool

    def when(self, place: int) -> int:
        return self.start + place * self.period


def sentence(state: State, judged: Judged, settings: Settings, seen: Evidence) -> str:
    """The StateReason of a metric alarm that went into `state`."""
    if state == "INSUFFICIENT_DATA":
        unknown = judged.filled or 1
        return f"Insufficient Data: {_some(unknown, 'datapoint')} {_be(unknown)} unknown."
    if not judged.used:
        return (
            f"Threshold Crossed: no datapoints were received for {_some(settings.periods, 'period')} and "
            f"{_filled(judged, settings)}."
        )
    counted = [
        place for place in judged.used if settings.breaches(seen.points[place] or 0.0) == (state == "ALARM")
    ]
    if not counted:
        there = len(judged.used)
        return (
            f"Threshold Crossed: {_some(there, 'datapoint')} {_be(there)} received for "
            f"{_some(settings.periods, 'period')} and {_filled(judged, settings)}."
        )
    return _crossed(state, counted, judged, settings, seen)


def _crossed(state: State, counted: list[int], judged: Judged, settings: Settings, seen: Evidence) -> str:
    values = ", ".join(f"{seen.points[p]} ({moment(seen.when(p)):%d/%m/%y %H:%M:%S})" for p in counted)
    size = f"{len(counted)} out of the last {settings.periods} datapoints"
    if not seen.to_alarm_given:
        size = _some(len(counted), "datapoint")
    negated = "" if state == "ALARM" else "not "
    text = (
        f"Threshold Crossed: {size} [{values}] {_be(len(counted))} {negated}{_COMPARED[settings.comparison]} "
        f"the threshold ({settings.threshold})"
    )
    if judged.filled and settings.missing in {"breaching", "notBreaching"}:
        text += f" and {_filled(judged, settings)}"
    if seen.to_alarm_given:
        least = settings.to_alarm if state == "ALARM" else settings.periods - settings.to_alarm + 1
        way = "OK -> ALARM" if state == "ALARM" else "ALARM -> OK"
        text += f" (minimum {_some(least, 'datapoint')} for {way} transition)"
    return f"{text}."


def _filled(judged: Judged, settings: Settings) -> str:
    return (
        f"{_some(judged.filled, 'missing datapoint')} {_be(judged.filled)} treated as "
        f"[{_TREATED[settings.missing]}]"
    )


def _some(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _be(number: int) -> str:
    return "was" if number == 1 else "were"


def data(judged: Judged, settings: Settings, seen: Evidence) -> str:
    """The StateReasonData of a metric alarm."""
    found: dict[str, Any] = {"version": "1.0", "queryDate": stamp(seen.at)}
    if judged.used:
        found["startDate"] = stamp(seen.when(judged.used[-1]))
    if seen.unit is not None:
        found["unit"] = seen.unit
    if seen.statistic is not None:
        found |= {"statistic": seen.statistic, "period": seen.period}
    found["recentDatapoints"] = [seen.points[place] for place in reversed(judged.used)]
    found["threshold"] = settings.threshold
    found["evaluatedDatapoints"] = [_evaluated(place, seen) for place in _looked_at(judged, settings, seen)]
    return json.dumps(found)


def _looked_at(judged: Judged, settings: Settings, seen: Evidence) -> list[int]:
    """The points that were used, and the newest missing ones in place of those that lack."""
    missing = [place for place in range(len(seen.points) - 1, -1, -1) if seen.points[place] is None]
    return sorted([*judged.used, *missing[: judged.filled]], reverse=True)[: settings.periods]


def _evaluated(place: int, seen: Evidence) -> dict[str, Any]:
    point: dict[str, Any] = {"timestamp": stamp(seen.when(place))}
    if place < len(seen.samples) and seen.samples[place] is not None:
        point["sampleCount"] = seen.samples[place]
    if seen.points[place] is not None:
        point["value"] = seen.points[place]
    return point


def stamp(at: float) -> str:
    """A time as CloudWatch writes it inside of JSON."""
    return moment(at).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def of_child(arn: str, state: State, at: float) -> str:
    """Why a composite alarm changed: the child that moved it."""
    when = moment(at)
    return f"{arn} transitioned to {state} at {when:%A} {when.day} {when:%B, %Y %H:%M:%S} UTC"


def of_rule(arn: str, state: State, *, created: bool) -> str:
    """Why a composite alarm has its state when no child has moved."""
    return f"{arn} was {'created' if created else 'updated'} and its alarm rule evaluates to {state}"


def triggering(children: Sequence[tuple[str, State, float]]) -> str:
    """The StateReasonData of a composite alarm: children by ARN, state and since when."""
    return json.dumps(
        {
            "triggeringAlarms": [
                {"arn": arn, "state": {"value": state, "timestamp": stamp(at)}} for arn, state, at in children
            ]
        }
    )
