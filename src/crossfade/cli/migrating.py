"""What the verbs that touch the real database share: its place, its options, and a runner on it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from crossfade.cli.migrate_options import need_the_extra
from crossfade.cli.options import actor, file_option
from crossfade.errors import UsageError

if TYPE_CHECKING:
    from crossfade.migrations.running.conduct import Conductor
    from crossfade.migrations.running.doors import Door
    from crossfade.preconditions.database import DatabaseSide
    from crossfade.spec.change_models import SchemaChange
    from crossfade.spec.database_models import Database

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A folder of schema changes, and the database they are for. `dsn` is never shown."""

    folder: Path
    variable: str
    """Where the direct DSN stands, for messages."""
    variables: tuple[str, ...]
    """All variables that name the database; a command finds the direct one in each."""
    dsn: str
    home: Path
    """The folder of crossfade.yaml: commands run there."""
    standbys: tuple[str, ...] = ()
    """Variables of the standbys' addresses."""

    def __repr__(self) -> str:
        return f"Where({str(self.folder)!r}, {self.variable!r})"


def place_options(verb: F) -> F:
    """`-f`, `--folder`, `--dsn-env`: where the changes lie, and the database they are for."""
    for option in (
        click.option(
            "--dsn-env", metavar="NAME", help="Variable that holds the direct DSN; else crossfade.yaml's."
        ),
        click.option(
            "--folder",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Folder of the schema changes; else crossfade.yaml's.",
        ),
        file_option,
    ):
        verb = option(verb)
    return verb


def find(file: Path, folder: Path | None, dsn_env: str | None) -> Where:
    """The changes and their database: as the options say, else as crossfade.yaml does."""
    said = None if folder is not None and dsn_env is not None else _section(file)
    home = file.absolute().parent
    if folder is None:
        folder = home / said.migrations if said is not None and said.migrations is not None else None
    direct = dsn_env or (said.direct if said is not None else None)
    if folder is None or direct is None:
        missing = "--folder" if folder is None else "--dsn-env"
        raise UsageError(
            "CF9279",
            "the database that is to be migrated is not named",
            f"{file} says neither where schema changes lie nor which variable holds the address"
            if said is None
            else f"{file} has no `database.migrations`",
            f"add `database: {{url: {{env: DATABASE_URL}}, migrations: db/migrations}}`, or give {missing}",
        )
    variables = (direct,) if said is None else tuple(dict.fromkeys((direct, said.url)))
    standbys = () if said is None else said.standbys
    return Where(
        folder=folder,
        variable=direct,
        variables=variables,
        dsn=_dsn(direct),
        home=home,
        standbys=standbys,
    )


def _section(file: Path) -> Database | None:
    """The section `database` of crossfade.yaml; None where there is no such file."""
    from crossfade.spec.load import load_spec

    return load_spec(file).database if file.exists() else None


def has_database(file: Path) -> bool:
    """Whether there is such a file, and it has a section `database`."""
    return _section(file) is not None


def _dsn(variable: str) -> str:
    dsn = os.environ.get(variable, "")
    if not dsn:
        raise UsageError(
            "CF9279",
            f"the variable {variable} holds no DSN",
            "it is not set, or empty",
            f"export {variable}=postgresql://…",
        )
    return dsn


def opened(where: Where) -> Door:
    """The database, where it may be migrated."""
    need_the_extra()
    from crossfade.migrations.running.doors import open_door

    return open_door(where.dsn, where.variable)


def change_named(changes: tuple[SchemaChange, ...], name: str) -> SchemaChange:
    """The change of this name."""
    from difflib import get_close_matches

    for one in changes:
        if one.name == name:
            return one
    near = get_close_matches(name, [one.name for one in changes], n=1)
    raise UsageError(
        "CF9276",
        f"there is no schema change {name}" + (f", did you mean {near[0]}?" if near else ""),
        f"the folder holds {', '.join(one.name for one in changes) or 'none'}",
        "a name is a file's up to its first dot",
    )


@contextmanager
def conducting(
    where: Where, what: str, limits: dict[str, Any], sandbox_dsn: str | None, file: Path | None = None
) -> Iterator[Conductor]:
    """The only runner on this database, for as long as this lasts; `file` says where the releases are."""
    from random import Random

    need_the_extra()
    from crossfade.migrations.running.alone import alone
    from crossfade.migrations.running.backing_off import Backoff
    from crossfade.migrations.running.commands import Surroundings
    from crossfade.migrations.running.conduct import Conductor
    from crossfade.migrations.running.doors import Sessions, saying_what_was_lost
    from crossfade.migrations.running.executor import Means
    from crossfade.migrations.running.manner import Limits

    door = opened(where)
    who = f"{actor()}@{socket.gethostname()}"
    with (
        saying_what_was_lost(what),
        alone(door, who, what) as lock,
        door.connect() as work,
        door.connect("crossfade looks on") as look,
    ):
        means = Means(
            door=door,
            lock=lock,
            who=who,
            clock=_Clock(),
            chance=Random(),  # noqa: S311  pauses, no secrets
            tell=lambda line: click.echo(line, err=True),
            limits=Limits(**limits),
            backoff=Backoff(),
            sandbox_dsn=sandbox_dsn,
        )
        around = Surroundings(folder=where.home, variables=where.variables)
        yield Conductor(means, Sessions(work, look), around, _outside(file))


def _outside(file: Path | None) -> Any:
    """Those who know of releases; nobody where there is no journal."""
    from crossfade.migrations.running.conduct import Outside

    side = database_side(file) if file is not None else None
    if side is None:
        if file is None or not has_database(file):
            return Outside()
        return Outside(
            unknown="this service was never released: no version is on record",
            learn="release what serves now first (crossfade deploy)",
        )
    from crossfade.preconditions.answers import Answers

    answers = Answers(side)
    return Outside(objections=answers.may_contract, needed_by=answers.needed_by, accepted=answers.taken)


def database_side(file: Path) -> DatabaseSide | None:
    """The database of the service of this file, with its releases; None where it has none of both."""
    from crossfade.bootstrap import House
    from crossfade.spec.load import load_spec

    if not file.exists():
        return None
    spec = load_spec(file)
    house = House.of(spec)
    return house.database_of(spec) if spec.database is not None and house.begun else None


class _Clock:
    """Real time."""

    @staticmethod
    def now() -> Any:
        from datetime import UTC, datetime

        return datetime.now(UTC)

    @staticmethod
    def sleep(span: Any) -> None:
        import time

        time.sleep(span.total_seconds())
