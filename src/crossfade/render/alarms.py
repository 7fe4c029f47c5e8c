"""
Alarms for a service behind two target groups, as values of CloudFormation's `AWS::CloudWatch::Alarm`.

Colours alternate with every release, so no alarm is about "the new group": each reads both, and is the
same before, during and after a release. Shares of failed requests are added up over both groups; p99
cannot be added up, so the worse group counts, provided that it had enough requests. A mean by traffic
would hide a slow candidate behind nine parts of a quick stable.

LIMITS: load balancers' metrics come by the minute, minutes late. Such alarms page people and hold a
release back; they are too slow to be its only gate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossfade.render.alarm_limits import WINDOWS, Limit, Past, Window, limit

ELB: Final = "AWS/ApplicationELB"

FLOOR: Final = 20
"""Requests of both groups in a period before a share of failures is believed: 1 of 3 is no outage."""

P99_FLOOR: Final = 300
"""Requests of one group in a period before its p99 is believed: three of them are then slower."""

LEAST_FAILED: Final = 1.0
USUAL_FAILED: Final = 5.0
"""Percent of requests."""

LEAST_P99_S: Final = 0.1
USUAL_P99_S: Final = 1.0

_MINUTES: Final = WINDOWS[0]
_NOT_THERE: Final = "Missing data is not breaching: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two target groups behind one load balancer, as CloudWatch's dimensions name them."""

    service: str
    balancer: str
    """`app/NAME/ID`."""
    blue: str
    """`targetgroup/NAME/ID`."""
    green: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What an alarm computes: the queries, of which the one called `watched` is the figure itself."""

    name: str
    queries: tuple[Mapping[str, Any], ...]
    window: Window
    floor: int
    """Requests that a period must have to be believed."""
    least: float
    usual: float
    """The lowest limit there is, and the one where the past says nothing."""
    requests: Mapping[str, Any]
    """Counts those requests; asked of the past only, where the alarm itself does not read it."""

    @property
    def of_the_past(self) -> list[dict[str, Any]]:
        """The queries of GetMetricData: the figure and its requests are returned, the rest is on the way."""
        asked = {query["Id"]: query for query in (*self.queries, self.requests)}
        shown = {"watched", "requests"}
        return [{**query, "ReturnData": name in shown} for name, query in asked.items()]


def failed(pair: Pair) -> Watched:
    """
    Percent of requests that failed, over both groups together.

    Answers 5xx and refused connections of targets: both are counted by target group, so neighbours on
    the load balancer are not in it.
    """
    groups = (("b", pair.blue), ("g", pair.green))
    counts = [
        _stat(f"{name}_{short}", metric, _dimensions(pair, group))
        for short, group in groups
        for name, metric in (
            ("errors", "HTTPCode_Target_5XX_Count"),
            ("refused", "TargetConnectionErrorCount"),
            ("requests", "RequestCount"),
        )
    ]
    requests = _math("requests", _sum("requests_b", "requests_g"))
    return Watched(
        name="5xx",
        window=_MINUTES,
        floor=FLOOR,
        least=LEAST_FAILED,
        usual=USUAL_FAILED,
        requests=requests,
        queries=(
            *counts,
            _math("failed", _sum("errors_b", "errors_g", "refused_b", "refused_g")),
            requests,
            _share("failed", "requests", "failed requests, %"),
        ),
    )


def balancer_failed(pair: Pair) -> Watched:
    """Percent of requests that the load balancer itself answered 5xx, of all its services."""
    own = _stat("own", "HTTPCode_ELB_5XX_Count", _dimensions(pair))
    taken = _stat("taken", "RequestCount", _dimensions(pair))
    # RequestCount leaves out what no target was chosen for, and that is what fails here.
    requests = _math("requests", _sum("taken", "own"))
    return Watched(
        name="balancer-5xx",
        window=_MINUTES,
        floor=FLOOR,
        least=LEAST_FAILED,
        usual=USUAL_FAILED,
        requests=requests,
        queries=(
            own,
            taken,
            _math("failed", _sum("own")),
            requests,
            _share("failed", "requests", "answered 5xx by the load balancer, %"),
        ),
    )


def p99(pair: Pair, window: Window) -> Watched:
    """The worse group's p99 in seconds, of those that had enough requests; 0 where neither had."""
    parts = []
    for short, group in (("b", pair.blue), ("g", pair.green)):
        of = _dimensions(pair, group)
        parts += [
            _stat(f"requests_{short}", "RequestCount", of, "Sum", window.period_s),
            _stat(f"p99_{short}", "TargetResponseTime", of, "p99", window.period_s),
            _math(f"slow_{short}", f"IF(FILL(requests_{short},0) >= {P99_FLOOR}, FILL(p99_{short},0), 0)"),
        ]
    return Watched(
        name="p99",
        window=window,
        floor=P99_FLOOR,
        least=LEAST_P99_S,
        usual=USUAL_P99_S,
        # Not the sum: a group is believed for its own requests only.
        requests=_math("requests", "MAX([FILL(requests_b,0),FILL(requests_g,0)])"),
        queries=(*parts, _math("watched", "MAX([slow_b,slow_g])", "p99 of the worse group, s")),
    )


def limit_of(watched: Watched, past: Past | None) -> Limit:
    """Where this alarm fires, from what its own figure was."""
    return limit(past, watched.window, least=watched.least, usual=watched.usual, requests=watched.floor)


def unhealthy(pair: Pair, colour: str) -> dict[str, Any]:
    """Hosts of one group that fail their health checks. An empty group has no such metric."""
    group = pair.blue if colour == "blue" else pair.green
    said = (
        f"{pair.service}: hosts of the {colour} target group fail their health checks, for {_MINUTES.said}. "
        "Each group has its own alarm, so it does not matter which colour serves. "
        f"{_NOT_THERE}a group without targets, as the idle one mostly is, has none."
    )
    return {
        "AlarmName": f"{pair.service}-unhealthy-{colour}",
        "AlarmDescription": said,
        "Namespace": ELB,
        "MetricName": "UnHealthyHostCount",
        "Dimensions": _dimensions(pair, group),
        "Statistic": "Maximum",
        "Period": _MINUTES.period_s,
        **_fires(0.0, _MINUTES),
    }


def failed_alarm(pair: Pair, at: Limit) -> dict[str, Any]:
    said = (
        f"{pair.service}: more than {at.value:g} % of requests failed in {_MINUTES.said} ({at.because}). "
        "Both target groups are added up, so colours may alternate; refused connections count as failures. "
        f"Below {FLOOR} requests a minute it stays OK: one failure of three is no outage. "
        f"{_NOT_THERE}error counts exist only where there were errors."
    )
    return _alarm(failed(pair), f"{pair.service}-5xx", said, at)


def balancer_alarm(pair: Pair, at: Limit) -> dict[str, Any]:
    said = (
        f"{pair.service}: its load balancer itself answered more than {at.value:g} % of requests 5xx in "
        f"{_MINUTES.said} ({at.because}): time-outs, and groups without targets. AWS does not count these by "
        f"target group: ALL SERVICES OF THIS LOAD BALANCER are in it. Below {FLOOR} requests a minute it "
        f"stays OK. {_NOT_THERE}the count exists only where there were such answers."
    )
    return _alarm(balancer_failed(pair), f"{pair.service}-balancer-5xx", said, at)


def p99_alarm(pair: Pair, at: Limit, window: Window, enough: float | None) -> dict[str, Any]:
    """`enough`: the part of the past in which there were enough requests; None where it is not known."""
    blind = "" if enough is None else f", as in {100 * (1 - enough):.0f} % of the past periods"
    said = (
        f"{pair.service}: p99 above {at.value:g} s in {window.said} ({at.because}). "
        "The worse of both target groups counts, so colours may alternate and a slow candidate of 10 % "
        f"shows; a mean by traffic would hide it. A group with fewer than {P99_FLOOR} requests in a period "
        f"counts as 0{blind}: its p99 is one request. CloudWatch's own answer to few samples (ignore) would "
        f"keep the last state, which looks like OK. {_NOT_THERE}without requests there are no times."
    )
    return _alarm(p99(pair, window), f"{pair.service}-p99", said, at)


def _alarm(watched: Watched, name: str, said: str, at: Limit) -> dict[str, Any]:
    return {
        "AlarmName": name,
        "AlarmDescription": said,
        "Metrics": [dict(query) for query in watched.queries],
        **_fires(at.value, watched.window),
    }


def _fires(limit: float, window: Window) -> dict[str, Any]:
    return {
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": limit,
        "EvaluationPeriods": window.looked_at,
        "DatapointsToAlarm": window.needed,
        "TreatMissingData": "notBreaching",
    }


def _share(part: str, whole: str, label: str) -> dict[str, Any]:
    return _math("watched", f"IF({whole} >= {FLOOR}, 100 * {part} / {whole}, 0)", label)


def _sum(*ids: str) -> str:
    """Filled one by one: a count that is missing is a zero, and must not take the others with it."""
    return f"SUM([{','.join(f'FILL({one},0)' for one in ids)}])"


def _math(name: str, expression: str, label: str | None = None) -> dict[str, Any]:
    shown = {} if label is None else {"Label": label}
    return {"Id": name, "Expression": expression, **shown, "ReturnData": label is not None}


def _stat(
    name: str,
    metric: str,
    dimensions: list[dict[str, str]],
    stat: str = "Sum",
    period_s: int = _MINUTES.period_s,
) -> dict[str, Any]:
    what = {"Namespace": ELB, "MetricName": metric, "Dimensions": dimensions}
    return {"Id": name, "MetricStat": {"Metric": what, "Period": period_s, "Stat": stat}, "ReturnData": False}


def _dimensions(pair: Pair, group: str | None = None) -> list[dict[str, str]]:
    named = [{"Name": "LoadBalancer", "Value": pair.balancer}]
    return named if group is None else [{"Name": "TargetGroup", "Value": group}, *named]


def template(alarms: Sequence[Mapping[str, Any]], service: str) -> dict[str, Any]:
    """A CloudFormation template of these alarms; whom they tell is its one parameter."""
    told = {"Fn::If": ["Told", [{"Ref": "Topic"}], {"Ref": "AWS::NoValue"}]}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Alarms of {service}, the same whichever of its two target groups serves.",
        "Parameters": {
            "Topic": {
                "Type": "String",
                "Default": "",
                "Description": "ARN of the SNS topic to tell; empty: none, a release reads them anyhow.",
            }
        },
        "Conditions": {"Told": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Topic"}, ""]}]}},
        "Resources": {
            _logical(str(alarm["AlarmName"]), service): {
                "Type": "AWS::CloudWatch::Alarm",
                "Properties": {**alarm, "AlarmActions": told, "OKActions": told},
            }
            for alarm in alarms
        },
    }


def _logical(name: str, service: str) -> str:
    """`shop-balancer-5xx` is `AlarmBalancer5xx`: CloudFormation takes letters and digits only."""
    return "Alarm" + "".join(
        word[:1].upper() + word[1:] for word in name.removeprefix(f"{service}-").split("-")
    )
