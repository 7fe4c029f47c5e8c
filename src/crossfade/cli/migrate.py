"""The verbs of the database side; `prove` stands here: does the old version still run after a migration?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossfade.cli.migrate_backfill import backfill, verify
from crossfade.cli.migrate_expand import abort, contract, expand
from crossfade.cli.migrate_lint import lint
from crossfade.cli.migrate_options import need_the_extra, read_text
from crossfade.cli.migrate_record import record
from crossfade.cli.migrate_status import status
from crossfade.cli.options import file_option, json_option
from crossfade.errors import UsageError

if TYPE_CHECKING:
    from crossfade.migrations.prove import Question, Version

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(help="The database side: prove a migration before it runs, and run it so that nobody waits.")
def migrate() -> None:
    """Verbs of the database side."""


for _verb in (lint, record, expand, backfill, verify, contract, abort, status):
    migrate.add_command(_verb)


@migrate.command(
    help="Prove on a throw-away PostgreSQL that the old version still runs after a migration.",
    short_help="Prove that the old version still runs after it.",
)
@click.argument("name", required=False)
@click.option("--schema", type=_FILE, help="The schema now: DDL, or pg_dump --schema-only.")
@click.option(
    "--old",
    type=_FILE,
    multiple=True,
    help="What a version sends that a rollback may bring back: shape.json, or SQL with $1; may be repeated.",
)
@click.option("--new", type=_FILE, help="What the new version sends: shape.json or SQL.")
@click.option("--migration", type=_FILE, help="The migration. One transaction, unless it says so.")
@click.option("--app-role", help="The role that the application connects as; else the one with most grants.")
@click.option("--pg", type=int, help="Major version of PostgreSQL; 18 by default.")
@click.option("--sandbox-dsn", help="A real server to prove on instead, where extensions are needed.")
@json_option
@file_option
def prove(
    name: str | None,
    schema: Path | None,
    old: tuple[Path, ...],
    new: Path | None,
    migration: Path | None,
    app_role: str | None,
    pg: int | None,
    sandbox_dsn: str | None,
    as_json: bool,
    file: Path,
) -> int:
    """With files alone, or NAME: a change of the service's folder, against the versions that are kept."""
    need_the_extra()
    if name is not None:
        from crossfade.cli.migrate_kept import prove_kept

        return prove_kept(name, file, as_json=as_json)
    if schema is None or not old or new is None or migration is None:
        raise UsageError(
            "CF9311",
            "what is to be proved?",
            "NAME is a change of the folder; without it --schema, --old, --new and --migration",
            "crossfade migrate prove --help",
        )
    from crossfade.cli.render.proof import as_object, as_text
    from crossfade.migrations.attended import attended, terminable
    from crossfade.migrations.prove import prove as decide
    from crossfade.migrations.reach import stay_inside
    from crossfade.migrations.sandbox import Sandbox, Server

    if pg is not None and sandbox_dsn is not None:
        raise UsageError(
            "CF9212", "--pg and --sandbox-dsn exclude each other", "a server has its own version"
        )
    question = _question(schema, old, new, migration, app_role)
    if sandbox_dsn is not None:
        stay_inside(question.schema, str(schema))
        stay_inside(question.migration.statements, str(migration))
        with terminable(), Server.of(sandbox_dsn) as server:
            verdict = attended(lambda: decide(question, server), server.interrupt)
    else:
        with terminable(), Sandbox(pg) as sandbox:
            verdict = attended(lambda: decide(question, sandbox.server), sandbox.stop)
    click.echo(json.dumps(as_object(verdict)) if as_json else as_text(verdict))
    return verdict.exit_code


def _question(
    schema: Path, old: tuple[Path, ...], new: Path, migration: Path, app_role: str | None
) -> Question:
    from crossfade.migrations.prove import Question
    from crossfade.migrations.script import read_script, read_statements

    return Question(
        schema=read_statements(read_text(schema), str(schema)),
        schema_name=str(schema),
        old=tuple(_version(one) for one in old),
        new=_version(new),
        migration=read_script(read_text(migration), str(migration)),
        app_role=app_role,
    )


def _version(path: Path) -> Version:
    """A shape that the recorder wrote, or statements by hand."""
    from crossfade.migrations.prove import Version
    from crossfade.migrations.script import read_statements
    from crossfade.migrations.shape import read_shape

    text, called = read_text(path), str(path)
    if path.suffix.lower() == ".json":
        shape = read_shape(text, called)
        return Version(
            name=called, statements=shape.as_statements(called), transactions=shape.as_transactions()
        )
    return Version(name=called, statements=read_statements(text, called))
