"""
Whether a version's statements run on a schema as it is: each is prepared, planned and run on sown rows.

A proof compares before and after; this asks one shape only. It sees what a foreign hand did to a database
as well as what a migration of ours did, and it does not see a result that has become another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from crossfade.migrations.ground import lay
from crossfade.migrations.legal import Literals
from crossfade.migrations.replay import fails_by_itself
from crossfade.migrations.runs import Runner
from crossfade.migrations.sandbox.server import Server
from crossfade.migrations.script import Statement
from crossfade.migrations.subject import Bench
from crossfade.migrations.supply import OLD_SALT
from crossfade.migrations.vectors import Supply
from crossfade.migrations.verdict import Counterexample


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What came of running them."""

    failing: tuple[Counterexample, ...]
    ran: int
    planned: int
    """Could be planned and not be executed: nothing is known of their values."""


def fit(
    server: Server, schema: Sequence[Statement], version: Sequence[Statement], source: str, role: str | None
) -> Fit:
    """Every statement of the version on the schema. Raises RefusedError (CF9210) where it does not load."""
    told = [one.tokens for one in (*schema, *version)]
    sent = [one for one in version if one.lead[:1] != ("set",)]
    ground = lay(server, schema, "the schema of the database", Literals(told), role)
    supply = Supply(
        catalog=ground.catalog,
        rows=ground.content.rows,
        legal=ground.seeds.legal,
        forms=ground.seeds.forms,
        salt=OLD_SALT,
    )
    columns = {one.key: [column.name for column in one.columns] for one in ground.catalog.relations.values()}
    settings = [one.text for one in version if one.lead[:1] == ("set",)]
    with ExitStack() as open_:
        database = ground.template.clone()
        owner = Runner(open_.enter_context(database.connect()), columns, role=None, settings=settings)
        runner = owner
        if ground.role is not None:
            session = open_.enter_context(database.connect())
            runner = Runner(session, columns, role=ground.role, settings=settings)
        bench = Bench(runner, owner, supply)
        tried = [bench.try_one(one, source) for one in sent]
    failing = tuple(found for one in tried if (found := fails_by_itself(one)) is not None)
    ran = sum(one.executed for one in tried)
    return Fit(failing=failing, ran=ran, planned=len(tried) - ran - len(failing))
