"""
What a well-formed file must also mean: a release that can be made, judged and undone.

Checks look at the form for what was written and at the built spec for what it comes to with
defaults. Each says one finding; what rests on a value that is already reported stays silent.
`load.py` calls `check` once, after `mistakes.formed` and `build.spec`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Final

from crossfade.spec import gates, schema, stateful
from crossfade.spec.fields import Form
from crossfade.spec.findings import KeyPath, dotted
from crossfade.spec.mistakes import EXAMPLES, Notes, missing
from crossfade.spec.models import Spec
from crossfade.spec.units import duration_text, percent_text, shown

_SERVICE: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_FINEST: Final = Decimal("0.001")
_ZERO: Final = timedelta()


def check(root: schema.Root, spec: Spec, notes: Notes) -> None:
    """Add a finding to the notes for everything that cannot be meant."""
    for name, value in (
        ("apiVersion", root.apiVersion), ("service", root.service),
        ("platform", root.platform), ("strategy", root.strategy),
    ):  # fmt: skip
        if value is None:
            missing(notes, (name,), EXAMPLES[name])
    if root.service is not None and not _SERVICE.fullmatch(root.service):
        notes.say(
            "CF2001", ("service",), f"{shown(root.service)} cannot be the name of a service",
            "it names folders, metrics and DNS labels: a letter, then letters, digits or `-`, "
            "lower case, at most 63",
            f"write `{_tidy(root.service)}`",
        )  # fmt: skip
    _state(root.state, notes)
    _platform(root.platform, notes)
    _strategy(root.strategy, notes)
    gates.check(root, spec, notes)
    _deadlines(root.deadlines, notes)
    _hooks(root.hooks, notes)


def _tidy(name: str) -> str:
    """A name like the given one that would be taken."""
    tidy = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:63]
    return tidy if _SERVICE.fullmatch(tidy) else f"app-{tidy}"[:63].rstrip("-")


def _state(state: str | None, notes: Notes) -> None:
    if state is None:
        return
    scheme = re.match(r"([a-z][a-z0-9+.-]*)://", state, re.IGNORECASE)
    if scheme and scheme[1].lower() in {"s3", "postgresql", "postgres"}:
        notes.say(
            "CF1102", ("state",), f"state in `{scheme[1]}://` is known, but not in this version",
            "this version keeps its journal on one machine", "write a folder, e.g. `.crossfade`",
        )  # fmt: skip
    elif scheme or not state.strip():
        notes.say(
            "CF2002", ("state",), f"{shown(state)} is not a folder",
            "the journal lies in a folder of this machine", "write a folder, e.g. `.crossfade`",
        )  # fmt: skip


def _one_of(notes: Notes, path: KeyPath, form: Form, error_id: str, noun: str) -> None:
    """Exactly one key of this mapping is set."""
    names = list(type(form).model_fields)
    given = [name for name in names if getattr(form, name) is not None]
    if len(given) == 1:
        return
    both = ", ".join(given)
    notes.say(
        error_id, path, f"`{dotted(path)}` names {both if given else 'no ' + noun}",
        f"exactly one {noun} is needed: {' or '.join(names)}",
        f"keep one of {both}" if given else f"write one of {', '.join(names)}",
    )  # fmt: skip


def _platform(form: schema.PlatformForm | None, notes: Notes) -> None:
    if form is None:
        return
    _one_of(notes, ("platform",), form, "CF2101", "platform")
    if form.local is None:
        return
    path = ("platform", "local")
    local = form.local
    if local.port is None:
        missing(notes, (*path, "port"), EXAMPLES["port"])
    if local.command is None:
        missing(notes, (*path, "command"), EXAMPLES["command"])
    else:
        _command(local.command, (*path, "command"), notes, serves=True)
    if local.port and local.port == local.test_port:
        notes.say(
            "CF2102", (*path, "test_port"), "`test_port` is the same as `port`",
            "users would reach the candidate on it before it is trusted",
            "write another port, or leave it out for a free one", needs=[(*path, "port")],
        )  # fmt: skip
    if local.health is not None:
        _path(local.health, (*path, "health"), notes)


def _command(command: str, path: KeyPath, notes: Notes, *, serves: bool) -> None:
    try:
        words = shlex.split(command)
    except ValueError as error:
        notes.say(
            "CF2103", path, "the command cannot be split into words", str(error),
            "close the quote, or put the command into a script",
        )  # fmt: skip
        return
    if not words or not words[0]:
        notes.say(
            "CF2103", path, "the command is empty", "there is nothing to start",
            "write the program and its arguments",
        )  # fmt: skip
        return
    if not serves:
        return
    stored = stateful.program_in(words)
    if stored is not None:
        notes.say(stateful.refusal("")[0], path, *stateful.refusal(f"`{stored}`")[1:])
    elif "{port}" not in command:
        notes.say(
            "CF2104", path, "the command does not say `{port}`",
            "several instances run side by side, each on a port of its own",
            "pass `{port}` where the program takes its port",
        )  # fmt: skip


def _path(text: str, path: KeyPath, notes: Notes) -> None:
    if not text.startswith("/") or any(c.isspace() for c in text) or not text.isascii():
        notes.say(
            "CF2105", path, f"{shown(text)} is not a path",
            "a path starts with `/` and holds neither blanks nor letters beyond ASCII",
            "write it like `/healthz`",
        )  # fmt: skip


def _strategy(form: schema.StrategyForm | None, notes: Notes) -> None:
    if form is None:
        return
    _one_of(notes, ("strategy",), form, "CF2201", "strategy")
    if form.blue_green is not None:
        _bake(form.blue_green, schema.FLIP_BAKE, ("strategy", "blue_green"), notes)
    if form.canary is not None and form.canary.steps is not None:
        _steps(form.canary.steps, ("strategy", "canary", "steps"), notes)


def _steps(steps: list[schema.StepForm], path: KeyPath, notes: Notes) -> None:
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
            _bake(step, schema.STEP_BAKE, here, notes)
        may_ask = True


def _weight(weight: Decimal, last: Decimal | None, path: KeyPath, notes: Notes) -> None:
    if not 0 < weight < 1:
        notes.say(
            "CF2203", path, f"`{percent_text(weight)}` is not a step",
            "a step lies above 0% and below 100%; 100% after the last step is implied",
            "remove the step, or write another weight",
        )  # fmt: skip
    elif weight % _FINEST:
        notes.say(
            "CF2207", path, f"`{percent_text(weight)}` is too fine", "weights go in steps of 0.1%",
            f"write `{percent_text(max(weight.quantize(_FINEST), _FINEST))}`",
        )  # fmt: skip
    elif last is not None and weight <= last:
        notes.say(
            "CF2204", path, f"`{percent_text(weight)}` comes after `{percent_text(last)}`",
            "weights only rise; the way down is a rollback", "sort the steps by weight",
        )  # fmt: skip


def _bake(
    form: schema.StepForm | schema.BlueGreenForm, default: timedelta, path: KeyPath, notes: Notes
) -> None:
    bake = default if form.bake is None else form.bake
    if bake <= _ZERO:
        notes.say(
            "CF2208", (*path, "bake"), "a bake of no time", "nothing can be seen in it",
            f"write e.g. `bake: {duration_text(default)}`",
        )  # fmt: skip
    elif form.max_bake is not None and form.max_bake < bake:
        notes.say(
            "CF2209", (*path, "max_bake"), f"`max_bake` is shorter than the bake of {duration_text(bake)}",
            "it is how long the bake may be extended in all",
            "write a longer one, or leave it out for six times the bake", needs=[(*path, "bake")],
        )  # fmt: skip


def _deadlines(form: schema.DeadlinesForm | None, notes: Notes) -> None:
    for name in type(form).model_fields if form is not None else ():
        if getattr(form, name) == _ZERO:
            notes.say(
                "CF2403", ("deadlines", name), f"a deadline of no time for `{name}`",
                "it would be over before anything was tried", "write e.g. `5m`, or leave it out",
            )  # fmt: skip


def _hooks(form: schema.HooksForm | None, notes: Notes) -> None:
    for path, hook in _each_hook(form):
        _one_of(notes, path, hook, "CF2501", "kind of hook")
        if hook.http is not None:
            _path(hook.http, (*path, "http"), notes)
        if hook.command is not None:
            _command(hook.command, (*path, "command"), notes, serves=False)


def _each_hook(form: schema.HooksForm | None) -> Iterator[tuple[KeyPath, schema.HookForm]]:
    for name in type(form).model_fields if form is not None else ():
        for i, hook in enumerate(getattr(form, name) or ()):
            yield ("hooks", name, i), hook
