"""
A change's dual write as a part of what is proved: it comes with the expand, and goes before the contract.

Without it the new version would be tried on columns that nobody fills, and the contract on columns that a
trigger still holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.migrations.answers import Failure
from crossfade.migrations.backfill import install, leave_behind
from crossfade.migrations.load import load
from crossfade.migrations.sandbox import Server
from crossfade.migrations.script import Script, Statement, Unit, read_statements
from crossfade.migrations.wire import Session
from crossfade.spec.change_models import SchemaChange

_CALLED: Final = "the dual write"


def taken_away(session: Session, change: SchemaChange) -> tuple[Statement, ...]:
    """What `migrate contract` runs first on this database; nothing is run here."""
    if change.dual_write is None:
        return ()
    return _statements(leave_behind(session, change.name, change.dual_write))


def behind(first: Sequence[Statement], script: Script) -> Script:
    """A script after a transaction of these."""
    return _of(*_unit(first), *script.units) if first else script


def with_dual_write(
    server: Server, schema: Sequence[Statement], called: str, change: SchemaChange, script: Script
) -> Script:
    """
    The script, and the trigger on what it has made: seen on a copy of the schema.

    The script alone where it fails there: the proof says why.
    """
    if change.dual_write is None:
        return script
    copy = server.create()
    try:
        with copy.connect() as session:
            load(session, schema, called)
            for one in script.statements:
                if isinstance(session.attempt(one.text), Failure):
                    return script
            made = _statements(install(session, change.name, change.dual_write))
    finally:
        copy.drop()
    return _of(*script.units, *_unit(made))


def _statements(made: Sequence[str]) -> tuple[Statement, ...]:
    return read_statements(";\n".join(made), _CALLED)


def _unit(statements: Sequence[Statement]) -> tuple[Unit, ...]:
    return (Unit(statements=tuple(statements), transaction=True),)


def _of(*units: Unit) -> Script:
    return Script(units=units, explicit=True)
