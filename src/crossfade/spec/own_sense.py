"""
What gates under names of one's own must mean: one kind each, and figures that the source of counts can bring.

Called by `meaning.py`. Nothing is asked here: whether a metric or an alarm exists is for signals.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from crossfade.spec import schema
from crossfade.spec.findings import KeyPath
from crossfade.spec.mistakes import EXAMPLES, Notes, like_a_gate, missing, unknown_gate
from crossfade.spec.models import NoGates, Spec
from crossfade.spec.signal_forms import AlarmForm, CustomGateForm
from crossfade.spec.signal_models import AccessLog, CloudWatchSignals
from crossfade.spec.signal_sense import PERIOD, conditions, names_somebody, placeholders, within
from crossfade.spec.units import shown

_GATE: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_JUDGES: Final = ("outage", "traffic")
"""Names of lanes of the judge."""
_METRIC: Final = re.compile(r"[A-Za-z0-9._#-][A-Za-z0-9._/#: -]{0,254}/[!-.0-~]([ -.0-~]{0,253}[!-.0-~])?")
"""Blanks are allowed in both; a name of its own has no slash here, since the last one ends the namespace."""
_COUNTER: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{.*\})?", re.DOTALL)
_STAT: Final = re.compile(
    r"Average|Sum|Minimum|Maximum|SampleCount|IQM|p(100|[0-9]{1,2}(\.[0-9]{1,10})?)|"
    r"(tm|wm|tc|ts)[0-9]{1,2}(\.[0-9]+)?|(TM|WM|TC|TS|PR)\([0-9.%]*:[0-9.%]*\)"
)
_APART: Final = ("{target_group}", "{revision}")
_LONGEST_NAME: Final = 255
_MOST_DIMENSIONS: Final = 30


def check(root: schema.Root, spec: Spec, notes: Notes) -> None:
    """Add a finding for every gate of one's own that cannot be meant."""
    form = root.gates
    if form is None or isinstance(spec.gates, NoGates):
        return
    for name, gate in (form.__pydantic_extra__ or {}).items():
        _custom(name, gate, root, spec, notes)


def _custom(name: str, gate: CustomGateForm, root: schema.Root, spec: Spec, notes: Notes) -> None:
    path = ("gates", name)
    pair = gate.total is not None or gate.success is not None or gate.failure is not None
    if not _GATE.fullmatch(name) or (pair and name in _JUDGES):
        why = (
            "the judge has a lane of this name" if name in _JUDGES
            else "it appears in metrics and events: a letter, then letters, digits, `_` or `-`, lower case"
        )  # fmt: skip
        notes.say(
            "CF2306", path, f"{shown(name)} cannot be the name of a gate", why, "write e.g. `paging`",
            at_key=True,
        )  # fmt: skip
    kinds = [kind for kind, there in (
        ("alarms", gate.alarms is not None), ("total", pair), ("metric", gate.metric is not None),
    ) if there]  # fmt: skip
    if not kinds:
        _no_kind(name, path, notes)
        return
    if len(kinds) > 1:
        notes.say(
            "CF2310", path, f"gate {shown(name)} is of several kinds",
            f"{' and '.join(f'`{kind}`' for kind in kinds)} are gates of their own", "make two gates of it",
        )  # fmt: skip
        return
    _only_its_own(kinds[0], gate, path, notes)
    if gate.alarms is not None:
        _alarms(name, gate.alarms, root, path, notes)
    elif pair:
        _pair(gate, spec, path, notes)
    else:
        _metric(gate, root, spec, path, notes)


_SETTINGS: Final = {
    "alarms": ("alarms", "mode"),
    "total": (
        "total", "success", "failure", "against", "at_most", "ignore_below", "must_see", "dimensions", "mode",
    ),
    "metric": ("metric", "stat", "max", "min", "hold_for", "dimensions", "mode"),
}  # fmt: skip


def _no_kind(name: str, path: KeyPath, notes: Notes) -> None:
    if meant := like_a_gate(name):
        notes.say(*unknown_gate(path, meant), at_key=True)
    else:
        missing(notes, (*path, "alarms"), EXAMPLES["alarms"])


def _only_its_own(kind: str, gate: CustomGateForm, path: KeyPath, notes: Notes) -> None:
    for field, form in type(gate).model_fields.items():
        key = form.alias or field
        if getattr(gate, field) is not None and field not in _SETTINGS[kind]:
            notes.say(
                "CF2310", (*path, key), f"`{key}` means nothing beside `{kind}`",
                f"such a gate has {', '.join(_SETTINGS[kind])}".replace("hold_for", "for"), "remove it",
                at_key=True,
            )  # fmt: skip


def _alarms(name: str, alarms: list[AlarmForm], root: schema.Root, path: KeyPath, notes: Notes) -> None:
    if not alarms:
        notes.say(
            "CF2304", (*path, "alarms"), f"gate {shown(name)} watches nothing", "its list of alarms is empty",
            f"add `{EXAMPLES['http']}`, or remove the gate",
        )  # fmt: skip
    for i, alarm in enumerate(alarms):
        here = (*path, "alarms", i)
        if alarm.http is not None and alarm.name is not None:
            notes.say(
                "CF2305", here, "an alarm is a name and a web address",
                "which of the two is asked is not said", "keep one of them",
            )  # fmt: skip
        elif alarm.name is not None:
            _alarm_name(alarm.name, root, here, notes)
        elif alarm.http is None:
            missing(notes, (*here, "http"), EXAMPLES["http"])
        elif names_somebody(alarm.http):
            notes.say(
                "CF2305", (*here, "http"), "the address holds a user or a password",
                "it is asked as it stands, without either, and would be shown with every verdict",
                "leave out what stands before `@`",
            )  # fmt: skip
        elif not _is_alarm_url(alarm.http):
            notes.say(
                "CF2305", (*here, "http"), f"{shown(alarm.http)} is not a web address",
                "an alarm is asked for by HTTP", 'write it like "http://127.0.0.1:9093/alarm"',
            )  # fmt: skip


def _alarm_name(name: str, root: schema.Root, path: KeyPath, notes: Notes) -> None:
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable() or name.startswith("arn:"):
        notes.say(
            "CF2305", path, f"{shown(name)} is not the name of an alarm",
            f"CloudWatch's alarms have names of 1 to {_LONGEST_NAME} characters, not ARNs",
            "write the name as the console shows it",
        )  # fmt: skip
    elif root.aws is None:
        notes.say(
            "CF2311", path, f"the alarm {shown(name)} is one of CloudWatch, and there is no `aws`",
            "which account and region it is in is not said", f"add `{EXAMPLES['aws']}`, or write "
            '`{http: "http://…"}`', needs=[("aws",)],
        )  # fmt: skip


def _is_alarm_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    plain = text.isascii() and not any(c.isspace() for c in text)
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


def _pair(gate: CustomGateForm, spec: Spec, path: KeyPath, notes: Notes) -> None:
    if isinstance(spec.signals, AccessLog):
        notes.say(
            "CF2312", path, "figures of your own are not in the proxy's log",
            "a pair of counts is read from the source that counts requests",
            "write `signals: {scrape: {}}`, where each instance shows its counters", needs=[("signals",)],
        )  # fmt: skip
        return
    if gate.total is None:
        missing(notes, (*path, "total"), EXAMPLES["total"])
    if (gate.success is None) == (gate.failure is None):
        both = gate.success is not None
        notes.say(
            "CF2312", path,
            "the gate has " + ("both `success` and `failure`" if both else "neither `success` nor `failure`"),
            "one says what of the total went well or failed, the rest is the other",
            "keep one of them" if both else f"add `{EXAMPLES['success']}`",
        )  # fmt: skip
    cloudwatch = isinstance(spec.signals, CloudWatchSignals)
    for key in ("total", "success", "failure"):
        text = getattr(gate, key)
        if text is not None:
            (_cloudwatch_name if cloudwatch else _counter)(text, (*path, key), notes)
    if gate.dimensions is not None and not cloudwatch:
        notes.say(
            "CF2310", (*path, "dimensions"), "counters of instances have no dimensions",
            "which version an instance is of is known", "remove them; conditions stand at the counter's name",
            at_key=True,
        )  # fmt: skip
    elif gate.dimensions is not None:
        _dimensions(gate.dimensions, spec, (*path, "dimensions"), notes)
        if not any(one in text for text in gate.dimensions.values() for one in _APART):
            notes.say(
                "CF2312", (*path, "dimensions"), "both versions have the same dimensions",
                "then both are counted as one",
                'say where the version stands, e.g. `{TargetGroup: "{target_group}"}`',
            )  # fmt: skip
    at_most = gate.at_most
    if at_most is not None and at_most < 1:
        notes.say(
            "CF2308", (*path, "at_most"), "a limit below 1x asks for a better version",
            "a candidate as good as stable would be stopped", "write `1x` or more, e.g. `1.25x`",
        )  # fmt: skip
    seen = float(gate.must_see) if gate.must_see is not None else 0.05
    if seen <= float(gate.ignore_below or 0):
        notes.say(
            "CF2307", (*path, "must_see"), "`must_see` is not above `ignore_below`",
            "what has to be seen would be ignored", "raise `must_see`, or lower `ignore_below`",
            needs=[(*path, "ignore_below")],
        )  # fmt: skip
    if gate.ignore_below is not None and float(gate.ignore_below) > 0.5:
        notes.say(
            "CF2308", (*path, "ignore_below"), "more than half may fail unseen",
            "the gate would hardly ever stop anything", "write at most 50%",
        )  # fmt: skip


def _metric(gate: CustomGateForm, root: schema.Root, spec: Spec, path: KeyPath, notes: Notes) -> None:
    if root.aws is None:
        notes.say(
            "CF2311", path, "the metric is one of CloudWatch, and there is no `aws`",
            "which account and region it is in is not said", f"add `{EXAMPLES['aws']}`", needs=[("aws",)],
        )  # fmt: skip
    _cloudwatch_name(gate.metric or "", (*path, "metric"), notes)
    if gate.stat is not None and not _STAT.fullmatch(gate.stat):
        notes.say(
            "CF2313", (*path, "stat"), f"{shown(gate.stat)} is not a statistic of CloudWatch",
            "it is Average, Sum, Minimum, Maximum, SampleCount, a percentile, or a trimmed one",
            "write e.g. `p99`",
        )  # fmt: skip
    if gate.max is None and gate.min is None:
        notes.say(
            "CF2313", path, "the metric has no limit", "nothing it could show would stop the release",
            "add e.g. `max: 100`",
        )  # fmt: skip
    if gate.max is not None and gate.min is not None and gate.min >= gate.max:
        notes.say(
            "CF2313", (*path, "min"), "`min` is not below `max`", "no value lies between",
            "correct one of them", needs=[(*path, "max")],
        )  # fmt: skip
    if gate.hold_for is not None:
        within(gate.hold_for, PERIOD, 60 * PERIOD, (*path, "for"), notes)
    _dimensions(gate.dimensions or {}, spec, (*path, "dimensions"), notes)


def _cloudwatch_name(text: str, path: KeyPath, notes: Notes) -> None:
    if not _METRIC.fullmatch(text) or not text.isprintable():
        notes.say(
            "CF2313", path, f"{shown(text)} is not a metric of CloudWatch",
            "it is a namespace, `/`, and a name", "write it like `Shop/CheckoutOk`",
        )  # fmt: skip


def _counter(text: str, path: KeyPath, notes: Notes) -> None:
    found = _COUNTER.fullmatch(text.strip())
    if found is None:
        notes.say(
            "CF2704", path, f"{shown(text)} is not the name of a counter",
            "a name, and conditions on its labels in braces if need be",
            "write it like 'checkouts_total{outcome=\"ok\"}'",
        )  # fmt: skip
    elif found[2] is not None:
        conditions(found[2], path, notes)


def _dimensions(dimensions: dict[str, str], spec: Spec, path: KeyPath, notes: Notes) -> None:
    for name, value in dimensions.items():
        if not name.strip() or not value.strip() or not (name + value).isprintable():
            notes.say(
                "CF2314", (*path, name), "a dimension has a name and a value",
                "CloudWatch knows no empty ones", "write both, or remove it",
            )  # fmt: skip
        else:
            placeholders(value, spec, (*path, name), notes)
    if len(dimensions) > _MOST_DIMENSIONS:
        notes.say(
            "CF2314", path, f"{len(dimensions)} dimensions", f"a metric has at most {_MOST_DIMENSIONS}",
            "keep those that it was published with",
        )  # fmt: skip
