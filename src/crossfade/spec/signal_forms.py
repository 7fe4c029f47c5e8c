"""
The forms of `signals:` and of gates under names of one's own.

`schema.py` holds the rest of the file and says how forms are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict

from crossfade.spec import units
from crossfade.spec.fields import Duration, Form, Number, Percent, Ratio, setting
from crossfade.spec.signal_models import (
    CloudWatchSignals,
    KpiGate,
    MetricGate,
    PrometheusSignals,
    ScrapeSignals,
)

_CLOUDWATCH: Final = CloudWatchSignals()
_SCRAPE: Final = ScrapeSignals()
_PROMETHEUS: Final = PrometheusSignals(url="", stable="", candidate="")
_KPI: Final = KpiGate(name="", total="", part="")
_METRIC: Final = MetricGate(name="", metric="")

ModeWord = Literal["stop", "observe"]
MODE: Final[Mapping[str, Any]] = {
    "default": "stop",
    "because": "a gate that stops nothing protects nobody",
}
_KNOWN: Final = "the first of the usual names that an instance shows"


class AccessLogForm(Form):
    """Each request as our own proxy wrote it down."""


class CloudWatchForm(Form):
    """What the load balancer reports, by the minute."""

    settle: Duration | None = setting(
        "After its end a minute is waited for so long before it is judged.",
        default=units.duration_text(_CLOUDWATCH.settle), because="AWS mostly publishes within that",
    )  # fmt: skip


class _CountersForm(Form):
    requests: str | None = setting("A counter of HTTP requests.", because=_KNOWN)
    errors: str | None = setting(
        "Conditions on its labels that say which requests failed, as in PromQL: 'code=~\"5..\"'.",
        because="answers of 500 and above, by the label that has the code",
    )
    latency: str | None = setting("A histogram of the time they took.", because=_KNOWN)


class ScrapeForm(_CountersForm):
    """The counters that each instance shows, in Prometheus' format or OpenMetrics."""

    path: str | None = setting(
        "Path at which every instance shows its counters.", default=_SCRAPE.path,
        because="nearly every program shows them there",
    )  # fmt: skip
    every: Duration | None = setting(
        "How often; 1s to 1m.", default=units.duration_text(_SCRAPE.every),
        because="as often as the judge looks",
    )  # fmt: skip
    port: int | None = setting("Their port.", because="the one that serves", ge=1, le=65535)


class PrometheusForm(_CountersForm):
    """The counters of both versions in a Prometheus."""

    model_config = ConfigDict(json_schema_extra={"required": ["url", "stable", "candidate"]})

    url: str | None = setting("Its address, without `/api`.", pattern=r"^https?://")
    stable: str | None = setting(
        "Conditions on labels that are stable's alone, as in PromQL; `{revision}` and `{target_group}` "
        "are filled in: 'version=\"{revision}\"'."
    )
    candidate: str | None = setting("The same for the candidate.")
    every: Duration | None = setting(
        "How often Prometheus scrapes them; 1s to 5m.", default=units.duration_text(_PROMETHEUS.every),
        because="what many configurations have",
    )  # fmt: skip


class SignalsForm(Form):
    """Who counts requests: exactly one source."""

    access_log: AccessLogForm | None = setting("Each request as our own proxy wrote it down; on `local`.")
    cloudwatch: CloudWatchForm | None = setting("What the load balancer reports by the minute; on `alb`.")
    scrape: ScrapeForm | None = setting("The counters that each instance shows.")
    prometheus: PrometheusForm | None = setting("The counters of both versions in a Prometheus.")


class AlarmForm(Form):
    """One alarm elsewhere: a URL, or the name of an alarm in CloudWatch."""

    http: str | None = setting("URL that answers OK, ALARM or INSUFFICIENT_DATA.")
    name: str | None = setting("Name of an alarm in CloudWatch; a bare text means it.")


def _alarm(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class CustomGateForm(Form):
    """A gate under a name of your own: alarms that must not fire, two counts, or one metric."""

    alarms: list[Annotated[AlarmForm, BeforeValidator(_alarm)]] | None = setting(
        'Alarms, each a name in CloudWatch or `{http: "http://…"}`.'
    )
    total: str | None = setting(
        "A count of what was tried: `Namespace/Name` in CloudWatch, else a counter, with conditions if any."
    )
    success: str | None = setting(
        "A count of what of it went well, made when the total is: what is under way would count as failed."
    )
    failure: str | None = setting("A count of what of it failed, in place of `success`.")
    against: Literal["stable"] | None = setting(
        "What the candidate is compared with.", default="stable",
        because="both serve in the same window",
    )  # fmt: skip
    at_most: Ratio | None = setting(
        "Failure odds of the candidate over those of stable.",
        default=units.ratio_text(_KPI.at_most), because="a quarter more is money",
    )  # fmt: skip
    ignore_below: Percent | None = setting(
        "Share of failures below which nothing is compared.",
        default=units.percent_text(_KPI.ignore_below), because="only you know what is small here",
    )  # fmt: skip
    must_see: Percent | None = setting(
        "Share of failures more that a bake has to be able to see.",
        default=units.percent_text(_KPI.must_see), because="figures of a business are coarse",
    )  # fmt: skip
    metric: str | None = setting("One metric of CloudWatch, `Namespace/Name`.")
    stat: str | None = setting(
        "Its statistic: Average, Sum, Minimum, Maximum, SampleCount, p99 and the like.",
        default=_METRIC.stat, because="CloudWatch shows it first",
    )  # fmt: skip
    max: Number | None = setting("What it may be at most.", because="no upper limit")
    min: Number | None = setting("What it has to be at least.", because="no lower limit")
    hold_for: Duration | None = setting(
        "How long it has to be outside to count.",
        default=units.duration_text(_METRIC.hold_for), because="one odd minute is no trouble",
        alias="for",
    )  # fmt: skip
    dimensions: dict[str, str] | None = setting(
        "Its dimensions in CloudWatch, all of them; `{revision}`, `{target_group}` and `{load_balancer}` "
        "are filled in for each side.",
        because='{TargetGroup: "{target_group}"} for counts, none for a metric',
    )
    mode: ModeWord | None = setting("`observe` reports and never stops.", **MODE)
