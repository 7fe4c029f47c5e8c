"""`migrate record`: what this version sends to its database, heard while its tests run."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossfade.cli.migrate_options import need_the_extra, read_text
from crossfade.cli.options import file_option
from crossfade.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from crossfade.migrations.record.listen import Recorder, Schema
    from crossfade.migrations.shape import Shape
    from crossfade.spec.models import Spec

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_LISTED = 8


@click.command(
    help="Hear on a throw-away PostgreSQL what a version's tests send, and keep it: shape.json.",
    short_help="Hear what a version's tests send: shape.json.",
)
@click.option("--schema", type=_FILE, help="The schema: DDL, or pg_dump --schema-only.")
@click.option(
    "--schema-from", metavar="COMMAND", help="A command that makes the schema: alembic upgrade head."
)
@click.option("--migrations", type=_FOLDER, help="A folder of .sql files that make the schema, by name.")
@click.option(
    "--from", "from_", type=_FILE, help="Instead of a run: a .sql file, or a pg_stat_statements dump."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Default: database.shape.")
@click.option("--revision", help="The version that is recorded.")
@click.option("--pg", type=int, help="Major version of PostgreSQL; 18 by default.")
@click.option("--sandbox-dsn", help="A real server to hear on instead, where extensions are needed.")
@click.option("--keep", is_flag=True, help="Keep it for --revision, which was released before.")
@click.option("--allow-failing", is_flag=True, help="Keep what was heard though the tests failed.")
@file_option
@click.argument("command", nargs=-1)
def record(
    schema: Path | None,
    schema_from: str | None,
    migrations: Path | None,
    from_: Path | None,
    out: Path | None,
    revision: str | None,
    pg: int | None,
    sandbox_dsn: str | None,
    keep: bool,
    allow_failing: bool,
    file: Path,
    command: tuple[str, ...],
) -> int:
    """Exit 0 recorded, 11 refused: the tests failed, or nothing was heard."""
    need_the_extra()
    from crossfade.migrations.attended import terminable
    from crossfade.migrations.record.listen import Recorder

    if bool(command) == (from_ is not None):
        raise UsageError(
            "CF9230", "what is to be recorded?", "either a command behind --, or a file behind --from",
            "crossfade migrate record --schema-from 'alembic upgrade head' -- pytest -q",
        )  # fmt: skip
    if pg is not None and sandbox_dsn is not None:
        raise UsageError(
            "CF9212", "--pg and --sandbox-dsn exclude each other", "a server has its own version"
        )
    spec = _spec(file)
    target = _writable(out or _target(spec, file))
    database = spec.database if spec is not None else None
    variables = () if database is None else (database.url, database.direct)
    with terminable(), Recorder(pg, variables=variables, dsn=sandbox_dsn) as recorder:
        made = _schema(schema, schema_from, migrations)
        if made is not None:
            made.make(recorder)
        shape = (
            _told(recorder, from_) if from_ is not None else _heard(recorder, command, allow=allow_failing)
        )
    role = database.app_role if database is not None else None
    shape = replace(shape, service=spec.service if spec else None, revision=revision, app_role=role)
    target.write_text(shape.as_json(), encoding="utf-8")
    click.echo(_said(shape, target))
    if keep:
        _keep(shape, file)
    return 0


def _keep(shape: Shape, file: Path) -> None:
    """For a version that was released before anybody recorded: it has met all that ran until now."""
    from crossfade.cli.migrating import database_side

    side = database_side(file)
    if side is None or shape.revision is None:
        raise UsageError(
            "CF9312", "nothing is kept with the releases",
            "--keep needs --revision, a `database` section, and a service that was released before",
            "crossfade migrate record --keep --revision v41 -- YOUR TESTS",
        )  # fmt: skip
    side.keep_version(shape.revision, shape, side.done(side.ledger()))
    click.echo(f"kept as what {shape.revision} sends")


def _spec(file: Path) -> Spec | None:
    from crossfade.spec.load import load_spec

    return load_spec(file) if file.exists() else None


def _target(spec: Spec | None, file: Path) -> Path:
    from crossfade.spec.database_models import SHAPE_FILE

    named = spec.database.shape if spec is not None and spec.database is not None else SHAPE_FILE
    return file.parent / named


def _writable(target: Path) -> Path:
    """Told before the tests run, not after. Raises UsageError (CF9230)."""
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise UsageError(
            "CF9230", f"{target} cannot be written", "its folder is not there, or is not ours to write in",
            "--out FILE, or `shape` in the section `database` of the service's file",
        )  # fmt: skip
    return target


def _words(command: str) -> tuple[str, ...]:
    """Raises UsageError (CF9230) where no shell would read it."""
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError("CF9230", "--schema-from cannot be read", str(error)) from None
    if not words:
        raise UsageError("CF9230", "--schema-from names no command", "it is empty")
    return words


def _schema(file: Path | None, command: str | None, folder: Path | None) -> Schema | None:
    from crossfade.migrations.record.listen import SchemaCommand, SqlFiles

    given = [one for one in (file, command, folder) if one is not None]
    if len(given) > 1:
        raise UsageError(
            "CF9230", "one schema, please", "--schema, --schema-from and --migrations exclude each other"
        )
    if file is not None:
        return SqlFiles((file,))
    if folder is not None:
        return SqlFiles(tuple(sorted(folder.glob("*.sql"))))
    return None if command is None else SchemaCommand(_words(command))


def _heard(recorder: Recorder, command: tuple[str, ...], *, allow: bool) -> Shape:
    from crossfade.migrations.record.masked import masked

    recorder.keep_schema()
    recorder.listen()
    code = recorder.run(command)
    if code and not allow:
        raise RefusedError(
            "CF9231",
            f"nothing was kept: {masked(shlex.join(command))} ended with {code}",
            "tests that fail stop early, and what they did not send would be missing",
            "mend them, or keep what was heard all the same: --allow-failing",
        )
    return _kept(recorder.shape(source=shlex.join(command)))


def _told(recorder: Recorder, file: Path) -> Shape:
    from crossfade.migrations.record.files import read_told

    told = read_told(read_text(file), str(file))
    return _kept(recorder.shape(source=file.name, told=told))


def _kept(shape: Shape) -> Shape:
    if shape.statements:
        return shape
    first = next(iter(shape.not_taken), None)
    why = f"{len(shape.not_taken)} were left out; the first: {first.why}" if first else "not one came"
    raise RefusedError(
        "CF9232", "no statement of the version was heard", why,
        "the command reads DATABASE_URL or libpq's variables; the schema comes from --schema-from, --schema "
        "or --migrations",
    )  # fmt: skip


def _said(shape: Shape, target: Path) -> str:
    sampled = sum(bool(one.samples) for one in shape.statements)
    sent = sum(one.seen for one in shape.statements)
    first = f"{target}: {len(shape.statements)} statements, {sampled} with values, sent {sent} times"
    lines = [f"{first}; {len(shape.transactions)} kinds of transaction"]
    if shape.not_taken:
        lines.append(f"left out: {len(shape.not_taken)}")
        lines += [f"  {_short(one.text)}  ({one.why})" for one in shape.not_taken[:_LISTED]]
        if len(shape.not_taken) > _LISTED:
            lines.append("  … all of them stand in the file under not_taken")
    return "\n".join(lines)


def _short(text: str) -> str:
    told = " ".join(text.split())
    return told if len(told) <= 60 else f"{told[:57]}…"
