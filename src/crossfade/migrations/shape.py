"""
What one version sends to its database: its statements with values they were really sent with.

A shape is an artefact of a revision (`shape.json`), made by the recorder and kept with the release: it is
what a proof runs for a version whose code is not there any more. Two shapes with the same statements have
the same digest, whenever they were recorded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from crossfade.errors import RefusedError
from crossfade.migrations.lexer import Kind, words
from crossfade.migrations.script import Asked, Statement, read_statements

FORMAT: Final = "crossfade.shape/1"
SAMPLES: Final = 8
"""Most sets of values that are kept of one statement."""

Values = tuple[str | None, ...]
"""One value a parameter, in PostgreSQL's text form; None is NULL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One statement, and how it was sent."""

    text: str
    """With `$1` where values were."""
    samples: tuple[Values, ...] = ()
    seen: int = 1
    """How often."""

    @property
    def id(self) -> str:
        """The same for texts that differ in blanks and comments only."""
        told = (token.text for token in words(self.text) if token.kind is not Kind.COMMENT)
        return hashlib.sha256(" ".join(told).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A statement of a transaction as it was sent; `of` is its id, where it is one of the shape."""

    text: str
    values: Values = ()
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTaken:
    """A statement that is no part of the shape, and why."""

    text: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The statements of one revision of a service."""

    statements: tuple[Sent, ...]
    source: str
    """What was recorded: a command, a file."""
    recorded: str = ""
    """When, RFC 3339 in UTC."""
    service: str | None = None
    revision: str | None = None
    server: str = ""
    app_role: str | None = None
    schema: str = ""
    """DDL that they were recorded on; empty where unknown."""
    transactions: tuple[tuple[str, ...], ...] = ()
    """Distinct sequences of statement ids that were sent as one transaction."""
    replays: tuple[tuple[Step, ...], ...] = ()
    """Transactions with the values they had, to be run again as a whole, in the order in which they came."""
    not_taken: tuple[NotTaken, ...] = ()

    @property
    def digest(self) -> str:
        """Of what a proof depends on: the statements and their values, not when or where."""
        told = sorted(json.dumps([one.text, one.samples]) for one in self.statements)
        told += [json.dumps([[one.text, one.values] for one in steps]) for steps in self.replays]
        return hashlib.sha256(json.dumps([FORMAT, *told]).encode()).hexdigest()

    def as_json(self) -> str:
        """As `shape.json` holds it; `read_shape` reads it back."""
        document = {
            "format": FORMAT,
            "service": self.service,
            "revision": self.revision,
            "recorded": self.recorded,
            "source": self.source,
            "server": self.server,
            "app_role": self.app_role,
            "digest": self.digest,
            "statements": [
                {"id": one.id, "text": one.text, "seen": one.seen, "samples": [list(v) for v in one.samples]}
                for one in self.statements
            ],
            "transactions": [list(one) for one in self.transactions],
            "replays": [
                [{"text": one.text, "values": list(one.values), "of": one.of} for one in steps]
                for steps in self.replays
            ],
            "not_taken": [{"text": one.text, "why": one.why} for one in self.not_taken],
            "schema": self.schema,
        }
        return json.dumps(document, ensure_ascii=False, indent=1) + "\n"

    def as_statements(self, name: str) -> tuple[Statement, ...]:
        """As a proof takes them, in their order; `name` is for messages."""
        return tuple(
            replace(statement, samples=one.samples)
            for one in self.statements
            for statement in read_statements(one.text, name)
        )

    def as_transactions(self) -> tuple[tuple[Asked, ...], ...]:
        """As a proof runs them again; each step with the statement of the shape that it is."""
        told = {one.id: one.text for one in self.statements}
        return tuple(
            tuple(Asked(text=one.text, values=one.values, said=told.get(one.of, one.text)) for one in steps)
            for steps in self.replays
        )


def read_shape(text: str, name: str, *, service: str | None = None) -> Shape:
    """
    The shape that `as_json` wrote; `name` is for messages.

    Raises RefusedError: CF9220 where it is no shape, CF9221 where it was written by another version of
    this program, CF9222 where it was changed since, CF9223 where it is another service's.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise _no_shape(name, str(error)) from None
    if not isinstance(document, dict) or "format" not in document:
        raise _no_shape(name, "it has no `format`")
    if document["format"] != FORMAT:
        raise RefusedError(
            "CF9221",
            f"{name} is a shape of another kind",
            f"its format is {document['format']!r}, and {FORMAT!r} is read here",
            "record it again with this version: crossfade migrate record",
        )
    try:
        shape = _shape(document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _no_shape(name, f"{type(error).__name__}: {error}") from None
    if shape.digest != document.get("digest"):
        raise RefusedError(
            "CF9222",
            f"{name} was changed after it was recorded",
            "its statements do not have the digest that is written in it",
            "record it again: crossfade migrate record",
        )
    if service is not None and shape.service not in (None, service):
        raise RefusedError(
            "CF9223",
            f"{name} is of another service",
            f"it holds what {shape.service} sends, and this is {service}",
            "name the shape of this service under database: {shape: …}",
        )
    return shape


def _shape(document: Mapping[str, Any]) -> Shape:
    return Shape(
        service=_text(document, "service"),
        revision=_text(document, "revision"),
        recorded=_text(document, "recorded") or "",
        source=_text(document, "source") or "",
        server=_text(document, "server") or "",
        app_role=_text(document, "app_role"),
        schema=_text(document, "schema") or "",
        statements=tuple(_sent(one) for one in document["statements"]),
        transactions=tuple(tuple(str(key) for key in one) for one in document.get("transactions", ())),
        replays=tuple(tuple(_step(one) for one in steps) for steps in document.get("replays", ())),
        not_taken=tuple(
            NotTaken(text=str(one["text"]), why=str(one["why"])) for one in document.get("not_taken", ())
        ),
    )


def _text(document: Mapping[str, Any], key: str) -> str | None:
    value = document.get(key)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"`{key}` is not a text")
    return value


def _sent(one: Mapping[str, Any]) -> Sent:
    samples = tuple(tuple(values) for values in one.get("samples", ()))
    if not all(value is None or isinstance(value, str) for values in samples for value in values):
        raise TypeError("a sample is not a text")
    seen = one.get("seen", 1)
    if not isinstance(one["text"], str) or not isinstance(seen, int):
        raise TypeError("a statement is no text, or was not counted")
    return Sent(text=one["text"], samples=samples, seen=seen)


def _step(one: Mapping[str, Any]) -> Step:
    values = tuple(one.get("values", ()))
    told = (one["text"], one.get("of", ""), *(value for value in values if value is not None))
    if not all(isinstance(part, str) for part in told):
        raise TypeError("a step of a transaction is not a text")
    return Step(text=one["text"], values=values, of=one.get("of", ""))


def _no_shape(name: str, why: str) -> RefusedError:
    return RefusedError(
        "CF9220", f"{name} is no shape", why, "crossfade migrate record writes one: shape.json"
    )
