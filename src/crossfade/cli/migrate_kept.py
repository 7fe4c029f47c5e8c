"""`migrate prove NAME`: a change of the folder, against every version that serves or may come back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from crossfade.cli.migrating import change_named, database_side, has_database
from crossfade.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from crossfade.migrations.verdict import Verdict
    from crossfade.preconditions.database import DatabaseSide
    from crossfade.preconditions.reach import Reachable
    from crossfade.preconditions.records import Proved
    from crossfade.release.plan import Footing

_SAFE, _BLOCKED, _UNDECIDED = 0, 4, 11


def side_of(file: Path) -> DatabaseSide:
    """The database side of this file's service. Raises UsageError (CF9313) where there is none."""
    side = database_side(file)
    if side is None:
        if not has_database(file):
            raise UsageError(
                "CF9313", "there is no version to ask about", f"{file} has no `database` section",
                "database: {url: {env: DATABASE_URL}, migrations: db/migrations}",
            )  # fmt: skip
        raise UsageError(
            "CF9313", "there is no version to ask about", "this service was never released",
            "crossfade deploy; or with files: crossfade migrate prove --help",
        )  # fmt: skip
    return side


def prove_kept(name: str, file: Path, *, as_json: bool) -> int:
    """Prove and keep; exit 0 safe for all, 4 not for one, 11 unknown for one."""
    from crossfade.preconditions.answers import Answers

    side = side_of(file)
    change = change_named(side.changes, name)
    codes: list[int] = []
    told: list[dict[str, Any]] = []
    answers = Answers(side)
    for one, proof, verdict in answers.prove(change):
        weighed = None if proof is None else answers.weighed(proof)
        codes.append(_code(proof, verdict, weighed))
        told.append(_object(one, proof, verdict, weighed))
        if not as_json:
            click.echo(_text(change.name, one, proof, verdict))
            click.echo("".join(f"{line}\n" for line in _possible(proof, weighed)), nl=False)
    if as_json:
        click.echo(json.dumps(told))
    return _BLOCKED if _BLOCKED in codes else max(codes, default=_UNDECIDED)


def _code(proof: Proved | None, verdict: Verdict | None, weighed: Footing | None) -> int:
    if proof is None or verdict is None:
        return _UNDECIDED
    if proof.possible and weighed is not None and weighed.holds:
        return replace(verdict, rollback_safe=True).exit_code
    return _BLOCKED if proof.safe is False else verdict.exit_code


def _possible(proof: Proved | None, weighed: Footing | None) -> Iterator[str]:
    """What nobody was seen sending, and how to answer for it; or who has."""
    if proof is None or weighed is None or not proof.possible:
        return
    yield ""
    for one in proof.possible:
        yield f"possible: {one.words}"
    if weighed.holds:
        yield weighed.why
        return
    yield f"where it is never sent, say so in {proof.change}.yaml (void when what is proved changes):"
    yield "accept:"
    for one in proof.possible:
        yield f"  - {{{one.named}, who: …, reason: …}}"


def _object(
    one: Reachable, proof: Proved | None, verdict: Verdict | None, weighed: Footing | None
) -> dict[str, Any]:
    from crossfade.cli.render.proof import as_object

    return {
        "revision": one.revision,
        "why": one.why,
        "until": one.until.isoformat() if one.until else None,
        "can": None if weighed is None else {True: "yes", False: "no", None: "unknown"}[weighed.holds],
        "accepted": weighed.why if weighed is not None and weighed.holds else "",
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
