"""
`signals:` and gates under names of one's own: from the form to values, and from values to text.

`build.py` and `resolved.py` do the same for the rest of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, assert_never

from crossfade.spec import units
from crossfade.spec.aws_models import AlbPlatform
from crossfade.spec.fields import Form
from crossfade.spec.models import AlarmsGate, Platform
from crossfade.spec.signal_forms import CustomGateForm, SignalsForm
from crossfade.spec.signal_models import (
    PER_GROUP,
    AccessLog,
    CloudWatchSignals,
    CounterNames,
    KpiGate,
    MetricGate,
    Mode,
    PrometheusSignals,
    ScrapeSignals,
    Signals,
)

Quoted = Callable[[str], str]
Tree = dict[str, Any]


def signals(form: SignalsForm | None, platform: Platform) -> Signals:
    """Who counts; without a word it is who can on this platform without being asked."""
    if form is None:
        return CloudWatchSignals() if isinstance(platform, AlbPlatform) else AccessLog()
    if form.prometheus is not None:
        given = {"url": "", "stable": "", "candidate": "", **_written(form.prometheus)}
        return PrometheusSignals(**_named(given))
    if form.scrape is not None:
        return ScrapeSignals(**_named(_written(form.scrape)))
    if form.cloudwatch is not None:
        return CloudWatchSignals(**_written(form.cloudwatch))
    return AccessLog()


def gate(name: str, form: CustomGateForm, source: Signals) -> AlarmsGate | KpiGate | MetricGate:
    """The kind of gate that is written; alarms where nothing is."""
    mode = Mode(form.mode or Mode.STOP)
    given = _written(form)
    if form.total is not None or form.success is not None or form.failure is not None:
        taken = ("at_most", "ignore_below", "must_see")
        usual = PER_GROUP if isinstance(source, CloudWatchSignals) else ()
        return KpiGate(
            name=name,
            total=form.total or "",
            part=form.success or form.failure or "",
            part_is_failure=form.success is None,
            dimensions=usual if form.dimensions is None else tuple(sorted(form.dimensions.items())),
            mode=mode,
            **{key: given[key] for key in taken if key in given},
        )
    if form.metric is not None:
        limits = ("stat", "max", "min", "hold_for")
        return MetricGate(
            name=name,
            metric=form.metric,
            dimensions=tuple(sorted((form.dimensions or {}).items())),
            mode=mode,
            **{key: given[key] for key in limits if key in given},
        )
    return AlarmsGate(
        name=name,
        urls=tuple(alarm.http for alarm in form.alarms or () if alarm.http is not None),
        names=tuple(
            alarm.name for alarm in form.alarms or () if alarm.http is None and alarm.name is not None
        ),
        mode=mode,
    )


def signals_tree(value: Signals, quoted: Quoted) -> str | Tree:
    """As it is written."""
    match value:
        case AccessLog():
            return "access_log"
        case CloudWatchSignals():
            return {"cloudwatch": {"settle": units.duration_text(value.settle)}}
        case ScrapeSignals():
            port = {} if value.port is None else {"port": str(value.port)}
            own = {"path": quoted(value.path), "every": units.duration_text(value.every), **port}
            return {"scrape": {**own, **_names(value.names, quoted)}}
        case PrometheusSignals():
            sides = {"stable": quoted(value.stable), "candidate": quoted(value.candidate)}
            own = {"url": quoted(value.url), **sides, "every": units.duration_text(value.every)}
            return {"prometheus": {**own, **_names(value.names, quoted)}}
        case _:
            assert_never(value)


def gate_tree(value: AlarmsGate | KpiGate | MetricGate, quoted: Quoted) -> dict[str, Any]:
    """As it is written, without its mode."""
    match value:
        case AlarmsGate():
            urls: list[Any] = [{"http": quoted(url)} for url in value.urls]
            return {"alarms": [*urls, *(quoted(name) for name in value.names)]}
        case KpiGate():
            return {
                "total": quoted(value.total),
                "failure" if value.part_is_failure else "success": quoted(value.part),
                **_dimensions(value.dimensions, quoted),
                "against": "stable",
                "at_most": units.ratio_text(value.at_most),
                "ignore_below": units.percent_text(value.ignore_below),
                "must_see": units.percent_text(value.must_see),
            }
        case MetricGate():
            limits = {"max": value.max, "min": value.min}
            return {
                "metric": quoted(value.metric),
                "stat": quoted(value.stat),
                **{key: units.number_text(limit) for key, limit in limits.items() if limit is not None},
                "for": units.duration_text(value.hold_for),
                **_dimensions(value.dimensions, quoted),
            }
        case _:
            assert_never(value)


def _named(given: dict[str, Any]) -> dict[str, Any]:
    names = {key: given.pop(key) for key in ("requests", "errors", "latency") if key in given}
    return {**given, "names": CounterNames(**names)}


def _names(names: CounterNames, quoted: Quoted) -> dict[str, str]:
    given = {"requests": names.requests, "errors": names.errors, "latency": names.latency}
    return {key: quoted(text) for key, text in given.items() if text}


def _dimensions(dimensions: tuple[tuple[str, str], ...], quoted: Quoted) -> dict[str, Any]:
    return {"dimensions": {quoted(name): quoted(value) for name, value in dimensions}} if dimensions else {}


def _written(form: Form) -> dict[str, Any]:
    given = {name: getattr(form, name) for name in type(form).model_fields}
    return {
        name: float(value) if isinstance(value, Decimal) else value
        for name, value in given.items()
        if value is not None
    }
