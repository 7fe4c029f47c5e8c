"""
The story's stage on a laptop AWS: a load balancer of the twin, two target groups, processes as targets.

What releases is the platform `alb`, as it would on AWS: weights by ModifyListener, counts from CloudWatch.
Its minutes pass at the twin's pace.
"""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from crossfade.bootstrap import House
from crossfade.demo import builds
from crossfade.spec.load import load_spec
from crossfade.twin.child import Twin

FASTER: Final = 20.0
"""Seconds of the twin in one of ours: a load balancer is judged in minutes, and a story is told in a few."""

STOPS_S: Final = 5.0
PORT: Final = 8080
INSTANCES: Final = 2

YAML: Final = """\
# yaml-language-server: $schema=./crossfade.schema.json
apiVersion: crossfade/v1
service: shop
aws: {{account: "{account}", region: {region}, endpoint: "{endpoint}"}}
platform:
  alb:
    rules: [{listener}]
    test: {test}
    target_groups: {{blue: {blue}, green: {green}}}
    targets: {{file: "targets/{{revision}}"}}
    health: /healthz
strategy:
  canary:
    steps: [{{weight: 10%, bake: 5m}}, {{weight: 50%, bake: 3m}}]
    keep_old: 3m
gates:
  errors:    {{against: stable, at_most: 1.5x, must_see: 3%}}
  latency:   {{against: stable, at_most: 1.25x, at: [p50, p95, p99], must_see: 3x}}
  unhealthy: {{of: candidate, max: 0, for: 30s}}
judging: {{warm_up: 10s}}
"""


class OnTwin:
    """A stage of the story."""

    longest = timedelta(minutes=8)
    compression = FASTER
    words = "a laptop AWS, no account"

    def __init__(self, *, bad: str) -> None:
        self._bad = bad
        self._twin = Twin(clock=FASTER)
        self._folder = Path()
        self._ends = ExitStack()

    def open(self, folder: Path, ends: ExitStack) -> House:
        """Raises `PlatformError` CF4312 where the twin does not come up, with its own words."""
        self._folder, self._ends = folder, ends
        builds.write(folder, app=None, bad=self._bad)
        (folder / "targets").mkdir()
        ends.callback(self._twin.stop)
        self._twin.start()
        (folder / "crossfade.yaml").write_text(self._built())
        house = House.of(load_spec(folder / "crossfade.yaml"))
        ends.callback(house.store.close)
        return house

    def ready(self, revision: str) -> None:
        """Its processes run, and their addresses are its targets."""
        ports = [self._started(revision) for _ in range(INSTANCES)]
        lines = "".join(f"127.0.0.1:{port}\n" for port in ports)
        (self._folder / "targets" / revision).write_text(lines)

    def _started(self, revision: str) -> int:
        words = [str(self._folder / "builds" / revision), "--port", "0", "--revision", revision]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self._ends.callback(_stop, process)
        if process.stdout is None:
            raise AssertionError("it was asked for")
        return int(process.stdout.readline())

    def port(self, house: House) -> int:
        del house
        return self._twin.ports()[str(PORT)]

    def _built(self) -> str:
        """A load balancer with a pair of groups and a rule for staff; its crossfade.yaml."""
        elbv2, ec2 = self._twin.client("elbv2"), self._twin.client("ec2")
        network = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
        balancer = elbv2.create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0][
            "LoadBalancerArn"
        ]
        blue, green = (_group(elbv2, f"shop-{colour}", network) for colour in ("blue", "green"))
        pair = [{"TargetGroupArn": blue, "Weight": 999}, {"TargetGroupArn": green, "Weight": 0}]
        forward = [{"Type": "forward", "ForwardConfig": {"TargetGroups": pair}}]
        listener = elbv2.create_listener(
            LoadBalancerArn=balancer, Protocol="HTTP", Port=PORT, DefaultActions=forward
        )["Listeners"][0]["ListenerArn"]
        header = {"HttpHeaderName": "x-crossfade", "Values": ["candidate"]}
        test = elbv2.create_rule(
            ListenerArn=listener,
            Priority=1,
            Conditions=[{"Field": "http-header", "HttpHeaderConfig": header}],
            Actions=forward,
        )["Rules"][0]["RuleArn"]
        return YAML.format(
            account=self._twin.account,
            region=self._twin.region,
            endpoint=self._twin.endpoint,
            listener=listener,
            test=test,
            blue=blue,
            green=green,
        )


def _group(elbv2: Any, name: str, network: str) -> str:
    made = elbv2.create_target_group(
        Name=name,
        Protocol="HTTP",
        Port=80,
        VpcId=network,
        TargetType="ip",
        HealthCheckPath="/healthz",
        HealthCheckIntervalSeconds=5,
        HealthCheckTimeoutSeconds=2,
        HealthyThresholdCount=2,
    )
    found = str(made["TargetGroups"][0]["TargetGroupArn"])
    drain = {"Key": "deregistration_delay.timeout_seconds", "Value": "30"}
    elbv2.modify_target_group_attributes(TargetGroupArn=found, Attributes=[drain])
    return found


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOPS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
