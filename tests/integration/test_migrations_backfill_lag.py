"""A real standby that applies nothing for a while: the backfill waits, and goes on when it has caught up."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from backfill_world import FULL_NAME, World
from migrating_world import until

from crossfade.migrations.backfill import Pulse
from crossfade.migrations.backfill.pauses import Pauses
from crossfade.migrations.backfill.standbys import Standby
from crossfade.migrations.backfill.telling import Waiting, WentOn
from crossfade.migrations.sandbox import Sandbox, launch
from crossfade.spec.change_models import PauseOn

pytestmark = pytest.mark.real


class Second(Sandbox):
    """Follows another sandbox."""

    def __init__(self, primary: Sandbox) -> None:
        self._primary = primary
        super().__init__(18)

    def _initialise(self) -> None:
        said = subprocess.run(
            [
                self.binaries.program("pg_basebackup"), "-D", self.folder / "data", "-R", "-X", "stream",
                "-c", "fast", "--no-sync",
                "-d", f"host={self._primary.folder} port=5432 user=postgres application_name=second",
            ],
            capture_output=True, text=True, check=False, **self._as_owner(),
        )  # fmt: skip
        assert said.returncode == 0, said.stderr
        with (self.folder / "data" / "postgresql.conf").open("a") as conf:
            conf.write(f"\nunix_socket_directories = '{self.folder}'\n")


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Sandbox, Second]]:
    followed: Any = {"wal_level": "replica", "max_wal_senders": "4", "wal_receiver_status_interval": "1"}
    monkeypatch.setattr(launch, "_SETTINGS", launch._SETTINGS | followed)
    with Sandbox(18) as primary, Second(primary) as standby:
        yield primary, standby


class Hurried(Pulse):
    """Seconds are twenty to a real one. The standby applies again when it has been waited for three times."""

    def __init__(self, standby: Second) -> None:
        super().__init__(now=lambda: time.monotonic() * 20)
        object.__setattr__(self, "rests", iter(range(1, 1000)))
        object.__setattr__(self, "standby", standby)

    def rest(self, seconds: float) -> None:
        if next(self.rests) == 3:  # type: ignore[attr-defined]
            self.standby.server.admin.ask("SELECT pg_wal_replay_resume()")  # type: ignore[attr-defined]
        self.stop.wait(seconds / 20)


def test_R40_a_replica_that_is_behind_is_waited_for(pair: tuple[Sandbox, Second]) -> None:
    primary, standby = pair
    world = World(primary, rows=4000)
    standby.server.admin.ask("SELECT pg_wal_replay_pause()")
    order = replace(
        FULL_NAME,
        rows=10,
        target=timedelta(milliseconds=20),
        pause_on=PauseOn(lag=timedelta(seconds=2), autovacuum=False),
    )

    outcome = world.backfill(order, pulse=Hurried(standby))

    waited = [one.why for one in world.said if isinstance(one, Waiting)]
    assert (outcome.state, any(isinstance(one, WentOn) for one in world.said)) == ("done", True)
    assert waited[0].startswith("replica second is ")
    assert waited[0].endswith(" s behind, more than 2 s")


def test_R40_a_standby_with_an_address_of_its_own_is_asked_itself(pair: tuple[Sandbox, Second]) -> None:
    primary, second = pair
    world = World(primary, rows=200)
    address = f"host={second.folder} port=5432 user=postgres dbname=postgres"
    asked = Standby("EAST_URL", address)
    with world.live() as live:
        pauses = Pauses(live, PauseOn(lag=timedelta(seconds=5)), (), standbys=(asked,))

        def never_behind(now: float) -> bool:
            until_caught_up(world, second)
            return [pauses._lag_of_standbys(one) for one in (now, now + 400.0)] == [None, None]

        # nothing is written any more (the server itself may, now and then): however old its last transaction
        # gets, it is not behind
        assert any(never_behind(now) for now in (1000.0, 2000.0, 3000.0, 4000.0))

        second.server.admin.ask("SELECT pg_wal_replay_pause()")
        world.ask("SET synchronous_commit = on")
        world.ask("UPDATE customers SET touched = touched + 1")
        pauses._lag_of_standbys(9001.0)
        behind = pauses._lag_of_standbys(9007.0) or ""
        assert behind.startswith("the standby of EAST_URL is ")
        assert behind.endswith(" s behind, more than 5 s")

        second.server.admin.ask("SELECT pg_wal_replay_resume()")
        until_caught_up(world, second)
        assert pauses._lag_of_standbys(9008.0) is None

    with world.live() as live:
        for other, why in (
            (f"host={primary.folder} port=5432 user=postgres dbname=postgres", "it is no standby"),
            ("host=/nowhere user=u password=s3cr3t dbname=postgres", "it does not answer"),
            ("postgresql://u:s3cr3t@[", "its address is neither a URL nor keywords and values"),
        ):
            one = Standby("WEST_URL", other)
            said = Pauses(live, PauseOn(lag=timedelta(seconds=5)), (), standbys=(one,))._lag_of_standbys(1.0)
            assert said == f"the standby of WEST_URL is not known to keep up: {why}"
            assert "s3cr3t" not in repr(one)
        stranger = Standby("EAST_URL", address)
        assert stranger.look("1") == "it follows another server"
        asked.close()


def until_caught_up(world: World, second: Second) -> None:
    here = world.one("SELECT pg_current_wal_lsn()")
    until(
        lambda: second.server.admin.ask(f"SELECT pg_last_wal_replay_lsn() >= '{here}'::pg_lsn") == (("t",),)
    )
