"""Several services on one machine: each for itself, in an order that is asked for, and in line."""

from __future__ import annotations

import pytest

from town import Town

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

QUICK = "{canary: {steps: [{weight: 50%, bake: 15s}], keep_old: 20s}}"


class TestTrains:
    @pytest.mark.long
    def test_two_services_are_released_at_once_each_with_its_own_users(self, town: Town) -> None:
        town.service("api", strategy=QUICK)
        town.first()
        assert town.run("deploy", "v1", "-f", "api.yaml", "--output", "quiet").code == 0
        with town.users(60), town.users(60, service="api"):
            api = town.start("deploy", "v2", "-f", "api.yaml", "--output", "plain")
            shop = town.run("deploy", "v2", "--output", "plain", patience=120)
            assert api.wait(60) == 0

        assert shop.code == 0, shop
        for name in ("shop", "api"):
            receipt = town.receipt(service=name)
            assert receipt.requests > 0
            assert receipt.failed_by_release_machinery == receipt.dropped_connections == 0

    @pytest.mark.long
    def test_R22_a_service_goes_after_another_and_a_train_stops_where_one_did_not_arrive(
        self, town: Town
    ) -> None:
        town.service("api", strategy=QUICK)
        town.build("v3", "never-ready")
        town.write(strategy=QUICK, more="after: [api]")
        for file in ("api.yaml", "crossfade.yaml"):
            assert town.run("deploy", "v1", "-f", file, "--output", "quiet").code == 0
        with town.users(60), town.users(60, service="api"):
            api = town.start("deploy", "v2", "-f", "api.yaml", "--output", "plain")
            town.wait_for("baking", service="api")
            refused = town.run("deploy", "v2")
            waited = town.run("deploy", "v2", "--wait", "--output", "plain", patience=120)
            assert api.wait(60) == 0
            town.service("api", strategy=QUICK, more="deadlines: {ready: 20s}")
            failed = town.run("deploy", "v3", "-f", "api.yaml", "--output", "quiet")
            stopped = town.run("deploy", "v4")
            anyway = town.run(
                "deploy", "v4", "--despite", "api", "--reason", "it needs nothing new", "--output", "quiet",
                patience=120,
            )  # fmt: skip

        assert refused.code == 8
        assert "CF5026 api goes first" in refused.err
        assert waited.code == 0, waited
        assert "waiting: shop is released after api" in waited.err
        assert failed.code == 4
        assert stopped.code == 11
        assert "CF3051 api goes first, and its last release was rolled back" in stopped.err
        assert anyway.code == 0, anyway

    @pytest.mark.long
    def test_R22_deploys_of_one_service_stand_in_line_and_the_dead_leave_it(self, town: Town) -> None:
        town.write(strategy=QUICK)
        town.first()
        with town.users(60):
            running = town.start("deploy", "v2", "--output", "plain")
            town.wait_for("baking")
            second = town.start("deploy", "v4", "--wait", "--output", "plain")
            town.until_in_line(1)
            gone = town.start("deploy", "v1", "--wait", "--output", "plain")
            town.until_in_line(2)
            gone.kill()
            gone.wait()
            last = town.start("deploy", "v1", "--wait", "--output", "plain")
            codes = [running.wait(60), second.wait(120), last.wait(120)]

        assert codes == [0, 0, 0]
        opened = [plan.candidate for plan, _ in reversed(town.house.past("shop", 10))]
        assert opened == ["v1", "v2", "v4", "v1"]


class TestFourEyes:
    @pytest.mark.long
    def test_R44_who_released_does_not_approve_and_the_journal_tells_who_did(self, town: Town) -> None:
        town.write(
            strategy="{canary: {steps: [{weight: 50%, bake: 10s}, {approval: required}], keep_old: 20s}}",
            more="policy: {approvals: 1}",
        )
        town.first()
        ada, bob = {"CROSSFADE_ACTOR": "ada"}, {"CROSSFADE_ACTOR": "bob"}
        with town.users(100):
            releasing = town.start("deploy", "v2", "--output", "plain", env=ada)
            town.wait_for("awaiting approval", patience=60)
            own = town.run("approve", "--reason", "looks good to me", env=ada)
            forced = town.run("promote", "--full", "--reason", "in a hurry", env=ada)
            other = town.run("approve", "--reason", "p99 is flat", env=bob)
            assert releasing.wait(90) == 0

        assert own.code == forced.code == 11
        assert "ada released v2" in own.err
        assert other.code == 0, other
        said = [
            (event["verb"], event["actor"], event["reason"])
            for event in town.events()
            if event["type"] == "command.received"
        ]
        assert said == [
            ("approve", "ada", "looks good to me"),
            ("promote_full", "ada", "in a hurry"),
            ("approve", "bob", "p99 is flat"),
        ]
