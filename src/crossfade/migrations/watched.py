"""
The migration by itself: does it go through, on which rows, with which locks, and would apart be better?

Where it trips over legal rows, rows are taken away until it goes through: that is `data_check`, and the proof
goes on with those it accepts. Where it keeps others waiting, it is run once more statement by statement, the
commands of an ALTER TABLE apart: what then keeps fewer waiting should not have shared a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from crossfade.errors import RefusedError
from crossfade.migrations.answers import Failure
from crossfade.migrations.catalog import Catalog, Index
from crossfade.migrations.catalog_reader import read_catalog
from crossfade.migrations.data import changes, read_again
from crossfade.migrations.ground import Ground, grown
from crossfade.migrations.lexer import Kind, Token, meaningful
from crossfade.migrations.load import missing_extension
from crossfade.migrations.locks import Blocked, blocked
from crossfade.migrations.retyped import OF_DATA, Retyped, Tripped, retyped, trip
from crossfade.migrations.script import Script, Statement, Unit
from crossfade.migrations.seed import KINDS, keep
from crossfade.migrations.touched import Touched, touched
from crossfade.migrations.trace import (
    NOT_IN_A_TRANSACTION,
    NOT_IN_THE_SAME,
    Traced,
    refused,
    run_plain,
    trace,
)
from crossfade.migrations.wire import QuestionError, Session

_TRIALS: Final = 20
_HARMLESS: Final = frozenset({"AccessShareLock", "RowShareLock"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the migration did. `script` is how it runs, `ground` the rows it accepts."""

    ground: Ground
    script: Script
    traced: Traced
    fails: str = ""
    together_only: bool = False
    refused_in_transaction: bool = False
    data_failure: str = ""
    lost: tuple[str, ...] = ()  # values at the edges of a type that a column had
    invalid_left: tuple[str, ...] = ()
    apart: tuple[Blocked, ...] | None = None
    touched: Touched | None = None  # None: anything may be another one now


def watch_migration(ground: Ground, script: Script) -> Watched:
    """Run it on a clone, watched; again where it has to be run otherwise."""
    return _Watcher(ground, script).watch()


class _Watcher:
    def __init__(self, ground: Ground, script: Script) -> None:
        self._ground = ground
        self._script = script
        self._invalid: list[str] = []
        self._data_failure = ""
        self._touched: Touched | None = None
        self._retyped: tuple[Retyped, ...] = ()
        self._tripped = Tripped()

    def watch(self) -> Watched:
        traced = self._traced()
        failure = traced.failure
        if failure is not None and _in_transaction(failure) and not self._script.explicit:
            self._script = self._script.apart()
            traced = self._traced()
            failure = traced.failure
        if failure is not None and failure.sqlstate[:2] in OF_DATA:
            self._data_failure = f"{failure} ({failure.detail})" if failure.detail else str(failure)
            reduced = self._reduced(failure)
            if reduced is not None:
                self._ground = reduced
                traced = self._traced()
                failure = traced.failure
        if failure is not None:
            return self._failed(traced, failure)
        if self._retyped and not self._data_failure:
            with self._ground.trial(None).connect() as session:
                self._tripped = trip(session, self._script, self._retyped)
        return self._told(traced)

    def _traced(self) -> Traced:
        clone = self._ground.trial(None)
        with clone.connect() as observer:
            traced = trace(clone, observer, self._script, self._ground.catalog)
            self._note(observer, traced)
        clone.drop()
        extension = missing_extension(traced.failure) if traced.failure else None
        if extension:
            raise RefusedError(
                "CF9210",
                f"the migration needs the extension {extension}",
                str(traced.failure),
                "--sandbox-dsn for a server that has it",
            )
        return traced

    def _reduced(self, failure: Failure) -> Ground | None:
        """The ground with the rows that the migration accepts; None where it fails on empty tables too."""
        everywhere = {one.oid for one in self._ground.catalog.tables()}
        tables = self._pointed(failure) or everywhere
        while True:
            said = self._tried([], tables)
            if said is None:
                return self._ground.reduced(self._grown(tables), tables)
            more = self._pointed(said) - tables
            if not more and tables >= everywhere:
                break
            tables = tables | more if more else everywhere
        if self._tried(None, tables) is None:
            return self._ground.reduced(None, tables)
        return None

    def _grown(self, tables: set[int]) -> list[int]:
        if not self._script.explicit and len(self._script.units) == 1:
            found = self._grown_in_a_transaction(tables)
            if found is not None:
                return found
        return grown(KINDS, lambda kinds: self._tried(kinds, tables) is None, _TRIALS)

    def _grown_in_a_transaction(self, tables: set[int]) -> list[int] | None:
        """
        The same, quicker; None where a transaction does not tell.

        An index is made of rows, too, that its own transaction has taken away: their expressions fail there.
        """
        with self._ground.trial(None).connect() as session:
            if not self._fits(session, [], tables):
                return None
            return grown(KINDS, lambda kinds: self._fits(session, kinds, tables), _TRIALS)

    def _fits(self, session: Session, kinds: Sequence[int], tables: set[int]) -> bool:
        """Whether the migration takes these rows: asked in a transaction of its own, which is rolled back."""
        session.ask("BEGIN")
        try:
            keep(session, self._ground.catalog, self._ground.seeds, kinds, tables)
            said = refused(session, self._script)
        except QuestionError:
            said = Failure(sqlstate="25P02", message="the rows could not be taken away in a transaction")
        session.ask("ROLLBACK")
        if said is None or said.sqlstate[:2] in OF_DATA:
            return said is None
        return self._tried(kinds, tables) is None  # refused for another reason than its rows

    def _pointed(self, failure: Failure) -> set[int]:
        """The table that an error speaks of, where it names one that was there before."""
        catalog = self._ground.catalog
        return {catalog.root(one.oid) for one in catalog.relations.values() if one.name == failure.table}

    def _tried(self, kinds: Sequence[int] | None, tables: set[int]) -> Failure | None:
        clone = self._ground.trial(kinds, tables)
        said = run_plain(clone, self._script)
        clone.drop()
        return said

    def _note(self, session: Session, traced: Traced) -> None:
        """Look at what the migration left behind."""
        before = self._ground.catalog
        after = read_catalog(session)
        known = {index.oid for index in _invalid(before)}
        said = {token.value for one in self._script.statements for token in one.tokens}
        self._invalid += [one.name for one in _invalid(after) if one.oid not in known or one.name in said]
        content = read_again(session, before, after)
        change = changes(before, after, self._ground.content, content, frozenset())
        held = [oid for step in traced.steps for oid, modes in step.held.items() if modes - _HARMLESS]
        self._retyped = retyped(before, after)
        self._touched = touched(before, after, change.tables | frozenset(held))

    def _failed(self, traced: Traced, failure: Failure) -> Watched:
        together = False
        if failure.sqlstate in NOT_IN_THE_SAME:
            clone = self._ground.trial(None)
            together = run_plain(clone, self._script.apart()) is None
            clone.drop()
        return replace(
            self._watched(traced),
            fails=_at(traced, failure),
            together_only=together,
            refused_in_transaction=_in_transaction(failure),
        )

    def _told(self, traced: Traced) -> Watched:
        watched = self._watched(traced)
        tables, indexes = self._ground.catalog.relations, self._ground.catalog.index_table()
        waiting = [blocked(one, tables, indexes) for one in traced.steps]
        if not any(one.reads or one.writes for one in waiting):
            return watched
        pieces = _pieces(self._script)
        if pieces is None:
            return watched
        clone = self._ground.trial(None)
        with clone.connect() as observer:
            apart = trace(clone, observer, pieces, self._ground.catalog)
        clone.drop()
        if apart.failure is not None:
            return watched
        alone = iter([blocked(one, tables, indexes) for one in apart.steps])
        counts = [len(list(_commands(one))) for one in self._script.statements]
        return replace(watched, apart=tuple(_together(islice(alone, count)) for count in counts))

    def _watched(self, traced: Traced) -> Watched:
        return Watched(
            ground=self._ground,
            script=self._script,
            traced=traced,
            data_failure=self._data_failure or self._tripped.failure,
            lost=self._tripped.lost,
            invalid_left=tuple(dict.fromkeys(self._invalid)),
            touched=self._touched,
        )


def _together(pieces: Iterable[Blocked]) -> Blocked:
    """Whom the commands of a statement keep waiting, each by itself."""
    listed = list(pieces)
    return Blocked(reads=any(one.reads for one in listed), writes=any(one.writes for one in listed))


def _invalid(catalog: Catalog) -> list[Index]:
    return [index for table in catalog.relations.values() for index in table.indexes if not index.valid]


def _in_transaction(failure: Failure) -> bool:
    return failure.sqlstate in NOT_IN_A_TRANSACTION


def _at(traced: Traced, failure: Failure) -> str:
    where = f"line {traced.failed.line}: " if traced.failed else ""
    return f"{where}{failure}"


def _pieces(script: Script) -> Script | None:
    """The script taken apart as far as it goes; None where nothing shares a transaction."""
    listed = [piece for one in script.statements for piece in _commands(one)]
    shared = any(unit.transaction and len(unit.statements) > 1 for unit in script.units)
    if not shared and len(listed) == len(script.statements):
        return None
    return Script(units=tuple(Unit(statements=(one,), transaction=False) for one in listed), explicit=True)


def _commands(statement: Statement) -> Iterator[Statement]:
    """The commands of one ALTER TABLE, each as a statement of its own."""
    cuts = _cuts(statement.tokens) if statement.lead[:2] == ("alter", "table") else []
    first = _first_command(statement.tokens)
    if not cuts or first is None:
        yield statement
        return
    head = statement.text[: statement.tokens[first].start]
    stops = [*cuts, len(statement.tokens)]
    begin = first
    for stop in stops:
        text = head + statement.text[statement.tokens[begin].start : statement.tokens[stop - 1].end]
        yield replace(statement, text=text, tokens=meaningful(text))
        begin = stop + 1


def _cuts(tokens: Sequence[Token]) -> list[int]:
    depth, found = 0, []
    for at, token in enumerate(tokens):
        if token.kind is Kind.SIGN:
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
            if token.text == "," and depth == 0:
                found.append(at)
    return found


def _first_command(tokens: Sequence[Token]) -> int | None:
    """Where in `ALTER TABLE IF EXISTS ONLY schema.name * ADD …` the first command begins."""
    at = 2
    while at < len(tokens) and tokens[at].value in {"if", "exists", "only"}:
        at += 1
    at += 1
    while at + 1 < len(tokens) and tokens[at].text == ".":
        at += 2
    if at < len(tokens) and tokens[at].text == "*":
        at += 1
    return at if at < len(tokens) else None
