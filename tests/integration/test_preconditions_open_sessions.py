"""Sessions on a real PostgreSQL, seen by a role that may see all of them and by one that may not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from backfill_world import World

from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.wire import Session
from crossfade.preconditions.sessions import open_sessions
from crossfade.sessions import session_name

pytestmark = pytest.mark.real
LONG = session_name("shop", "feature-" + "ü" * 80)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Sandbox() as sandbox:
        yield World(sandbox, sql="")


def test_R38_they_are_counted_by_the_name_that_postgresql_keeps(world: World) -> None:
    others = [
        Session(f"{world.dsn} application_name='{one}'") for one in ("shop/v1", "shop/v1", LONG, "shopper/v1")
    ]
    elsewhere = world.dsn.replace(world.database.name, "postgres")
    others.append(Session(f"{elsewhere} application_name=shop/v1"))

    found = open_sessions(world.session, "shop")
    assert [(one.name, one.count) for one in found] == sorted([("shop/v1", 2), (LONG, 1)])
    assert all(one.since is not None and one.addresses == "this machine" for one in found)

    plain = Session(f"{world.dsn} user={world.role('plain')}")
    hidden = open_sessions(plain, "shop")
    assert [(one.name, one.count) for one in hidden] == [(one.name, one.count) for one in found]
    assert all(one.since is None and "pg_read_all_stats" in one.words for one in hidden)

    for one in (*others, plain):
        one.close()
