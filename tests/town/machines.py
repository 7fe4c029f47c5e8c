"""A twin with a load balancer and a bucket for the state, and machines that share nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]

from crossfade.demo.traffic import Load, Traffic
from crossfade.testing import Twin
from town import Said

FACTOR = 30.0
"""The twin's minutes pass in two seconds; leases, heartbeats and processes are real."""

REGION = "eu-west-1"
BUCKET = "acme-crossfade"

YAML = """\
apiVersion: crossfade/v1
service: shop
aws: {{account: "123456789012", region: {region}, endpoint: "{endpoint}"}}
state: s3://{bucket}/prod
platform:
  alb:
    rules: ["{listener}"]
    test: "{test}"
    target_groups: {{blue: "{blue}", green: "{green}"}}
    targets: {{file: "targets/{{revision}}"}}
    health: /healthz
strategy: {{canary: {{steps: [{{weight: 10%, bake: {bake}}}], keep_old: 2m}}}}
gates: {{errors: {{must_see: 90%}}, latency: {{at: [p50], must_see: 90x}}}}
judging: {{warm_up: 1s}}
"""


class Cloud:
    """One account: a load balancer with two groups, and two programs a revision."""

    def __init__(self, folder: Path, twin: Twin) -> None:
        self.folder = folder
        self._twin = twin
        self._programs: list[subprocess.Popen[bytes]] = []
        where = {"LocationConstraint": REGION}
        self.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        self.elb = self.client("elbv2")
        self.port = _free()
        self._build()
        self.targets = {revision: self._programs_of(revision) for revision in ("v1", "v2", "v4")}

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._twin.endpoint,
            region_name=REGION,
            aws_access_key_id="a",
            aws_secret_access_key="person",  # noqa: S106  # nobody's
            config=Config(proxies={}),
        )

    def _build(self) -> None:
        ec2 = self.client("ec2")
        subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
        made = self.elb.create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0]
        self.balancer, vpc = made["LoadBalancerArn"], ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.blue, self.green = (self._group(name, vpc) for name in ("blue", "green"))
        self.listener, self.test = self._listener(self.port), self._listener(_free())

    def _group(self, name: str, vpc: str) -> str:
        made = self.elb.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=80,
            VpcId=vpc,
            TargetType="ip",
            HealthCheckPath="/healthz",
            HealthCheckIntervalSeconds=10,
            HealthyThresholdCount=2,
        )
        arn: str = made["TargetGroups"][0]["TargetGroupArn"]
        drain = {"Key": "deregistration_delay.timeout_seconds", "Value": "10"}
        self.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[drain])
        return arn

    def _listener(self, port: int) -> str:
        groups = [{"TargetGroupArn": self.blue, "Weight": 999}, {"TargetGroupArn": self.green, "Weight": 0}]
        action = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
        made = self.elb.create_listener(
            LoadBalancerArn=self.balancer, Protocol="HTTP", Port=port, DefaultActions=[action]
        )
        arn: str = made["Listeners"][0]["ListenerArn"]
        return arn

    def _programs_of(self, revision: str) -> tuple[int, ...]:
        log = str(self.folder / "apps.jsonl")
        words = ["--port", "0", "--revision", revision, "--behaviour", "good", "--log", log]
        ports = []
        for _ in range(2):
            program = subprocess.Popen(
                [sys.executable, "-m", "crossfade.demo.app", *words], stdout=subprocess.PIPE
            )
            self._programs.append(program)
            assert program.stdout is not None
            ports.append(int(program.stdout.readline().split()[-1]))
        return tuple(ports)

    @property
    def url(self) -> str:
        """The state, as `--state` takes it on a machine that has no file."""
        said = f"account=123456789012&region={REGION}&endpoint={self._twin.endpoint}"
        return f"s3://{BUCKET}/prod?{said}"

    def machine(self, name: str, bake: str = "60m") -> Machine:
        """A folder with a checkout of the service, and nothing of any other machine."""
        folder = self.folder / name
        (folder / "targets").mkdir(parents=True)
        for revision, ports in self.targets.items():
            (folder / "targets" / revision).write_text("".join(f"127.0.0.1:{port}\n" for port in ports))
        arns = {"listener": self.listener, "test": self.test, "blue": self.blue, "green": self.green}
        text = YAML.format(region=REGION, endpoint=self._twin.endpoint, bucket=BUCKET, bake=bake, **arns)
        (folder / "crossfade.yaml").write_text(text)
        return Machine(folder)

    def weights(self) -> set[int]:
        actions = self.elb.describe_listeners(ListenerArns=[self.listener])["Listeners"][0]["DefaultActions"]
        return {one["Weight"] for one in actions[0]["ForwardConfig"]["TargetGroups"]}

    @contextmanager
    def users(self) -> Iterator[None]:
        load = Load(port=self.port, out=self.folder / "client.jsonl", rate=50, seconds=300, with_parent=True)
        with Traffic(load) as traffic:
            yield
            traffic.stop()

    def answers(self) -> tuple[int, list[dict[str, Any]]]:
        """How many requests there were, and those that were not answered with 200."""
        every = [json.loads(line) for line in (self.folder / "client.jsonl").read_text().splitlines()]
        return len(every), [one for one in every if one.get("status") != 200]

    def close(self) -> None:
        for program in self._programs:
            program.terminate()
        for program in self._programs:
            program.wait(90)
            assert program.stdout is not None
            program.stdout.close()


class Machine:
    """Where `crossfade` is typed; `apart`: in a container, whose pids and name are no one else's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "said.txt").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "crossfade", *words],
                cwd=self.folder,
                env={**os.environ, "CI": "1"},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def run(self, *words: str, patience: float = 110.0, apart: bool = False) -> Said:
        done = subprocess.run(
            [*(_container() if apart else ()), sys.executable, "-m", "crossfade", *words],
            cwd=self.folder,
            env={**os.environ, "CI": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def lost(self, *processes: subprocess.Popen[bytes]) -> None:
        """It is thrown away: its processes, then its folder."""
        for process in processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder)


def _container() -> tuple[str, ...]:
    """Pids of its own, where this user may have them; without, another folder has to do."""
    words = ("unshare", "--pid", "--fork", "--mount-proc", "--uts")
    with contextlib.suppress(OSError):
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return (*words, "sh", "-c", 'hostname another-machine; exec "$@"', "sh")
    return ()


def _free() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def cloud(folder: Path) -> Iterator[Cloud]:
    with Twin(clock=FACTOR) as twin:
        made = Cloud(folder, twin)
        try:
            yield made
        finally:
            made.close()


def at_10_percent(made: Cloud, process: subprocess.Popen[bytes], patience: float = 120.0) -> None:
    """Until both sides have weight."""
    end = time.monotonic() + patience
    while 0 in made.weights():
        assert process.poll() is None, "the runner has ended"
        assert time.monotonic() < end, "never at 10 %"
        time.sleep(0.3)
