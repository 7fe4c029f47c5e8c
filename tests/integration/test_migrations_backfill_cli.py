"""`migrate backfill` and `migrate verify` as they are typed, between an expand and its contract."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from migrating_world import VARIABLE, World

from crossfade.migrations.sandbox import Sandbox

pytestmark = pytest.mark.real
NAME = "0042_full_name"
EXPAND = "ALTER TABLE customers ADD COLUMN full_name text;"
CONTRACT = "ALTER TABLE customers DROP COLUMN name;"
TRIGGER = "dual_write: {table: customers, pairs: [{old: name, new: full_name}]}\n"
ROWS = """\
backfill: {table: customers, set: {full_name: name}, where: full_name IS NULL, pause_on: {autovacuum: false}}
invariant: full_name IS NOT DISTINCT FROM name
"""
OFFENDING = 'SELECT * FROM "public"."customers" WHERE (full_name IS NOT DISTINCT FROM name) IS NOT TRUE'


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(18) as running:
        yield running


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(sandbox, tmp_path, monkeypatch)
    (tmp_path / f"{NAME}.sql").write_text(EXPAND)
    (tmp_path / f"{NAME}.contract.sql").write_text(CONTRACT)
    (tmp_path / f"{NAME}.yaml").write_text(ROWS)
    return made


def with_a_trigger(world: World) -> None:
    (world.folder / f"{NAME}.yaml").write_text(TRIGGER + ROWS)


def typed(world: World, verb: str, *arguments: str) -> Any:
    return world.run(verb, *arguments, watched=False)


class TestTheWholeWay:
    def test_R37_expand_backfill_verify_contract_while_the_old_version_writes(self, world: World) -> None:
        with_a_trigger(world)
        world.done("expand")
        world.ask("INSERT INTO customers (name) VALUES ('old version')")
        filled = world.done("backfill", watched=False)
        world.ask("UPDATE customers SET name = 'old again' WHERE id = 1")
        counted = world.done("verify", watched=False)
        world.done("contract", NAME, "--despite-versions", "a test")

        assert f"{NAME}: done, 200 rows changed in " in filled
        assert f"next  crossfade migrate verify {NAME}" in filled
        assert f"{NAME}: verified, 0 of 201 rows offend" in counted
        assert world.ask("SELECT full_name FROM customers WHERE id IN (1, 201) ORDER BY id") == [
            ("old again",),
            ("old version",),
        ]

    def test_R37_the_new_version_writes_on_between_the_triggers_end_and_the_old_columns(
        self, world: World
    ) -> None:
        (world.folder / f"{NAME}.contract.sql").unlink()
        (world.folder / f"{NAME}.yaml").write_text(f"contract: {{command: 'false'}}\n{TRIGGER}{ROWS}")
        for verb in ("expand", "backfill", "verify"):
            world.done(verb, watched=verb == "expand")
        world.refused("contract", NAME, "--despite-versions", "a test", watched=False)
        world.ask("INSERT INTO customers (full_name) VALUES ('new version')")

        assert world.ask("SELECT name FROM customers WHERE full_name = 'new version'") == [(None,)]

    def test_R38_what_the_old_version_wrote_after_the_count_stops_the_contract(self, world: World) -> None:
        world.done("expand")
        world.done("backfill", watched=False)
        world.done("verify", watched=False)
        world.ask("UPDATE customers SET name = 'behind the count' WHERE id = 7")
        error = world.refused("contract", NAME, "--despite-versions", "a test")

        assert (error.id, error.exit_code, "1 rows" in error.what) == ("CF9293", 11, True)
        assert world.ask("SELECT count(name) FROM customers") == [("200",)]

    def test_without_a_name_all_that_has_something_to_do_is_done(self, world: World) -> None:
        assert "no schema change has rows to fill" in world.done("backfill", watched=False)
        assert "no schema change has an invariant" in world.done("verify", watched=False)


class TestAnswers:
    def test_rows_that_offend_are_counted_with_their_keys(self, world: World) -> None:
        world.done("expand")
        world.done("backfill", watched=False)
        world.ask("UPDATE customers SET full_name = 'no' WHERE id IN (7, 9)")
        result = typed(world, "verify", NAME)

        assert result.return_value == 4
        assert result.stdout.splitlines() == [
            f"{NAME}: 2 of 200 rows offend",
            "  (id) = (7)",
            "  (id) = (9)",
            f"find  {OFFENDING}",
        ]

    def test_json_is_an_object_a_line(self, world: World) -> None:
        world.done("expand")
        filled = [json.loads(line) for line in world.done("backfill", "--json", watched=False).splitlines()]
        counted = [json.loads(line) for line in world.done("verify", "--json", watched=False).splitlines()]

        assert [one["event"] for one in filled] == ["began", "passed", "passed", "done"]
        assert (filled[0]["key"], filled[-1]["changed"], counted[-1]["event"]) == (["id"], 200, "verified")

    def test_before_the_expand_there_is_nothing_to_fill(self, world: World) -> None:
        for verb in ("backfill", "verify"):
            error = world.refused(verb, NAME, watched=False)
            assert (error.id, error.exit_code, error.fix) == (
                "CF9289",
                11,
                f"crossfade migrate expand {NAME}",
            )

    def test_a_change_without_a_backfill_is_said_to_have_none(self, world: World) -> None:
        (world.folder / f"{NAME}.yaml").unlink()
        world.done("expand")

        assert world.refused("backfill", NAME, watched=False).id == "CF9281"
        assert world.refused("verify", NAME, watched=False).id == "CF9292"

    def test_paused_and_resumed(self, world: World) -> None:
        world.done("expand")
        none = world.done("backfill", NAME, "--pause", watched=False)
        world.done("backfill", NAME, watched=False)
        paused = world.done("backfill", NAME, "--pause", watched=False)
        error = world.refused("backfill", NAME, watched=False)
        resumed = world.done("backfill", NAME, "--resume", watched=False)
        world.done("backfill", NAME, watched=False)

        assert "no backfill has begun" in none
        assert ("pauses after its batch" in paused, error.id, "goes on" in resumed) == (True, "CF9287", True)

    def test_status_knows_how_far_it_is(self, world: World) -> None:
        world.done("expand")
        before = world.done("status")
        world.done("backfill", watched=False)
        world.done("verify", watched=False)

        assert "expanded" in before
        assert "verified" in world.done("status")


class TestInterrupted:
    def test_R40_ctrl_c_ends_it_after_its_batch_and_the_next_run_goes_on(self, world: World) -> None:
        with_a_trigger(world)
        world.ask("INSERT INTO customers (name) SELECT 'x' FROM generate_series(1, 6000)")
        (world.folder / f"{NAME}.yaml").write_text(
            TRIGGER + ROWS.replace("pause_on", "target: 1ms, pause_on")
        )
        world.done("expand")
        command = [sys.executable, "-m", "crossfade", "migrate", "backfill", NAME, "--rows", "10"]
        with subprocess.Popen(
            [*command, "--folder", str(world.folder), "--dsn-env", VARIABLE],
            env=os.environ | {VARIABLE: world.dsn}, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stderr is not None
            process.stderr.readline()
            while world.ask("SELECT 1 FROM crossfade.backfill WHERE batches > 0") == []:
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        left = world.ask("SELECT count(*) FROM customers WHERE full_name IS NULL")[0][0]
        again = world.run("backfill", NAME, watched=False)

        assert (process.returncode, "nothing is lost" in said) == (130, True)
        assert 0 < int(left or 0) < 6200
        assert f"{int(left or 0):,} rows changed" in again.stdout
        assert "goes on after" in again.stderr
