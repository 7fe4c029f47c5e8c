"""A PostgreSQL with a table of customers, and what a backfill of it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from crossfade.errors import CrossfadeError
from crossfade.migrations.backfill import Live, Outcome, Pulse, backfill, live
from crossfade.migrations.backfill.telling import Told
from crossfade.migrations.running.doors import open_door
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.sandbox.server import Database
from crossfade.migrations.wire import Session, name
from crossfade.spec.change_models import Backfill, DualWrite, Pair, PauseOn, SchemaChange

CHANGE = "0042_full_name"
FULL_NAME = Backfill(
    table="customers",
    set=(("full_name", "name"),),
    key=(),
    where="full_name IS NULL",
    rows=100,
    pause_on=PauseOn(autovacuum=False),
)
CUSTOMERS = """
CREATE TABLE customers (id int PRIMARY KEY, name text, full_name text, touched int NOT NULL DEFAULT 0);
INSERT INTO customers (id, name) SELECT g, 'name ' || g FROM generate_series(1, {rows}) g;
ANALYZE customers
"""
AUDITED = """
CREATE TABLE audit (id int, was text, now text);
CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO audit VALUES (NEW.id, OLD.full_name, NEW.full_name); RETURN NEW; END $$;
CREATE TRIGGER audited AFTER UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION audited()
"""


class World:
    """One database of a sandbox, and a session to look at it with."""

    def __init__(self, sandbox: Sandbox, rows: int = 1000, sql: str = CUSTOMERS) -> None:
        self.database: Database = sandbox.server.create()
        self.dsn = f"host={sandbox.folder} port=5432 user=postgres dbname={self.database.name}"
        self.session: Session = self.database.connect()
        self.said: list[Told] = []
        if sql:
            self.session.ask(sql.replace("{rows}", str(rows)))

    def ask(self, sql: str) -> Any:
        return self.session.ask(sql)

    def one(self, sql: str) -> str | None:
        return self.session.ask(sql)[0][0]

    @contextmanager
    def live(self) -> Iterator[Live]:
        with live(open_door(self.dsn, "DATABASE_URL"), "test") as one:
            yield one

    def backfill(self, order: Backfill = FULL_NAME, pulse: Pulse | None = None, **more: Any) -> Outcome:
        with self.live() as session:
            return backfill(
                session, CHANGE, order, who="test", tell=self.said.append, pulse=pulse or still(), **more
            )

    def role(self, called: str, *grants: str) -> str:
        """A role that can log in, named apart: roles are the whole server's."""
        role = f"{called}_{self.database.name}"
        self.ask(f"CREATE ROLE {name(role)} LOGIN")
        for grant in grants:
            self.ask(f"GRANT {grant} TO {name(role)}")
        return role


def still() -> Pulse:
    """Real time for batches, none for rests: a rest moves nothing that a test looks at."""
    return _Restless()


class _Restless(Pulse):
    def rest(self, seconds: float) -> None:
        """Do not."""


def dual(*pairs: tuple[str, str, str, str], table: str = "customers") -> DualWrite:
    return DualWrite(
        table=table, pairs=tuple(Pair(old=old, new=new, up=up, down=down) for old, new, up, down in pairs)
    )


def change(invariant: str | None, **more: Any) -> SchemaChange:
    return SchemaChange(name=CHANGE, invariant=invariant, **more)


def silent(said: Told) -> None:
    """Hear nothing."""


def first_pid(why: str) -> int:
    return int(why.split()[1].rstrip(","))


class Resting(Pulse):
    """A pulse that does something while it rests."""

    def __init__(self, doing: Callable[[float], object]) -> None:
        super().__init__()
        object.__setattr__(self, "doing", doing)

    def rest(self, seconds: float) -> None:
        self.doing(seconds)  # type: ignore[attr-defined]


class Hearing(list[Any]):
    """What is said, heard at once."""

    def __init__(self, heard: Any) -> None:
        super().__init__()
        self._heard = heard

    def append(self, said: Any) -> None:
        super().append(said)
        self._heard(said)


def left(world: World) -> str | None:
    return world.one("SELECT count(*) FROM customers WHERE full_name IS DISTINCT FROM name")


def told(world: World, kind: type) -> list[Any]:
    return [one for one in world.said if isinstance(one, kind)]


def refused(world: World, **more: Any) -> CrossfadeError:
    with pytest.raises(CrossfadeError) as caught:
        world.backfill(**more)
    return caught.value
