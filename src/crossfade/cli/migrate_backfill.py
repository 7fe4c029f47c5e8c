"""`migrate backfill`, `migrate verify`: rows of the old shape are filled, and counted where they do not."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click

from crossfade.cli.migrating import Where, change_named, find, opened, place_options
from crossfade.cli.options import actor, json_option
from crossfade.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from crossfade.migrations.backfill import Live, Outcome, Pulse, Standby
    from crossfade.migrations.backfill.telling import Told
    from crossfade.spec.change_models import SchemaChange

DONE, BLOCKED, LEFT = 0, 4, 130
_HEARTBEAT_S: Final = 30.0


@click.command(
    help="Fill the rows that were written before the expand of NAME, batch by batch.",
    short_help="Fill rows of the old shape, batch by batch.",
)
@click.argument("name", required=False)
@place_options
@click.option("--pause", "wish", flag_value="pause", help="Ask the one that runs to pause after its batch.")
@click.option("--resume", "wish", flag_value="resume", help="Ask the one that is paused to go on.")
@click.option("--rows", type=click.IntRange(10, 50_000), help="Rows of the first batch; later ones adapt.")
@json_option
def backfill(
    name: str | None,
    file: Path,
    folder: Path | None,
    dsn_env: str | None,
    wish: str | None,
    rows: int | None,
    as_json: bool,
) -> int:
    """Exit 0 done, 4 every pass finds rows again, 130 stopped. Killed, it goes on where it was."""
    where = find(file, folder, dsn_env)
    found, standbys = 0, standbys_of(where)
    with _working(where, name, "backfill") as (live, wanted, pulse):
        if wish is not None:
            return _ask(live, wanted, pause=wish == "pause")
        for change in wanted:
            found = _filled(live, change, pulse, rows, standbys, as_json=as_json)
            if found:
                break
        if not wanted and not as_json:
            click.echo("no schema change has rows to fill")
    return found


@click.command(help="Count the rows that break the invariant of NAME: 0 is verified.")
@click.argument("name", required=False)
@place_options
@json_option
def verify(name: str | None, file: Path, folder: Path | None, dsn_env: str | None, as_json: bool) -> int:
    """Exit 0 verified, 4 rows offend, 130 stopped."""
    from crossfade.cli.render import backfill as words
    from crossfade.migrations.backfill import verify as count

    where = find(file, folder, dsn_env)
    worst = DONE
    with _working(where, name, "verify") as (live, wanted, pulse):
        for change in wanted:
            tell = _Teller(change.name, as_json=as_json)
            found = count(live, change, who=_who(), tell=tell, pulse=pulse)
            tell.end_line()
            if as_json:
                click.echo(json.dumps(words.verified_object(change.name, found)))
            else:
                click.echo("\n".join(words.verified_lines(change.name, found)))
            if found.stopped:
                return LEFT
            worst = max(worst, DONE if found.holds else BLOCKED)
        if not wanted and not as_json:
            click.echo("no schema change has an invariant to verify")
    return worst


@contextmanager
def _working(
    where: Where, name: str | None, what: str
) -> Iterator[tuple[Live, tuple[SchemaChange, ...], Pulse]]:
    """A session on the database, the changes that are meant, and a pulse that Ctrl-C stops."""
    from crossfade.migrations.backfill import Pulse, live
    from crossfade.migrations.running.doors import saying_what_was_lost
    from crossfade.spec.changes import read_changes

    changes = read_changes(where.folder)
    pulse = Pulse()
    asked = f"{what} {name or 'all'}"
    with (
        saying_what_was_lost(asked),
        live(opened(where), asked) as session,
        _stopped_by_signals(pulse.stop),
    ):
        yield session, _meant(session, changes, name, what), pulse


def _meant(
    live: Live, changes: tuple[SchemaChange, ...], name: str | None, what: str
) -> tuple[SchemaChange, ...]:
    """The change of that name, or all that have expanded and have something to do."""
    from crossfade.migrations.running.ledger import rows_of, standing

    rows = rows_of(live.session)
    early = {"planned", "expanding", "aborted"}
    late = {"contracting", "contracted"}
    if name is None:
        has = [one for one in changes if (one.backfill if what == "backfill" else one.invariant) is not None]
        return tuple(one for one in has if standing(one, rows) not in early | late)
    change = change_named(changes, name)
    if what == "backfill" and change.backfill is None:
        raise UsageError(
            "CF9281", f"{name} has no backfill", "its .yaml has no `backfill`", "there is nothing to fill"
        )
    now = standing(change, rows)
    if now in early | late:
        raise RefusedError(
            "CF9289",
            f"{name} is {now}: there is nothing to {what}",
            "its columns are not there yet" if now in early else "its old columns are gone, or about to go",
            f"crossfade migrate expand {name}" if now in early else "",
        )
    return (change,)


def _ask(live: Live, wanted: tuple[SchemaChange, ...], *, pause: bool) -> int:
    from crossfade.migrations.backfill import cursor

    for change in wanted:
        there = cursor.read(live, change.name) is not None
        if there and cursor.ask_to_pause(live, change.name, _who() if pause else None):
            click.echo(f"{change.name}: {'pauses after its batch' if pause else 'goes on'}")
        else:
            click.echo(f"{change.name}: no backfill has begun")
    return DONE


def standbys_of(where: Where) -> tuple[Standby, ...]:
    """Those that have an address of their own. Raises UsageError (CF9315) where a variable holds none."""
    from crossfade.migrations.backfill import Standby

    for one in where.standbys:
        if not os.environ.get(one):
            raise UsageError(
                "CF9315", f"the variable {one} holds no address of a standby", "it is not set, or empty",
                f"export {one}=postgresql://…, or take it out of `database.standbys`",
            )  # fmt: skip
    return tuple(Standby(one, os.environ[one]) for one in where.standbys)


def _filled(
    live: Live,
    change: SchemaChange,
    pulse: Pulse,
    rows: int | None,
    standbys: tuple[Standby, ...],
    *,
    as_json: bool,
) -> int:
    from crossfade.cli.render import backfill as words
    from crossfade.migrations.backfill import backfill as fill
    from crossfade.migrations.backfill.meaning import kept_by_trigger

    if change.backfill is None:
        return DONE
    tell = _Teller(change.name, as_json=as_json)
    outcome: Outcome = fill(
        live,
        change.name,
        change.backfill,
        who=_who(),
        tell=tell,
        pulse=pulse,
        rows=rows,
        written_by_trigger=kept_by_trigger(live.session, change),
        standbys=standbys,
    )
    tell.end_line()
    if as_json:
        click.echo(json.dumps(words.outcome_object(change.name, outcome)))
    else:
        said = words.outcome_lines(change.name, outcome, verify_next=change.invariant is not None)
        click.echo("\n".join(said))
    return {"done": DONE, "stopped": LEFT}.get(outcome.state, BLOCKED)


class _Teller:
    """Says events as they come. Batches now and then: a terminal has one line for them, written again."""

    def __init__(self, change: str, *, as_json: bool) -> None:
        self._change = change
        self._as_json = as_json
        self._again = not as_json and sys.stderr.isatty()
        self._every = 1.0 if self._as_json or self._again else _HEARTBEAT_S
        self._last = time.monotonic()
        self._width = 0

    def __call__(self, said: Told) -> None:
        from crossfade.cli.render import backfill as words
        from crossfade.migrations.backfill.telling import Moved

        now = time.monotonic()
        moved = isinstance(said, Moved)
        if moved and now - self._last < self._every:
            return
        if moved:
            self._last = now
        if self._as_json:
            click.echo(json.dumps(words.as_object(self._change, said)))
        elif moved and self._again:
            (line,) = words.as_lines(said)
            click.echo(f"\r{line.ljust(self._width)}", err=True, nl=False)
            self._width = len(line)
        else:
            self.end_line()
            click.echo("\n".join(words.as_lines(said)), err=True)

    def end_line(self) -> None:
        """Leave the line that is written again."""
        if self._width:
            click.echo(err=True)
            self._width = 0


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM end the work after its batch."""

    def caught(number: int, _frame: FrameType | None) -> None:
        click.echo(f"{signal.Signals(number).name}: stops after this batch", err=True)
        stop.set()

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, caught) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _who() -> str:
    return f"{actor()}@{socket.gethostname()}"
