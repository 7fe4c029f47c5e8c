"""What a spec says of gates, as the plain values that a plan carries to the judge and to signals. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import assert_never

from crossfade.release.shape import Shape
from crossfade.spec import (
    AccessLog,
    AlarmsGate,
    Aws,
    CloudWatchSignals,
    CounterNames,
    ErrorsGate,
    Gate,
    KpiGate,
    LatencyGate,
    MetricGate,
    PrometheusSignals,
    ScrapeSignals,
    Signals,
    Spec,
    UnhealthyGate,
)

READS_TRAFFIC = ErrorsGate | LatencyGate | KpiGate | MetricGate
"""Gates that say nothing while the candidate takes no traffic."""


def judging(spec: Spec, shape: Shape, gates: Sequence[Gate], false_stops: float) -> Mapping[str, object]:
    """The judge's header without history, who counts, and what the gates beside the judge need."""
    bakes = (*(rung.bake for rung in shape.rungs), shape.keep)
    return {
        "alpha": false_stops,
        "preset": spec.judging.preset.value,
        "warm_up_s": spec.judging.warm_up.total_seconds(),
        "bake_s": sum(bakes, timedelta()).total_seconds(),
        "weight": shape.rungs[0].weight / 1000,
        "gates": {gate.name: said for gate in gates if (said := _judged(gate))},
        "source": source_of(spec.signals),
        **({} if spec.aws is None else {"aws": _account(spec.aws)}),
        "kpi": {gate.name: _kpi(gate) for gate in gates if isinstance(gate, KpiGate)},
        "metrics": {gate.name: _metric(gate) for gate in gates if isinstance(gate, MetricGate)},
        "unhealthy": {gate.name: _unhealthy(gate) for gate in gates if isinstance(gate, UnhealthyGate)},
        "alarms": {gate.name: _alarms(gate) for gate in gates if isinstance(gate, AlarmsGate)},
    }


def _account(aws: Aws) -> Mapping[str, object]:
    """Where alarms and metrics by name are."""
    return {"account": aws.account, "region": aws.region, "endpoint": aws.endpoint}


def _judged(gate: Gate) -> Mapping[str, object] | None:
    """A gate that the judge compares; None for one of another kind."""
    match gate:
        case ErrorsGate():
            return {
                "at_most": gate.at_most,
                "ignore_below": gate.ignore_below,
                "must_see": gate.must_see,
                "max": gate.max,
                "mode": gate.mode.value,
            }
        case LatencyGate():
            return {
                "at_most": gate.at_most,
                "at": list(gate.at),
                "must_see": gate.must_see,
                "max": [[at, limit.total_seconds() * 1000] for at, limit in gate.max],
                "mode": gate.mode.value,
            }
        case KpiGate():
            return {
                "at_most": gate.at_most,
                "ignore_below": gate.ignore_below,
                "must_see": gate.must_see,
                "mode": gate.mode.value,
            }
        case UnhealthyGate() | AlarmsGate() | MetricGate():
            return None
        case _:
            assert_never(gate)


def source_of(source: Signals) -> Mapping[str, object]:
    """Who counts, as a plan carries it."""
    match source:
        case AccessLog():
            return {"kind": "access_log"}
        case CloudWatchSignals():
            return {"kind": "cloudwatch", "settle_s": source.settle.total_seconds()}
        case ScrapeSignals():
            own = {"path": source.path, "every_s": source.every.total_seconds(), "port": source.port}
            return {"kind": "scrape", **own, **_names(source.names)}
        case PrometheusSignals():
            own = {"url": source.url, "every_s": source.every.total_seconds()}
            sides = {"stable": source.stable, "candidate": source.candidate}
            return {"kind": "prometheus", **own, **sides, **_names(source.names)}
        case _:
            assert_never(source)


def _names(names: CounterNames) -> Mapping[str, str]:
    return {"requests": names.requests, "errors": names.errors, "latency": names.latency}


def _kpi(gate: KpiGate) -> Mapping[str, object]:
    return {
        "total": gate.total,
        "part": gate.part,
        "part_is_failure": gate.part_is_failure,
        "dimensions": dict(gate.dimensions),
    }


def _metric(gate: MetricGate) -> Mapping[str, object]:
    return {
        "metric": gate.metric,
        "stat": gate.stat,
        "max": gate.max,
        "min": gate.min,
        "hold_for_s": gate.hold_for.total_seconds(),
        "dimensions": dict(gate.dimensions),
    }


def _unhealthy(gate: UnhealthyGate) -> Mapping[str, object]:
    memory = {} if gate.memory is None else {"memory_bytes": gate.memory}
    return {"max": gate.max, "hold_for_s": gate.hold_for.total_seconds(), **memory}


def _alarms(gate: AlarmsGate) -> Sequence[object]:
    """URLs as they are; an alarm of CloudWatch under its name."""
    return [*gate.urls, *({"name": name} for name in gate.names)]
