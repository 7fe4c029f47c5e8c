"""
Whether a version's statements run on a schema as it is: each by itself on sown rows, and in its recorded
transactions.

A proof compares before and after; this asks one shape only. It sees what a foreign hand did to a database
as well as what a migration of ours did, and it does not see a result that has become another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from crossfade.migrations.asked import asked
from crossfade.migrations.ground import Ground, lay
from crossfade.migrations.legal import Literals
from crossfade.migrations.question import Version
from crossfade.migrations.replay import fails_by_itself
from crossfade.migrations.runs import Runner
from crossfade.migrations.sandbox.server import Server
from crossfade.migrations.script import Statement
from crossfade.migrations.subject import Bench, Tried, unproved
from crossfade.migrations.supply import OLD_SALT
from crossfade.migrations.transactions import Together, run_on_one, telling
from crossfade.migrations.vectors import Supply
from crossfade.migrations.verdict import Counterexample, Unproved
from crossfade.migrations.wire import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What came of running them. `ran` counts what went well by itself or in a recorded transaction."""

    failing: tuple[Counterexample, ...]
    ran: int
    not_run: tuple[Unproved, ...]
    """Neither failed nor could be executed: nothing is known of their values."""


def fit(
    server: Server,
    schema: Sequence[Statement],
    version: Version,
    role: str | None,
) -> Fit:
    """Every statement of the version on the schema. Raises RefusedError (CF9210) where it does not load."""
    sent = asked(version.statements)
    told = [one.tokens for one in (*schema, *version.statements)]
    ground = lay(server, schema, "the schema of the database", Literals(told), role)
    with ExitStack() as open_:
        alone = _alone(ground, version, sent, open_)
        good = frozenset(one.statement.said for one in alone if one.executed)
        together = Together()
        whole = telling(version.transactions, good)
        if whole:
            runner_on = partial(_runner, ground, version, role=ground.role)
            together = run_on_one(whole, version.name, ground.template.clone(), runner_on)
    failing = {one.statement: one for one in together.wrong}
    for one in alone:
        found = None if one.statement.said in together.proved else fails_by_itself(one)
        if found is not None:
            failing.setdefault(found.statement, found)
    not_run = tuple(one for one in unproved(alone, (), together.proved) if one.statement not in failing)
    names = {one.said for one in sent} - failing.keys()
    return Fit(
        failing=tuple(failing.values()),
        ran=len(names - {one.statement for one in not_run}),
        not_run=not_run,
    )


def _alone(ground: Ground, version: Version, sent: Sequence[Statement], open_: ExitStack) -> list[Tried]:
    supply = Supply(
        catalog=ground.catalog,
        rows=ground.content.rows,
        legal=ground.seeds.legal,
        forms=ground.seeds.forms,
        salt=OLD_SALT,
    )
    database = ground.template.clone()
    owner = _runner(ground, version, open_.enter_context(database.connect()), role=None)
    runner = owner
    if ground.role is not None:
        runner = _runner(ground, version, open_.enter_context(database.connect()), role=ground.role)
    bench = Bench(runner, owner, supply)
    return [bench.try_one(one, version.name) for one in sent]


def _runner(ground: Ground, version: Version, session: Session, *, role: str | None) -> Runner:
    return Runner(session, ground.columns, role=role, settings=version.settings)
