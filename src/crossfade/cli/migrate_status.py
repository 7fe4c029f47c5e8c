"""`migrate status`: how every schema change stands, what comes next, and the way back."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossfade.cli.migrating import find, opened, place_options
from crossfade.cli.options import json_option

if TYPE_CHECKING:
    from crossfade.migrations.running.outlook import Outlook


@click.command(help="How every schema change stands, what comes next, and whether there is a way back.")
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
        found = outlook(changes, rows_of(session))
    if as_json:
        click.echo(json.dumps({"changes": [one.as_json() for one in found]}))
    else:
        for line in table(found):
            click.echo(line)
    return 0


def table(found: tuple[Outlook, ...]) -> list[str]:
    """One line a change, and one more where a file is not what ran."""
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
    return lines


def _minute(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M}" if when else "-"
