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
from crossfade.spec.models import ApprovalStep, BlueGreen, Linear, LocalPlatform, PreviewKind, Rolling, Spec
from crossfade.spec.units import duration_text, percent_text, shown

_FINEST: Final = Decimal("0.001")
_MOST_HELD_BACK: Final = Decimal("0.5")
_ZERO: Final = timedelta()
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PLAIN: Final = re.compile(r"[!#-+\--:<-\[\]-~]+")
"""Printable ASCII that neither a header nor a cookie gives a meaning to."""
_EVERYBODYS: Final = re.compile(
    r"host|cookie|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade.*|expect|content-.*"
    r"|accept.*|user-agent|origin|referer|sec-.*|priority|cache-control|pragma|date"
    r"|via|forwarded|x-forwarded-.*|x-request-id|x-envoy-.*|x-crossfade-.*"
)
"""Headers that every browser sends, that have a meaning on the way, or that proxies and we write."""
_OUR_COOKIES: Final = "crossfade"
"""How the cookies of `sticky` begin."""


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
        if isinstance(given, forms.HeldBackForm) and given.hold_back:
            _hold_back(given.hold_back, given.keep_old, spec, (*path, name), notes)


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


def _weight(
    weight: Decimal, last: Decimal | None, path: KeyPath, notes: Notes, *,
    fix: str = "remove the step, or write another weight",
) -> None:  # fmt: skip
    if not 0 < weight < 1:
        notes.say(
            "CF2203", path, f"`{percent_text(weight)}` is not a step",
            "a step lies above 0% and below 100%; 100% after the last step is implied", fix,
        )  # fmt: skip
    elif weight % _FINEST:
        _too_fine(weight, path, notes)
    elif last is not None and weight <= last:
        notes.say(
            "CF2204", path, f"`{percent_text(weight)}` comes after `{percent_text(last)}`",
            "weights only rise; the way down is a rollback", "sort the steps by weight",
        )  # fmt: skip


def _too_fine(weight: Decimal, path: KeyPath, notes: Notes) -> None:
    nearest = min(max(weight.quantize(_FINEST), _FINEST), 1 - _FINEST)
    notes.say(
        "CF2207", path, f"`{percent_text(weight)}` is too fine", "weights go in steps of 0.1%",
        f"write `{percent_text(nearest)}`",
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
        _weight(
            form.step, None, (*path, "step"), notes,
            fix="write e.g. `step: 10%`; all at once is `strategy: blue_green`",
        )  # fmt: skip
    _bake(form.every, form.max_bake, forms.LINEAR_EVERY, path, notes, key="every")


def _rolling(form: forms.RollingForm, spec: Spec, path: KeyPath, notes: Notes) -> None:
    _bake(form.bake, form.max_bake, forms.BATCH_BAKE, path, notes)
    strategy, platform = spec.strategy, spec.platform
    if not isinstance(strategy, Rolling):
        return
    if not isinstance(platform, LocalPlatform):
        _rolling_parts(strategy, path, notes)
    elif platform.command:  # without a platform nobody knows how many serve
        _rolling_counts(strategy, platform.instances, path, notes)


def _rolling_parts(strategy: Rolling, path: KeyPath, notes: Notes) -> None:
    """Where a revision brings its own number of instances."""
    if not strategy.surge:
        notes.say(
            "CF2210", (*path, "surge"), "a surge of nothing",
            "a batch starts beside what serves: it takes at least one place",
            "write e.g. `1`, or a part such as `25%`",
        )  # fmt: skip
    if isinstance(strategy.unavailable, Decimal) and strategy.unavailable >= 1:
        notes.say(
            "CF2210", (*path, "unavailable"), "all instances may be missing", "nobody would be left to serve",
            "write less than 100%, or leave it out",
        )  # fmt: skip


def _rolling_counts(strategy: Rolling, whole: int, path: KeyPath, notes: Notes) -> None:
    needs = [("platform",)]
    if not 1 <= strategy.surge <= whole:
        allowed = "`1`" if whole == 1 else f"a number from 1 to {whole}, or a part of them such as `25%`"
        notes.say(
            "CF2210", (*path, "surge"), f"a surge of {strategy.surge} with {_instances(whole)}",
            "a batch starts beside what serves: it takes at least one place, and at most as many as serve",
            f"write {allowed}", needs=needs,
        )  # fmt: skip
    if strategy.unavailable >= whole:
        allowed = f"a number below {whole}, or" if whole > 1 else "`0`, or"
        notes.say(
            "CF2210", (*path, "unavailable"), f"{strategy.unavailable} of {_instances(whole)} may be missing",
            "nobody would be left to serve", f"write {allowed} leave it out", needs=needs,
        )  # fmt: skip


def _instances(count: int) -> str:
    return f"{count} instance" + ("" if count == 1 else "s")


def _hold_back(
    share: Decimal, keep_old: timedelta | None, spec: Spec, path: KeyPath, notes: Notes
) -> None:  # fmt: skip
    here = (*path, "hold_back")
    step = Decimal(spec.strategy.step) / 1000 if isinstance(spec.strategy, Linear) else None
    if share > _MOST_HELD_BACK:
        notes.say(
            "CF2211", here, f"`{percent_text(share)}` held back is more than the candidate gets",
            "after promotion the candidate is the one that is trusted", "write 50% or less, e.g. `5%`",
        )  # fmt: skip
    elif share % _FINEST:
        _too_fine(share, here, notes)
    elif keep_old == _ZERO:
        notes.say(
            "CF2211", here, f"`{percent_text(share)}` held back for no time",
            "stable keeps its share until `keep_old` ends, and that is `0s`",
            "write e.g. `keep_old: 10m`, or remove `hold_back`", needs=[(*path, "keep_old")],
        )  # fmt: skip
    elif step is not None and step >= 1 - share:
        notes.say(
            "CF2211", here, f"`{percent_text(share)}` held back leaves no step of {percent_text(step)}",
            f"the candidate gets {percent_text(1 - share)} at promotion, and its steps lie below that",
            "hold back less, or write a smaller `step`", needs=[(*path, "step")],
        )  # fmt: skip
    elif _highest(spec) > 1 - share:
        notes.say(
            "CF2211", here, f"`{percent_text(share)}` held back after a step of "
            f"{percent_text(_highest(spec))}", "promotion would lower the candidate's weight",
            "hold back less, or remove the last step", needs=[path],
        )  # fmt: skip


def _highest(spec: Spec) -> Decimal:
    """The highest weight before 100 % that was written step by step."""
    match spec.strategy:
        case Linear() | BlueGreen() | Rolling():
            return Decimal()
        case stepped:
            weights = [step.weight for step in stepped.steps if not isinstance(step, ApprovalStep)]
            return Decimal(max(weights, default=0)) / 1000


def _preview(form: forms.PreviewForm | None, path: KeyPath, notes: Notes) -> None:
    if form is None:
        return
    written = form.header if form.cookie is None else form.cookie
    if written is None or (form.header is not None and form.cookie is not None):
        exactly_one(notes, path, form, "CF2212", "mark")
        return
    kind = "header" if form.cookie is None else "cookie"
    found = build.preview(form)
    if found is None or not (_HEADER.fullmatch(found.name) and _PLAIN.fullmatch(found.value)):
        like = '"x-crossfade: candidate"' if kind == "header" else '"preview=candidate"'
        notes.say(
            "CF2212", (*path, kind), f"{shown(written)} cannot be sent as a {kind}",
            "it is a name and a value, in printable ASCII without blanks, quotes, `,`, `;` or `\\`",
            f"write it like `{{{kind}: {like}}}`",
        )  # fmt: skip
    elif found.kind is PreviewKind.HEADER and _EVERYBODYS.fullmatch(found.name.lower()):
        notes.say(
            "CF2212", (*path, kind), f"the header {shown(found.name)} cannot mark staff",
            "browsers send it by themselves, or the proxy writes it",
            'take a name of your own, e.g. `{header: "x-crossfade: candidate"}`'
            if found.name.lower() != "cookie" else 'write e.g. `{cookie: "preview=candidate"}`',
        )  # fmt: skip
    elif found.kind is PreviewKind.COOKIE and found.name.startswith(_OUR_COOKIES):
        notes.say(
            "CF2212", (*path, kind), f"the cookie {shown(found.name)} cannot mark staff",
            f"names that begin with `{_OUR_COOKIES}` are for `sticky`",
            'take a name of your own, e.g. `{cookie: "preview=candidate"}`',
        )  # fmt: skip
