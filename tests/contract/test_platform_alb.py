"""What the `alb` platform asks of AWS: declared, proved, page by page, and said in our words when refused."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alb_world import ACCOUNT, REGION, Twin, client, twin, unhurried, world
from grounds import AlbGround, names

from crossfade.aws import Door, Where
from crossfade.errors import AccessError, PlatformError
from crossfade.platforms.alb import calls as alb_calls
from crossfade.platforms.alb.calls import CALLS, On, calls
from crossfade.platforms.alb.gateway import Gateway
from crossfade.release.plan import Kind
from crossfade.release.values import EnsureWeight, Known, Seat, Share, Side, Unknown
from crossfade.twin.faults import Fault


@pytest.fixture(scope="module")
def cloud() -> Iterator[Twin]:
    with twin() as made:
        yield made


@pytest.fixture
def ground(cloud: Twin, tmp_path: Path) -> Iterator[AlbGround]:
    yield AlbGround(tmp_path, world(cloud, next(names)))
    cloud.faults.remove()


def made_of(cloud: Twin, since: int) -> list[tuple[str, str]]:
    """(service, action) of our own calls; another hand's are not ours."""
    actions, _ = cloud.server.recorder.since(since)
    return [(one.service, one.action) for one in actions if "crossfade" in one.agent]


def newest(cloud: Twin) -> int:
    return cloud.server.recorder.since(0)[1]


class TestCalls:
    def test_what_a_release_calls_is_declared_and_what_is_declared_is_called(
        self, cloud: Twin, ground: AlbGround
    ) -> None:
        since = newest(cloud)
        ground.platform.preflight(ground.spec)
        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")
        ground.through(plan, Kind.SHIFTING)
        for step in plan.back:
            ground.reach(plan, step.world)
        ground.platform.way_in()

        called = {action for service, action in made_of(cloud, since) if service == "elbv2"}
        declared = {one.action for one in CALLS.values() if one.service == "elbv2"}
        # The balancer's address is asked for on AWS alone.
        assert declared - called == {"DescribeLoadBalancers"}
        assert called <= declared
        assert "describe_load_balancers" in inspect.getsource(Gateway.balancers)

    def test_every_mutating_call_is_limited_to_resources_of_the_site(self, ground: AlbGround) -> None:
        site = ground.balancer.site
        listed = {call.action: call for call in calls(site)}

        for declared in CALLS.values():
            if declared.mutating:
                assert declared.on is not On.ANYTHING
                assert set(listed[declared.action].on) <= {*site.routes, *site.groups.values()}
                assert listed[declared.action].mutating
        assert listed["ModifyRule"].on == (ground.balancer.rule,)
        assert set(listed["ModifyListener"].on) == {ground.balancer.listener, ground.balancer.test}
        assert "AssumeRole" not in listed

    def test_a_role_is_asked_for_where_one_is_named(self, ground: AlbGround) -> None:
        site = ground.balancer.site
        site = replace(site, where=replace(site.where, role="crossfade-release"))

        [assume] = [call for call in calls(site) if call.action == "AssumeRole"]

        assert assume.on == (f"arn:aws:iam::{ACCOUNT}:role/crossfade-release",)

    def test_the_gateway_can_make_no_call_that_is_not_declared(self, ground: AlbGround) -> None:
        with pytest.raises(KeyError):
            ground.platform._line._call("delete_target_group")  # type: ignore[attr-defined]

    def test_operations_are_named_as_boto3_names_them(self, cloud: Twin) -> None:
        where = Where(account=ACCOUNT, region=REGION, endpoint=cloud.endpoint)
        for operation, declared in CALLS.items():
            assert hasattr(client(where, declared.service), operation)
        assert set(CALLS) == {alb_calls._snake(one.action) for one in CALLS.values()}

    def test_one_look_at_a_rule_and_two_listeners_is_seven_calls(
        self, cloud: Twin, ground: AlbGround
    ) -> None:
        """Rules, listeners, tags, two groups, and the production routes again."""
        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")
        since = newest(cloud)

        ground.platform.observe(plan)

        assert [action for _, action in made_of(cloud, since)] == [
            "DescribeRules",
            "DescribeListeners",
            "DescribeTags",
            "DescribeTargetHealth",
            "DescribeTargetHealth",
            "DescribeRules",
            "DescribeListeners",
        ]


class TestProof:
    def test_R47_the_account_is_proved_before_the_first_write_and_once(
        self, cloud: Twin, ground: AlbGround
    ) -> None:
        since = newest(cloud)
        ground.settle().serving("v1")

        called = [action for _, action in made_of(cloud, since)]
        mutating = {one.action for one in CALLS.values() if one.mutating}
        assert called.count("GetCallerIdentity") == 1
        assert called.index("GetCallerIdentity") < min(called.index(one) for one in mutating if one in called)

    def test_R47_another_account_is_refused_and_nothing_is_written(
        self, cloud: Twin, ground: AlbGround
    ) -> None:
        site = ground.balancer.site
        elsewhere = replace(site, where=replace(site.where, account="999999999999"))
        gateway = Gateway(Door(elsewhere.where), unhurried())
        before = ground.everything()

        with pytest.raises(AccessError) as refused:
            replace_platform(ground, elsewhere, gateway).settle_in(ground.spec)

        assert refused.value.id == "CF4303"
        assert ground.everything() == before

    def test_R47_where_it_is_about_to_write_is_said_in_one_line(self, ground: AlbGround) -> None:
        line = ground.platform.place()

        assert line.startswith(f"account {ACCOUNT}, {REGION}, the twin at http://127.0.0.1:")


def replace_platform(ground: AlbGround, site: Any, gateway: Gateway) -> Any:
    from crossfade.platforms.alb import AlbPlatform

    return AlbPlatform(site, gateway, ground.world.flow, now=ground.world.clock, sleep=lambda _: None)


class TestReading:
    def test_R07_every_page_is_read(self, ground: AlbGround) -> None:
        balancer = ground.balancer
        for number in range(120):
            balancer.elb.create_rule(
                ListenerArn=balancer.listener,
                Priority=100 + number,
                Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": [f"/{number}"]}}],
                Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
            )
        gateway = Gateway(Door(balancer.where), unhurried())

        found = gateway.rules(balancer.listener)

        assert len(found) == 122
        arns = [rule["RuleArn"] for rule in found if not rule["IsDefault"]]
        assert set(gateway.routes([*arns, balancer.listener])) == {*arns, balancer.listener}

    def test_R49_a_rule_that_was_deleted_is_nobodys_and_the_others_are_read(self, ground: AlbGround) -> None:
        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")
        ground.balancer.elb.delete_rule(RuleArn=ground.balancer.rule)

        read = Gateway(Door(ground.balancer.where), unhurried()).routes(ground.balancer.site.routes)

        assert read[ground.balancer.rule] is None
        assert read[ground.balancer.listener]
        assert ground.platform.observe(plan).truth.pair == Known(value=False)

    def test_R06_what_is_throttled_is_unknown_and_says_so(self, cloud: Twin, ground: AlbGround) -> None:
        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")
        cloud.faults.add(
            Fault(kind="fail_before", probability=1.0, status=400, code="Throttling", action="DescribeRules")
        )

        truth = ground.platform.observe(plan).truth

        assert isinstance(truth.weights, Unknown)
        assert "throttled" in truth.weights.why
        assert isinstance(truth.stable, Known)

    def test_R33_a_write_that_was_not_answered_is_found_done_by_the_next_look(
        self, cloud: Twin, ground: AlbGround
    ) -> None:
        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")
        ground.through(plan, Kind.VERIFYING)
        look = ground.platform.observe(plan)
        cloud.faults.add(Fault(kind="fail_after", probability=1.0, action="ModifyRule"))

        with pytest.raises(PlatformError) as unsure:
            ground.platform.perform(plan, EnsureWeight(weight=Share(100)), look.fence)
        assert unsure.value.id == "CF4307"
        cloud.faults.remove()
        ground.passes()

        truth = ground.platform.observe(plan).truth
        assert isinstance(truth.weights, Known)
        assert (truth.weights.value.low, truth.weights.value.high) == (0, 100)


class TestPreflight:
    def ids(self, ground: AlbGround) -> list[str]:
        return [found.id for found in ground.platform.preflight(ground.spec)]

    def test_a_site_as_it_should_be_has_nothing_against_it(self, ground: AlbGround) -> None:
        assert self.ids(ground) == []

    def test_R07_a_rule_that_we_do_not_know_and_that_names_a_group_is_found_on_any_listener(
        self, ground: AlbGround
    ) -> None:
        balancer = ground.balancer
        balancer._listener(9090)
        [found] = ground.platform.preflight(ground.spec)

        assert found.id == "CF4432"
        assert "blue group" in found.what

    def test_anomaly_mitigation_would_hide_a_bad_candidate(self, ground: AlbGround) -> None:
        attributes = [
            {"Key": "load_balancing.algorithm.type", "Value": "weighted_random"},
            {"Key": "load_balancing.algorithm.anomaly_mitigation", "Value": "on"},
        ]
        ground.balancer.elb.modify_target_group_attributes(
            TargetGroupArn=ground.balancer.groups["green"], Attributes=attributes
        )

        assert self.ids(ground) == ["CF4434"]

    def test_a_route_that_answers_by_itself_or_is_gone_is_said(self, ground: AlbGround) -> None:
        answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
        ground.balancer.write(ground.balancer.test, [answer])
        ground.balancer.elb.delete_rule(RuleArn=ground.balancer.rule)

        assert self.ids(ground) == ["CF4431", "CF4431"]

    def test_groups_of_another_service_are_left_alone(self, ground: AlbGround) -> None:
        ground.balancer.tag("green", **{"crossfade:service": "pricing"})
        before = ground.everything()

        assert self.ids(ground) == ["CF4424"]
        with pytest.raises(PlatformError, match="pricing"):
            ground.settle()
        assert ground.everything() == before

    def test_staff_who_are_kept_on_a_group_could_not_try_the_other(self, ground: AlbGround) -> None:
        [action] = ground.balancer.actions(ground.balancer.test)
        config = {
            "TargetGroups": [{"TargetGroupArn": arn, "Weight": 1} for arn in ground.balancer.groups.values()],
            "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60},
        }
        ground.balancer.write(ground.balancer.test, [{"Type": action["Type"], "ForwardConfig": config}])

        assert self.ids(ground) == ["CF4434"]


class TestGround:
    def test_targets_that_serve_already_are_no_new_revision(self, ground: AlbGround) -> None:
        from crossfade.errors import UsageError

        ground.settle().serving("v1")
        (ground.folder / "v2").write_text((ground.folder / "v1").read_text() + "\n127.0.0.1:9999\n")

        with pytest.raises(UsageError) as refused:
            ground.platform.prepare(ground.spec, "v2")

        assert refused.value.id == "CF4425"

    def test_R46_the_raw_commands_bring_every_rule_home(self, ground: AlbGround) -> None:
        import json
        import shlex

        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")
        glass = ground.platform.break_glass(plan)
        ground.through(plan, Kind.SHIFTING)
        assert ground.shares() == [100, 900]

        for command in glass.split("; "):
            words = shlex.split(command)
            assert words[:5] == ["aws", "--region", REGION, "--endpoint-url", ground.balancer.where.endpoint]
            named = dict(zip(words[7::2], words[8::2], strict=True))
            actions = json.loads(named.get("--actions") or named["--default-actions"])
            ground.balancer.write(named.get("--rule-arn") or named["--listener-arn"], actions)

        assert ground.shares() == [0, 1000]

    def test_the_way_in_is_where_the_twin_serves_it_with_what_its_rule_asks_for(
        self, ground: AlbGround
    ) -> None:
        rule = ground.balancer.elb.create_rule(
            ListenerArn=ground.balancer.listener,
            Priority=5,
            Conditions=[
                {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.staff.example"]}},
                {
                    "Field": "http-header",
                    "HttpHeaderConfig": {"HttpHeaderName": "X-Staff", "Values": ["yes"]},
                },
            ],
            Actions=[{"Type": "forward", "TargetGroupArn": ground.balancer.groups["blue"]}],
        )["Rules"][0]["RuleArn"]
        site = replace(ground.balancer.site, test=rule)

        way = replace_platform(ground, site, Gateway(Door(site.where), unhurried())).way_in()

        assert way.url == "http://127.0.0.1:80"
        assert way.headers == {"host": "x.staff.example", "x-staff": "yes"}

    def test_a_clear_seat_after_a_release_is_nobodys(self, ground: AlbGround) -> None:
        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")

        truth = ground.settled(plan, lambda found: found.seat == Known(Seat(holder=None)))

        assert truth.primary == Known(Side.STABLE)
