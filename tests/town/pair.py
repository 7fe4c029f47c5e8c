"""Two target groups behind a load balancer of a twin, and programs for them: what every town there has."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crossfade.demo.behaviour import Behaviour
from crossfade.testing import Twin

NOTHING: list[Any] = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]


class Pair:
    """A load balancer with the groups blue and green, and the ways in that are made of it."""

    def __init__(
        self, twin: Twin, name: str = "shop", *, health: str = "/healthz", drain_s: int = 30
    ) -> None:
        self.elb, ec2 = twin.client("elbv2", config=patient()), twin.client("ec2", config=patient())
        self._vpc = str(ec2.describe_vpcs()["Vpcs"][0]["VpcId"])
        subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
        self.groups = {
            colour: self._group(f"{name}-{colour}", health, drain_s) for colour in ("blue", "green")
        }
        made = self.elb.create_load_balancer(Name=name, Type="application", Subnets=subnets)
        self.balancer = str(made["LoadBalancers"][0]["LoadBalancerArn"])

    def _group(self, name: str, health: str, drain_s: int) -> str:
        made = self.elb.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=80,
            TargetType="ip",
            VpcId=self._vpc,
            HealthCheckPath=health,
            HealthCheckIntervalSeconds=10,
            HealthCheckTimeoutSeconds=3,
            HealthyThresholdCount=2,
        )
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": str(drain_s)}
        self.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
        return arn

    def forward(self, blue: int, green: int) -> list[Any]:
        """The actions that deal out these weights."""
        pair = zip(self.groups.values(), (blue, green), strict=True)
        groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in pair]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]

    def listener(self, port: int, actions: Sequence[Any]) -> str:
        made = self.elb.create_listener(
            LoadBalancerArn=self.balancer, Protocol="HTTP", Port=port, DefaultActions=list(actions)
        )
        return str(made["Listeners"][0]["ListenerArn"])

    def rule(self, listener: str, priority: int, condition: Any, actions: Sequence[Any]) -> str:
        made = self.elb.create_rule(
            ListenerArn=listener, Priority=priority, Conditions=[condition], Actions=list(actions)
        )
        return str(made["Rules"][0]["RuleArn"])

    def register(self, colour: str, listed: Path) -> None:
        """The targets that stand in a file, one `ip:port` a line."""
        targets = [{"Id": ip, "Port": int(port)} for ip, port in map(_parts, listed.read_text().split())]
        self.elb.register_targets(TargetGroupArn=self.groups[colour], Targets=targets)

    def shares(self, actions: Sequence[Any]) -> tuple[int, int]:
        """Blue's and green's weights in these actions; a lone group has all."""
        last = actions[-1]
        groups = last.get("ForwardConfig", {}).get("TargetGroups") or [
            {"TargetGroupArn": last["TargetGroupArn"], "Weight": 999}
        ]
        found: Mapping[str, int] = {one["TargetGroupArn"]: int(one["Weight"]) for one in groups}
        return found.get(self.groups["blue"], 0), found.get(self.groups["green"], 0)

    def rules(self, arns: Sequence[str]) -> list[tuple[int, int]]:
        """The weights of each of these rules, as configured."""
        found = self.elb.describe_rules(RuleArns=list(arns))["Rules"]
        told = {rule["RuleArn"]: self.shares(rule["Actions"]) for rule in found}
        return [told[arn] for arn in arns]

    def default(self, listener: str) -> tuple[int, int]:
        """The weights of a listener's default action."""
        [found] = self.elb.describe_listeners(ListenerArns=[listener])["Listeners"]
        return self.shares(found["DefaultActions"])


def _parts(line: str) -> tuple[str, str]:
    ip, _, port = line.rpartition(":")
    return ip, port


class Programs:
    """Processes of builds, each on a port of its own, which all write one log."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._running: list[subprocess.Popen[bytes]] = []

    def of(self, revision: str, behaviour: Behaviour = Behaviour.GOOD, instances: int = 2) -> tuple[int, ...]:
        """The ports of a build that runs and waits."""
        words = (
            "--revision",
            revision,
            "--behaviour",
            behaviour.value,
            "--port",
            "0",
            "--log",
            str(self._log),
        )
        started = [
            subprocess.Popen([sys.executable, "-m", "crossfade.demo.app", *words], stdout=subprocess.PIPE)
            for _ in range(instances)
        ]
        self._running += started
        return tuple(int((one.stdout or sys.stdin.buffer).readline().split()[-1]) for one in started)

    def close(self) -> None:
        for one in self._running:
            one.kill()
        for one in self._running:
            one.wait()
            if one.stdout is not None:
                one.stdout.close()


def listed(ports: Sequence[int]) -> str:
    """A revision's file of targets."""
    return "".join(f"127.0.0.1:{port}\n" for port in ports)


def patient() -> Any:
    """Of boto3: the twin may throttle and fail, and this is not what is tested."""
    from botocore.config import Config  # type: ignore[import-untyped]

    return Config(retries={"total_max_attempts": 30, "mode": "standard"})


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
