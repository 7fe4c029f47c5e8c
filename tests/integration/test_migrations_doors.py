"""Which databases are migrated, and which are refused: poolers, standbys, wrong names, missing rights."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from migrating_world import VARIABLE, World
from transaction_pooler import pooler

from crossfade.errors import AccessError, RefusedError
from crossfade.migrations.running.alone import alone
from crossfade.migrations.running.doors import open_door
from crossfade.migrations.sandbox import Sandbox, launch

pytestmark = pytest.mark.real
ADD = "ALTER TABLE customers ADD COLUMN full_name text;"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(16) as running:
        yield running


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(sandbox=sandbox, folder=tmp_path, monkeypatch=monkeypatch, watched=False)
    made.write(a__sql=ADD)
    return made


class TestConnecting:
    def test_a_dsn_that_cannot_be_read_is_not_shown(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(VARIABLE, "postgresql:/alice:s3cr3t@host")
        error = world.refused("expand", "a")

        assert (error.id, error.exit_code) == ("CF9279", 2)
        assert "s3cr3t" not in "".join(error.lines())

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ("dbname=nowhere", 'database "nowhere" does not exist'),
            ("port=1", "No such file or directory"),
            ("host=127.0.0.1 port=1", "Connection refused"),
            ("user=nobody_here", 'role "nobody_here" does not exist'),
        ],
    )
    def test_a_wrong_one_is_told_without_its_password(
        self, world: World, monkeypatch: pytest.MonkeyPatch, change: str, why: str
    ) -> None:
        monkeypatch.setenv(VARIABLE, f"{world.dsn} password=s3cr3t {change}")
        error = world.refused("expand", "a")

        assert (error.id, error.exit_code) == ("CF9265", 3)
        assert why in error.why
        assert "s3cr3t" not in "".join(error.lines())

    def test_a_variable_that_is_not_set_is_told(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(VARIABLE)

        assert world.refused("expand", "a").id == "CF9279"

    def test_no_representation_holds_the_dsn(self, world: World) -> None:
        assert "host=" not in repr(open_door(world.dsn, VARIABLE))

    def test_a_database_that_only_reads_is_refused(self, world: World) -> None:
        world.ask(f"ALTER DATABASE {world.name} SET default_transaction_read_only = on")
        error = world.refused("expand", "a")

        assert (error.id, error.exit_code) == ("CF9268", 11)
        assert "read-only" in error.what

    def test_a_standby_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = launch._SETTINGS | {"wal_level": "replica"}
        monkeypatch.setattr(launch, "_SETTINGS", settings)
        with Sandbox(16) as primary:
            assert primary._process is not None
            primary.server.close()
            primary._process.send_signal(signal.SIGINT)
            primary._process.wait(20)
            (primary.folder / "data" / "standby.signal").touch()
            primary._process = primary._start()
            primary.server = primary._wait(primary._process)
            dsn = f"host={primary.folder} port=5432 user=postgres dbname=postgres"
            with pytest.raises(RefusedError) as caught:
                open_door(dsn, VARIABLE)

        assert caught.value.id == "CF9268"
        assert "a standby" in caught.value.what


class TestPoolers:
    @pytest.mark.parametrize("size", [1, 2, 3, 5])
    def test_one_that_shares_server_connections_is_refused(self, world: World, size: int) -> None:
        with (
            pooler(world.sandbox.folder, world.name, size) as port,
            pytest.raises(RefusedError) as caught,
        ):
            open_door(f"host=127.0.0.1 port={port} user=postgres dbname={world.name}", VARIABLE)

        assert caught.value.id == "CF9266"
        assert "direct_url" in caught.value.fix


class TestAlone:
    def test_a_second_runner_is_told_who_the_first_one_is(self, world: World) -> None:
        door = open_door(world.dsn, VARIABLE)
        with alone(door, "alice@laptop", "expand a"):
            error = world.refused("expand", "a")

        assert (error.id, error.exit_code) == ("CF9267", 8)
        assert "alice@laptop: expand a" in error.what
        assert world.done("expand", "a") == "a: expanded\n"

    def test_runners_of_two_databases_know_nothing_of_each_other(self, world: World, tmp_path: Path) -> None:
        other = World(sandbox=world.sandbox, folder=tmp_path, monkeypatch=world.monkeypatch, watched=False)
        with alone(open_door(other.dsn, VARIABLE), "alice", "expand a"):
            world.monkeypatch.setenv(VARIABLE, world.dsn)

            assert world.done("expand", "a") == "a: expanded\n"

    def test_a_lock_whose_connection_is_gone_is_noticed(self, world: World) -> None:
        door = open_door(world.dsn, VARIABLE)
        with alone(door, "alice", "expand a") as lock:
            lock.still()
            world.ask(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE application_name LIKE 'crossfade lock%' AND datname = current_database()"
            )
            with pytest.raises(Exception, match="lock broke"):
                lock.still()


class TestRights:
    def test_a_role_that_may_make_no_schema_is_told_what_to_grant(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.ask(f"CREATE ROLE u_{world.name} LOGIN")
        monkeypatch.setenv(VARIABLE, f"{world.dsn} user=u_{world.name}")
        error = world.refused("expand", "a")

        assert isinstance(error, AccessError)
        assert error.exit_code == 3
        assert "GRANT CREATE ON DATABASE" in error.fix

    def test_a_role_that_does_not_own_the_table_is_told(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.ask(
            f"CREATE ROLE u_{world.name} LOGIN; GRANT CREATE ON DATABASE {world.name} TO u_{world.name}"
        )
        monkeypatch.setenv(VARIABLE, f"{world.dsn} user=u_{world.name}")
        error = world.refused("expand", "a")

        assert (error.id, error.exit_code) == ("CF9273", 3)
        assert "42501" in error.why

    @pytest.mark.parametrize(("state", "code"), [("53100", 1), ("53300", 1), ("XX001", 1), ("23514", 11)])
    def test_what_the_server_lacks_is_told_apart_from_what_the_statement_lacks(
        self, world: World, state: str, code: int
    ) -> None:
        world.write(
            a__sql="DO $$ BEGIN IF (SELECT count(*) FROM customers) = 200 THEN "
            f"RAISE SQLSTATE '{state}' USING MESSAGE = 'No space left on device'; END IF; END $$;"
        )
        error = world.refused("expand", "a")

        assert (error.id, error.exit_code) == ("CF9273", code)
        assert state in error.why
