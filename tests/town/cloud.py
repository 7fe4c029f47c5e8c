"""A shop behind a load balancer of a twin: builds that already run, and `crossfade` as people type it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crossfade.demo.behaviour import Behaviour
from crossfade.demo.receipt import Join, join
from crossfade.demo.traffic import Load, Traffic
from crossfade.testing import Twin
from town import Said, until

CANARY = "{canary: {steps: [{weight: 10%, bake: 5m}, {weight: 50%, bake: 3m}], keep_old: 3m}}"

YAML = """\
apiVersion: crossfade/v1
service: {service}
aws: {{account: "{account}", region: {region}, endpoint: "{endpoint}"}}
platform:
  alb:
    rules: [{rules}]
    test: {test}
    target_groups: {{blue: {blue}, green: {green}}}
    targets: {{file: "targets/{{revision}}"}}
    health: /healthz
strategy: {strategy}
{more}
"""


class Cloud:
    """One load balancer on a twin, its service, and processes of every build on ports of this machine."""

    def __init__(self, folder: Path, twin: Twin, *, service: str = "shop", rules: int = 1) -> None:
        self.folder, self.twin, self.service = folder, twin, service
        (folder / "targets").mkdir(parents=True, exist_ok=True)
        self.apps: dict[str, list[subprocess.Popen[bytes]]] = {}
        self.elb = twin.client("elbv2", config=patient())
        self.groups = {colour: self._group(colour) for colour in ("blue", "green")}
        self.port = free_port()
        self.listener = self._listener()
        self.test = self._rule(10, {"x-crossfade": "candidate"})
        self.rules = [
            self._rule(1000 - number, {}, f"/{number}/*" if number else "/*") for number in range(rules)
        ]
        self.write()

    def _group(self, colour: str) -> str:
        made = self.elb.create_target_group(
            Name=f"{self.service}-{colour}",
            Protocol="HTTP",
            Port=80,
            TargetType="ip",
            VpcId=self._vpc(),
            HealthCheckPath="/healthz",
            HealthCheckIntervalSeconds=10,
            HealthCheckTimeoutSeconds=3,
            HealthyThresholdCount=2,
        )
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "30"}
        self.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
        return arn

    def _vpc(self) -> str:
        return str(self.twin.client("ec2", config=patient()).describe_vpcs()["Vpcs"][0]["VpcId"])

    def _listener(self) -> str:
        subnets = self.twin.client("ec2", config=patient()).describe_subnets()["Subnets"]
        balancer = self.elb.create_load_balancer(
            Name=self.service, Type="application", Subnets=[one["SubnetId"] for one in subnets[:2]]
        )["LoadBalancers"][0]["LoadBalancerArn"]
        nothing = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
        made = self.elb.create_listener(
            LoadBalancerArn=balancer, Protocol="HTTP", Port=self.port, DefaultActions=[nothing]
        )
        return str(made["Listeners"][0]["ListenerArn"])

    def _rule(self, priority: int, headers: Mapping[str, str], path: str = "/*") -> str:
        conditions: list[Any] = [
            {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": name, "Values": [value]}}
            for name, value in headers.items()
        ] or [{"Field": "path-pattern", "Values": [path]}]
        made = self.elb.create_rule(
            ListenerArn=self.listener, Priority=priority, Conditions=conditions, Actions=self.forward(999, 0)
        )
        return str(made["Rules"][0]["RuleArn"])

    def forward(self, blue: int, green: int) -> list[Any]:
        """The actions that deal out these weights."""
        pair = zip(self.groups.values(), (blue, green), strict=True)
        groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in pair]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]

    # --- builds ----------------------------------------------------------------------------

    def build(self, revision: str, behaviour: Behaviour = Behaviour.GOOD, instances: int = 2) -> None:
        """Processes of a build that run and wait, and the file that lists them."""
        words = ("--revision", revision, "--behaviour", behaviour.value, "--port", "0")
        log = ("--log", str(self.folder / "apps.jsonl"))
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "crossfade.demo.app", *words, *log], stdout=subprocess.PIPE
            )
            for _ in range(instances)
        ]
        self.apps[revision] = started
        ports = [int((app.stdout or sys.stdin.buffer).readline()) for app in started]
        listed = "".join(f"127.0.0.1:{port}\n" for port in ports)
        (self.folder / "targets" / revision).write_text(listed)

    def serve(self, revision: str) -> None:
        """This build's targets stand in the blue group, as they did before anybody knew Crossfade."""
        lines = (self.folder / "targets" / revision).read_text().split()
        targets = [{"Id": line.split(":")[0], "Port": int(line.split(":")[1])} for line in lines]
        self.elb.register_targets(TargetGroupArn=self.groups["blue"], Targets=targets)

    def write(self, *, strategy: str = CANARY, more: str = "", folder: Path | None = None) -> None:
        text = YAML.format(
            service=self.service,
            account=self.twin.account,
            region=self.twin.region,
            endpoint=self.twin.endpoint,
            rules=", ".join(self.rules),
            test=self.test,
            strategy=strategy,
            more=more,
            **self.groups,
        )
        ((folder or self.folder) / "crossfade.yaml").write_text(text)

    # --- what people do --------------------------------------------------------------------

    def run(self, *words: str, patience: float = 120.0, folder: Path | None = None, **env: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "crossfade", *words],
            cwd=folder or self.folder,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str, folder: Path | None = None, **env: str) -> subprocess.Popen[bytes]:
        with ((folder or self.folder) / f"said-{'-'.join(words[:2])}.txt").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "crossfade", *words],
                cwd=folder or self.folder,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def events(self, folder: Path | None = None) -> list[dict[str, Any]]:
        said = self.run("explain", "--json", folder=folder)
        assert said.code == 0, said
        events: list[dict[str, Any]] = json.loads(said.out)["events"]
        return events

    def wait_until_served(self) -> None:
        """Until the load balancer does what its rules say: on a bad day that takes minutes."""
        url = f"http://127.0.0.1:{self.twin.ports()[self.listener]}/healthz"
        until(lambda: _answers(url), 60, lambda: f"{url} is not served")

    @contextmanager
    def users(self, rate: float = 100.0, seconds: float = 590.0) -> Iterator[Traffic]:
        self.wait_until_served()
        load = Load(
            port=self.twin.ports()[self.listener],
            out=self.folder / "client.jsonl",
            rate=rate,
            seconds=seconds,
            slow_ms=1500,
            slow_share=0.002,
            with_parent=True,
        )
        with Traffic(load) as traffic:
            yield traffic
            traffic.stop()

    def receipt(self) -> Join:
        return join(self.folder / "client.jsonl", [self.folder / "apps.jsonl"], {})

    def weights(self) -> list[tuple[int, int]]:
        """Blue and green of every production rule, as configured."""
        found = self.elb.describe_rules(RuleArns=self.rules)["Rules"]
        told = {rule["RuleArn"]: _weights(rule["Actions"]) for rule in found}
        return [(told[arn][self.groups["blue"]], told[arn][self.groups["green"]]) for arn in self.rules]

    def close(self) -> None:
        for app in (app for listed in self.apps.values() for app in listed):
            app.kill()
            app.wait()
            if app.stdout is not None:
                app.stdout.close()


def _answers(url: str) -> bool:
    past_proxies = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with past_proxies.open(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def _weights(actions: list[Any]) -> Mapping[str, int]:
    pair = actions[-1]["ForwardConfig"]["TargetGroups"]
    return {one["TargetGroupArn"]: int(one["Weight"]) for one in pair}


def patient() -> Any:
    """Of boto3: the twin may throttle and fail, and this is not what is tested."""
    from botocore.config import Config  # type: ignore[import-untyped]

    return Config(retries={"total_max_attempts": 30, "mode": "standard"})


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
