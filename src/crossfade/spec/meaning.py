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
from typing import Final

from crossfade.spec import (
    aws_sense,
    database_sense,
    gates,
    own_sense,
    schema,
    signal_sense,
    stateful,
    strategies,
)
from crossfade.spec.alb_forms import AwsForm
from crossfade.spec.findings import KeyPath
from crossfade.spec.mistakes import EXAMPLES, Notes, exactly_one, missing
from crossfade.spec.models import Spec, WarmUp
from crossfade.spec.places import NoPlaceError, is_place, s3_place
from crossfade.spec.units import duration_text, rate_text, shown

_SERVICE: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
_RULE_PATH: Final = re.compile(r"/|(/(?!\.{1,2}(/|$))([\w.~!$&'()+,;=:@-]|%[0-9A-Fa-f]{2})+)+", re.ASCII)
"""A path as the proxy compares it: whole segments, none empty, `.` or `..`, nothing behind the last."""
_WARM_UP: Final = WarmUp(paths=())
_ZERO: Final = timedelta()
_WARM_UP_TIMES: Final = 1.5
_ANSWERS: Final = timedelta(seconds=20)
"""A warm-up's judged half may be run once more, and its last answers are waited for."""


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
    _state(root.state, root.aws or AwsForm(), notes)
    _platform(root.platform, notes)
    aws_sense.check(root, spec, notes)
    signal_sense.check(root, spec, notes)
    own_sense.check(root, spec, notes)
    strategies.check(root, spec, notes)
    gates.check(root, spec, notes)
    database_sense.check(root.database, notes)
    _deadlines(root.deadlines, notes)
    _hooks(root.hooks, spec, notes)
    _after(root, notes)


def _tidy(name: str) -> str:
    """A name like the given one that would be taken."""
    tidy = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:63]
    return tidy if _SERVICE.fullmatch(tidy) else f"app-{tidy}"[:63].rstrip("-")


def _state(state: str | None, aws: AwsForm, notes: Notes) -> None:
    if state is None:
        return
    scheme = re.match(r"([a-z][a-z0-9+.-]*)://", state, re.IGNORECASE)
    if is_place(state):
        try:
            s3_place(state, **aws.model_dump())
        except NoPlaceError as error:
            notes.say(
                "CF2004", ("state",), f"{shown(state)} is not a place for the state", str(error),
                f"write `state: s3://bucket/prefix`, and `{EXAMPLES['aws']}`",
                needs=[("aws", name) for name in ("account", "region", "endpoint")],
            )  # fmt: skip
    elif scheme and scheme[1].lower() in {"postgresql", "postgres"}:
        notes.say(
            "CF1102", ("state",), f"state in `{scheme[1]}://` is known, but not in this version",
            "this version keeps its journal on one machine or in S3",
            "write a folder, e.g. `.crossfade`, or `s3://bucket/prefix`",
        )  # fmt: skip
    elif scheme or not state.strip():
        notes.say(
            "CF2002", ("state",), f"{shown(state)} is neither a folder nor a bucket",
            "the journal lies in a folder of this machine, or in S3",
            "write a folder, e.g. `.crossfade`, or `s3://bucket/prefix`",
        )  # fmt: skip


def _platform(form: schema.PlatformForm | None, notes: Notes) -> None:
    if form is None:
        return
    exactly_one(notes, ("platform",), form, "CF2101", "platform")
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
    _rules(local.rules, (*path, "rules"), notes)


def _rules(rules: list[schema.RuleForm] | None, path: KeyPath, notes: Notes) -> None:
    if rules is None:
        return
    if not rules:
        notes.say(
            "CF2106", path, "no request is this service's", "its list of rules is empty",
            "leave `rules` out, or write e.g. `[{path: /api}]`",
        )  # fmt: skip
    seen: set[tuple[str, str]] = set()
    for i, rule in enumerate(rules):
        if rule.host is not None and not _HOST.fullmatch(rule.host):
            notes.say(
                "CF2106", (*path, i, "host"), f"{shown(rule.host)} is not a host",
                "a rule names one host: letters, digits, `.` and `-`, lower case, without a port",
                "write it like `shop.example.com`",
            )  # fmt: skip
        if rule.path is not None and not _RULE_PATH.fullmatch(rule.path):
            notes.say(
                "CF2106", (*path, i, "path"), f"no request has a path under {shown(rule.path)}",
                "a rule names the first segments of a path, in ASCII, without `//`, `..`, `?`, `#`, `*` "
                "or a `/` at the end", f"write it like `{_rule_path(rule.path)}`",
            )  # fmt: skip
        key = (rule.host or "", rule.path or "/")
        if key in seen:
            notes.say(
                "CF2106", (*path, i), "this rule stands twice", "one of the two would never be met",
                "remove one of them",
            )  # fmt: skip
        seen.add(key)


def _rule_path(text: str) -> str:
    """A path like the given one that would be taken."""
    segments = [one for one in re.split(r"[?#]", text)[0].split("/") if one.strip(".*")]
    tidy = "/" + "/".join(segments)
    return tidy if segments and _RULE_PATH.fullmatch(tidy) else "/api"


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


def _deadlines(form: schema.DeadlinesForm | None, notes: Notes) -> None:
    for name in type(form).model_fields if form is not None else ():
        if getattr(form, name) == _ZERO:
            notes.say(
                "CF2403", ("deadlines", name), f"a deadline of no time for `{name}`",
                "it would be over before anything was tried", "write e.g. `5m`, or leave it out",
            )  # fmt: skip


def _hooks(form: schema.HooksForm | None, spec: Spec, notes: Notes) -> None:
    for path, hook in _each_hook(form):
        exactly_one(notes, path, hook, "CF2501", "kind of hook")
        if hook.http is not None:
            _path(hook.http, (*path, "http"), notes)
        if hook.command is not None:
            _command(hook.command, (*path, "command"), notes, serves=False)
        if hook.warm_up is not None:
            _warm_up(hook.warm_up, spec, (*path, "warm_up"), notes)


def _warm_up(form: schema.WarmUpForm, spec: Spec, path: KeyPath, notes: Notes) -> None:
    if path[1] != "before_traffic":
        notes.say(
            "CF2502", path, f"a warm-up among `{path[1]}`", "by then users have met the candidate",
            "move it to `hooks.before_traffic`",
        )  # fmt: skip
    if form.paths is None:
        missing(notes, (*path, "paths"), EXAMPLES["paths"])
    elif not form.paths:
        notes.say(
            "CF2502", (*path, "paths"), "a warm-up that asks for nothing", "its list of paths is empty",
            f"write e.g. `{EXAMPLES['paths']}`",
        )  # fmt: skip
    for i, asked in enumerate(form.paths or ()):
        _path(asked, (*path, "paths", i), notes)
    most = spec.deadlines.hook
    lasts = _WARM_UP.hold_for if form.hold_for is None else form.hold_for
    rate = _WARM_UP.rate if form.rate is None else form.rate
    if lasts == _ZERO:
        notes.say(
            "CF2502", (*path, "for"), "a warm-up of no time", "nothing is warm after it",
            f"write e.g. `for: {duration_text(_WARM_UP.hold_for)}`",
        )  # fmt: skip
    elif _WARM_UP_TIMES * lasts + _ANSWERS >= most > _ZERO:
        notes.say(
            "CF2502", (*path, "for"), f"a warm-up of {duration_text(lasts)}, and a hook may take "
            f"{duration_text(most)}", "a failure is judged again, and there is no time for that",
            "shorten it, or write a longer `deadlines.hook`", needs=[("deadlines",)],
        )  # fmt: skip
    elif form.paths and lasts.total_seconds() * rate < len(form.paths):
        notes.say(
            "CF2502", path, f"a warm-up of {duration_text(lasts)} at {rate_text(rate)} does not ask "
            f"for {'its path' if len(form.paths) == 1 else f'each of its {len(form.paths)} paths'}",
            "a path that is not asked is not warm",
            "write a longer `for` or a higher `rate`",
        )  # fmt: skip


def _after(root: schema.Root, notes: Notes) -> None:
    names = root.after or []
    for i, name in enumerate(names):
        if not _SERVICE.fullmatch(name) or name == root.service or name in names[:i]:
            why = (
                "no service waits for itself" if name == root.service
                else "it stands twice" if name in names[:i]
                else "it is not the name of a service"
            )  # fmt: skip
            notes.say(
                "CF2003", ("after", i), f"{shown(name)} cannot be waited for", why,
                "remove it" if _SERVICE.fullmatch(name) else f"write `{_tidy(name)}`, or remove it",
            )  # fmt: skip


def _each_hook(form: schema.HooksForm | None) -> Iterator[tuple[KeyPath, schema.HookForm]]:
    for name in type(form).model_fields if form is not None else ():
        for i, hook in enumerate(getattr(form, name) or ()):
            yield ("hooks", name, i), hook
