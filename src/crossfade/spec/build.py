"""
From the filled form to the resolved spec: every default put in, every path made absolute.

Total on purpose: where a required part is missing it builds with an empty value, so that
`meaning.py` can check the rest. `load.py` hands a spec out only if nothing was found.
"""

from __future__ import annotations

import os.path
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from crossfade.spec import schema, units
from crossfade.spec.fields import Form
from crossfade.spec.models import (
    AlarmsGate,
    ApprovalStep,
    BlueGreen,
    Canary,
    CommandHook,
    Deadlines,
    ErrorsGate,
    Gate,
    Hook,
    Hooks,
    HttpHook,
    Judging,
    LatencyGate,
    LocalPlatform,
    Mode,
    NoGates,
    OnInconclusive,
    OnInterrupt,
    OnNoData,
    Preset,
    Spec,
    Strategy,
    UnhealthyGate,
    WeightStep,
)

STATE_FOLDER: Final = ".crossfade"
_THOUSANDTHS: Final = 1000


def spec(root: schema.Root, path: Path) -> Spec:
    """The spec that the form means; `path` is the file it came from."""
    folder = Path(os.path.abspath(path)).parent  # noqa: PTH100 - resolve() would follow a linked file away from its folder
    return Spec(
        service=root.service or "",
        folder=folder,
        state=folder / Path(os.path.expanduser(root.state or STATE_FOLDER)),  # noqa: PTH111 - Path.expanduser raises for unknown users
        platform=_platform((root.platform or schema.PlatformForm()).local or schema.LocalForm()),
        strategy=_strategy(root.strategy or schema.StrategyForm()),
        gates=_gates(root.gates or schema.GatesForm.model_validate({})),
        judging=_judging(root.judging or schema.JudgingForm()),
        deadlines=Deadlines(**_written(root.deadlines)),
        hooks=_hooks(root.hooks or schema.HooksForm()),
        on_interrupt=OnInterrupt(root.on_interrupt or OnInterrupt.ROLLBACK),
    )


def _written(form: Form | None, *leave_out: str) -> dict[str, Any]:
    """Settings with a value, under the names that form and model share."""
    if form is None:
        return {}
    given = {name: getattr(form, name) for name in type(form).model_fields}
    return {
        name: float(value) if isinstance(value, Decimal) else value
        for name, value in given.items()
        if value is not None and name not in leave_out
    }


def _platform(form: schema.LocalForm) -> LocalPlatform:
    return LocalPlatform(**{"command": "", "port": 0, **_written(form)})


def _strategy(form: schema.StrategyForm) -> Strategy:
    if form.blue_green is not None:
        flip = form.blue_green
        bake = schema.FLIP_BAKE if flip.bake is None else flip.bake
        return BlueGreen(bake=bake, max_bake=_longest(bake, flip.max_bake), keep_old=_keep(flip.keep_old))
    canary = form.canary or schema.CanaryForm()
    if canary.steps is None:
        steps: tuple[WeightStep | ApprovalStep, ...] = tuple(
            _step(schema.StepForm.model_validate({"weight": weight, "bake": bake}))
            for weight, bake in schema.CANARY_STEPS
        )
    else:
        steps = tuple(_step(step) for step in canary.steps)
    return Canary(steps=steps, keep_old=_keep(canary.keep_old))


def _step(form: schema.StepForm) -> WeightStep | ApprovalStep:
    if form.weight is None and form.approval is not None:
        return ApprovalStep()
    bake = schema.STEP_BAKE if form.bake is None else form.bake
    weight = int((form.weight or Decimal()) * _THOUSANDTHS)
    return WeightStep(weight=weight, bake=bake, max_bake=_longest(bake, form.max_bake))


def _longest(bake: timedelta, written: timedelta | None) -> timedelta:
    # Never beyond what could be written, so that the resolved text loads again.
    return min(bake * schema.MAX_BAKE_TIMES, units.LONGEST) if written is None else written


def _keep(written: timedelta | None) -> timedelta:
    return schema.KEEP_OLD if written is None else written


def _gates(form: schema.GatesForm) -> tuple[Gate, ...] | NoGates:
    if form.none is not None:
        return NoGates(reason=form.none)
    return (
        ErrorsGate(**_with_mode(form.errors)),
        _latency(form.latency),
        UnhealthyGate(**_with_mode(form.unhealthy)),
        *(_alarms(name, gate) for name, gate in (form.__pydantic_extra__ or {}).items()),
    )


def _with_mode(form: Form | None, *leave_out: str) -> dict[str, Any]:
    given = _written(form, "against", "of", *leave_out)
    return {**given, "mode": Mode(given.get("mode", Mode.STOP))}


def _latency(form: schema.LatencyForm | None) -> LatencyGate:
    given = _with_mode(form, "at", "max")
    if form is not None and form.at is not None:
        given["at"] = tuple(form.at)
    if form is not None and form.max is not None:
        given["max"] = tuple(
            (units.quantile(name), limit) for name, limit in form.max.items() if is_quantile(name)
        )
    return LatencyGate(**given)


def is_quantile(name: str) -> bool:
    try:
        units.quantile(name)
    except units.UnitError:
        return False
    return True


def _alarms(name: str, form: schema.CustomGateForm) -> AlarmsGate:
    urls = tuple(alarm.http or "" for alarm in form.alarms or ())
    return AlarmsGate(name=name, urls=urls, mode=Mode(form.mode or Mode.STOP))


def _judging(form: schema.JudgingForm) -> Judging:
    given = _written(form)
    return Judging(
        **{
            **given,
            "preset": Preset(given.get("preset", Preset.NORMAL)),
            "no_data": OnNoData(given.get("no_data", OnNoData.ROLLBACK)),
            "inconclusive": OnInconclusive(given.get("inconclusive", OnInconclusive.HOLD)),
        }
    )


def _hooks(form: schema.HooksForm) -> Hooks:
    def made(hooks: list[schema.HookForm] | None) -> tuple[Hook, ...]:
        return tuple(
            HttpHook(path=hook.http) if hook.http is not None else CommandHook(command=hook.command or "")
            for hook in hooks or ()
        )

    return Hooks(
        before_traffic=made(form.before_traffic),
        after_traffic=made(form.after_traffic),
        on_rollback=made(form.on_rollback),
    )
