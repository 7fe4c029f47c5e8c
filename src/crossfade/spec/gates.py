"""
What gates and judging must mean: something is in force, can fail, and can be seen in time.

Called by `meaning.py`, which looks after the rest of the file.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final, assert_never

from crossfade.spec import schema
from crossfade.spec.build import is_quantile
from crossfade.spec.findings import KeyPath
from crossfade.spec.mistakes import Notes
from crossfade.spec.models import (
    BlueGreen,
    Canary,
    ErrorsGate,
    Hybrid,
    LatencyGate,
    Linear,
    NoGates,
    Rolling,
    Spec,
    UnhealthyGate,
    WeightStep,
)
from crossfade.spec.signal_models import Mode
from crossfade.spec.units import duration_text, percent_text, ratio_text, shown

_ZERO: Final = timedelta()


def check(root: schema.Root, spec: Spec, notes: Notes) -> None:
    """Add a finding for every gate, and every setting of judging, that cannot be meant."""
    _gates(root.gates, spec, notes)
    _judging(root, spec, notes)


def _gates(form: schema.GatesForm | None, spec: Spec, notes: Notes) -> None:
    if form is None:
        return
    path = ("gates",)
    custom = form.__pydantic_extra__ or {}
    if isinstance(spec.gates, NoGates):
        if not spec.gates.reason.strip():
            notes.say(
                "CF2301", (*path, "none"), "`gates: {none: …}` stands without a reason",
                "a release that nothing can stop is only for those who can say why (R26)",
                'write `gates: {none: "why nothing is watched"}`',
            )  # fmt: skip
        if custom or form.errors or form.latency or form.unhealthy:
            notes.say(
                "CF2303", (*path, "none"), "`none` stands beside other gates",
                "it switches all of them off", "remove `none`, or the gates",
            )  # fmt: skip
        return
    if form.errors is not None:
        _errors(next(g for g in spec.gates if isinstance(g, ErrorsGate)), notes)
    if form.latency is not None:
        _latency(form.latency, next(g for g in spec.gates if isinstance(g, LatencyGate)), notes)
    if any(isinstance(gate, UnhealthyGate) and gate.memory == 0 for gate in spec.gates):
        notes.say(
            "CF2308", (*path, "unhealthy", "memory"), "a limit of no memory decides nothing",
            "every instance is above it, stable's too", "write what an instance may use, e.g. `512MB`",
        )  # fmt: skip
    if all(gate.mode is Mode.OBSERVE for gate in spec.gates):
        notes.say(
            "CF2302", path, "no gate is in force",
            "every gate only observes, so nothing would stop a bad release (R26)",
            'remove a `mode: observe`, or write `gates: {none: "why"}`',
        )  # fmt: skip


def _errors(gate: ErrorsGate, notes: Notes) -> None:
    path = ("gates", "errors")
    _at_least_one(gate.at_most, (*path, "at_most"), notes)
    if gate.must_see <= gate.ignore_below:
        notes.say(
            "CF2307", (*path, "must_see"),
            f"`must_see` is not above `ignore_below` ({percent_text(gate.ignore_below)})",
            "what has to be seen would be ignored", "raise `must_see`, or lower `ignore_below`",
            needs=[(*path, "ignore_below")],
        )  # fmt: skip
    if gate.max is not None and not 0 < gate.max < 1:
        notes.say(
            "CF2308", (*path, "max"), f"a limit of {percent_text(gate.max)} decides nothing",
            "0% stops at the first failure of a healthy version, 100% never",
            "write a share between, e.g. `5%`",
        )  # fmt: skip


def _latency(form: schema.LatencyForm, gate: LatencyGate, notes: Notes) -> None:
    path = ("gates", "latency")
    _at_least_one(gate.at_most, (*path, "at_most"), notes)
    if gate.must_see <= gate.at_most:
        notes.say(
            "CF2307", (*path, "must_see"),
            f"`must_see` is not above `at_most` ({ratio_text(gate.at_most)})",
            "what has to be seen would be allowed", "raise `must_see`, or lower `at_most`",
            needs=[(*path, "at_most")],
        )  # fmt: skip
    if not gate.at or len(set(gate.at)) < len(gate.at):
        notes.say(
            "CF2309", (*path, "at"), "the quantiles are none, or one stands twice",
            "each is judged once, and at least one is needed", "write e.g. `at: [p50, p95, p99]`",
        )  # fmt: skip
    if len({quantile for quantile, _ in gate.max}) < len(gate.max):
        notes.say(
            "CF2309", (*path, "max"), "a quantile has two limits", "it is written in two ways",
            "keep one of them",
        )  # fmt: skip
    for name, limit in (form.max or {}).items():
        if not is_quantile(name):
            notes.say(
                "CF1112", (*path, "max", name), f"{shown(name)} is not a quantile",
                "a limit is set by quantile", "write it like `max: {p99: 800ms}`", at_key=True,
            )  # fmt: skip
        elif limit <= _ZERO:
            notes.say(
                "CF2308", (*path, "max", name), "a limit of no time decides nothing",
                "every request takes longer", "write a time, e.g. `800ms`",
            )  # fmt: skip


def _at_least_one(ratio: float, path: KeyPath, notes: Notes) -> None:
    if ratio < 1:
        notes.say(
            "CF2308", path, f"a limit of {ratio_text(ratio)} asks for a better version",
            "a candidate as good as stable would be stopped", "write `1x` or more, e.g. `1.25x`",
        )  # fmt: skip


def _judging(root: schema.Root, spec: Spec, notes: Notes) -> None:
    share = root.judging.false_stops if root.judging is not None else None
    if share is not None and not Decimal("0.001") <= share <= Decimal("0.1"):
        notes.say(
            "CF2401", ("judging", "false_stops"),
            f"`{percent_text(share)}` of false stops is out of range",
            "below 0.1% a bad release is seen too late, above 10% nobody trusts a stop",
            "write a share from 0.1% to 10%, e.g. `1%`",
        )  # fmt: skip
    first, path = _first_bake(spec)
    judged = not isinstance(spec.gates, NoGates) and any(
        isinstance(gate, LatencyGate) and gate.mode is Mode.STOP for gate in spec.gates
    )
    # Without a strategy or with a spoiled one the first bake is only a guess; one of no time is said
    # where strategies are checked.
    if not first or not judged or root.strategy is None or spec.judging.warm_up < first:
        return
    where = ("judging", "warm_up")
    notes.say(
        "CF2402", where if root.judging and root.judging.warm_up is not None else path,
        f"latency could never be judged: a warm-up of {duration_text(spec.judging.warm_up)} covers "
        f"the longest first bake, {duration_text(first)}",
        "latency of new instances is ignored during the warm-up",
        "shorten `judging.warm_up`, or bake longer", needs=[where, ("strategy",), ("gates",)],
    )  # fmt: skip


def _first_bake(spec: Spec) -> tuple[timedelta | None, KeyPath]:
    match spec.strategy:
        case BlueGreen() | Linear() | Rolling():
            return spec.strategy.max_bake, ("strategy",)
        case Canary() | Hybrid():
            for i, step in enumerate(spec.strategy.steps):
                if isinstance(step, WeightStep):
                    name = "hybrid" if isinstance(spec.strategy, Hybrid) else "canary"
                    return step.max_bake, ("strategy", name, "steps", i)
            return None, ("strategy",)
        case _:
            assert_never(spec.strategy)
