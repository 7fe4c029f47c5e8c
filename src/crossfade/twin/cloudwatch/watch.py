"""One look at an alarm's metric: which periods, which points, what they say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crossfade.twin.cloudwatch import queries
from crossfade.twin.cloudwatch.alarms import MetricAlarm
from crossfade.twin.cloudwatch.algebra import Series
from crossfade.twin.cloudwatch.api import ApiError
from crossfade.twin.cloudwatch.judging import Judged, enough, judge, reach
from crossfade.twin.cloudwatch.queries import Metric
from crossfade.twin.cloudwatch.reasons import Evidence
from crossfade.twin.cloudwatch.series import Points, Window, points
from crossfade.twin.cloudwatch.store import Store, Stream


def window(alarm: MetricAlarm, at: float) -> Window:
    """
    Whole periods back from the last full minute (or ten seconds): the window slides with each look,
    whatever the period; the newest period is the one just over.
    """
    step = 60 if alarm.period >= 60 else 10
    end = int(at // step) * step
    back = reach(alarm.settings.periods, alarm.period) * alarm.period
    return Window(start=end - back, end=end, period=alarm.period, now=at)


def look(store: Store, alarm: MetricAlarm, at: float) -> tuple[Judged, Evidence]:
    """Raises `ApiError` where the alarm's expression comes to nothing that an alarm can watch."""
    span = window(alarm, at)
    found = _watched(store, alarm, span)
    of = alarm.of if isinstance(alarm.of, Metric) else None
    samples = points(_streams(store, of), "SampleCount", span) if of else {}
    seen = Evidence(
        at=at,
        start=span.start,
        period=span.period,
        points=_in_order(found, span),
        samples=_in_order(samples, span),
        statistic=of.named if of else None,
        unit=of.unit if of else None,
        to_alarm_given="DatapointsToAlarm" in alarm.shown,
    )
    return judge(seen.points, alarm.settings), seen


def too_few(alarm: MetricAlarm, judged: Judged, seen: Evidence) -> bool:
    """Whether a percentile alarm that ignores low samples should leave its state as it is."""
    if alarm.low_samples is None or not judged.used:
        return False
    return not enough(alarm.low_samples, sum(seen.samples[place] or 0.0 for place in judged.used))


def check(alarm: MetricAlarm, at: float) -> None:
    """Raises `ApiError` for an expression that is no single time series, before the alarm is taken."""
    if not isinstance(alarm.of, Metric):
        _single(alarm, queries.evaluate(alarm.of, lambda _: window(alarm, at), lambda *_: {}))


def _watched(store: Store, alarm: MetricAlarm, span: Window) -> Points:
    if isinstance(alarm.of, Metric):
        return _points(store, alarm.of, span)
    done = queries.evaluate(alarm.of, lambda _: span, lambda metric, _: _points(store, metric, span))
    return _single(alarm, done)


def _single(alarm: MetricAlarm, done: Iterable[tuple[queries.Query, Sequence[Series]]]) -> Points:
    (series,) = (many for query, many in done if query.returned)
    if len(series) != 1:
        raise ApiError("ValidationError", f"The expression of {alarm.name} must be one time series.")
    return series[0].points


def _points(store: Store, metric: Metric, span: Window) -> Points:
    return points(_streams(store, metric), metric.statistic, span)


def _streams(store: Store, metric: Metric) -> list[Stream]:
    """Without Unit, on a metric of several units, an alarm is unpredictable (AWS): the first unit counts."""
    return list(store.streams(metric.key, metric.unit).values())[:1]


def _in_order(found: Points, span: Window) -> list[float | None]:
    return [found.get(at) for at in range(span.start, int(span.end), span.period)]
