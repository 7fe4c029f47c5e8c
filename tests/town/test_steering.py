"""Releases under traffic that people steer and deaths befall: superseded, aborted, interrupted, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from town import CANARY, Town, interrupt

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


class TestSteering:
    @pytest.mark.long
    def test_one_release_at_a_time_and_a_queue(self, town: Town) -> None:
        town.first()
        with town.users():
            first = town.start("deploy", "v2", "--output", "quiet")
            town.wait_for("baking")
            refused = town.run("deploy", "v4")
            queued = town.run("deploy", "v4", "--wait", "--output", "quiet")
            first.wait(30)

        assert refused.code == 8
        assert "CF5022" in refused.err
        assert "v1 -> v2" in refused.err
        assert first.returncode == queued.code == 0
        assert town.receipt().failed_by_release_machinery == 0

    @pytest.mark.long
    def test_R14_superseding_turns_the_first_back_before_the_second_opens(self, town: Town) -> None:
        town.first()
        with town.users():
            first = town.start("deploy", "v2", "--output", "quiet")
            town.wait_for("baking")
            second = town.run("deploy", "v4", "--supersede", "--reason", "hotfix", "--output", "quiet")
            first.wait(30)

        assert first.returncode == 8
        assert second.code == 0
        assert town.receipt().failed_by_release_machinery == 0

    @pytest.mark.parametrize(
        "phase",
        [
            "provisioning",
            pytest.param("baking", marks=pytest.mark.long),
            pytest.param("keeping", marks=pytest.mark.long),
        ],
    )
    def test_an_abort_in_any_phase_brings_traffic_back(self, town: Town, phase: str) -> None:
        if phase == "provisioning":
            town.build("v2", "never-ready")
        town.write(strategy=CANARY.replace("keep_old: 20s", "keep_old: 90s"))
        town.first()
        with town.users():
            process = town.start("deploy", "v2", "--output", "quiet")
            town.wait_for(phase)
            back = town.run("abort", "--reason", "changed my mind", "--output", "quiet")
            process.wait(30)

        assert back.code == 0, back
        assert process.returncode == 5
        assert town.receipt().failed_by_release_machinery == 0
        assert town.events()[-1]["type"] == "release.rolled_back"

    @pytest.mark.long
    def test_a_command_of_another_process_is_heard_at_once_with_who_and_why(self, town: Town) -> None:
        town.first()
        with town.users():
            process = town.start("deploy", "v2", "--output", "quiet")
            town.wait_for("baking")
            house = town.house
            from crossfade.cli.following import ask
            from crossfade.release.values import Verb

            sent = time.monotonic()
            command = ask(house, house.store.releases(limit=1)[0].id, Verb.PAUSE, "look first")
            while (answer := house.store.command_result(command)) is None or answer.heard_at is None:
                assert time.monotonic() - sent < 5
                time.sleep(0.005)
            took = time.monotonic() - sent
            house.store.close()
            declined = town.run("approve", "--reason", "why not")
            resumed = town.run("resume", "--reason", "seen enough")
            process.wait(60)
        journal = [event for event in town.events() if event["type"] == "command.received"]

        assert took < 0.5  # 200 ms on a machine of its own
        assert answer.accepted
        assert declined.code == 11
        assert resumed.code == process.returncode == 0
        assert [event["verb"] for event in journal] == ["pause", "approve", "resume"]
        assert all(event["actor"] and event["reason"] for event in journal)

    @pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGTERM])
    def test_an_interrupt_brings_traffic_back(self, town: Town, number: signal.Signals) -> None:
        town.first()
        with town.users():
            process = town.start("deploy", "v2", "--output", "quiet")
            town.wait_for("baking")
            interrupt(process, number)
            process.wait(20)
            town.wait_for("rolled_back")

        assert process.returncode == 5
        assert town.receipt().failed_by_release_machinery == 0

    @pytest.mark.long
    def test_a_second_interrupt_leaves_it_to_the_background(self, town: Town) -> None:
        town.first()
        process = town.start("deploy", "v2", "--output", "quiet")
        town.wait_for("baking")
        interrupt(process)
        time.sleep(0.2)
        interrupt(process)
        process.wait(20)
        town.wait_for("rolled_back")

        assert process.returncode in (5, 130)

    @pytest.mark.long
    def test_on_interrupt_hold_leaves_it_as_it_is_until_somebody_resumes(self, town: Town) -> None:
        town.write(more="on_interrupt: hold")
        town.first()
        with town.users():
            process = town.start("deploy", "v2", "--output", "quiet")
            town.wait_for("baking")
            interrupt(process)
            process.wait(20)
            status = town.run("status").out
            resumed = town.run("resume", "--reason", "go on", "--output", "quiet")

        assert process.returncode == 130
        assert "nobody" in status
        assert resumed.code == 0


class TestDeaths:
    @pytest.mark.parametrize("then", [pytest.param("resume", marks=pytest.mark.long), "abort"])
    def test_a_dead_controller_is_seen_and_replaced(self, town: Town, then: str) -> None:
        town.first()
        with town.users():
            process = town.start("deploy", "v2", "--output", "quiet")
            town.wait_for("baking")
            process.kill()
            process.wait()
            refused = town.run("deploy", "v4")
            said = town.run(then, "--reason", "its controller died", "--output", "quiet")

        assert refused.code == 8
        assert "nobody drives it" in refused.err
        assert said.code == 0, said
        assert town.events()[-1]["type"] == (
            "release.succeeded" if then == "resume" else "release.rolled_back"
        )
        assert town.receipt().failed_by_release_machinery == 0

    def test_a_killed_envoy_comes_back_with_its_weights_and_the_release_ends_well(self, town: Town) -> None:
        town.first()
        with town.users():
            process = town.start("deploy", "v2", "--output", "quiet")
            town.wait_for("baking")
            house = town.house
            before = house.platform.seen("shop")
            assert before.envoy.pid is not None
            os.kill(before.envoy.pid, signal.SIGKILL)
            end = time.monotonic() + 10
            while (after := house.platform.seen("shop")).envoy.restarts == 0 or after.routes is None:
                assert time.monotonic() < end
                time.sleep(0.05)
            house.store.close()
            process.wait(60)

        assert after.routes == before.routes
        assert process.returncode == 0

    def test_break_glass_works_without_controller_and_supervisor(self, town: Town) -> None:
        town.first()
        with town.users():
            process = town.start("deploy", "v2", "--output", "quiet")
            town.wait_for("baking")
            house = town.house
            plan = house.store.releases(limit=1)[0].plan
            process.kill()
            process.wait()
            os.kill(json.loads((town.state / "supervisor.json").read_text())["pid"], signal.SIGKILL)
            subprocess.run(plan.break_glass, shell=True, check=True)
            resumed = town.run("resume", "--reason", "back from the night", "--output", "quiet")
            house.store.close()

        assert resumed.code == 4
        assert any(event.get("cause") == "taken" for event in town.events())
        assert town.receipt().failed_by_release_machinery == 0

    @pytest.mark.long
    def test_a_forced_down_leaves_no_driver_and_an_ordinary_one_is_refused(self, town: Town) -> None:
        town.first()
        process = town.start("deploy", "v2", "--output", "quiet")
        town.wait_for("baking")
        refused = town.run("local", "down", "--yes")
        forced = town.run("local", "down", "--yes", "--force")
        process.wait(20)
        up = town.run("local", "up")
        back = town.run("abort", "--reason", "after the power cut", "--output", "quiet")

        assert refused.code == 8
        assert "CF7302" in refused.err
        assert forced.code == up.code == back.code == 0
        assert process.returncode == 130
