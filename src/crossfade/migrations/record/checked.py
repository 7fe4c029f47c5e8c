"""
The server agrees, or the text stands as it was sent: no fold is believed.

A folded text is prepared on the recorded schema beside the text that was sent. Where its result has other
columns, or it cannot be prepared, equal values are tried as one parameter (GROUP BY repeats expressions),
and then the texts themselves are taken. What cannot be prepared at all is left out, with the server's words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from crossfade.migrations.answers import Failure, Prepared
from crossfade.migrations.asked import asked, names_constraints
from crossfade.migrations.record.gather import Form, Gathered
from crossfade.migrations.record.literals import fold
from crossfade.migrations.record.masked import masked_sql
from crossfade.migrations.script import read_statements
from crossfade.migrations.shape import SAMPLES, NotTaken, Sent, Step
from crossfade.migrations.wire import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The parts of a shape that were heard; transactions are sequences of ids, replays have their values."""

    statements: tuple[Sent, ...]
    transactions: tuple[tuple[str, ...], ...]
    replays: tuple[tuple[Step, ...], ...]
    not_taken: tuple[NotTaken, ...]


def checked(session: Session, gathered: Gathered) -> Checked:
    """What stands in a shape, of what was gathered."""
    asked = _Asked(session)
    statements: dict[str, Sent] = {}
    left = [NotTaken(text=masked_sql(text), why=why) for text, why in gathered.left_out.items()]
    ids: dict[str, str] = {}
    for key, candidate in gathered.candidates.items():
        for form in candidate.forms:
            found = list(asked.agreed(form))
            if not found:
                left.append(NotTaken(text=form.originals[0], why=asked.why(form.originals[0])))
            for one in found:
                statements[one.id] = one
                ids.setdefault(key, one.id)
    return Checked(
        statements=tuple(statements.values()),
        transactions=_sequences(gathered, ids),
        replays=_replays(gathered, ids),
        not_taken=tuple(left),
    )


def _replays(gathered: Gathered, ids: Mapping[str, str]) -> tuple[tuple[Step, ...], ...]:
    return tuple(
        tuple(Step(text=one.text, values=one.values, of=ids.get(one.key or "", "")) for one in taken)
        for taken in gathered.sequences.kept()
    )


def _sequences(gathered: Gathered, ids: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    told = (tuple(ids[key] for key in keys if key in ids) for keys in gathered.transactions)
    return tuple(dict.fromkeys(one for one in told if len(one) > 1))


class _Asked:
    """Questions to the server that has the recorded schema."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._names = (f"asked{number}" for number in count())

    def agreed(self, form: Form) -> Iterator[Sent]:
        first = form.originals[0]
        if form.folded is None:
            if self._prepare(first) is not None:
                yield Sent(text=first, samples=_full(form.samples), seen=form.seen)
            return
        was = self._prepare(first)
        if was is None:
            return
        if self._same(was, form.folded.text):
            fitting = [one for one in form.samples if len(one) == len(form.folded.values)]
            yield Sent(text=form.folded.text, samples=_full(fitting), seen=form.seen)
            return
        shared = fold(first, shared=True)
        if shared is not None and self._same(was, shared.text):
            yield Sent(text=shared.text, samples=(shared.values,), seen=form.seen)
            return
        for text in form.originals:
            if self._prepare(text) is not None:
                yield Sent(text=text, seen=form.seen)

    def why(self, text: str) -> str:
        said = self._ask(text)
        return f"cannot be prepared on the recorded schema: {said}"

    def _prepare(self, text: str) -> Prepared | None:
        said = self._ask(text)
        return None if isinstance(said, Failure) else said

    def _ask(self, text: str) -> Prepared | Failure:
        """As the proof will: COPY is the SELECT or the INSERT of its columns."""
        (one,) = asked(read_statements(text, "a statement")) or (None,)
        if one is not None and names_constraints(one.tokens):
            said = self._session.attempt(text)  # nothing looks at its names before it runs
            return said if isinstance(said, Failure) else Prepared(name="", params=(), fields=())
        return self._session.prepare(next(self._names), text if one is None else one.text)

    def _same(self, was: Prepared, text: str) -> bool:
        now = self._prepare(text)
        return now is not None and [(one.name, one.type) for one in now.fields] == [
            (one.name, one.type) for one in was.fields
        ]


def _full(samples: list[tuple[str | None, ...]]) -> tuple[tuple[str | None, ...], ...]:
    """Samples that hold a value: a statement without parameters needs none."""
    return tuple(one for one in samples[:SAMPLES] if one)
