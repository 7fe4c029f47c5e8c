"""`migrate lint`: what can be said of migrations without running them, with the SQL to write instead."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from crossfade.cli.migrate_options import read_text
from crossfade.cli.migrate_sarif import LEVELS, sarif
from crossfade.cli.options import file_option
from crossfade.errors import CrossfadeError, UsageError

if TYPE_CHECKING:
    from crossfade.migrations.lint.check import Finding, Reading, Spoken

_ERROR, _UNKNOWN = 4, 11
_PATIENCE_S: Final = 60
_NO_SQL: Final = "'"
"""Read, it is what cannot be read."""
_OLDEST, _NEWEST = 14, 18


@click.command(
    help="Read migrations and say what would keep others waiting or break an old version.",
    short_help="Read migrations: who would wait, what would break.",
)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "form", flag_value="json", help="One object a finding.")
@click.option("--sarif", "form", flag_value="sarif", help="For code scanning.")
@click.option(
    "--pg",
    type=click.IntRange(_OLDEST, _NEWEST),
    default=_NEWEST,
    show_default=True,
    help="PostgreSQL's major version.",
)
@click.option(
    "--schema",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What is there before: pg_dump --schema-only.",
)
@file_option
def lint(paths: tuple[Path, ...], form: str | None, pg: int, schema: Path | None, file: Path) -> int:
    """Exit 0 nothing but warnings, 4 an error, 11 something could not be read."""
    from crossfade.migrations.lint.check import schema_of
    from crossfade.migrations.lint.folder import read_folder

    histories = _files(paths or (_folder(file),))
    files = [one for history in histories for one in history]
    known = schema_of(read_text(schema), str(schema)) if schema else None
    readings: dict[str, Reading] = {}
    lost: dict[str, str] = {}
    for history in histories:
        readings |= read_folder({str(one): _text(one, lost) for one in history}, pg=pg, schema=known)
    found = [
        replace(finding, what=lost[name]) if name in lost else finding
        for name, reading in readings.items()
        for finding in reading.findings
        if paths or finding.rule != "no-lock-timeout"  # `expand` sets its own
    ]
    found += _squawk(files, {name: reading.spoken for name, reading in readings.items()}, pg)
    if form == "json":
        click.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False))
    elif form == "sarif":
        click.echo(json.dumps(sarif(found), ensure_ascii=False, indent=1))
    else:
        click.echo(_as_text(found, len(files)))
    levels = {one.level for one in found}
    return _ERROR if "error" in levels else _UNKNOWN if "unknown" in levels else 0


def _folder(file: Path) -> Path:
    from crossfade.spec.load import load_spec

    database = load_spec(file).database if file.exists() else None
    if database is None or database.migrations is None:
        raise UsageError(
            "CF9240",
            "which migrations?",
            f"no path is given, and {file} has no `database.migrations`",
            "crossfade migrate lint db/migrations",
        )
    folder = file.parent / database.migrations
    if not folder.is_dir():
        raise UsageError(
            "CF9240", "there is no migration", f"`database.migrations` of {file} is {folder}: no such folder",
            "mend it there, or name a file or a folder",
        )  # fmt: skip
    return folder


def _files(paths: Sequence[Path]) -> list[list[Path]]:
    """The files of each folder; those that are named one by one, by the folder that they lie in."""
    found: dict[Path, dict[Path, None]] = {}
    for one in paths:
        some = one.rglob("*.sql") if one.is_dir() else [one]
        found.setdefault(one if one.is_dir() else one.parent, {}).update(dict.fromkeys(some))
    if not any(found.values()):
        raise UsageError(
            "CF9240", "there is no migration", f"{paths[0]} holds no .sql file", "name a file, or a folder"
        )
    return [list(some) for some in found.values()]


def _text(path: Path, lost: dict[str, str]) -> str:
    """What cannot be read as text is told as a finding, and the other files are read all the same."""
    try:
        return read_text(path)
    except CrossfadeError as error:
        lost[str(path)] = f"{error.what}: {error.why}"
        return _NO_SQL


def _as_text(found: Sequence[Finding], files: int) -> str:
    lines: list[str] = []
    for one in found:
        lines.append(f"{one.file}:{one.line}:{one.column} {one.level} {one.rule}: {one.what}")
        lines.append(f"    {one.why}")
        lines += [f"    {text}" for text in (one.instead.splitlines() if one.instead else ())]
    counted: Counter[str] = Counter(one.level for one in found)
    told = ", ".join(f"{counted[level]} {level}" for level in LEVELS if counted[level])
    lines.append(f"{files} file(s): {told or 'nothing found; crossfade migrate prove runs them'}")
    return "\n".join(lines)


def _squawk(files: Sequence[Path], spoken: Mapping[str, Sequence[Spoken]], pg: int) -> list[Finding]:
    """What squawk finds where it is installed, unless a rule of ours says the same of the same statement."""
    from crossfade.migrations.lint.check import Finding
    from crossfade.migrations.lint.squawk import is_said

    program = shutil.which("squawk")
    if program is None:
        return []
    try:
        done = subprocess.run(
            [program, "--reporter", "json", "--pg-version", str(pg), *map(str, files)],
            capture_output=True, text=True, errors="replace", check=False, timeout=_PATIENCE_S,
        )  # fmt: skip
        told = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        click.echo("squawk is installed and could not be asked", err=True)
        return []
    found = [
        Finding(
            file=str(one["file"]),
            line=int(one["line"]) + 1,
            column=int(one["column"]) + 1,
            rule=f"squawk/{one['rule_name']}",
            level="warning",
            what=str(one["message"]),
            why=str(one.get("help") or "by squawk"),
        )
        for one in told
    ]
    return [
        one
        for one in found
        if not is_said(one.rule.partition("/")[2], (one.line, one.column), spoken.get(one.file, ()))
    ]
