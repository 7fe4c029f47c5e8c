"""
The proof: does every statement of the old version fare the same after the migration, and what does it cost?

    schema -> rows -> template -+-> traced: the migration alone, watched (`watched.py`)
                                +-> before: old statements, with the values that go well
                                +-> after:  warm session, migration, the same again, new writes, old again

What a verdict is made of is pure and stands in `verdict.py`; this file fetches the facts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Final

from crossfade.errors import RefusedError
from crossfade.migrations.answers import Failure
from crossfade.migrations.asked import asked
from crossfade.migrations.catalog_reader import read_catalog
from crossfade.migrations.compare import Context
from crossfade.migrations.data import Change, changes, read_again, read_content
from crossfade.migrations.doubts import Doubts
from crossfade.migrations.far import Far
from crossfade.migrations.gained import gained
from crossfade.migrations.ground import lay
from crossfade.migrations.legal import Literals
from crossfade.migrations.locks import blocked, without_timeout
from crossfade.migrations.question import Question, Version
from crossfade.migrations.replay import (
    after_writes,
    fails_by_itself,
    fails_on,
    replay,
    warm_up,
    write_new,
)
from crossfade.migrations.roles import Able, Roles, speaks_of_roles
from crossfade.migrations.runs import Readings, Runner
from crossfade.migrations.sandbox.server import Database, Server
from crossfade.migrations.script import Statement
from crossfade.migrations.subject import Bench, Tried, unproved
from crossfade.migrations.supply import OLD_SALT, context_of, readings, schema_changed, supply_after
from crossfade.migrations.tolerance import Readers, loosened, needs_of
from crossfade.migrations.touched import Touched
from crossfade.migrations.trace import run_plain
from crossfade.migrations.transactions import Together, run_on_one, run_together, telling
from crossfade.migrations.vectors import Supply
from crossfade.migrations.verdict import Counterexample, Seen, Unproved, Verdict, judge
from crossfade.migrations.watched import Watched, watch_migration
from crossfade.migrations.wire import Session

__all__ = ["Question", "Version", "prove"]

_VARIED: Final = 160  # of the new version, where its values decide between contract and unsafe
_SHALLOW: Final = 16


def prove(question: Question, server: Server) -> Verdict:
    """The verdict on a migration. Raises RefusedError where the question cannot be put."""
    began = time.monotonic()
    if not any(one.statements for one in question.old):
        raise RefusedError(
            "CF9211",
            "there is no statement of the old version",
            "a proof against nothing proves nothing",
            "--old names a file with the statements that it sends, one per semicolon",
        )
    with server.tidy():
        with ExitStack() as open_:
            seen = _Proof(question, server, open_).run()
        return judge(seen, time.monotonic() - began)


class _Proof:
    """One proof. What is learned on the way stands in attributes, each set once."""

    def __init__(self, question: Question, server: Server, open_: ExitStack) -> None:
        self._question = question
        self._server = server
        self._open = open_
        listed = [one for version in (*question.old, question.new) for one in version.statements]
        self._settings = [one for version in (*question.old, question.new) for one in version.settings]
        told = (*question.migration.statements, *listed, *question.schema)
        inserts = [one for one in question.migration.statements if one.lead[:1] == ("insert",)]
        self._readings: Readings = {}  # of the new shape, once it is there
        self._together: frozenset[str] = frozenset()  # statements that went well in a transaction of theirs
        self._only_together: frozenset[str] = frozenset()
        self._unset: tuple[Unproved, ...] = ()
        self._literals = Literals(
            [one.tokens for one in told if one not in inserts], inserts=[one.tokens for one in inserts]
        )

    def run(self) -> Seen:
        question = self._question
        ground = lay(self._server, question.schema, question.schema_name, self._literals, question.app_role)
        self._roles = Roles.of(self._server.admin) if speaks_of_roles(question.migration) else None
        watched = watch_migration(ground, question.migration)
        self._ground = watched.ground
        if watched.fails:
            return self._failed(watched)
        self._deferred = question.defers
        self._run_before(watched.touched)
        self._migrate(watched)
        return self._seen(watched)

    def _context(self) -> Context:
        return context_of(self._ground.catalog, self._catalog, self._change)

    def _failed(self, watched: Watched) -> Seen:
        return Seen(
            server=self._version(),
            migration_fails=watched.fails,
            together_only=watched.together_only,
            refused_in_transaction=watched.refused_in_transaction,
            invalid_left=watched.invalid_left,
            notes=self._ground.notes,
        )

    def _run_before(self, touched: Touched | None) -> None:
        ground = self._ground
        self._as_before()
        self._able = self._may_take_on()
        self._before_db = ground.template.clone()
        supply = Supply(
            catalog=ground.catalog,
            rows=ground.content.rows,
            legal=ground.seeds.legal,
            forms=ground.seeds.forms,
            salt=OLD_SALT,
        )
        self._before = self._bench(self._before_db, supply)
        self._far = Far(self._before.runner, ground.catalog, touched)
        self._olds = [
            self._untouched(one, version.name) or self._before.try_one(one, version.name)
            for version in self._question.old
            for one in asked(version.statements)
        ]

    def _migrate(self, watched: Watched) -> None:
        """The migration once more, in front of a session that knew the old statements; the new shape."""
        self._after_db = self._ground.template.clone()
        self._warm = warm_up(self._runner(self._after_db), self._olds)
        self._script = watched.script
        run_plain(self._after_db, watched.script)
        session = self._session = self._open.enter_context(self._after_db.connect())
        self._catalog = read_catalog(session)
        content = read_again(session, self._ground.catalog, self._catalog)
        self._change = changes(
            self._ground.catalog,
            self._catalog,
            self._ground.content,
            content,
            self._question.migration.names,
        )
        self._gained = gained(self._ground.catalog, self._catalog, self._ground.content, content)
        held = read_content(session, self._catalog)
        shapes = (self._ground.catalog, self._catalog)
        supply = supply_after(session, shapes, self._ground.seeds, held, self._literals)
        self._readings = readings(session, self._ground.catalog, self._catalog)
        self._after = self._bench(self._after_db, supply)
        self._after.stands_in = self._before.is_denied

    def _seen(self, watched: Watched) -> Seen:
        before, after, change = self._ground.catalog, self._catalog, self._change
        told = replay(self._after, self._olds, self._context(), self._doubts().hold)
        told.wrong += self._able.lost(self._may_take_on(), self._ground.role)
        told.wrong += self._in_transactions({one.statement for one in told.wrong if not one.beyond})
        wrong = {one.statement for one in told.wrong}
        told.reconnect = self._warm.fails(lambda one: one.statement.said not in wrong)
        self._after.variations = _VARIED if wrong else _SHALLOW
        news = [self._tried_after(one) for one in asked(self._question.new.statements)]
        failing = self._new_fails(news)
        loose = self._loosened()
        told.wrong += self._after_writes(news, told.wrong)
        new_before: list[Counterexample] = []
        if told.wrong:
            new_before = fails_on(self._before, news, context_of(after, before, Change()))
            told.reconnect = told.reconnect or (not new_before and self._new_reconnects(news))
        tables, indexes, steps = before.relations, before.index_table(), watched.traced.steps
        return Seen(
            server=self._version(),
            outside=bool(watched.traced.outside),
            data_failure=watched.data_failure,
            steps=steps,
            blocked=tuple(blocked(one, tables, indexes) for one in steps),
            apart=watched.apart,
            untimed=tuple(one.statement for one in steps if without_timeout(one, tables, indexes)),
            concurrent=watched.traced.concurrent,
            invalid_left=watched.invalid_left,
            schema_changed=schema_changed(before, after),
            wrote=watched.traced.wrote or bool(change.tables),
            lost=(*change.lost, *watched.lost),
            old_wrong=tuple(told.wrong),
            new_fails_after=failing,
            new_fails_before=tuple(new_before),
            more_columns=told.more_columns,
            types_changed=told.types_changed,
            default_changed=told.default_changed,
            reconnect=told.reconnect,
            loosened=frozenset(loose),
            unproved=(
                *unproved(self._olds, told.late, self._together),
                *self._unset,
                *unproved(
                    [one for one in news if one.statement.said not in {bad.statement for bad in failing}],
                    elsewhere=self._together,
                    source="new",
                ),
            ),
            proved=told.good + len(self._only_together),
            notes=self._ground.notes,
        )

    def _in_transactions(self, wrong: set[str]) -> list[Counterexample]:
        """What fails only as a part of its transaction, or can only be tried as one."""
        alone, untouched = _good(self._olds)
        found: list[Counterexample] = []
        for version in self._question.old:
            sent, called = telling(version.transactions, alone, untouched), version.name
            if not sent:
                continue
            told = run_together(sent, called, self._places(), self._runner_on, self._context())
            found += [one for one in told.wrong if one.statement not in wrong]
            self._together |= told.proved
            self._unset += () if self._far.all_are else told.unset
        self._only_together = self._together - alone
        return found

    def _places(self) -> Iterator[Database]:
        """Twice the old shape, then the new one; what all databases share is of that shape as well."""
        self._as_before()
        yield self._ground.template.clone()
        yield self._ground.template.clone()
        migrated = self._ground.template.clone()
        run_plain(migrated, self._script)
        yield migrated

    def _as_before(self) -> None:
        if self._roles is not None:
            self._roles.put_back(self._server.admin)

    def _may_take_on(self) -> Able:
        return Able.of(self._server.admin, self._question.taken_on, self._ground.role)

    def _new_fails(self, news: Sequence[Tried]) -> tuple[Counterexample, ...]:
        """New statements that the new shape refuses, by themselves and in the transactions they belong to."""
        version, told = self._question.new, Together()
        sent = telling(version.transactions, *_good(news))
        if sent:
            clone = self._ground.template.clone()
            run_plain(clone, self._script)
            told = run_on_one(sent, version.name, clone, self._runner_on)
            self._together |= told.proved
        refused = {one.statement: one for one in told.wrong}
        alone = [fails_by_itself(one) for one in news if one.statement.said not in told.proved]
        return tuple((refused | {one.statement: one for one in alone if one is not None}).values())

    def _after_writes(self, news: Sequence[Tried], wrong: Sequence[Counterexample]) -> list[Counterexample]:
        """What fails only after the new version wrote, and would not have failed without the migration."""
        if not write_new(self._after, news):
            return []
        over = {one.statement for one in wrong if not one.beyond}
        rarely = {one.statement for one in wrong if one.beyond}
        found = after_writes(
            self._after,
            self._olds,
            lambda one: one.statement.said not in over,
            lambda one: one.statement.said in rarely,
        )
        if not found:
            return []
        control = self._bench(self._ground.template.clone(), self._before.supply)
        write_new(control, news)
        failing = {one.statement for one in found}
        anyway = after_writes(control, self._olds, lambda one: one.statement.said in failing)
        return [one for one in found if one.statement not in {other.statement for other in anyway}]

    def _new_reconnects(self, news: Sequence[Tried]) -> bool:
        """Before a contract the new version is there: whether its sessions, too, have to prepare anew."""
        clone = self._ground.template.clone()
        warm = warm_up(self._runner(clone), news)
        run_plain(clone, self._script)
        return warm.fails(lambda _: True)

    def _doubts(self) -> Doubts:
        return Doubts(
            before=self._before,
            after=self._after,
            ground=self._ground,
            shape=self._catalog,
            context=self._context(),
            gained=self._gained,
            olds=self._olds,
            script=self._script,
            bench=self._bench,
        )

    def _loosened(self) -> set[str]:
        before, after = self._ground.catalog, self._catalog
        old = self._open.enter_context(self._before_db.connect())
        found = list(loosened(old, self._session, before, after, self._literals))
        if not found:
            return set()
        asking = self._runner(self._before_db)
        prepared = [asking.prepare(one.statement.text, one.types()) for one in self._olds]
        good = [one for one in prepared if not isinstance(one, Failure)]
        readers = Readers(asking.session, before)
        return needs_of(
            found, {(one.table, one.column.attnum): readers.reads(good, one.column) for one in found}
        )

    def _untouched(self, statement: Statement, source: str) -> Tried | None:
        """The statement as proved, where nothing that it uses is changed by the migration."""
        return Tried(statement, source, untouched=True) if self._far.is_far(statement) else None

    def _tried_after(self, statement: Statement) -> Tried:
        """A statement of the new version on the new shape; an untouched one is only planned."""
        skipped = self._untouched(statement, self._question.new.name)
        if skipped is not None:
            runner = self._after.runner
            prepared = runner.prepare(statement.text)
            refused = prepared if isinstance(prepared, Failure) else runner.plan(prepared)
            if refused is None:
                return skipped
        return self._after.try_one(statement, self._question.new.name)

    def _bench(self, database: Database, supply: Supply) -> Bench:
        owner = self._runner(database, owner=True)
        runner = owner if self._ground.role is None else self._runner(database)
        return Bench(runner, owner, supply)

    def _runner(self, database: Database, *, owner: bool = False) -> Runner:
        return self._runner_on(self._open.enter_context(database.connect()), owner=owner)

    def _runner_on(self, session: Session, *, owner: bool = False) -> Runner:
        return Runner(
            session,
            self._ground.columns,
            role=None if owner else self._ground.role,
            settings=self._settings,
            deferred=self._deferred,
            readings=self._readings,
        )

    def _version(self) -> str:
        number = self._server.version
        return f"PostgreSQL {number // 10000}.{number % 10000}"


def _good(tried: Sequence[Tried]) -> tuple[frozenset[str], frozenset[str]]:
    """What went well by itself, and what of that uses nothing that changed."""
    untouched = frozenset(one.statement.said for one in tried if one.untouched)
    return untouched | {one.statement.said for one in tried if one.executed}, untouched
