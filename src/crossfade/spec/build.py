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

from crossfade.spec import figures, schema, units
from crossfade.spec import strategy_forms as forms
from crossfade.spec.alb_forms import AlbForm, AwsForm, PairForm, TargetsForm
from crossfade.spec.aws_models import AlbPlatform, Aws, Targets, TargetsCommand, TargetsFile
from crossfade.spec.database_forms import DatabaseForm, EnvForm
from crossfade.spec.database_models import Database, RollbackWindow
from crossfade.spec.fields import Form
from crossfade.spec.models import (
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
    Hybrid,
    Judging,
    LatencyGate,
    Linear,
    LocalPlatform,
    NoGates,
    OnInconclusive,
    OnInterrupt,
    OnNoData,
    Platform,
    Policy,
    Preset,
    Preview,
    PreviewKind,
    Rolling,
    Rule,
    Spec,
    Strategy,
    UnhealthyGate,
    WarmUp,
    WeightStep,
    missing_of,
    surging,
)
from crossfade.spec.places import NoPlaceError, S3Place, is_place, s3_place
from crossfade.spec.signal_models import Mode, Signals

STATE_FOLDER: Final = ".crossfade"
WARM_ENOUGH: Final = timedelta(seconds=60)
WARMED: Final = timedelta(seconds=10)
"""How long latency is ignored behind a warm-up of `WARM_ENOUGH`: connections, and first-touch pages."""

_THOUSANDTHS: Final = 1000


def spec(root: schema.Root, path: Path) -> Spec:
    """The spec that the form means; `path` is the file it came from."""
    platform = _platform(root.platform or schema.PlatformForm())
    hooks = _hooks(root.hooks or schema.HooksForm())
    source = figures.signals(root.signals, platform)
    folder = Path(os.path.abspath(path)).parent  # noqa: PTH100 - resolve() would follow a linked file away from its folder
    return Spec(
        service=root.service or "",
        folder=folder,
        state=_state(root, folder),
        platform=platform,
        strategy=_strategy(
            root.strategy or forms.StrategyForm(),
            platform.instances if isinstance(platform, LocalPlatform) else None,
        ),
        gates=_gates(root.gates or schema.GatesForm.model_validate({}), source),
        signals=source,
        judging=_judging(root.judging or schema.JudgingForm(), hooks),
        deadlines=Deadlines(**_written(root.deadlines)),
        hooks=hooks,
        policy=Policy(**_written(root.policy)),
        database=_database(root.database),
        aws=_aws(root.aws),
        after=tuple(root.after or ()),
        on_interrupt=OnInterrupt(root.on_interrupt or OnInterrupt.ROLLBACK),
    )


def _state(root: schema.Root, folder: Path) -> Path | S3Place:
    text, aws = root.state, root.aws or AwsForm()
    if text is not None and is_place(text):
        try:
            return s3_place(text, **aws.model_dump())
        except NoPlaceError:
            text = None  # `meaning` says so
    return folder / Path(os.path.expanduser(text or STATE_FOLDER))  # noqa: PTH111 - Path.expanduser raises for unknown users


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


def _platform(form: schema.PlatformForm) -> Platform:
    return _alb(form.alb) if form.local is None and form.alb is not None else _local(form.local)


def _local(form: schema.LocalForm | None) -> LocalPlatform:
    given = {"command": "", "port": 0, **_written(form, "rules")}
    if form is not None and form.rules:
        given["rules"] = tuple(Rule(**_written(rule)) for rule in form.rules)
    return LocalPlatform(**given)


def _alb(form: AlbForm) -> AlbPlatform:
    pair, found = form.target_groups or PairForm(), form.targets or TargetsForm()
    targets: Targets = TargetsFile(file=found.file or "")
    if found.file is None and found.command is not None:
        targets = TargetsCommand(command=found.command)
    return AlbPlatform(
        rules=tuple(form.rules or ()),
        test=form.test or "",
        blue=pair.blue or "",
        green=pair.green or "",
        targets=targets,
        **_written(form, "rules", "test", "target_groups", "targets"),
    )


def _database(form: DatabaseForm | None) -> Database | None:
    if form is None:
        return None
    direct = form.direct_url.env if form.direct_url is not None else None
    return Database(
        url=(form.url or EnvForm()).env or "",
        direct_url=direct,
        rollback_window=RollbackWindow(**_written(form.rollback_window)),
        standbys=tuple(one.env or "" for one in form.standbys or ()),
        **_written(form, "url", "direct_url", "rollback_window", "standbys"),
    )


def _aws(form: AwsForm | None) -> Aws | None:
    return None if form is None else Aws(**{"account": "", "region": "", **_written(form)})


def _strategy(form: forms.StrategyForm, instances: int | None) -> Strategy:
    """`instances` None: how many there are is known only when a revision is."""
    if form.blue_green is not None:
        flip = form.blue_green
        return BlueGreen(**_times(flip.bake, flip.max_bake, forms.FLIP_BAKE), **_held_back(flip))
    if form.linear is not None:
        line = form.linear
        bake = _times(line.every, line.max_bake, forms.LINEAR_EVERY)
        step = int((forms.LINEAR_STEP if line.step is None else line.step) * _THOUSANDTHS)
        return Linear(step=step, every=bake["bake"], max_bake=bake["max_bake"], **_held_back(line))
    if form.rolling is not None:
        return _rolling(form.rolling, instances)
    if form.hybrid is not None:
        return Hybrid(steps=_steps(form.hybrid), **_held_back(form.hybrid))
    canary = form.canary or forms.CanaryForm()
    return Canary(steps=_steps(canary), **_held_back(canary))


def _steps(form: forms.CanaryForm) -> tuple[WeightStep | ApprovalStep, ...]:
    if form.steps is not None:
        return tuple(_step(step) for step in form.steps)
    return tuple(
        _step(forms.StepForm.model_validate({"weight": weight, "bake": bake}))
        for weight, bake in forms.CANARY_STEPS
    )


def _step(form: forms.StepForm) -> WeightStep | ApprovalStep:
    if form.weight is None and form.approval is not None:
        return ApprovalStep()
    weight = int((form.weight or Decimal()) * _THOUSANDTHS)
    return WeightStep(weight=weight, **_times(form.bake, form.max_bake, forms.STEP_BAKE))


def _rolling(form: forms.RollingForm, instances: int | None) -> Rolling:
    """Parts as whole instances where their number is known, else as they were written."""
    surge: int | Decimal = forms.SURGE if form.surge is None else form.surge
    missing: int | Decimal = form.unavailable or 0
    if instances is not None:
        surge, missing = surging(surge, instances), missing_of(missing, instances)
    return Rolling(
        surge=surge,
        unavailable=missing,
        **_times(form.bake, form.max_bake, forms.BATCH_BAKE),
        **_traffic(form, forms.ROLLING_KEEP, form.keep_old),
    )


def _held_back(form: forms.HeldBackForm) -> dict[str, Any]:
    kept = int((form.hold_back or Decimal()) * _THOUSANDTHS)
    return {"hold_back": kept, **_traffic(form, forms.KEEP_OLD, form.keep_old)}


def _traffic(form: forms.TrafficForm, default: timedelta, keep_old: timedelta | None) -> dict[str, Any]:
    return {
        "keep_old": default if keep_old is None else keep_old,
        "sticky": form.sticky is not None,
        "preview": None if form.preview is None else preview(form.preview),
    }


def preview(form: forms.PreviewForm) -> Preview | None:
    """What the form says; None where it says nothing that could be sent."""
    kind, text, mark = (
        (PreviewKind.HEADER, form.header, ":")
        if form.header is not None
        else (PreviewKind.COOKIE, form.cookie or "", "=")
    )
    name, found, value = (part.strip() for part in text.partition(mark))
    return Preview(kind=kind, name=name, value=value) if name and found and value else None


def _times(bake: timedelta | None, max_bake: timedelta | None, default: timedelta) -> dict[str, Any]:
    bake = default if bake is None else bake
    # Never beyond what could be written, so that the resolved text loads again.
    longest = min(bake * forms.MAX_BAKE_TIMES, units.LONGEST)
    return {"bake": bake, "max_bake": longest if max_bake is None else max_bake}


def _gates(form: schema.GatesForm, source: Signals) -> tuple[Gate, ...] | NoGates:
    if form.none is not None:
        return NoGates(reason=form.none)
    return (
        ErrorsGate(**_with_mode(form.errors)),
        _latency(form.latency),
        UnhealthyGate(**_with_mode(form.unhealthy)),
        *(figures.gate(name, gate, source) for name, gate in (form.__pydantic_extra__ or {}).items()),
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


def _judging(form: schema.JudgingForm, hooks: Hooks) -> Judging:
    given = _written(form)
    if "warm_up" not in given and warmed(hooks):
        given["warm_up"] = WARMED
    return Judging(
        **{
            **given,
            "preset": Preset(given.get("preset", Preset.NORMAL)),
            "no_data": OnNoData(given.get("no_data", OnNoData.ROLLBACK)),
            "inconclusive": OnInconclusive(given.get("inconclusive", OnInconclusive.HOLD)),
        }
    )


def warmed(hooks: Hooks) -> bool:
    """Whether users find a candidate behind these hooks as warm as after a minute of their own requests."""
    return any(isinstance(hook, WarmUp) and hook.hold_for >= WARM_ENOUGH for hook in hooks.before_traffic)


def _hook(form: schema.HookForm) -> Hook:
    if form.http is not None:
        return HttpHook(path=form.http)
    if form.warm_up is not None:
        return WarmUp(**{**_written(form.warm_up, "paths"), "paths": tuple(form.warm_up.paths or ())})
    return CommandHook(command=form.command or "")


def _hooks(form: schema.HooksForm) -> Hooks:
    def made(hooks: list[schema.HookForm] | None) -> tuple[Hook, ...]:
        return tuple(_hook(hook) for hook in hooks or ())

    return Hooks(
        before_traffic=made(form.before_traffic),
        after_traffic=made(form.after_traffic),
        on_rollback=made(form.on_rollback),
        hand_over=made(form.hand_over),
    )
