"""What `doctor` says: each check a fact, each failure with its reason and its fix, and the code of it all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aws_world import NOT_FOUND, REDIRECT, a_group, a_place, a_way, arn_of, forward, path
from click.testing import CliRunner

from crossfade.aws import Call, Condition
from crossfade.cli.doctor import doctor
from crossfade.cli.render.doctor import data, lines
from crossfade.doctor import here
from crossfade.doctor.balancer import Named, balancer
from crossfade.doctor.check import Check, State, examined, exit_code, ok
from crossfade.doctor.clock import clock
from crossfade.doctor.permitted import NotAsked, Permitted, permissions, principal, simulated
from crossfade.doctor.signals import signals
from crossfade.doctor.state import bucket
from crossfade.engine.s3.objects import Found, SecondError
from crossfade.errors import AccessError, PlatformError, RefusedError
from crossfade.platforms.alb_found import Found as Place
from crossfade.platforms.alb_found import Group
from crossfade.spec import CloudWatchSignals, PrometheusSignals, ScrapeSignals, Signals
from crossfade.spec.load import load_spec
from crossfade.spec.places import S3Place

NOON = 1_790_000_000.0
SCREENS = Path(__file__).parent / "screens"


def states(checks: Any) -> dict[str, str]:
    return {one.name: one.state.value for one in checks}


class TestACheckThatFails:
    def test_hides_no_other(self) -> None:
        def broken() -> Iterator[Check]:
            yield ok("first", "is well")
            raise PlatformError("CF4307", "nobody answers", "it is away", "wait")

        checks = tuple(examined([("away", broken), ("here", lambda: [ok("here", "is well")])]))

        assert states(checks) == {"first": "ok", "away": "FAIL", "here": "ok"}
        assert (checks[1].id, checks[1].why, checks[1].fix) == ("CF4307", "it is away", "wait")

    @pytest.mark.parametrize(
        ("errors", "code"),
        [
            ((), 0),
            ((RefusedError("CF1", "no"),), 11),
            ((AccessError("CF2", "no"),), 3),
            ((RefusedError("CF1", "no"), AccessError("CF2", "no")), 3),
        ],
    )
    def test_is_told_by_the_exit_code_credentials_first(
        self, errors: tuple[Exception, ...], code: int
    ) -> None:
        def raising(error: Exception) -> Any:
            def look() -> Iterator[Check]:
                yield from ()
                raise error

            return look

        warned = Check(name="w", state=State.WARN, said="so so")
        checks = (*examined([(str(at), raising(error)) for at, error in enumerate(errors)]), warned)

        assert exit_code(checks) == code


class TestTheScreen:
    CHECKS = (
        ok("identity", "arn:aws:iam::123456789012:user/anna in account 123456789012"),
        Check(
            name="draining",
            state=State.WARN,
            said="shop-blue takes 900 s",
            why="a release waits 600 s",
            fix="aws …",
        ),
        Check(name="rules", state=State.FAIL, said="none is there", id="CF3049", why="R49", fix="correct it"),
        Check(
            name="permissions to change",
            state=State.UNKNOWN,
            said="4 calls: a, b, c, d",
            why="IAM was not asked",
        ),
    )

    def test_is_this(self) -> None:
        assert "\n".join(lines("shop on alb", self.CHECKS)) + "\n" == (SCREENS / "doctor.txt").read_text()

    def test_as_data_has_the_same_and_no_empty_fields(self) -> None:
        assert data("shop", self.CHECKS, 11) == {
            "service": "shop",
            "exit_code": 11,
            "checks": [
                {
                    "name": "identity",
                    "state": "ok",
                    "what": "arn:aws:iam::123456789012:user/anna in account 123456789012",
                },
                {
                    "name": "draining",
                    "state": "warn",
                    "what": "shop-blue takes 900 s",
                    "why": "a release waits 600 s",
                    "fix": "aws …",
                },
                {
                    "name": "rules",
                    "state": "fail",
                    "id": "CF3049",
                    "what": "none is there",
                    "why": "R49",
                    "fix": "correct it",
                },
                {
                    "name": "permissions to change",
                    "state": "not_checked",
                    "what": "4 calls: a, b, c, d",
                    "why": "IAM was not asked",
                },
            ],
        }


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


class TestTheVerbOnThisMachine:
    def run(self, folder: Path, text: str, *args: str) -> Any:
        (folder / "crossfade.yaml").write_text(text)
        return CliRunner().invoke(
            doctor,
            ["--file", str(folder / "crossfade.yaml"), *args],
            catch_exceptions=False,
            standalone_mode=False,
        )

    TEXT = (
        "apiVersion: crossfade/v1\nservice: shop\nstrategy: canary\n"
        "platform: {local: {command: 'sleep {port}', port: 0}}\n"
    )

    def test_a_service_that_could_be_released_is_exit_0_and_makes_nothing(self, tmp_path: Path) -> None:
        result = self.run(tmp_path, self.TEXT, "--json")
        said = json.loads(result.stdout)

        assert result.return_value == 0
        assert {one["name"]: one["state"] for one in said["checks"]} == dict.fromkeys(
            ("envoy", "command", "platform", "state", "gates", "signals"), "ok"
        )
        assert [one.name for one in tmp_path.iterdir()] == ["crossfade.yaml"]

    def test_a_program_that_is_nowhere_is_exit_11(self, tmp_path: Path) -> None:
        result = self.run(tmp_path, self.TEXT.replace("sleep", "./serve"))

        assert result.return_value == 11
        assert "FAIL" in result.stdout
        assert "CF4206" in result.stdout

    def test_R18_an_alarm_that_cannot_be_reached_is_in_the_way(self, tmp_path: Path) -> None:
        gates = 'gates: {paging: {alarms: [{http: "http://127.0.0.1:1/alarm"}]}}\n'
        result = self.run(tmp_path, self.TEXT + gates, "--json")
        said = {one["name"]: one for one in json.loads(result.stdout)["checks"]}

        assert result.return_value == 11
        assert said["gate paging"]["id"] == "CF3018"
        assert "http://127.0.0.1:1/alarm cannot be reached" in said["gate paging"]["what"]

    def test_gates_that_only_observe_warn(self, tmp_path: Path) -> None:
        gates = 'gates: {paging: {mode: observe, alarms: [{http: "http://127.0.0.1:1/alarm"}]}, errors: {}}\n'
        result = self.run(tmp_path, self.TEXT + gates, "--json")

        assert {one["name"]: one["state"] for one in json.loads(result.stdout)["checks"]}[
            "gate paging"
        ] == "warn"
        assert result.return_value == 0


class Shows(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path.startswith(("/metrics", "/api/v1/query?")) else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def page() -> Iterator[int]:
    """A port of this machine where somebody shows counters."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shows)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


class TestWhoCounts:
    SPEC = load_spec(Path(__file__).parent / "specs" / "alb.yaml")

    def asked(self, source: Signals, *targets: tuple[str, int]) -> dict[str, Check]:
        return {one.name: one for one in signals(replace(self.SPEC, signals=source), targets)}

    def test_minutes_are_warned_about_with_what_would_be_faster(self) -> None:
        found = self.asked(CloudWatchSignals())["signals"]

        assert found.state is State.WARN
        assert "stopped in up to 5.5 min" in found.said
        assert "scrape" in found.fix

    def test_instances_that_show_their_counters_here_are_ok(self, page: int) -> None:
        found = self.asked(ScrapeSignals(), ("127.0.0.1", page))

        assert found["signals"].state is State.OK
        assert found["scrape"].said == "1 of 1 instances answer /metrics from here"

    def test_one_that_is_not_reached_from_here_is_in_the_way(self, page: int) -> None:
        found = self.asked(ScrapeSignals(), ("127.0.0.1", page), ("127.0.0.1", 1))["scrape"]

        assert (found.state, found.id) == (State.FAIL, "CF3066")
        assert "1 of 2 instances do not show counters here: http://127.0.0.1:1/metrics" in found.said

    def test_a_page_that_is_another_is_no_counters(self, page: int) -> None:
        found = self.asked(ScrapeSignals(path="/other"), ("127.0.0.1", page))["scrape"]

        assert "it answered 404" in found.said

    def test_counters_may_be_at_a_port_of_their_own(self, page: int) -> None:
        assert self.asked(ScrapeSignals(port=page), ("127.0.0.1", 1))["scrape"].state is State.OK

    def test_while_nobody_serves_nobody_can_be_asked(self) -> None:
        assert self.asked(ScrapeSignals())["scrape"].state is State.UNKNOWN

    def test_a_prometheus_is_asked(self, page: int) -> None:
        there, nowhere = (
            PrometheusSignals(url=f"http://127.0.0.1:{port}", stable="a", candidate="b") for port in (page, 1)
        )

        assert self.asked(there)["prometheus"].state is State.OK
        assert self.asked(nowhere)["prometheus"].id == "CF3066"


class TestAStateOnThisMachine:
    SPEC = load_spec(Path(__file__).parent / "specs" / "alb.yaml")

    def test_is_worse_for_a_service_on_aws(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CI", raising=False)
        (check,) = here.off_this_machine(self.SPEC)

        assert check.state is State.WARN

    def test_is_refused_on_a_runner(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CI", "true")

        with pytest.raises(RefusedError, match="on a CI runner"):
            list(here.off_this_machine(self.SPEC))

    def test_is_as_good_as_a_twin_that_is_on_it_too(self) -> None:
        assert self.SPEC.aws is not None
        twin = replace(self.SPEC, aws=replace(self.SPEC.aws, endpoint="http://127.0.0.1:4566"))

        assert list(here.off_this_machine(twin)) == []

    def test_in_a_bucket_it_is_not_on_this_machine(self) -> None:
        place = S3Place(bucket="acme", prefix="prod", account="123456789012", region="eu-west-1")

        assert list(here.off_this_machine(replace(self.SPEC, state=place))) == []
