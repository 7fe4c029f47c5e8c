"""
The rendered policy against what is really called: a service's first release on a twin, a good and a bad one.

A call that is not in the policy fails, and so does one in it that nobody makes.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from crossfade import needs
from crossfade.spec import Spec
from crossfade.spec.load import load_spec
from crossfade.testing import Twin

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(420)]

NOT_IN_THIS_LIFE = {
    ("elbv2", "DescribeLoadBalancers"),  # the name to ask by; a twin is at 127.0.0.1
}


class Answers(BaseHTTPRequestHandler):
    """200 to everything, on connections that stay open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving() -> Iterator[int]:
    """One target; its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def users(port: int) -> Iterator[None]:
    """Forty requests a second until the block ends."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.025):
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                line.request("GET", "/")
                line.getresponse().read()
            except (OSError, http.client.HTTPException):
                pass
            finally:
                line.close()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Place:
    """A service on a twin that has two groups, a rule for its path and a test rule, and its state in S3."""

    def __init__(self, twin: Twin, folder: Path) -> None:
        self.twin, self.folder = twin, folder
        elbv2, ec2 = twin.client("elbv2"), twin.client("ec2")
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
        balancer = elbv2.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0][
            "LoadBalancerArn"
        ]
        blue, green = (self._group(elbv2, name, vpc) for name in ("shop-blue", "shop-green"))
        pair = [{"TargetGroupArn": blue, "Weight": 999}, {"TargetGroupArn": green, "Weight": 0}]
        forward = [{"Type": "forward", "ForwardConfig": {"TargetGroups": pair}}]
        listener = elbv2.create_listener(
            LoadBalancerArn=balancer, Protocol="HTTP", Port=8080, DefaultActions=forward
        )["Listeners"][0]["ListenerArn"]
        rules = [
            elbv2.create_rule(ListenerArn=listener, Priority=at, Conditions=[condition], Actions=forward)[
                "Rules"
            ][0]["RuleArn"]
            for at, condition in enumerate(
                (
                    {
                        "Field": "http-header",
                        "HttpHeaderConfig": {"HttpHeaderName": "x-test", "Values": ["1"]},
                    },
                    {"Field": "path-pattern", "Values": ["/api/*"]},
                ),
                start=1,
            )
        ]
        twin.client("s3").create_bucket(
            Bucket="acme", CreateBucketConfiguration={"LocationConstraint": twin.region}
        )
        at = f"account={twin.account}&region={twin.region}&endpoint={twin.endpoint}"
        self.port = twin.ports()[listener]
        self.file = folder / "crossfade.yaml"
        self.file.write_text(
            "apiVersion: crossfade/v1\nservice: shop\n"
            f'state: "s3://acme/prod?{at}"\n'
            f'aws: {{account: "{twin.account}", region: {twin.region}, endpoint: "{twin.endpoint}"}}\n'
            f"platform:\n  alb:\n    rules: [{listener}, {rules[1]}]\n    test: {rules[0]}\n"
            f"    target_groups: {{blue: {blue}, green: {green}}}\n"
            '    targets: {file: "{revision}.txt"}\n'
            "strategy: {canary: {steps: [{weight: 50%, bake: 10s}], keep_old: 3m}}\n"
            'gates: {none: "what is called is looked at, not how it is judged"}\n'
            "deadlines: {ready: 1m}\n"
        )

    @staticmethod
    def _group(elbv2: Any, name: str, vpc: str) -> str:
        made = elbv2.create_target_group(
            Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip",
            HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2,
        )  # fmt: skip
        found = str(made["TargetGroups"][0]["TargetGroupArn"])
        elbv2.modify_target_group_attributes(
            TargetGroupArn=found,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "10"}],
        )
        return found

    def revision(self, name: str, port: int) -> None:
        (self.folder / f"{name}.txt").write_text(f"127.0.0.1:{port}\n")

    def deploy(self, revision: str) -> int:
        """Followed to its end."""
        words = [sys.executable, "-m", "crossfade", "deploy", revision, "--file", str(self.file)]
        return subprocess.run(words, check=False, capture_output=True).returncode

    def crossfade(self, *words: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "crossfade", *words, "--file", str(self.file)],
            check=True,
            capture_output=True,
        )


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Spec, list[dict[str, Any]]]]:
    """What was called in the life of a service: its spec, and every action of ours."""
    folder = tmp_path_factory.mktemp("shop")
    with Twin(clock=60.0) as twin, ExitStack() as targets:
        place = Place(twin, folder)
        for name in ("v1", "v2"):
            place.revision(name, targets.enter_context(serving()))
        place.revision("bad", 9)
        before = twin.ask("GET", "/twin/actions")["seq"]
        with users(place.port):
            codes = [place.deploy(name) for name in ("v1", "v2", "bad")]
        place.crossfade("history", "--verify")
        assert codes == [0, 0, 4]
        yield load_spec(place.file), [one for one in twin.actions(before) if "crossfade" in one["agent"]]


def test_nothing_is_called_that_the_policy_does_not_allow(lived: tuple[Spec, list[dict[str, Any]]]) -> None:
    spec, actions = lived
    declared = {(one.service, one.action) for one in needs.calls(spec)}

    assert {(one["service"], one["action"]) for one in actions} - declared == set()


def test_nothing_is_allowed_that_no_release_calls(lived: tuple[Spec, list[dict[str, Any]]]) -> None:
    spec, actions = lived
    made = {(one["service"], one["action"]) for one in actions}

    assert {(one.service, one.action) for one in needs.calls(spec)} - made == NOT_IN_THIS_LIFE


def test_what_changes_something_was_called_on_the_resources_of_the_policy_alone(
    lived: tuple[Spec, list[dict[str, Any]]],
) -> None:
    spec, actions = lived
    allowed = {(one.service, one.action): one.on for one in needs.calls(spec) if one.mutating}
    changed = [
        one for one in actions if (one["service"], one["action"]) in allowed and one["service"] == "elbv2"
    ]

    assert changed
    for one in changed:
        assert any(fnmatchcase(one["resource"], arn) for arn in allowed[one["service"], one["action"]]), one
