"""`migrate prove NAME`: a change of the folder, against every version that serves or may come back."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from crossfade.cli.migrating import change_named, database_side
from crossfade.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from crossfade.migrations.verdict import Verdict
    from crossfade.preconditions.database import DatabaseSide
    from crossfade.preconditions.reach import Reachable
    from crossfade.preconditions.records import Proved

_SAFE, _BLOCKED, _UNDECIDED = 0, 4, 11


def side_of(file: Path) -> DatabaseSide:
    """The database side of this file's service. Raises UsageError (CF9313) where there is none."""
    side = database_side(file)
    if side is None:
        raise UsageError(
            "CF9313", "there is no version to ask about",
            f"{file} has no `database` section, or its service was never released",
            "database: {url: {env: DATABASE_URL}, migrations: db/migrations}",
        )  # fmt: skip
    return side


def prove_kept(name: str, file: Path, *, as_json: bool) -> int:
    """Prove and keep; exit 0 safe for all, 4 not for one, 11 unknown for one."""
    from crossfade.preconditions.answers import Answers

    side = side_of(file)
    change = change_named(side.changes, name)
    codes: list[int] = []
    told: list[dict[str, Any]] = []
    for one, proof, verdict in Answers(side).prove(change):
        codes.append(_code(proof, verdict))
        told.append(_object(one, proof, verdict))
        if not as_json:
            click.echo(_text(change.name, one, proof, verdict))
    if as_json:
        click.echo(json.dumps(told))
    return _BLOCKED if _BLOCKED in codes else max(codes, default=_UNDECIDED)


def _code(proof: Proved | None, verdict: Verdict | None) -> int:
    if proof is None or verdict is None:
        return _UNDECIDED
    return _BLOCKED if proof.safe is False else verdict.exit_code


def _object(one: Reachable, proof: Proved | None, verdict: Verdict | None) -> dict[str, Any]:
    from crossfade.cli.render.proof import as_object

    return {
        "revision": one.revision,
        "why": one.why,
        "until": one.until.isoformat() if one.until else None,
        "kept": asdict(proof) if proof is not None else None,
        "proof": as_object(verdict) if verdict is not None else None,
    }


def _text(change: str, one: Reachable, proof: Proved | None, verdict: Verdict | None) -> str:
    from crossfade.cli.render.proof import as_text

    head = f"{change} against {one.revision} ({one.why})"
    if proof is None or verdict is None:
        fix = f"crossfade migrate record --keep --revision {one.revision} -- YOUR TESTS"
        return f"{head}: nobody recorded what it sends; {fix}"
    started = f"\n{proof.failing}" if proof.safe is False and verdict.rollback_safe else ""
    return f"{head}, {proof.statements} statements\n{as_text(verdict)}{started}"
