"""
The form of `strategy:`: one mapping for each of the five, and what they share.

`schema.py` holds the rest of the file and says how forms are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar, Final, Literal

from crossfade.spec import units
from crossfade.spec.fields import Duration, Form, Instances, Percent, setting

KEEP_OLD: Final = timedelta(minutes=10)
CANARY_STEPS: Final = (("10%", "5m"), ("50%", "5m"))
STEP_BAKE: Final = timedelta(minutes=5)
FLIP_BAKE: Final = timedelta(minutes=10)
LINEAR_STEP: Final = Decimal("0.1")
LINEAR_EVERY: Final = timedelta(minutes=3)
BATCH_BAKE: Final = timedelta(minutes=3)
ROLLING_KEEP: Final = timedelta()
SURGE: Final = Decimal("0.25")
MAX_BAKE_TIMES: Final = 6

_MAX_BAKE: Final = "How long an inconclusive bake may be extended in all."
_SIX: Final = "six times the bake"


class StepForm(Form):
    """One stop on the way to 100 %: a weight, or a person's approval."""

    weight: Percent | None = setting(
        "Share of production traffic on the candidate, above 0% and below 100%, in steps of 0.1%."
    )
    bake: Duration | None = setting(
        "Time at this weight under watch.", default=units.duration_text(STEP_BAKE),
        because="enough requests to judge a service of some ten requests per second",
    )  # fmt: skip
    max_bake: Duration | None = setting(_MAX_BAKE, because=_SIX)
    approval: Literal["required"] | None = setting(
        "`required`: wait for `crossfade approve` at the weight of the step before."
    )


class PreviewForm(Form):
    """What a production request carries to reach the candidate before others do: one of the two."""

    header: str | None = setting('Header and value, e.g. "x-crossfade: candidate".')
    cookie: str | None = setting('Cookie and value, e.g. "preview=candidate".')


class TrafficForm(Form):
    """What every strategy may say."""

    sticky: Literal["cookie"] | None = setting(
        "`cookie`: a user stays on a version; moved at most once, forward; recalled by a rollback.",
        because="each request is dealt out by itself",
    )
    preview: PreviewForm | None = setting(
        "Lets staff reach the candidate on the production address.", because="nobody does"
    )


class HeldBackForm(TrafficForm):
    """What every strategy may say whose old side stays whole."""

    keep_old: Duration | None = setting(
        "How long the old version stays warm after promotion, watched, rollback instant.",
        default=units.duration_text(KEEP_OLD),
        because="most regressions that a bake missed show within minutes",
    )
    hold_back: Percent | None = setting(
        "Share that stable keeps until `keep_old` ends: a live baseline.",
        default="0%", because="not every service may serve two versions for longer",
    )  # fmt: skip


class CanaryForm(HeldBackForm):
    """A growing share of traffic, each step under watch."""

    steps: list[StepForm] | None = setting(
        "Weights in rising order; 100 % after the last is implied.",
        default=[{"weight": weight, "bake": bake} for weight, bake in CANARY_STEPS],
        because="a small step limits the damage, a half proves capacity",
    )


class HybridForm(CanaryForm):
    """A growing share of traffic onto a candidate of full size from the first step on."""


class LinearForm(HeldBackForm):
    """Equal steps, each under watch."""

    step: Percent | None = setting(
        "How much each step adds, in steps of 0.1%.", default=units.percent_text(LINEAR_STEP),
        because="ten steps, the first as small as a canary's",
    )  # fmt: skip
    aka: ClassVar[Mapping[str, str]] = {"bake": "every", "interval": "every"}
    every: Duration | None = setting(
        "Time at each weight under watch.", default=units.duration_text(LINEAR_EVERY),
        because="ten of them make half an hour",
    )  # fmt: skip
    max_bake: Duration | None = setting(_MAX_BAKE, because="six times `every`")


class BlueGreenForm(HeldBackForm):
    """All traffic at once, onto a full second set of instances."""

    bake: Duration | None = setting(
        "Time under watch after the flip.", default=units.duration_text(FLIP_BAKE),
        because="with all traffic on the candidate its first minutes are judged twice as long",
    )  # fmt: skip
    max_bake: Duration | None = setting(_MAX_BAKE, because=_SIX)


class RollingForm(TrafficForm):
    """Batch by batch, the old side shrinks as the new one grows: little room, a way back of minutes."""

    surge: Instances | None = setting(
        "Instances that may run beyond those needed: a number, or a part of them; at least one.",
        default=units.percent_text(SURGE),
        because="at most four batches, with room for a quarter more, or for one",
    )  # fmt: skip
    unavailable: Instances | None = setting(
        "Instances that may be missing of those needed: a number, or a part of them.",
        default=0, because="what is left would have to carry everything",
    )  # fmt: skip
    bake: Duration | None = setting(
        "Time after each batch under watch.", default=units.duration_text(BATCH_BAKE),
        because="long enough to see a crash or a slow build before the next batch",
    )  # fmt: skip
    max_bake: Duration | None = setting(_MAX_BAKE, because=_SIX)
    keep_old: Duration | None = setting(
        "How long the last batch of the old version stays after promotion.",
        default=units.duration_text(ROLLING_KEEP), because="it could not carry the traffic alone",
    )  # fmt: skip


class StrategyForm(Form):
    """How traffic moves: exactly one strategy."""

    canary: CanaryForm | None = setting("A growing share of traffic, each step under watch.")
    blue_green: BlueGreenForm | None = setting("All traffic at once, the old side kept warm.")
    linear: LinearForm | None = setting("Equal steps, each under watch.")
    rolling: RollingForm | None = setting("Batch by batch, the old side shrinks as the new one grows.")
    hybrid: HybridForm | None = setting("A growing share onto a candidate of full size.")
