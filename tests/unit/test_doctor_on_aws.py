"""What `doctor` says of AWS: the clock, permissions, what is behind the load balancer, and the bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from email.utils import formatdate
from typing import Any

import pytest
from aws_world import NOT_FOUND, REDIRECT, a_group, a_place, a_way, arn_of, forward, path

from crossfade.aws import Call, Condition
from crossfade.doctor.balancer import Named, balancer
from crossfade.doctor.check import Check, State
from crossfade.doctor.clock import clock
from crossfade.doctor.permitted import NotAsked, Permitted, permissions, principal, simulated
from crossfade.doctor.state import bucket
from crossfade.engine.s3.objects import Found, SecondError
from crossfade.errors import PlatformError
from crossfade.platforms.alb.found import Found as Place
from crossfade.platforms.alb.found import Group

NOON = 1_790_000_000.0


def states(checks: Any) -> dict[str, str]:
    return {one.name: one.state.value for one in checks}


class TestTheClock:
    @pytest.mark.parametrize(
        ("theirs", "state", "said"),
        [
            (0.0, "ok", "agrees with AWS's"),
            (-0.9, "ok", "agrees with AWS's"),
            (4.0, "ok", "4 s behind AWS's"),
            (-30.0, "warn", "29 s ahead of AWS's"),
            (30.0, "warn", "30 s behind AWS's"),
            (-400.0, "FAIL", "399 s ahead of AWS's"),
        ],
    )
    def test_is_told_by_the_date_of_an_answer(self, theirs: float, state: str, said: str) -> None:
        headers = {"date": formatdate(int(NOON + theirs), usegmt=True)}
        (check,) = clock(headers, NOON, NOON + 0.1)

        assert check.state.value == state
        assert said in check.said

    def test_an_answer_that_took_long_is_no_wrong_clock(self) -> None:
        (check,) = clock({"date": formatdate(int(NOON + 20), usegmt=True)}, NOON, NOON + 40)

        assert check.state is State.OK

    @pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
    def test_without_a_date_it_is_not_checked(self, headers: Mapping[str, str]) -> None:
        (check,) = clock(headers, NOON, NOON)

        assert check.state is State.UNKNOWN


BLUE, GREEN = arn_of("shop-blue"), arn_of("shop-green")
RULE = a_way(443, forward(shop_blue=999, shop_green=0), priority=1, conditions=[path("/shop/*")])

CALLS = (
    Call(service="elbv2", action="DescribeRules"),
    Call(service="elbv2", action="ModifyRule", on=(RULE.arn,), mutating=True),
    Call(
        service="elbv2",
        action="AddTags",
        on=(BLUE, GREEN),
        mutating=True,
        given=(Condition(operator="ForAllValues:StringLike", key="aws:TagKeys", values=("crossfade:*",)),),
    ),
    Call(service="s3", action="GetObject", on=("arn:aws:s3:::acme/prod/*",)),
    Call(service="sts", action="GetCallerIdentity"),
)


class Iam:
    """IAM as far as it is asked: two results a page."""

    def __init__(self, denied: frozenset[str] = frozenset()) -> None:
        self.denied = denied
        self.asked: list[Mapping[str, Any]] = []

    def simulate_principal_policy(self, **asked: Any) -> Mapping[str, Any]:
        self.asked.append(asked)
        begin = int(asked.get("Marker", 0))
        names = asked["ActionNames"]
        rows = [
            {"EvalActionName": name, "EvalDecision": "implicitDeny" if name in self.denied else "allowed"}
            for name in names[begin : begin + 2]
        ]
        more = begin + 2 < len(names)
        return {
            "EvaluationResults": rows,
            "IsTruncated": more,
            **({"Marker": str(begin + 2)} if more else {}),
        }

    def get_role(self, **asked: str) -> Mapping[str, Any]:
        if asked["RoleName"] == "hidden":
            raise PlatformError("CF4308", "no such role")
        return {"Role": {"Arn": f"arn:aws:iam::123456789012:role/teams/shop/{asked['RoleName']}"}}


class TestPermissions:
    def test_policies_are_attached_to_the_role_behind_a_session(self) -> None:
        session = "arn:aws:sts::123456789012:assumed-role/{}/anna"

        assert (
            principal(session.format("release"), Iam()) == "arn:aws:iam::123456789012:role/teams/shop/release"
        )
        assert principal(session.format("hidden"), Iam()) == "arn:aws:iam::123456789012:role/hidden"
        assert (
            principal("arn:aws:iam::123456789012:user/anna", Iam()) == "arn:aws:iam::123456789012:user/anna"
        )

    def test_iam_is_asked_for_each_call_on_its_resources_under_its_conditions(self) -> None:
        iam = Iam()
        found = simulated(iam, "arn:aws:iam::123456789012:role/release", CALLS, "eu-west-1")

        assert {(one.permission, one.decision) for one in found} == {
            ("elasticloadbalancing:DescribeRules", "allowed"),
            ("elasticloadbalancing:ModifyRule", "allowed"),
            ("elasticloadbalancing:AddTags", "allowed"),
            ("s3:GetObject", "allowed"),
        }
        tagging = next(one for one in iam.asked if one["ActionNames"] == ["elasticloadbalancing:AddTags"])
        assert tagging["ResourceArns"] == sorted((BLUE, GREEN))
        assert {
            "ContextKeyName": "aws:TagKeys",
            "ContextKeyValues": ["crossfade:x"],
            "ContextKeyType": "stringList",
        } in tagging["ContextEntries"]
        assert any(one["ResourceArns"] == ["arn:aws:s3:::acme/prod/x"] for one in iam.asked)

    def test_all_pages_of_its_answer_are_read(self) -> None:
        many = [Call(service="elbv2", action=f"Describe{at}") for at in range(90)]

        assert len(simulated(Iam(), "arn:aws:iam::1:user/a", many, "eu-west-1")) == 90

    def test_what_iam_denies_is_a_failure_of_credentials(self) -> None:
        refused = [
            Permitted(permission="elasticloadbalancing:ModifyRule", on=(RULE.arn,), decision="explicitDeny")
        ]
        (check,) = permissions(CALLS, refused, [])

        assert check.said == "denied: elasticloadbalancing:ModifyRule"
        assert check.why == "IAM: explicitDeny"
        assert check.denied

    def test_where_iam_allows_all_it_is_said_how_much_that_is(self) -> None:
        allowed = [Permitted(permission="s3:GetObject", on=(), decision="allowed")]
        (check,) = permissions(CALLS, allowed, [(CALLS[0], "")])

        assert (check.state, check.said) == (State.OK, "IAM allows all 5 calls, 2 of which change something")

    def test_a_read_that_is_denied_outweighs_what_iam_says(self) -> None:
        (check,) = permissions(CALLS, [], [(CALLS[0], "elbv2:DescribeRules was denied (AccessDenied)")])

        assert check.state is State.FAIL

    def test_without_iam_reads_are_tried_and_writes_are_said_to_be_unchecked(self) -> None:
        read, write = permissions(CALLS, NotAsked("it was denied"), [(CALLS[0], ""), (CALLS[3], "")])

        assert (read.state, read.said) == (State.OK, "2 calls were made and answered")
        assert write.state is State.UNKNOWN
        assert write.said == "2 calls: elasticloadbalancing:AddTags, elasticloadbalancing:ModifyRule"
        assert write.why.endswith("IAM was not asked: it was denied")


TEST = a_way(8443, forward(shop_blue=1))

NAMED = Named(rules=(RULE.arn,), test=TEST.arn, blue=BLUE, green=GREEN, ready=timedelta(minutes=10))

PAIR = (a_group("shop-blue"), a_group("shop-green", states=()))


def behind(*ways: Any, groups: tuple[Group, Group] = PAIR, named: Named = NAMED) -> tuple[Check, ...]:
    found: Place = a_place(*ways, blue=groups[0], green=groups[1])
    return tuple(balancer(found, groups, named))


class TestBehindTheLoadBalancer:
    def test_a_pair_in_order_is_ok_in_every_part(self) -> None:
        checks = behind(RULE, a_way(443, NOT_FOUND), TEST)

        assert states(checks) == {"target groups": "ok", "rules": "ok", "test way": "ok"}
        assert [one.said for one in checks] == [
            "shop-blue (2 healthy), shop-green (empty)",
            "HTTPS:443 rule 1 (path /shop/*) blue 100 %, green 0 %",
            "HTTP:8443 default action",
        ]

    def test_what_is_not_there_is_left_to_the_preflight(self) -> None:
        assert states(behind(a_way(443, REDIRECT))) == {"target groups": "ok"}

    def test_rules_that_disagree_are_warned_about(self) -> None:
        other = a_way(80, forward(shop_blue=500, shop_green=500))
        named = replace(NAMED, rules=(RULE.arn, other.arn))

        assert states(behind(RULE, other, TEST, named=named))["weights"] == "warn"

    def test_R03_who_serves_and_is_not_well_fails(self) -> None:
        checks = behind(RULE, TEST, groups=(a_group("shop-blue", states=("unhealthy",)), PAIR[1]))
        check = next(one for one in checks if one.name == "who serves")

        assert check.said == "shop-blue gets 100 % and has no healthy target (1 unhealthy)"

    @pytest.mark.parametrize(
        ("group", "name"),
        [
            (a_group("shop-green", states=("healthy",)), "the free side"),
            (a_group("shop-green", states=(), check={"health-check-path": "/other"}), "health checks"),
            (
                a_group("shop-green", states=(), attributes={"deregistration_delay.timeout_seconds": "900"}),
                "draining",
            ),
        ],
    )
    def test_what_makes_a_release_worse_is_warned_about(self, group: Group, name: str) -> None:
        assert {
            key
            for key, state in states(behind(RULE, TEST, groups=(PAIR[0], group))).items()
            if state == "warn"
        } == {name}


class Bucket:
    """One object, under the conditions of its writes unless it is told to ignore them."""

    name = "s3://acme/prod"

    def __init__(self, *, honours: frozenset[str] = frozenset({"none", "match"}), skew: float = 0.0) -> None:
        self.honours = honours
        self.skew = timedelta(seconds=skew)
        self.held: Found | None = None
        self.written = 0

    def get(self, key: str, known: Found | None = None) -> Found | None:
        return self.held

    def put(self, key: str, body: bytes, replaces: str | None = None) -> str:
        there = self.held.etag if self.held is not None else None
        if replaces is None and there is not None and "none" in self.honours:
            raise SecondError(key)
        if replaces is not None and replaces != there and "match" in self.honours:
            raise SecondError(key)
        self.written += 1
        self.held = Found(body=body, etag=f'"{self.written}"')
        return self.held.etag

    def keys(self, prefix: str) -> tuple[str, ...]:
        return ()


class TestABucketForTheState:
    def test_one_that_honours_conditions_is_ok(self) -> None:
        (check,) = bucket(Bucket())

        assert (check.state, check.said) == (
            State.OK,
            "s3://acme/prod can be written, and tells two writers apart",
        )

    @pytest.mark.parametrize(
        ("honours", "said"),
        [
            (frozenset({"match"}), "it created an object that is there"),
            (frozenset({"none"}), "it replaced an object that is another by now"),
            (
                frozenset[str](),
                "it created an object that is there and replaced an object that is another by now",
            ),
        ],
    )
    def test_R23_one_that_does_not_fails(self, honours: frozenset[str], said: str) -> None:
        (check,) = bucket(Bucket(honours=honours))

        assert check.state is State.FAIL
        assert check.said == f"s3://acme/prod does not tell two writers apart: {said}"

    def test_a_clock_that_differs_from_the_buckets_is_warned_about(self) -> None:
        assert states(bucket(Bucket(skew=9.0)))["clock"] == "warn"
