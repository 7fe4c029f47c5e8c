"""`migrate lint`: what can be said of migrations without running them, with the SQL to write instead."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from crossfade.cli.migrate_options import read_text
from crossfade.cli.options import file_option
from crossfade.errors import CrossfadeError, UsageError

if TYPE_CHECKING:
    from crossfade.migrations.lint.check import Finding

_ERROR, _UNKNOWN = 4, 11
_PATIENCE_S: Final = 60
_LEVELS: Final = {"error": "error", "warning": "warning", "unknown": "note"}


@click.command(help="Read migrations and say what would keep others waiting or break an old version.")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "form", flag_value="json", help="One object a finding.")
@click.option("--sarif", "form", flag_value="sarif", help="For code scanning.")
@file_option
def lint(paths: tuple[Path, ...], form: str | None, file: Path) -> int:
    """Exit 0 nothing but warnings, 4 an error, 11 something could not be read."""
    from crossfade.migrations.lint.check import lint as lint_one

    files = list(_files(paths or (_folder(file),)))
    found: list[Finding] = []
    for one in files:
        found += lint_one(_text(one), str(one))
    found += _squawk(files, found)
    if form == "json":
        click.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False))
    elif form == "sarif":
        click.echo(json.dumps(_sarif(found), ensure_ascii=False, indent=1))
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
    return file.parent / database.migrations


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for one in paths:
        found += sorted(one.rglob("*.sql")) if one.is_dir() else [one]
    if not found:
        raise UsageError(
            "CF9240", "there is no migration", f"{paths[0]} holds no .sql file", "name a file, or a folder"
        )
    return list(dict.fromkeys(found))


def _text(path: Path) -> str:
    """What cannot be read as text is told as a finding, and the other files are read all the same."""
    try:
        return read_text(path)
    except CrossfadeError:
        return "'"


def _as_text(found: Sequence[Finding], files: int) -> str:
    lines: list[str] = []
    for one in found:
        lines.append(f"{one.file}:{one.line}:{one.column} {one.level} {one.rule}: {one.what}")
        lines.append(f"    {one.why}")
        lines += [f"    {text}" for text in (one.instead.splitlines() if one.instead else ())]
    counted: Counter[str] = Counter(one.level for one in found)
    told = ", ".join(f"{counted[level]} {level}" for level in _LEVELS if counted[level])
    lines.append(f"{files} file(s): {told or 'nothing found; crossfade migrate prove runs them'}")
    return "\n".join(lines)


def _sarif(found: Sequence[Finding]) -> dict[str, Any]:
    from crossfade.migrations.lint.rules import RULES

    rules = [
        {"id": one.name, "shortDescription": {"text": one.why},
         "defaultConfiguration": {"level": _LEVELS[one.level]}}
        for one in RULES.values()
    ]  # fmt: skip
    results = [
        {
            "ruleId": one.rule,
            "level": _LEVELS[one.level],
            "message": {"text": f"{one.what}: {one.why}" + (f"\n{one.instead}" if one.instead else "")},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": Path(one.file).as_posix()},
                        "region": {"startLine": one.line, "startColumn": one.column},
                    }
                }
            ],
        }
        for one in found
    ]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": {"name": "crossfade", "rules": rules}}, "results": results}],
    }


def _squawk(files: Sequence[Path], ours: Sequence[Finding]) -> list[Finding]:
    """What squawk finds where it is installed, on lines of which we have nothing to say."""
    from crossfade.migrations.lint.check import Finding

    program = shutil.which("squawk")
    if program is None:
        return []
    try:
        done = subprocess.run(
            [program, "--reporter", "json", *map(str, files)],
            capture_output=True, text=True, errors="replace", check=False, timeout=_PATIENCE_S,
        )  # fmt: skip
        told = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        click.echo("squawk is installed and could not be asked", err=True)
        return []
    known = {(one.file, one.line) for one in ours}
    return [
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
        if (str(one["file"]), int(one["line"]) + 1) not in known
    ]
