"""
How soon a source of counts can stop a bad release, in seconds and in words, before there is one. Pure.

The chain is the same for all: a fault begins somewhere in a slot, the slot ends, its figures become
readable, are waited for, are read; and the judge wants two intervals in a row before it believes even a
candidate that answers nothing. Subtler faults take more intervals: `crossfade plan` tells how many at this
traffic. The figures are what the code waits for at most where all is well, in seconds of the clock.

LIMITS: what AWS takes to publish is AWS's; the settle time covers what it mostly takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from crossfade.signals.cloudwatch_asked import PERIOD_S
from crossfade.signals.cloudwatch_metrics import EVERY_S
from crossfade.signals.cloudwatch_reading import Settle
from crossfade.signals.framing import INTERVAL_S
from crossfade.signals.prometheus import LAG_S

LOOK_S: Final = 1.0
"""A controller looks about so often."""

INTERVALS: Final = 2
"""Intervals after which the judge stops a candidate that answers nothing, at the start of a release."""

MINUTE_S: Final = 60.0

USD_A_THOUSAND: Final = Decimal("0.01")
"""AWS's price of a thousand metrics asked for by GetMetricData."""

USUAL_METRICS: Final = 61
"""What a release with twenty latency edges asks for: see `cloudwatch_asked.py`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a source can do."""

    source: str
    interval_s: float
    """Length of what is judged at once."""
    seen_s: float
    """From the beginning of a fault until an interval full of it is judged, at most."""
    stopped_s: float
    """Until a candidate that answers nothing is stopped, at most."""
    instances: bool
    """Whether each instance is counted by itself, so that one sick one is told from a sick build."""
    because: tuple[str, ...]
    """Where the time goes."""
    usd_an_hour: Decimal = Decimal(0)
    """What asking costs for each release, about; nothing where nobody asks for money."""

    @property
    def within_a_minute(self) -> bool:
        return self.stopped_s <= MINUTE_S

    @property
    def within_minutes(self) -> bool:
        return self.stopped_s <= 2 * MINUTE_S

    @property
    def text(self) -> str:
        """One sentence."""
        one = "" if self.instances else "; instances are not told apart"
        one += f"; costs about {self.usd_an_hour:.2f} USD an hour" if self.usd_an_hour else ""
        return (
            f"{self.source}: a candidate that answers nothing is stopped in up to {_span(self.stopped_s)} "
            f"({', '.join(self.because)}){one}"
        )

    @property
    def advice(self) -> str:
        """What would be faster; empty where that is not needed."""
        if self.within_a_minute:
            return ""
        return (
            f"{self.source} alone cannot stop a release within a minute; "
            "`signals: {scrape: {}}` can, where instances show counters and are reached from here"
        )


def reach(source: Mapping[str, Any] | None) -> Reach:
    """Of the source that a plan carries under `judging`; None is the proxy's log."""
    asked = source or {"kind": "access_log"}
    match asked["kind"]:
        case "cloudwatch":
            settle = float(asked.get("settle_s") or Settle().lag_s)
            return _reach(
                "CloudWatch", PERIOD_S, settle + EVERY_S,
                instances=False, usd_an_hour=usd_an_hour(USUAL_METRICS),
                because=(f"sums of {PERIOD_S} s", f"settled after {settle:g} s", f"read every {EVERY_S:g} s"),
            )  # fmt: skip
        case "scrape":
            every = float(asked["every_s"])
            return _reach(
                "scrape", max(every, INTERVAL_S), every + LOOK_S,
                because=(f"instances read every {every:g} s",),
            )  # fmt: skip
        case "prometheus":
            every = float(asked["every_s"])
            lag = min(every, LAG_S)
            return _reach(
                "Prometheus", max(every, INTERVAL_S), every + 2 * lag + LOOK_S,
                because=(f"scraped every {every:g} s", f"read {lag:g} s later"),
            )  # fmt: skip
        case _:
            return _reach("access log", INTERVAL_S, 1.0 + LOOK_S, because=("each request is seen",))


def usd_an_hour(metrics: int) -> Decimal:
    """What it costs to ask for so many metrics of CloudWatch as often as is done."""
    times = Decimal(3600) / Decimal(str(EVERY_S))
    return metrics * times * USD_A_THOUSAND / 1000


def _reach(
    source: str,
    interval_s: float,
    late_s: float,
    *,
    because: tuple[str, ...],
    instances: bool = True,
    usd_an_hour: Decimal = Decimal(0),
) -> Reach:
    # A fault that begins just inside an interval fills only the next one.
    return Reach(
        source=source,
        interval_s=interval_s,
        seen_s=2 * interval_s + late_s,
        stopped_s=(INTERVALS + 1) * interval_s + late_s,
        instances=instances,
        because=because,
        usd_an_hour=usd_an_hour,
    )


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 2 * MINUTE_S else f"{seconds / 60:.1f} min"
