"""From what was heard to candidates of a shape: a thousand texts become one statement with samples. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from crossfade.errors import RefusedError
from crossfade.migrations.lexer import Token, UnreadableError, meaningful
from crossfade.migrations.record.lengths import length
from crossfade.migrations.record.literals import Folded, fold
from crossfade.migrations.record.log import Heard, Values
from crossfade.migrations.record.sequences import Sequences
from crossfade.migrations.record.sorting import NOTHING, SILENT, arguments, inner, left_out, prepared_query
from crossfade.migrations.script import read_statements
from crossfade.migrations.shape import SAMPLES

_MOST_TRANSACTIONS: Final = 200
_LONGEST_TRANSACTION: Final = 100
_LENGTHS: Final = 2
_REMEMBERED: Final = 256
_TEXTS: Final = 3
"""Texts as they were sent, kept of one fold: where the server does not agree with the fold, they stand."""


@dataclass(slots=True)
class Form:
    """One statement at one length of its lists and rows."""

    text: str
    size: int
    folded: Folded | None = None
    """Set where values were taken out of the text."""
    originals: list[str] = field(default_factory=list)
    samples: list[Values] = field(default_factory=list)
    """Values that it went well with: what failed in a test is expected to fail."""
    seen: int = 0

    def add(self, one: _One) -> None:
        self.seen += one.times
        if one.text not in self.originals and len(self.originals) < _TEXTS:
            self.originals.append(one.text)
        if one.values is None or one.failed is not None:
            return
        fits = not self.samples or len(one.values) == len(self.samples[0])
        if fits and one.values not in self.samples and len(self.samples) < SAMPLES:
            self.samples.append(one.values)


@dataclass(slots=True)
class Candidate:
    """One statement, as it may stand in a shape: the shortest form and the longest that were sent."""

    forms: list[Form] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """How often, at any length."""
        return sum(one.seen for one in self.forms)

    def add(self, one: _One) -> None:
        """Of a length between, only that it was sent is kept."""
        form = next((form for form in self.forms if form.text == one.form), None)
        if form is None:
            form = Form(one.form, one.size, one.folded)
            self.forms = sorted((*self.forms, form), key=lambda form: (form.size, form.text))
        form.add(one)
        if len(self.forms) > _LENGTHS:
            (between,) = self.forms[1:-1]
            self.forms.remove(between)
            self.forms[0].seen += between.seen


@dataclass(frozen=True, slots=True, kw_only=True)
class _One:
    """One sending of one statement."""

    text: str
    values: Values | None
    """None where nobody knows them."""
    key: str
    form: str
    size: int
    folded: Folded | None
    failed: str | None
    times: int


@dataclass(slots=True)
class Gathered:
    """What was found, in the order in which it was first sent; keys are those of the candidates."""

    candidates: dict[str, Candidate] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """Text to reason."""
    transactions: list[tuple[str, ...]] = field(default_factory=list)
    sequences: Sequences = field(default_factory=Sequences)


def gather(heard: Iterable[Heard], names: Collection[str]) -> Gathered:
    """All statements of the version's own; `names` are those of the recorded schema, lower case."""
    found = Gathered()
    open_: dict[str, list[str]] = {}
    for one in heard:
        for text, tokens in _statements(one, found):
            lead = tokens[0].value if tokens else ""
            if lead in {"begin", "start"}:
                open_[one.session] = []
                found.sequences.begin(one.session)
            elif lead in {"commit", "end", "rollback", "abort"} and _ends(tokens):
                _close(found, open_.pop(one.session, []))
                found.sequences.end(one.session, text)
            sent = _sent(one, text, tokens)
            if sent is None:
                found.left_out.setdefault(text, "what it executes is not in the log")
                continue
            why = left_out(meaningful(sent.text), names)
            if one.failed is None and sent.values is not None:
                values = () if sent.folded else sent.values
                whole = sent.text if lead == "execute" else text
                key = None if why else sent.key
                found.sequences.take(one.session, whole, meaningful(whole), values, key)
            if why is not None:
                if lead not in SILENT:
                    alike = sent.folded if why.startswith(NOTHING) else None
                    found.left_out.setdefault(alike.text if alike else sent.text, why)
                continue
            found.candidates.setdefault(sent.key, Candidate()).add(sent)
            if one.session in open_:
                open_[one.session].append(sent.key)
    for keys in open_.values():
        _close(found, keys)
    found.sequences.finish()
    return found


def _ends(tokens: tuple[Token, ...]) -> bool:
    """COMMIT and ROLLBACK, but not ROLLBACK TO SAVEPOINT."""
    return all(token.value != "to" for token in tokens)


def _close(found: Gathered, keys: list[str]) -> None:
    told = tuple(dict.fromkeys(keys))[:_LONGEST_TRANSACTION]
    if len(told) > 1 and told not in found.transactions and len(found.transactions) < _MOST_TRANSACTIONS:
        found.transactions.append(told)


def _statements(one: Heard, found: Gathered) -> Iterator[tuple[str, tuple[Token, ...]]]:
    """The statements of one message: the simple protocol sends several at once."""
    try:
        for text in _apart(one.text):
            yield text, meaningful(text)
    except (RefusedError, UnreadableError) as error:
        found.left_out.setdefault(one.text, f"cannot be read: {error}")


@lru_cache(_REMEMBERED)
def _apart(text: str) -> tuple[str, ...]:
    return tuple(one.text for one in read_statements(text, "a statement"))


def _sent(one: Heard, text: str, tokens: tuple[Token, ...]) -> _One | None:
    """As it would be sent with parameters."""
    values, folded = one.values, None
    if one.prepared is not None and tokens and tokens[0].value == "execute":
        query = prepared_query(meaningful(one.prepared), one.prepared)
        if query is None:
            return None
        text, values = query.rstrip("; \n"), arguments(tokens)
    else:
        text = inner(meaningful(text), text) or text
        if not values:
            values = ()
            folded = None if tokens and tokens[0].value == "copy" else fold(text)
    if folded is not None:
        values = folded.values
    told = length(text if folded is None else folded.text)
    return _One(
        text=text,
        values=values,
        key=told.key,
        form=told.form,
        size=told.size,
        folded=folded,
        failed=one.failed,
        times=one.times,
    )
