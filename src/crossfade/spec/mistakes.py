"""
From pydantic's errors to findings that a person can act on.

`formed()` fits a document into the form. What does not fit becomes a finding with its place,
is cut out, and the rest is fitted again: so `meaning.py` can still check everything else, and
`Notes.say` keeps silent about what was cut (no "missing" for a key that is there but wrong).
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from crossfade.spec import stateful
from crossfade.spec.fields import Form
from crossfade.spec.findings import Finding, KeyPath, dotted
from crossfade.spec.reading import Document
from crossfade.spec.schema import GatesForm, PlatformForm, Root
from crossfade.spec.signal_forms import CustomGateForm, SignalsForm
from crossfade.spec.strategy_forms import StrategyForm
from crossfade.spec.units import shown

# Each round cuts at least one value out of at most 20,000; real files need one or two rounds.
_MOST_ROUNDS: Final = 200
F = TypeVar("F", bound=Form)
_KINDS: Final = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
BUILT_IN_GATES: Final = ("errors", "latency", "unhealthy", "none")
_KINDS_OF_GATES: Final = frozenset({"alarms", "success", "failure", "total", "metric"})
_NOUNS: Final = {StrategyForm: "strategy", SignalsForm: "source of counts"}


class Notes:
    """The findings of one file so far."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.findings: list[Finding] = list(document.findings)
        self._bad: set[KeyPath] = set(document.bad)

    def spoiled(self, path: KeyPath) -> bool:
        """Something at, above or below this path is already reported."""
        return any(bad[: len(path)] == path or path[: len(bad)] == bad for bad in self._bad)

    def say(
        self, error_id: str, path: KeyPath, what: str, why: str, fix: str, *,
        at_key: bool = False, needs: Iterable[KeyPath] = (),
    ) -> None:  # fmt: skip
        """Add a finding, unless it or what it `needs` rests on a value already reported."""
        if self.spoiled(path) or any(self.spoiled(other) for other in needs):
            return
        self.add(error_id, path, what, why, fix, at_key=at_key)

    def add(
        self, error_id: str, path: KeyPath, what: str, why: str, fix: str, *, at_key: bool = False
    ) -> None:
        known = path
        # A key that is missing has no place; what should hold it has.
        while known not in self._document.places:
            known = known[:-1]
        place = self._document.places[known]
        line, column = place.line, place.column
        if at_key or known != path:
            line, column = place.key_line, place.key_column
        self.findings.append(
            Finding(
                id=error_id,
                file=self._document.file,
                line=line,
                column=column,
                what=what,
                why=why,
                fix=fix,
                key_path=dotted(path),
            )
        )

    def spoil(self, path: KeyPath) -> None:
        self._bad.add(path)


EXAMPLES: Final = {
    "apiVersion": "apiVersion: crossfade/v1",
    "service": "service: shop",
    "platform": 'platform: {local: {command: "./serve --port {port}", port: 8000}}',
    "strategy": "strategy: canary",
    "command": 'command: "./serve --port {port}"',
    "port": "port: 8000",
    "paths": "paths: [/]",
    "http": 'http: "http://…"',
    "alarms": 'alarms: [{http: "http://…"}]',
    "total": "total: Shop/CheckoutAll",
    "success": "success: Shop/CheckoutOk",
    "prometheus.url": 'url: "http://prometheus:9090"',
    "prometheus.stable": "stable: 'version=\"{revision}\"'",
    "prometheus.candidate": "candidate: 'version=\"{revision}\"'",
    "aws": 'aws: {account: "123456789012", region: eu-west-1}',
    "database.url": "url: {env: DATABASE_URL}",
    "account": 'account: "123456789012"',
    "region": "region: eu-west-1",
    "alb.rules": "rules: [ARN of a listener rule]",
    "alb.test": "test: ARN of a listener or rule for staff and smoke tests",
    "alb.target_groups": "target_groups: {blue: ARN, green: ARN}",
    "alb.targets": 'targets: {file: "targets/{revision}"}',
}


def missing(notes: Notes, path: KeyPath, example: str) -> None:
    """Add the finding that a required key is not there."""
    notes.say(
        "CF1103", path, f"`{dotted(path)}` is missing", "it has no default that could be right",
        f"add `{example}`",
    )  # fmt: skip


def exactly_one(notes: Notes, path: KeyPath, form: Form, error_id: str, noun: str) -> None:
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


def formed(document: Document, notes: Notes) -> Root:
    """The document in its form, without what does not fit; that is in the notes."""
    return fitted(document, notes, Root)


def fitted(document: Document, notes: Notes, form: type[F]) -> F:
    """The same for a document of any form."""
    value = copy.deepcopy(document.value)
    for _ in range(_MOST_ROUNDS):
        try:
            return form.model_validate(value)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                _note(details, value, notes, form)
    raise AssertionError("cutting out mistakes did not end")


def field_at(path: KeyPath, root: type[Form] = Root) -> tuple[type[Form] | None, FieldInfo | None]:
    """The form a path lies in, and its setting there; None where the form has no such place."""
    kind: Any = root
    owner: type[Form] | None = None
    field: FieldInfo | None = None
    for part in path:
        kind = _bare(kind)
        owner, field = None, None
        if isinstance(kind, type) and issubclass(kind, Form):
            owner = kind
            field = next((f for name, f in kind.model_fields.items() if (f.alias or name) == part), None)
            named = CustomGateForm if kind is GatesForm else None
            kind = named if field is None else field.annotation
        else:
            kind = next(iter(get_args(kind)[-1:]), None)
    return owner, field


def _bare(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in {Union, UnionType}:
        return _bare(next(one for one in get_args(kind) if one is not type(None)))
    return kind


def _note(details: ErrorDetails, value: dict[str, Any], notes: Notes, root: type[Form]) -> None:
    path = tuple(details["loc"])
    if notes.spoiled(path):
        _cut(value, path, notes)
        return
    if meant := _misspelt(path, value):
        # The gate itself is the mistake, not each of its keys.
        notes.add(*unknown_gate(path[:2], meant), at_key=True)
        _cut(value, path[:2], notes)
        return
    kind, given, context = details["type"], details["input"], details.get("ctx", {})
    said: tuple[str, str, str, str]
    at_key = False
    if kind == "extra_forbidden":
        path, said = _unknown(path, notes, root)
        # A bare-word strategy was made a key inside pydantic; in the file it is a value.
        at_key = len(path) == 1 or not isinstance(value.get(str(path[0])), str)
        path = path if at_key else path[:1]
    elif isinstance(given, dict) and set(given) == {"env"}:
        said = (
            "CF1111", f"`{dotted(path)}` cannot come from the environment",
            "`{env: NAME}` stands only where secrets are, and this version has none",
            "write the value itself",
        )  # fmt: skip
    elif kind.startswith("CF"):
        said = (kind, context["what"], context["why"], context["fix"])
    elif kind == "literal_error":
        said = _not_a_word(path, given, str(context.get("expected", "")))
    elif kind in {"greater_than_equal", "less_than_equal"}:
        limit = context.get("ge", context.get("le"))
        word = "at least" if "ge" in context else "at most"
        said = (
            "CF1113", f"`{dotted(path)}` is out of range", f"{shown(given)} is not {word} {limit}",
            f"write a number that is {word} {limit}",
        )  # fmt: skip
    else:
        said = _wrong_kind(path, given, _KINDS.get(kind, "a value of another kind"))
    notes.add(said[0], path, *said[1:], at_key=at_key)
    _cut(value, path, notes)


def _misspelt(path: KeyPath, value: dict[str, Any]) -> str:
    """The gate that is meant by one of one's own that holds nothing of its own; empty for any other."""
    held = value["gates"].get(path[1]) if len(path) > 1 and path[0] == "gates" else None
    return "" if not isinstance(held, dict) or _KINDS_OF_GATES & set(held) else like_a_gate(str(path[1]))


def like_a_gate(name: str) -> str:
    """The built-in gate whose name this is nearly; empty where it is none's, or one's itself."""
    close = [] if name in BUILT_IN_GATES else difflib.get_close_matches(name, BUILT_IN_GATES, 1)
    return close[0] if close else ""


def unknown_gate(path: KeyPath, meant: str) -> tuple[str, KeyPath, str, str, str]:
    """Id, place, what, why and fix of a gate whose name has a slip."""
    return (
        "CF1101", path, f"unknown gate {shown(str(path[-1]))}, did you mean `{meant}`?",
        "a gate under a name of your own holds `alarms`, or `total` and `success`, or `metric`",
        f"write `{meant}`, or give it e.g. `alarms: […]`",
    )  # fmt: skip


def _cut(value: dict[str, Any], path: KeyPath, notes: Notes) -> None:
    """Take the value out. From a list nothing is taken alone: the places behind it would shift."""
    notes.spoil(path)
    while path and isinstance(path[-1], int):
        path = path[:-1]
    holder: Any = value
    for part in path[:-1]:
        # A bare-word strategy was a mapping only inside pydantic: the word goes as a whole.
        if isinstance(holder, dict) and isinstance(holder.get(part), str):
            del holder[part]
            return
        if isinstance(holder, dict) and part not in holder:
            return
        holder = holder[part]
    if isinstance(holder, dict):
        holder.pop(path[-1], None)


def _unknown(path: KeyPath, notes: Notes, root: type[Form]) -> tuple[KeyPath, tuple[str, str, str, str]]:
    """An unknown key: stateful, known but later, or just not a key."""
    owner, _ = field_at(path, root)
    owner = owner or root
    name, above = str(path[-1]), path[:-1]
    if owner is PlatformForm and stateful.is_resource(name):
        return path, stateful.refusal(f"`platform.{name}`")
    if name in owner.later:
        return path, (
            "CF1102", f"`{dotted(path)}` is known, but not in this version",
            "it belongs to the full interface and would be ignored here", owner.later[name],
        )  # fmt: skip
    allowed = [field.alias or key for key, field in owner.model_fields.items()]
    known = owner.aka.get(name)
    close = [known] if known is not None else difflib.get_close_matches(name, allowed, 1)
    if close:
        # `servce` is the missing `service`: one mistake, one finding.
        notes.spoil((*above, close[0]))
    noun = _NOUNS.get(owner, "key")
    no_idea = "remove it" if noun == "key" else f"write `{allowed[0]}`"
    return path, (
        "CF1101",
        f"unknown {noun} {shown(name)}" + (f", did you mean `{close[0]}`?" if close else ""),
        f"allowed here: {', '.join(allowed)}",
        f"write `{close[0]}`" if close else no_idea,
    )


def _not_a_word(path: KeyPath, given: object, expected: str) -> tuple[str, str, str, str]:
    allowed = re.findall(r"'([^']*)'", expected)
    close = difflib.get_close_matches(given, allowed, 1) if isinstance(given, str) else []
    return (
        "CF1109", f"{shown(given)} is not a value of `{dotted(path)}`",
        f"allowed: {', '.join(allowed)}", f"write `{(close or allowed)[0]}`",
    )  # fmt: skip


def _wrong_kind(path: KeyPath, given: object, wanted: str) -> tuple[str, str, str, str]:
    found = {
        bool: "true or false", str: "a text", int: "a number", float: "a number",
        dict: "a mapping", list: "a list",
    }.get(type(given), "something else")  # fmt: skip
    return (
        "CF1105", f"`{dotted(path)}` has to be {wanted}",
        f"{found} stands there" + ("" if found.startswith(("a m", "a l")) else f": {shown(given)}"),
        f"write {wanted}" + (', or quote it: "…"' if wanted == "a text" else ""),
    )  # fmt: skip
