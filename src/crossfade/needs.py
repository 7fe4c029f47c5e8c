"""
What one service's releases call on AWS, gathered from whoever declares it: platform, signals, state.

`render iam` writes the policy of it and `doctor` asks for each call; nothing is called here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from crossfade.aws.permissions import Call, Condition
from crossfade.spec import AlarmsGate, AlbPlatform, MetricGate, NoGates, Spec
from crossfade.spec.places import S3Place

OUR_TAGS: Final = Condition(operator="ForAllValues:StringLike", key="aws:TagKeys", values=("crossfade:*",))
"""Tags of the groups that are not ours stay as they are (R10)."""

_TAGGING: Final = "AddTags"


def calls(spec: Spec) -> tuple[Call, ...]:
    """Every call, each once; none for a service that has nothing on AWS."""
    found: list[Call] = []
    if isinstance(spec.platform, AlbPlatform):
        from crossfade.platforms.alb.calls import calls as of_alb  # noqa: PLC0415  # only what is used
        from crossfade.platforms.alb.model import site_of_spec  # noqa: PLC0415

        found += of_alb(site_of_spec(spec))
    found += _of_gates(spec)
    if isinstance(spec.state, S3Place):
        from crossfade.engine.s3.declared import calls as of_s3  # noqa: PLC0415

        found += of_s3(spec.state)
    return tuple(dict.fromkeys(map(_narrowed, found)))


def _of_gates(spec: Spec) -> tuple[Call, ...]:
    """What gates ask of CloudWatch beside the counts: alarms by name, and single metrics."""
    gates = () if isinstance(spec.gates, NoGates) else spec.gates
    named = any(isinstance(gate, AlarmsGate) and gate.names for gate in gates)
    measured = any(isinstance(gate, MetricGate) for gate in gates)
    return (
        *((Call(service="cloudwatch", action="DescribeAlarms"),) if named else ()),
        *((Call(service="cloudwatch", action="GetMetricData"),) if measured else ()),
    )


def _narrowed(call: Call) -> Call:
    tags = call.service == "elbv2" and call.action == _TAGGING
    return replace(call, given=(*call.given, OUR_TAGS)) if tags and OUR_TAGS not in call.given else call


def region(spec: Spec) -> str:
    """Where the calls are made; empty for a service that has nothing on AWS."""
    if spec.aws is not None:
        return spec.aws.region
    return spec.state.region if isinstance(spec.state, S3Place) else ""
