"""`migrate expand`, `contract`, `abort`: the real database's shape, changed so that nobody waits long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from crossfade.cli.migrating import change_named, conducting, find, place_options
from crossfade.cli.options import reason_option
from crossfade.errors import RefusedError

if TYPE_CHECKING:
    from crossfade.migrations.running.conduct import Conductor
    from crossfade.spec.change_models import SchemaChange

F = TypeVar("F", bound=Callable[..., Any])
_AT_LEAST = timedelta(milliseconds=10)
_AT_MOST = timedelta(seconds=10)


class DurationType(click.ParamType["timedelta"]):
    """`250ms`, `10m`."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """As crossfade.yaml reads it."""
        from crossfade.spec.units import UnitError, duration

        if isinstance(value, timedelta):
            return value
        try:
            return duration(value)
        except UnitError as error:
            self.fail(f"{value!r}: {error.why}", param, ctx)


def _running_options(verb: F) -> F:
    for option in (
        click.option(
            "--accept-blocking",
            metavar="REASON",
            help="Run statements too that keep others waiting; kept in the ledger.",
        ),
        click.option(
            "--lock-timeout",
            type=DurationType(),
            default="250ms",
            show_default=True,
            help="Longest wait for a strong lock, 10ms to 10s: everybody behind waits as long.",
        ),
        click.option(
            "--budget",
            type=DurationType(),
            default="10m",
            show_default=True,
            help="Trying and waiting for one transaction, all together.",
        ),
        click.option(
            "--sandbox-dsn", help="A server to watch the statements on first, where extensions are needed."
        ),
    ):
        verb = option(verb)
    return verb


_despite_option = click.option(
    "--despite-versions", metavar="REASON", help="Though a version may need it; kept in the ledger."
)


def _refuse_unsafe(file: Path, change: SchemaChange) -> str:
    """
    A change that a version which serves or may come back does not survive is no expand (R37).

    On whose word something possible was let through; a proof of just this that is kept is not made again.
    """
    from crossfade.cli.migrating import database_side

    side = database_side(file)
    if side is None or not side.reachable():
        return ""
    from crossfade.preconditions.answers import Answers
    from crossfade.preconditions.same_ground import ago

    answers = Answers(side)
    broken = []
    for one, proof, verdict in answers.prove(change, anew=False):
        if proof is None:
            continue
        if verdict is None:
            click.echo(f"{change.name} against {one.revision}: proved {ago(proof.at, side.now())}", err=True)
        found = answers.weighed(proof)
        if proof.safe is False and not found.holds:
            broken.append(f"{one.revision} ({one.why}): {found.why}")
    if broken:
        raise RefusedError(
            "CF9310",
            f"{change.name} would break {len(broken)} version(s) that may be needed",
            "; ".join(broken),
            "take it apart: what adds is the expand, what takes away the contract; or accept what is only "
            f"possible: crossfade migrate prove {change.name}",
        )
    taken = answers.taken(change)
    if taken:
        click.echo(f"{change.name}: {taken}", err=True)
    return taken


def _limits(lock_timeout: timedelta, budget: timedelta) -> dict[str, Any]:
    if not _AT_LEAST <= lock_timeout <= _AT_MOST:
        raise click.BadParameter("it is 10ms to 10s; 250ms is a good one", param_hint="--lock-timeout")
    return {"lock": lock_timeout, "budget": budget}


def _changes(folder: Path) -> tuple[SchemaChange, ...]:
    from crossfade.spec.changes import read_changes

    return read_changes(folder)


@click.command(help="Run the expand of NAME, or of every change that has not run.")
@click.argument("name", required=False)
@place_options
@_running_options
@_despite_option
def expand(
    name: str | None,
    file: Path,
    folder: Path | None,
    dsn_env: str | None,
    accept_blocking: str | None,
    lock_timeout: timedelta,
    budget: timedelta,
    sandbox_dsn: str | None,
    despite_versions: str | None,
) -> int:
    """In the order of their names; one that comes after one that has not run is refused."""
    from crossfade.migrations.running.conduct import Asked

    where = find(file, folder, dsn_env)
    changes = _changes(where.folder)
    wanted = [change_named(changes, name)] if name else list(changes)
    asked = Asked(accept_blocking=accept_blocking or "", despite_versions=despite_versions or "")
    with conducting(
        where, f"expand {name or 'all'}", _limits(lock_timeout, budget), sandbox_dsn
    ) as conductor:
        ran = False
        if name:
            _refuse_to_skip(conductor, changes, wanted[0])
        for change in wanted:
            if name or conductor.stands(change) in {"planned", "expanding"}:
                taken = ""
                if conductor.stands(change) == "planned" and not despite_versions:
                    taken = _refuse_unsafe(file, change)
                click.echo(f"{change.name}: {conductor.expand(change, replace(asked, accepted=taken))}")
                ran = True
        if not ran:
            click.echo(
                "nothing to do: every schema change is expanded" if changes else "there is no schema change"
            )
    return 0


def _refuse_to_skip(conductor: Conductor, changes: tuple[SchemaChange, ...], change: SchemaChange) -> None:
    before = changes[: changes.index(change)]
    waiting = [one.name for one in before if conductor.stands(one) in {"planned", "expanding"}]
    if waiting:
        raise RefusedError(
            "CF9276",
            f"{change.name} comes after {', '.join(waiting)}",
            "changes are made on top of each other",
            "crossfade migrate expand, without a name, runs all in their order",
        )


@click.command(
    help="Run the contract of NAME, when no version that needs the old shape can come back.",
    short_help="Run a contract, once nobody needs the old shape.",
)
@click.argument("name")
@place_options
@_running_options
@_despite_option
def contract(
    name: str,
    file: Path,
    folder: Path | None,
    dsn_env: str | None,
    accept_blocking: str | None,
    lock_timeout: timedelta,
    budget: timedelta,
    sandbox_dsn: str | None,
    despite_versions: str | None,
) -> int:
    """Refused while a version may come back (R38)."""
    from crossfade.migrations.running.conduct import Asked

    asked = Asked(accept_blocking=accept_blocking or "", despite_versions=despite_versions or "")
    where = find(file, folder, dsn_env)
    change = change_named(_changes(where.folder), name)
    with conducting(where, f"contract {name}", _limits(lock_timeout, budget), sandbox_dsn, file) as conductor:
        click.echo(f"{name}: {conductor.contract(change, asked)}")
    return 0


@click.command(
    help="Take away again what the expand of NAME has added, while no version needs it.",
    short_help="Take away what an expand has added.",
)
@click.argument("name")
@place_options
@_running_options
@reason_option
@_despite_option
def abort(
    name: str,
    file: Path,
    folder: Path | None,
    dsn_env: str | None,
    accept_blocking: str | None,
    lock_timeout: timedelta,
    budget: timedelta,
    sandbox_dsn: str | None,
    reason: str,
    despite_versions: str | None,
) -> int:
    """Runs NAME.abort.sql; without one says what remains."""
    from crossfade.migrations.running.conduct import Asked

    asked = Asked(accept_blocking=accept_blocking or "", despite_versions=despite_versions or "")
    where = find(file, folder, dsn_env)
    change = change_named(_changes(where.folder), name)
    with conducting(where, f"abort {name}", _limits(lock_timeout, budget), sandbox_dsn, file) as conductor:
        click.echo(f"{name}: {conductor.abort(change, asked, reason)}")
    return 0
