"""
What a strategy must mean: weights that rise, a bake in which something can be seen, room to work in.

Called by `meaning.py`, which looks after the rest of the file.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Final

from crossfade.spec import build, schema
from crossfade.spec import strategy_forms as forms
from crossfade.spec.findings import KeyPath
from crossfade.spec.mistakes import Notes, exactly_one
from crossfade.spec.models import ApprovalStep, BlueGreen, Linear, Rolling, Spec
from crossfade.spec.units import duration_text, percent_text

_FINEST: Final = Decimal("0.001")
_MOST_HELD_BACK: Final = Decimal("0.5")
_ZERO: Final = timedelta()
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PLAIN: Final = re.compile(r"[!-+\--:<-\[\]-~]+")
"""Printable ASCII that neither a header nor a cookie gives a meaning to."""


def check(root: schema.Root, spec: Spec, notes: Notes) -> None:
    """Add a finding for everything of the strategy that cannot be meant."""
    form = root.strategy
    if form is None:
        return
    path = ("strategy",)
    exactly_one(notes, path, form, "CF2201", "strategy")
    if form.blue_green is not None:
        flip = form.blue_green
        _bake(flip.bake, flip.max_bake, forms.FLIP_BAKE, (*path, "blue_green"), notes)
    for name in ("canary", "hybrid"):
        stepped: forms.CanaryForm | None = getattr(form, name)
        if stepped is not None and stepped.steps is not None:
            _steps(stepped.steps, (*path, name, "steps"), notes)
    if form.linear is not None:
        _linear(form.linear, (*path, "linear"), notes)
    if form.rolling is not None:
        _rolling(form.rolling, spec, (*path, "rolling"), notes)
    for name in type(form).model_fields:
        given = getattr(form, name)
        if given is not None:
            _preview(given.preview, (*path, name, "preview"), notes)
        if isinstance(given, forms.HeldBackForm):
            _hold_back(given.hold_back, spec, (*path, name, "hold_back"), notes)


def _steps(steps: list[forms.StepForm], path: KeyPath, notes: Notes) -> None:
    if not any(step.weight is not None for step in steps):
        notes.say(
            "CF2202", path, "no step has a weight", "without one every user meets the candidate at once",
            "write `{weight: 10%, bake: 5m}`, or take `strategy: blue_green`",
        )  # fmt: skip
    last: Decimal | None = None
    may_ask = False
    for i, step in enumerate(steps):
        here = (*path, i)
        if (step.weight is None) == (step.approval is None) or (
            step.approval and (step.bake is not None or step.max_bake is not None)
        ):
            notes.say(
                "CF2206", here, "a step is either a weight or an approval",
                "`weight`, `bake`, `max_bake` make one kind, `approval` alone the other",
                "write `{weight: 10%, bake: 5m}` or `{approval: required}`",
            )  # fmt: skip
        elif step.weight is None:
            if not may_ask:
                notes.say(
                    "CF2205", here, "an approval stands where there is no weight to approve",
                    "a person is asked at the weight of the step before", "put it after a weight",
                    needs=[path] if i == 0 else [(*path, i - 1)],
                )  # fmt: skip
            may_ask = False
            continue
        if step.weight is not None:
            _weight(step.weight, last, (*here, "weight"), notes)
            last = step.weight
            _bake(step.bake, step.max_bake, forms.STEP_BAKE, here, notes)
        may_ask = True


def _weight(weight: Decimal, last: Decimal | None, path: KeyPath, notes: Notes) -> None:
    if not 0 < weight < 1:
        notes.say(
            "CF2203", path, f"`{percent_text(weight)}` is not a step",
            "a step lies above 0% and below 100%; 100% after the last step is implied",
            "remove the step, or write another weight",
        )  # fmt: skip
    elif weight % _FINEST:
        _too_fine(weight, path, notes)
    elif last is not None and weight <= last:
        notes.say(
            "CF2204", path, f"`{percent_text(weight)}` comes after `{percent_text(last)}`",
            "weights only rise; the way down is a rollback", "sort the steps by weight",
        )  # fmt: skip


def _too_fine(weight: Decimal, path: KeyPath, notes: Notes) -> None:
    notes.say(
        "CF2207", path, f"`{percent_text(weight)}` is too fine", "weights go in steps of 0.1%",
        f"write `{percent_text(max(weight.quantize(_FINEST), _FINEST))}`",
    )  # fmt: skip


def _bake(
    written: timedelta | None,
    max_bake: timedelta | None,
    default: timedelta,
    path: KeyPath,
    notes: Notes,
    *,
    key: str = "bake",
) -> None:
    """Add a finding where a bake shows nothing, or may not even last as long as itself."""
    lasts = default if written is None else written
    if lasts <= _ZERO:
        notes.say(
            "CF2208", (*path, key), "a bake of no time", "nothing can be seen in it",
            f"write e.g. `{key}: {duration_text(default)}`",
        )  # fmt: skip
    elif max_bake is not None and max_bake < lasts:
        notes.say(
            "CF2209", (*path, "max_bake"), f"`max_bake` is shorter than the bake of {duration_text(lasts)}",
            "it is how long the bake may be extended in all",
            "write a longer one, or leave it out for six times the bake", needs=[(*path, key)],
        )  # fmt: skip


def _linear(form: forms.LinearForm, path: KeyPath, notes: Notes) -> None:
    if form.step is not None:
        _weight(form.step, None, (*path, "step"), notes)
    _bake(form.every, form.max_bake, forms.LINEAR_EVERY, path, notes, key="every")


def _rolling(form: forms.RollingForm, spec: Spec, path: KeyPath, notes: Notes) -> None:
    _bake(form.bake, form.max_bake, forms.BATCH_BAKE, path, notes)
    strategy, whole = spec.strategy, spec.platform.instances
    if not isinstance(strategy, Rolling):
        return
    needs = [("platform",)]
    if not 1 <= strategy.surge <= whole:
        notes.say(
            "CF2210", (*path, "surge"), f"a surge of {strategy.surge} of {whole} instances",
            "a batch starts beside what serves: it takes at least one place, and at most as many as serve",
            f"write a number from 1 to {whole}, or a part of them such as `25%`", needs=needs,
        )  # fmt: skip
    if not 0 <= strategy.unavailable < whole:
        notes.say(
            "CF2210", (*path, "unavailable"), f"{strategy.unavailable} of {whole} instances may be missing",
            "nobody would be left to serve", f"write a number below {whole}", needs=needs,
        )  # fmt: skip


def _hold_back(share: Decimal | None, spec: Spec, path: KeyPath, notes: Notes) -> None:
    if share is None:
        return
    if share > _MOST_HELD_BACK:
        notes.say(
            "CF2211", path, f"`{percent_text(share)}` held back is more than the candidate gets",
            "after promotion the candidate is the one that is trusted", "write 50% or less, e.g. `5%`",
        )  # fmt: skip
    elif share % _FINEST:
        _too_fine(share, path, notes)
    elif _highest(spec) > 1 - share:
        notes.say(
            "CF2211", path, f"`{percent_text(share)}` held back after a step of "
            f"{percent_text(_highest(spec))}", "promotion would lower the candidate's weight",
            "hold back less, or remove the last step", needs=[("strategy",)],
        )  # fmt: skip


def _highest(spec: Spec) -> Decimal:
    """The highest weight before 100 %; a linear's steps and a flip stop short of what is held back."""
    match spec.strategy:
        case Linear() | BlueGreen() | Rolling():
            return Decimal()
        case stepped:
            weights = [step.weight for step in stepped.steps if not isinstance(step, ApprovalStep)]
            return Decimal(max(weights, default=0)) / 1000


def _preview(form: forms.PreviewForm | None, path: KeyPath, notes: Notes) -> None:
    if form is None:
        return
    exactly_one(notes, path, form, "CF2212", "mark")
    found = build.preview(form)
    if found is None or not (_HEADER.fullmatch(found.name) and _PLAIN.fullmatch(found.value)):
        notes.say(
            "CF2212", path, "the mark of a preview cannot be sent",
            "it is the name of a header or cookie and its value, in printable ASCII without blanks",
            'write `{header: "x-crossfade: candidate"}` or `{cookie: "preview=candidate"}`',
        )  # fmt: skip
