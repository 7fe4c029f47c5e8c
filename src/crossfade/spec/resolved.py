"""
The whole configuration with nothing left implied, for `crossfade lint --resolved`.

Each value stands with its source: the line that wrote it, or the reason for its default. The
text is itself a `crossfade.yaml` that means the same spec.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, assert_never

from crossfade.spec import figures, units
from crossfade.spec.aws_models import AlbPlatform, Aws, Targets, TargetsCommand, TargetsFile
from crossfade.spec.build import WARM_ENOUGH, warmed
from crossfade.spec.database_models import Database
from crossfade.spec.fields import BECAUSE
from crossfade.spec.findings import KeyPath, dotted
from crossfade.spec.mistakes import field_at
from crossfade.spec.models import (
    AlarmsGate,
    ApprovalStep,
    BlueGreen,
    Canary,
    CommandHook,
    ErrorsGate,
    Gate,
    Hook,
    HttpHook,
    Hybrid,
    LatencyGate,
    Linear,
    LocalPlatform,
    NoGates,
    Platform,
    PreviewKind,
    Rolling,
    Rule,
    Spec,
    Strategy,
    UnhealthyGate,
    WarmUp,
    WeightStep,
)
from crossfade.spec.places import S3Place
from crossfade.spec.signal_models import KpiGate, MetricGate

_PLAIN: Final = re.compile(r"[A-Za-z/.][A-Za-z0-9/._-]*")
_SPECIAL: Final = frozenset({"yes", "no", "on", "off", "true", "false", "null", "none", "y", "n"})
_COMMENT_COLUMN: Final = 44

_Value = str | list["_Value"] | dict[str, "_Value"]


def resolved(spec: Spec) -> str:
    """The spec as YAML, one value a line, each with `# file:line` or `# default: reason`."""
    sources = dict(spec.sources)
    lines = []
    for path, head, value in _lines(_tree(spec), (), ""):
        text = f"{head}{value}"
        said = _source(path, sources, spec) if value else ""
        lines.append(f"{text:<{_COMMENT_COLUMN}}  # {said}" if said else text)
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A text as a YAML scalar on one line."""
    if _PLAIN.fullmatch(text) and text.lower() not in _SPECIAL and text.strip("."):
        return text
    # JSON's escapes are YAML's, except that YAML wants U+0085, U+2028 and their like escaped.
    body = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escape(c) for c in body)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _source(path: KeyPath, sources: dict[str, str], spec: Spec) -> str:
    written = sources.get(dotted(path))
    if written is not None:
        return written
    if path == ("judging", "warm_up") and warmed(spec.hooks):
        return f"default: a `warm_up` hook of {_time(WARM_ENOUGH)} or more has them warm before any user"
    # A list's items have the reason of the whole: nobody wrote the list.
    for end in range(len(path), 0, -1):
        _, field = field_at(path[:end])
        extra = field.json_schema_extra if field is not None else None
        if isinstance(extra, dict) and BECAUSE in extra:
            return f"default: {extra[BECAUSE]}"
    return ""


def _lines(value: _Value, path: KeyPath, indent: str) -> Iterator[tuple[KeyPath, str, str]]:
    """(key path, text before the value, value) of each line."""
    match value:
        case dict():
            for key, child in value.items():
                yield from _entry(child, (*path, key), f"{indent}{key}:", indent + "  ")
        case list():
            for i, child in enumerate(value):
                inside = list(_lines(child, (*path, i), indent + "  "))
                first_path, head, text = inside[0]
                yield first_path, f"{indent}- {head.removeprefix(indent + '  ')}", text
                yield from inside[1:]
        case str():
            yield path, indent, value
        case _:
            assert_never(value)


def _entry(value: _Value, path: KeyPath, head: str, indent: str) -> Iterator[tuple[KeyPath, str, str]]:
    match value:
        case str():
            yield path, head + " ", value
        case []:
            yield path, head + " ", "[]"
        case _:
            yield path, head, ""
            yield from _lines(value, path, indent)


def _state(spec: Spec) -> str:
    """A place in a bucket says its account itself where `aws:` does not."""
    if not isinstance(spec.state, S3Place):
        return str(spec.state)
    return spec.state.url if spec.aws is None else spec.state.name


def _tree(spec: Spec) -> _Value:
    judging, deadlines, hooks = spec.judging, spec.deadlines, spec.hooks
    return {
        "apiVersion": "crossfade/v1",
        "service": quoted(spec.service),
        "state": quoted(_state(spec)),
        "platform": _platform(spec.platform),
        **({} if spec.aws is None else {"aws": _aws(spec.aws)}),
        "strategy": _strategy(spec.strategy),
        "gates": _gates(spec.gates),
        "signals": figures.signals_tree(spec.signals, quoted),
        "judging": {
            "false_stops": units.percent_text(judging.false_stops),
            "warm_up": _time(judging.warm_up),
            "preset": judging.preset.value,
            "no_data": judging.no_data.value,
            "inconclusive": judging.inconclusive.value,
        },
        "deadlines": {
            "ready": _time(deadlines.ready),
            "hook": _time(deadlines.hook),
            "no_data": _time(deadlines.no_data),
            "hold": _time(deadlines.hold),
            "rollback": _time(deadlines.rollback),
        },
        "hooks": {
            "before_traffic": [_hook(hook) for hook in hooks.before_traffic],
            "after_traffic": [_hook(hook) for hook in hooks.after_traffic],
            "on_rollback": [_hook(hook) for hook in hooks.on_rollback],
            "hand_over": [_hook(hook) for hook in hooks.hand_over],
        },
        **({} if spec.database is None else {"database": _database(spec.database)}),
        "policy": {"approvals": str(spec.policy.approvals)},
        "after": [quoted(name) for name in spec.after],
        "on_interrupt": spec.on_interrupt.value,
    }


_time = units.duration_text


def _database(database: Database) -> _Value:
    named = {"migrations": database.migrations, "app_role": database.app_role, "boot": database.boot}
    direct: dict[str, _Value] = {}
    if database.direct_url is not None:
        direct["direct_url"] = {"env": quoted(database.direct_url)}
    if database.standbys:
        direct["standbys"] = [{"env": quoted(one)} for one in database.standbys]
    return {
        "url": {"env": quoted(database.url)},
        **direct,
        **{key: quoted(text) for key, text in named.items() if text is not None},
        "shape": quoted(database.shape),
        "rollback_window": {
            "releases": str(database.rollback_window.releases),
            "for": _time(database.rollback_window.hold_for),
        },
    }


def _platform(platform: Platform) -> _Value:
    match platform:
        case LocalPlatform():
            return {
                "local": {
                    "command": quoted(platform.command),
                    "port": str(platform.port),
                    "test_port": str(platform.test_port),
                    "instances": str(platform.instances),
                    "health": quoted(platform.health),
                    "stop_grace": _time(platform.stop_grace),
                    "drain": _time(platform.drain),
                    "rules": [_rule(rule) for rule in platform.rules],
                }
            }
        case AlbPlatform():
            return {
                "alb": {
                    "rules": [quoted(rule) for rule in platform.rules],
                    "test": quoted(platform.test),
                    "target_groups": {"blue": quoted(platform.blue), "green": quoted(platform.green)},
                    "targets": _targets(platform.targets),
                    "health": quoted(platform.health),
                }
            }
        case _:
            assert_never(platform)


def _targets(targets: Targets) -> dict[str, _Value]:
    match targets:
        case TargetsFile(file=file):
            return {"file": quoted(file)}
        case TargetsCommand(command=command):
            return {"command": quoted(command)}
        case _:
            assert_never(targets)


def _aws(aws: Aws) -> dict[str, _Value]:
    given = {"account": aws.account, "region": aws.region, "endpoint": aws.endpoint, "role": aws.role}
    return {key: quoted(text) for key, text in given.items() if text is not None}


def _strategy(strategy: Strategy) -> _Value:
    match strategy:
        case Canary():
            return {"canary": {"steps": _steps(strategy.steps), **_kept(strategy)}}
        case Hybrid():
            return {"hybrid": {"steps": _steps(strategy.steps), **_kept(strategy)}}
        case Linear():
            step = units.percent_text(strategy.step / 1000)
            every = {"every": _time(strategy.every), "max_bake": _time(strategy.max_bake)}
            return {"linear": {"step": step, **every, **_kept(strategy)}}
        case BlueGreen():
            return {"blue_green": {**_bake(strategy), **_kept(strategy)}}
        case Rolling():
            room: dict[str, _Value] = {
                "surge": _part(strategy.surge),
                "unavailable": _part(strategy.unavailable),
            }
            return {"rolling": {**room, **_bake(strategy), **_kept(strategy)}}
        case _:
            assert_never(strategy)


def _part(part: int | Decimal) -> str:
    return str(part) if isinstance(part, int) else units.percent_text(part)


def _kept(strategy: Strategy) -> dict[str, _Value]:
    said: dict[str, _Value] = {"keep_old": _time(strategy.keep_old)}
    if not isinstance(strategy, Rolling):
        said["hold_back"] = units.percent_text(strategy.hold_back / 1000)
    if strategy.sticky:
        said["sticky"] = "cookie"
    if strategy.preview is not None:
        mark = ": " if strategy.preview.kind is PreviewKind.HEADER else "="
        text = f"{strategy.preview.name}{mark}{strategy.preview.value}"
        said["preview"] = {strategy.preview.kind.value: quoted(text)}
    return said


def _steps(steps: tuple[WeightStep | ApprovalStep, ...]) -> list[_Value]:
    return [_step(step) for step in steps]


def _step(step: WeightStep | ApprovalStep) -> _Value:
    match step:
        case WeightStep():
            return {"weight": units.percent_text(step.weight / 1000), **_bake(step)}
        case ApprovalStep():
            return {"approval": "required"}
        case _:
            assert_never(step)


def _bake(part: WeightStep | BlueGreen | Rolling) -> dict[str, _Value]:
    return {"bake": _time(part.bake), "max_bake": _time(part.max_bake)}


def _rule(rule: Rule) -> _Value:
    host: dict[str, _Value] = {"host": quoted(rule.host)} if rule.host else {}
    return {**host, "path": quoted(rule.path)}


def _gates(gates: tuple[Gate, ...] | NoGates) -> _Value:
    if isinstance(gates, NoGates):
        return {"none": quoted(gates.reason)}
    return {gate.name: _gate(gate) for gate in gates}


def _gate(gate: Gate) -> _Value:
    said: dict[str, _Value]
    match gate:
        case ErrorsGate():
            said = {
                "against": "stable",
                "at_most": units.ratio_text(gate.at_most),
                "ignore_below": units.percent_text(gate.ignore_below),
                "must_see": units.percent_text(gate.must_see),
            }
            if gate.max is not None:
                said["max"] = units.percent_text(gate.max)
        case LatencyGate():
            said = {
                "against": "stable",
                "at_most": units.ratio_text(gate.at_most),
                "at": [units.quantile_text(q) for q in gate.at],
                "must_see": units.ratio_text(gate.must_see),
            }
            if gate.max:
                said["max"] = {units.quantile_text(q): _time(limit) for q, limit in gate.max}
        case UnhealthyGate():
            said = {"of": "candidate", "max": str(gate.max), "for": _time(gate.hold_for)}
            if gate.memory is not None:
                said["memory"] = units.size_text(gate.memory)
        case AlarmsGate() | KpiGate() | MetricGate():
            said = figures.gate_tree(gate, quoted)
        case _:
            assert_never(gate)
    said["mode"] = gate.mode.value
    return said


def _hook(hook: Hook) -> _Value:
    match hook:
        case HttpHook():
            return {"http": quoted(hook.path)}
        case CommandHook():
            return {"command": quoted(hook.command)}
        case WarmUp():
            return {
                "warm_up": {
                    "paths": [quoted(path) for path in hook.paths],
                    "for": _time(hook.hold_for),
                    "rate": units.rate_text(hook.rate),
                    "mirror": units.percent_text(hook.mirror),
                }
            }
        case _:
            assert_never(hook)
