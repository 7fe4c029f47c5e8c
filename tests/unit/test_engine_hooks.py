"""Hooks: programs and requests, at least once under one key."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from crossfade.engine import SqliteStore, SystemClock
from crossfade.engine.hooks import HookRunner
from crossfade.errors import PlatformError
from crossfade.release.plan import Limits, Plan
from crossfade.release.values import HookResult, HookSay
from crossfade.testing import NOON, opening, small_plan

KEY = "R1:before:0"


def a_plan(hook: Mapping[str, str], folder: Path, limit: float = 20) -> Plan:
    return replace(
        small_plan(),
        hooks={KEY: hook},
        artifact={"folder": str(folder)},
        limits=Limits(hook=timedelta(seconds=limit)),
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "state") as made:
        plan = small_plan()
        made.open_release(plan, opening(plan), NOON)
        yield made


def runner(store: SqliteStore, url: str = "http://127.0.0.1:9") -> HookRunner:
    return HookRunner(store, SystemClock(), lambda _plan: {"CROSSFADE_TEST_URL": url})


def came(hooks: HookRunner) -> HookResult:
    end = time.monotonic() + 15
    while time.monotonic() < end:
        result = hooks.results("R1").get(KEY)
        if result is not None and result.say is not HookSay.RUNNING:
            return result
        time.sleep(0.01)
    raise AssertionError(f"no result: {hooks.results('R1')}")


def ran(store: SqliteStore, tmp_path: Path, words: str, limit: float = 20) -> HookResult:
    hooks = runner(store)
    hooks.start(a_plan({"command": words}, tmp_path, limit), KEY)
    try:
        return came(hooks)
    finally:
        hooks.close()


class TestWayIn:
    """What a hook is told comes from the platform, which may be away for a moment."""

    def test_R06_a_platform_that_is_away_is_asked_again_and_no_verdict(
        self, store: SqliteStore, tmp_path: Path
    ) -> None:
        asked: list[str] = []

        def way_in(plan: Plan) -> Mapping[str, str]:
            asked.append(plan.release)
            if len(asked) < 3:
                raise PlatformError("CF4306", "elbv2:DescribeRules was throttled")
            return {"CROSSFADE_TEST_URL": "http://127.0.0.1:9"}

        hooks = HookRunner(store, SystemClock(), way_in)
        hooks.start(a_plan({"command": "true"}, tmp_path), KEY)
        try:
            assert came(hooks).say is HookSay.PASSED
        finally:
            hooks.close()
        assert len(asked) == 3

    def test_one_that_stays_away_fails_the_hook_at_its_own_deadline(
        self, store: SqliteStore, tmp_path: Path
    ) -> None:
        def nowhere(_plan: Plan) -> Mapping[str, str]:
            raise PlatformError("CF4306", "elbv2:DescribeRules was throttled")

        hooks = HookRunner(store, SystemClock(), nowhere)
        hooks.start(a_plan({"command": "true"}, tmp_path, limit=0.3), KEY)
        try:
            result = came(hooks)
        finally:
            hooks.close()

        assert result.say is HookSay.FAILED
        assert "throttled" in result.text


@pytest.mark.real
class TestPrograms:
    def test_on_another_machine_a_program_runs_where_its_checkout_is(
        self, store: SqliteStore, tmp_path: Path
    ) -> None:
        (tmp_path / "smoke.sh").write_text("#!/bin/sh\npwd\n")
        (tmp_path / "smoke.sh").chmod(0o755)
        result = ran(store, Path("/no/such/checkout"), "./smoke.sh")

        assert result == HookResult(say=HookSay.PASSED, text=str(tmp_path.resolve()))

    def test_a_program_runs_in_the_specs_folder_and_is_told_what_it_is_about(
        self, store: SqliteStore, tmp_path: Path
    ) -> None:
        script = tmp_path / "smoke.sh"
        script.write_text(
            '#!/bin/sh\necho "$CROSSFADE_TEST_URL $CROSSFADE_REVISION $CROSSFADE_RELEASE" '
            '"$CROSSFADE_STEP $CROSSFADE_KEY"\n'
        )
        script.chmod(0o755)
        result = ran(store, tmp_path, "./smoke.sh")

        assert result == HookResult(say=HookSay.PASSED, text="http://127.0.0.1:9 v2 R1 verifying R1:before:0")
        assert list((store.folder / "logs").iterdir())

    def test_a_program_that_fails_says_its_last_lines(self, store: SqliteStore, tmp_path: Path) -> None:
        result = ran(store, tmp_path, "sh -c 'echo one; echo two >&2; exit 3'")

        assert result == HookResult(say=HookSay.FAILED, text="exit 3: one / two")

    def test_a_program_that_does_not_exist_is_a_failure(self, store: SqliteStore, tmp_path: Path) -> None:
        result = ran(store, tmp_path, "./not-there")

        assert result.say is HookSay.FAILED
        assert "not-there" in result.text

    def test_a_program_past_its_deadline_is_ended_with_its_children(
        self, store: SqliteStore, tmp_path: Path
    ) -> None:
        began = time.monotonic()
        result = ran(store, tmp_path, "sh -c 'sleep 61 & echo $!; wait'", limit=0.3)
        child = int(result.text.rpartition(" ")[2])

        assert result.say is HookSay.FAILED
        assert "no end within" in result.text
        assert time.monotonic() - began < 8
        gone = time.monotonic() + 2
        while Path(f"/proc/{child}/cmdline").exists() and time.monotonic() < gone:
            if not Path(f"/proc/{child}/cmdline").read_bytes():
                break
            time.sleep(0.01)
        else:
            assert not Path(f"/proc/{child}/cmdline").exists()

    def test_closing_leaves_no_result_so_that_it_is_run_again(
        self, store: SqliteStore, tmp_path: Path
    ) -> None:
        first = runner(store)
        first.start(a_plan({"command": "sleep 60"}, tmp_path), KEY)
        while_running = first.results("R1")
        first.close()

        assert while_running == {KEY: HookResult(say=HookSay.RUNNING)}
        assert first.results("R1") == {}
        assert ran(store, tmp_path, "true").say is HookSay.PASSED


class TestRequests:
    def test_a_refused_connection_fails_after_a_while(
        self, store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("crossfade.engine.hooks.REFUSED", 0.05)
        hooks = runner(store)
        hooks.start(a_plan({"http": "/healthz"}, tmp_path), KEY)

        assert came(hooks) == HookResult(say=HookSay.FAILED, text="GET /healthz: Connection refused")

    def test_a_run_whose_process_is_gone_has_no_result_and_keeps_its_key(self, store: SqliteStore) -> None:
        store.hook_started("R1", KEY, runner="dead", pid=1, birth="never", now=NOON)

        assert runner(store).results("R1") == {}
