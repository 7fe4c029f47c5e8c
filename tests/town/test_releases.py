"""Releases under traffic: good, bad, crashing, never ready, slow to answer and slow to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from town import Town

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


def weights(town: Town) -> list[float]:
    return [event["weight"] for event in town.events() if event["type"] == "weight.verified"]


class TestEndings:
    @pytest.mark.parametrize("strategy", ["canary", pytest.param("blue_green", marks=pytest.mark.long)])
    def test_a_good_release_is_promoted_and_nothing_is_lost(self, town: Town, strategy: str) -> None:
        if strategy == "blue_green":
            town.write(strategy="{blue_green: {bake: 20s, keep_old: 20s}}")
        town.first()
        with town.users():
            said = town.run("deploy", "v2", "--output", "plain")
        receipt = town.receipt()

        assert said.code == 0, said
        assert "can go back: yes, to v1, in seconds" in said.err
        assert "undo without crossfade: " in said.err
        assert receipt.failed_by_release_machinery == receipt.dropped_connections == 0
        assert town.run("history", "--verify").code == 0

    def test_an_erroring_release_is_rolled_back_by_its_gate(self, town: Town) -> None:
        town.build("v3", "erroring")
        town.first()
        with town.users(200):
            said = town.run("deploy", "v3", "--output", "plain")
            again = town.run("deploy", "v3")
        told = town.run("explain").out
        receipt = town.receipt()

        assert said.code == 4, said
        assert again.code == 11
        assert "CF3021" in again.err
        assert "by gate `errors`" in told
        assert "Break glass" in told
        assert receipt.failed_by_release_machinery == 0
        assert town.run("gate", "replay").code == 0

    def test_a_candidate_that_never_gets_ready_moves_no_weight(self, town: Town) -> None:
        town.build("v3", "never-ready")
        town.first()
        town.write(more="deadlines: {ready: 30s}")
        with town.users():
            said = town.run("deploy", "v3", "--output", "quiet")

        assert said.code == 4
        assert weights(town) == []
        assert any(event.get("cause") == "late" for event in town.events())
        assert town.receipt().failed_by_release_machinery == 0

    def test_a_candidate_that_crashes_after_its_check_is_rolled_back(self, town: Town) -> None:
        town.build("v3", "crash-loop")
        town.first()
        with town.users(200):
            said = town.run("deploy", "v3", "--output", "quiet")
        by_itself = {event["type"]: event for event in town.events() if event["type"] == "rollback.started"}[
            "rollback.started"
        ]

        assert said.code == 4
        assert by_itself["cause"] in ("gate", "lost")

    def test_R15_a_first_release_whose_last_hook_fails_serves_and_pages_until_a_person_closes_it(
        self, town: Town
    ) -> None:
        town.write(more='hooks: {after_traffic: [{command: "false"}]}')
        said = town.run("deploy", "v1", "--output", "plain")
        status, told = town.run("status"), town.run("explain").out
        next_one = town.run("deploy", "v2")
        back = town.run("abort", "--reason", "it is bad")
        watched = town.run("watch")
        closed = town.run("close", "--reason", "the next one mends it")
        mends = town.run("plan", "v2", "--exit-code")

        assert said.code == back.code == watched.code == 6, (said, back, watched)
        assert "RELEASE stuck" in said.out
        assert "crossfade close" in said.err
        assert "nothing is left to try: crossfade close" in status.out
        assert "STUCK" in told
        assert "Hook after_traffic 1, command false failed" in told
        assert next_one.code == 8
        assert "crossfade close" in next_one.err
        assert (closed.code, mends.code) == (0, 10), (closed, mends)
        assert "v1 -> v2" in mends.out

    @pytest.mark.long
    def test_a_leaking_release_is_rolled_back_and_a_good_one_is_not(self, town: Town) -> None:
        text = (town.folder / "crossfade.yaml").read_text()
        watched = text.replace("judging: {", "  unhealthy: {memory: 256MB}\njudging: {")
        (town.folder / "crossfade.yaml").write_text(watched.replace("warm_up: 1s", "warm_up: 20s"))
        town.build("v3", "leaking")
        town.first()
        with town.users(200):
            good = town.run("deploy", "v2", "--output", "plain")
            said = town.run("deploy", "v3", "--output", "plain")
        told = town.run("explain").out
        receipt = town.receipt()

        assert good.code == 0, good
        assert said.code == 4, said
        assert "by gate `unhealthy`" in told
        assert "256 MB in" in told
        assert receipt.failed_by_release_machinery == receipt.failed_by_bad_app == 0

    def test_R25_a_source_that_goes_silent_never_promotes(self, town: Town) -> None:
        town.write(more="deadlines: {no_data: 20s}")
        town.first()
        with town.users():
            process = town.start("deploy", "v2", "--output", "quiet")
            town.wait_for("baking")
            supervisor = json.loads((town.state / "supervisor.json").read_text())["pid"]
            os.kill(supervisor, signal.SIGSTOP)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.kill(supervisor, signal.SIGCONT)
            process.wait(60)
        ended = [event for event in town.events() if event["type"] == "rollback.started"]

        assert process.returncode == 4
        assert ended[0]["cause"] == "no_data"
        assert town.receipt().failed_by_release_machinery == 0

    @pytest.mark.parametrize("rate", [0, pytest.param(5, marks=pytest.mark.long)])
    def test_R32_too_little_traffic_is_inconclusive_and_says_what_it_would_take(
        self, town: Town, rate: int
    ) -> None:
        text = (town.folder / "crossfade.yaml").read_text().replace("must_see: 90%", "must_see: 2%")
        (town.folder / "crossfade.yaml").write_text(text.replace("bake: 20s}", "bake: 20s, max_bake: 30s}"))
        town.first()
        process = town.start("deploy", "v2", "--output", "plain")
        town.wait_for("baking")
        if rate:
            with town.users(float(rate), slow_share=0.0):
                watched = town.run("watch", "--until", "inconclusive", "--output", "quiet")
        else:
            watched = town.run("watch", "--until", "inconclusive", "--output", "quiet")
        refused = town.run("approve", "--reason", "looks fine")
        back = town.run("abort", "--reason", "not enough traffic", "--output", "quiet")
        process.wait(30)
        told = [event for event in town.events() if event["type"] == "gate.inconclusive"]

        assert watched.code == 7
        assert refused.code == 11
        assert "promote --full" in refused.err
        assert back.code == 0
        assert process.returncode == 5
        assert told
        assert told[0]["message"]


class TestSlow:
    @pytest.mark.long
    def test_R09_a_long_answer_survives_the_cutover(self, town: Town) -> None:
        town.first()
        with town.users(60, slow_ms=6000, slow_share=0.03):
            said = town.run("deploy", "v2", "--output", "quiet")

        assert said.code == 0
        assert town.receipt().failed_by_release_machinery == 0

    @pytest.mark.long
    def test_an_app_slow_to_stop_and_a_proxy_in_the_environment_harm_nobody(self, town: Town) -> None:
        town.build("v1", "slow-stop")
        dead = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
        assert town.run("deploy", "v1", "--output", "quiet", env=dead).code == 0
        with town.users():
            said = town.run("deploy", "v2", "--output", "quiet", env=dead)

        assert said.code == 0
        assert town.receipt().failed_by_release_machinery == 0


def test_R44_a_changed_journal_is_found(town: Town) -> None:
    import sqlite3

    town.first()
    link = sqlite3.connect(town.state / "journal.db")
    names = [row[0] for row in link.execute("select name from sqlite_master where type='trigger'")]
    for name in names:
        link.execute(f"drop trigger {name}")
    link.execute("update journal set body = replace(body, 'v1', 'v9') where seq = 1")
    link.commit()
    link.close()
    said = town.run("history", "--verify")

    assert said.code == 1
    assert "entry 1 was changed" in said.out
