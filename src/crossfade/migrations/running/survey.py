"""
What the statements of a part will do to everybody else, seen on a throw-away copy of the real schema.

The copy has the schema and no row of the real database. Where it cannot be had (an extension that the
sandbox lacks, no wheel on this machine), statements are judged by their words, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from crossfade.errors import CrossfadeError, RefusedError
from crossfade.migrations.ground import lay
from crossfade.migrations.legal import Literals
from crossfade.migrations.locks import blocked
from crossfade.migrations.reach import stay_inside
from crossfade.migrations.running.doors import Door
from crossfade.migrations.running.dump import major_for, schema_of
from crossfade.migrations.running.guess import guesses
from crossfade.migrations.running.manner import Judged, manner_of
from crossfade.migrations.running.outside import runs_outside
from crossfade.migrations.sandbox import Sandbox, Server
from crossfade.migrations.script import Script, read_statements
from crossfade.migrations.watched import watch_migration
from crossfade.migrations.wire import name

_PATH: Final = "SELECT pg_catalog.unnest(pg_catalog.current_schemas(false))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """The script as it will run, the manner of each of its statements, and where they come from."""

    script: Script
    judged: tuple[Judged, ...]
    seen: bool
    """Watched on a copy; else judged by its words."""
    note: str = ""


def survey(door: Door, change: str, script: Script, sandbox_dsn: str | None) -> Surveyed:
    """Watch the script on a copy of this database's schema. Raises RefusedError where it cannot run there."""
    if not script.explicit and any(runs_outside(one) for one in script.statements):
        script = script.apart()
    try:
        return _watched(door, change, script, sandbox_dsn)
    except _FailsError as error:
        raise error.told from None
    except CrossfadeError as error:
        note = f"judged by its words, not watched: {error.what}: {error.why}".strip(": ")
        return Surveyed(script=script, judged=guesses(script.statements), seen=False, note=note)


class _FailsError(Exception):
    def __init__(self, told: RefusedError) -> None:
        super().__init__(told.what)
        self.told = told


def _watched(door: Door, change: str, script: Script, sandbox_dsn: str | None) -> Surveyed:
    if sandbox_dsn is not None:
        stay_inside(script.statements, change)
    with door.connect("crossfade looks on") as session:
        path = ", ".join(name(one or "") for (one,) in session.ask(_PATH))
    schema = read_statements(schema_of(door.dsn, door.version), "the schema of the database")
    with _server(door, sandbox_dsn) as server:
        ground = lay(server, schema, "the schema of the database", _literals(script), None)
        ground.template.search_path = path
        watched = watch_migration(ground, script)
    tables, indexes = watched.ground.catalog.relations, watched.ground.catalog.index_table()
    steps = watched.traced.steps
    if watched.fails:
        if any("stood in for" in one for one in ground.notes):
            raise RefusedError("CF9264", "it does not run on the copy", watched.fails)
        raise _FailsError(
            RefusedError(
                "CF9273",
                f"{change} fails on a copy of the schema ({door.where})",
                watched.fails,
                "mend it, or name the right database; nothing was tried on the real one",
            )
        )
    judged = tuple(manner_of(step, blocked(step, tables, indexes), tables, indexes) for step in steps)
    note = (
        f"on some rows that the schema allows it fails: {watched.data_failure}"
        if watched.data_failure
        else ""
    )
    return Surveyed(script=watched.script, judged=judged, seen=True, note=note)


def _literals(script: Script) -> Literals:
    """Values that the script speaks of, so that the copy has rows with them; not those it puts in itself."""
    added = [one for one in script.statements if one.lead[:1] == ("insert",)]
    others = [one.tokens for one in script.statements if one not in added]
    return Literals(others, inserts=[one.tokens for one in added])


@contextmanager
def _server(door: Door, sandbox_dsn: str | None) -> Iterator[Server]:
    if sandbox_dsn is not None:
        with Server.of(sandbox_dsn) as server:
            yield server
    else:
        with Sandbox(major_for(door.version)) as sandbox:
            yield sandbox.server
