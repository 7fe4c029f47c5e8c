"""`migrate status`: how every schema change stands, what comes next, and the way back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossfade.cli.migrating import database_side, find, opened, place_options
from crossfade.cli.options import json_option

if TYPE_CHECKING:
    from crossfade.migrations.running.ledger import Done
    from crossfade.migrations.running.outlook import Outlook
    from crossfade.preconditions.database import DatabaseSide
    from crossfade.preconditions.words import Word
    from crossfade.spec.change_models import SchemaChange


@click.command(
    help="How every schema change stands, what comes next, and whether there is a way back.",
    short_help="How every schema change stands.",
)
@place_options
@json_option
def status(file: Path, folder: Path | None, dsn_env: str | None, as_json: bool) -> int:
    """Reads the ledger; writes nothing."""
    from crossfade.migrations.running.doors import saying_what_was_lost
    from crossfade.migrations.running.ledger import rows_of
    from crossfade.migrations.running.outlook import outlook
    from crossfade.spec.changes import read_changes

    where = find(file, folder, dsn_env)
    changes = read_changes(where.folder)
    with saying_what_was_lost("a look at the ledger"), opened(where).connect("crossfade looks on") as session:
        rows = rows_of(session)
        side = database_side(file)
        lingering = () if side is None else side.lingering(session)
    found, words = outlook(changes, rows), _words(changes, rows, side)
    if as_json:
        told = [
            one.as_json() | {"accept": [word.as_json() for word in words.get(one.change, ())]}
            for one in found
        ]
        open_ = [{"revision": one.revision, "why": one.why} for one in lingering]
        click.echo(json.dumps({"changes": told, "sessions": open_}))
    else:
        for line in table(found, words):
            click.echo(line)
        for one in lingering:
            click.echo(f"{one.revision} may not come back, and {one.why}: a contract waits for them")
    return 0


def _words(
    changes: Sequence[SchemaChange], rows: Sequence[Done], side: DatabaseSide | None
) -> dict[str, tuple[Word, ...]]:
    """What persons accepted, by change."""
    if not any(one.accept for one in changes):
        return {}
    from crossfade.preconditions.words import words_of

    if side is None:
        return {one.name: words_of(one.name, one.accept, None, {}) for one in changes}
    return {one.name: side.words(one, rows) for one in changes}


def table(found: Sequence[Outlook], words: Mapping[str, Sequence[Word]]) -> list[str]:
    """One line a change, and more where a file is not what ran, or a person accepted something."""
    if not found:
        return ["there is no schema change"]
    head = ("change", "state", "last", "next", "way back")
    rows = [(one.change, one.state, _minute(one.when), one.next or "-", one.way_back) for one in found]
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    lines = []
    for at, row in enumerate((head, *rows)):
        lines.append("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
        if at and found[at - 1].drift:
            lines.append(f"  changed since it ran: {found[at - 1].drift}")
        if at:
            lines += [f"  {word.line}" for word in words.get(found[at - 1].change, ())]
    return lines


def _minute(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M}" if when else "-"
