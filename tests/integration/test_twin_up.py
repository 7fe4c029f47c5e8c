"""`crossfade twin up` as a process: what it says, what it serves, what it leaves behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from twin_world import forward

from crossfade.testing import Twin

pytestmark = pytest.mark.real

UP = [sys.executable, "-m", "crossfade", "twin", "up"]


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with Twin(seed=5) as made:
        yield made


def children(pid: int) -> set[int]:
    """All descendants, whichever thread started them."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rsplit(")", 1)[1].split()[1])
    found, waiting = set[int](), {pid}
    while waiting:
        waiting = {child for child, parent in parents.items() if parent in waiting} - found
        found |= waiting
    return found


def living(pids: set[int]) -> set[int]:
    def lives(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
        except OSError:
            return False

    return {pid for pid in pids if lives(pid)}


def until(holds: Callable[[], bool], seconds: float = 15.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return holds()


def get(port: int, path: str = "/", **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Answers())
    with opener.open(request, timeout=10) as reply:
        return reply.status, reply.read().decode()


class _Answers(urllib.request.HTTPErrorProcessor):
    def http_response(self, request: Any, response: Any) -> Any:
        return response


def fixed(text: str) -> dict[str, Any]:
    return {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": text}}


class Shop:
    """A load balancer of a name of its own in a shared twin."""

    def __init__(self, twin: Twin, name: str, **more: Any) -> None:
        self.twin, self.name = twin, name
        self.elb = twin.client("elbv2", **more)
        subnets = twin.client("ec2", **more).describe_subnets()["Subnets"]
        self.vpc = subnets[0]["VpcId"]
        self.arn = self.elb.create_load_balancer(Name=name, Subnets=[one["SubnetId"] for one in subnets[:2]])[
            "LoadBalancers"
        ][0]["LoadBalancerArn"]

    def listener(self, port: int, action: dict[str, Any]) -> str:
        made = self.elb.create_listener(
            LoadBalancerArn=self.arn, Protocol="HTTP", Port=port, DefaultActions=[action]
        )
        return str(made["Listeners"][0]["ListenerArn"])

    def group(self, colour: str) -> str:
        made = self.elb.create_target_group(
            Name=f"{self.name}-{colour}",
            Protocol="HTTP",
            Port=80,
            VpcId=self.vpc,
            TargetType="ip",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
        )
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    def health(self, group: str) -> list[str]:
        rows = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return [one["TargetHealth"]["State"] for one in rows]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class TestServing:
    def test_a_listener_is_served_on_its_port_as_soon_as_the_call_returns(self, twin: Twin) -> None:
        port = free_port()
        shop = Shop(twin, "own")
        arn = shop.listener(port, fixed("hello"))

        assert get(port) == (200, "hello")
        assert twin.ports()[arn] == twin.ports()[str(port)] == port

    def test_a_low_port_and_a_taken_one_are_mapped(self, twin: Twin) -> None:
        shop = Shop(twin, "mapped")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen(1)
            low, high = shop.listener(80, fixed("low")), shop.listener(taken.getsockname()[1], fixed("high"))
            ports = twin.ports()

            assert get(ports[low]) == (200, "low")
            assert get(ports[high]) == (200, "high")
            assert ports["80"] == ports[low] >= 1024
            assert ports[high] != taken.getsockname()[1]

    def test_weights_are_in_force_when_the_call_has_returned(self, twin: Twin, colours: Colours) -> None:
        shop = Shop(twin, "weights")
        blue, green = shop.group("blue"), shop.group("green")
        for arn, port in ((blue, colours.blue), (green, colours.green)):
            shop.elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": "127.0.0.1", "Port": port}])
        listener = shop.listener(8080, forward((blue, 1), (green, 0)))
        port = twin.ports()[listener]
        for arn in (blue, green):
            shop.elb.get_waiter("target_in_service").wait(TargetGroupArn=arn, WaiterConfig={"Delay": 1})
        seen = []
        for weights in ((0, 1), (1, 0), (0, 999), (999, 0)):
            shop.elb.modify_listener(
                ListenerArn=listener, DefaultActions=[forward((blue, weights[0]), (green, weights[1]))]
            )
            time.sleep(0.02)
            seen.append({get(port)[1] for _ in range(20)})
        shop.elb.deregister_targets(
            TargetGroupArn=green, Targets=[{"Id": "127.0.0.1", "Port": colours.green}]
        )
        after = shop.health(green)

        assert seen == [{"green"}, {"blue"}, {"green"}, {"blue"}]
        assert after == ["draining"]
        twin.advance(301)
        assert until(lambda: not shop.health(green))

    def test_propagation_leaves_the_old_weights_in_force_for_a_while(self, twin: Twin) -> None:
        shop = Shop(twin, "late")
        listener = shop.listener(port := free_port(), fixed("old"))
        twin.fault("propagation", delay=600)
        shop.elb.modify_listener(ListenerArn=listener, DefaultActions=[fixed("new")])
        described = shop.elb.describe_listeners(ListenerArns=[listener])["Listeners"][0]["DefaultActions"][0]
        before = get(port)
        twin.advance(601)

        assert described["FixedResponseConfig"]["MessageBody"] == "new"
        assert before == (200, "old")
        assert until(lambda: get(port) == (200, "new"))
        twin.mend()


class TestBadDays:
    @pytest.mark.parametrize("preset", ["typical", "bad-day"])
    def test_a_patient_client_gets_through_and_traffic_ends_where_the_api_says(self, preset: str) -> None:
        with Twin(preset, seed=2, clock=60) as twin:
            patient = Config(retries={"mode": "standard", "total_max_attempts": 20})
            shop = Shop(twin, "patient", config=patient)
            listener = shop.listener(port := free_port(), fixed("0"))
            for number in range(1, 25):
                shop.elb.modify_listener(ListenerArn=listener, DefaultActions=[fixed(str(number))])
            rows = twin.actions()
            twin.mend()
            twin.advance(200)
            made = shop.elb.describe_load_balancers()["LoadBalancers"]
            served = until(lambda: get(port) == (200, "24"))

        assert served
        assert len(made) == 1
        assert any(row["fault"] for row in rows) or preset == "typical"
        assert sum(row["action"] == "ModifyListener" and row["done"] for row in rows) >= 24


class Colours:
    """Two servers that answer with their colour."""

    def __init__(self) -> None:
        program = Path(__file__).parents[2] / "examples" / "twin" / "target.py"
        self.processes = [
            subprocess.Popen([sys.executable, str(program), "0", colour], stdout=subprocess.PIPE)
            for colour in ("blue", "green")
        ]
        self.blue, self.green = (int(one.stdout.readline()) for one in self.processes if one.stdout)

    def stop(self) -> None:
        for one in self.processes:
            one.kill()
            one.wait()
            if one.stdout:
                one.stdout.close()


@pytest.fixture
def colours() -> Iterator[Colours]:
    made = Colours()
    yield made
    made.stop()


class TestComingAndGoing:
    def test_it_says_everything_in_one_line_and_ends_on_sigterm_without_a_trace(self, tmp_path: Path) -> None:
        begun = time.monotonic()
        process = subprocess.Popen(
            [
                *UP,
                "--json",
                *["--preset", "bad-day", "--seed", "9", "--clock", "4", "--account", "210987654321"],
            ],
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        took = time.monotonic() - begun
        mine = children(process.pid)
        answered = get(int(said["endpoint"].rsplit(":", 1)[1]), "/twin")
        process.send_signal(signal.SIGTERM)
        code = process.wait(20)
        rest = process.stdout.read()
        process.stdout.close()

        assert (said["preset"], said["seed"], said["factor"]) == ("bad-day", 9, 4.0)
        assert (said["pid"], said["account"], said["ports"]) == (process.pid, "210987654321", {})
        assert len(said["not_modelled"]) > 5
        assert answered[0] == 200
        assert (code, rest) == (0, b"")
        assert mine
        assert living(mine) == set()
        assert list(tmp_path.iterdir()) == []
        assert took < 30  # about 2.5 s where nothing else runs

    def test_it_explains_itself_to_people(self) -> None:
        process = subprocess.Popen(UP, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("Ctrl-C"):
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        code = process.wait(20)
        process.stdout.close()

        text = "".join(lines)
        assert code == 0
        assert "preset instant" in text
        assert "export AWS_ENDPOINT_URL=http://127.0.0.1:" in text
        assert "not modelled" in text

    def test_killed_its_envoy_dies_too(self) -> None:
        with Twin() as twin:
            mine = children(twin.pid)
            os.kill(twin.pid, signal.SIGKILL)

            assert mine
            assert until(lambda: not living(mine | {twin.pid}))

    def test_when_the_test_that_started_it_is_killed_it_ends(self) -> None:
        program = (
            "import time; from crossfade.testing import Twin; t = Twin(); t.start(); "
            "print(t.pid, flush=True); time.sleep(600)"
        )
        parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        mine = children(pid) | {pid}
        parent.kill()
        parent.wait()
        parent.stdout.close()

        assert len(mine) > 1
        assert until(lambda: not living(mine))

    def test_a_taken_port_is_exit_2_and_names_the_holder(self, twin: Twin) -> None:
        port = twin.endpoint.rsplit(":", 1)[1]

        said = subprocess.run([*UP, "--port", port], capture_output=True, text=True, timeout=60, check=False)

        assert said.returncode == 2
        assert said.stderr.startswith(f"CF4311 port {port} on 127.0.0.1 cannot be used")
        assert f"pid {twin.pid}" in said.stderr

    def test_without_the_extra_it_is_exit_2_and_says_what_to_install(self, tmp_path: Path) -> None:
        (tmp_path / "moto.py").write_text("raise ImportError('No module named moto')")
        env = {**os.environ, "PYTHONPATH": str(tmp_path)}

        said = subprocess.run(UP, capture_output=True, text=True, timeout=60, check=False, env=env)

        assert said.returncode == 2
        assert said.stderr.startswith("CF4310")
        assert "pip install 'crossfade[twin]'" in said.stderr

    def test_an_account_is_twelve_digits(self) -> None:
        said = subprocess.run(
            [*UP, "--account", "12"], capture_output=True, text=True, timeout=60, check=False
        )

        assert (said.returncode, said.stderr[:6]) == (2, "CF4313")


class TestOutside:
    def test_real_looking_credentials_and_proxies_change_nothing(self) -> None:
        env = {
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AWS_PROFILE": "production",
            "AWS_ENDPOINT_URL": "http://192.0.2.1",
            "HTTP_PROXY": "http://192.0.2.1:3128",
            "https_proxy": "http://192.0.2.1:3128",
            "MOTO_ACCOUNT_ID": "999999999999",
        }
        with Twin(env=env) as twin:
            assert twin.client("sts").get_caller_identity()["Account"] == "123456789012"
            assert Shop(twin, "a").listener(free_port(), fixed("x"))

    def test_what_would_call_out_is_stopped_in_the_twin(self, twin: Twin) -> None:
        sns = twin.client("sns")
        topic = sns.create_topic(Name="t")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint="http://192.0.2.1/hook")
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint="http://example.com/hook")
        begun = time.monotonic()
        with contextlib.suppress(ClientError):
            sns.publish(TopicArn=topic, Message="m")

        assert time.monotonic() - begun < 5
        assert "LeavesLoopback" in twin.log

    @pytest.mark.skipif(shutil.which("strace") is None, reason="strace shows what the kernel was asked for")
    def test_not_a_packet_leaves_loopback(self, tmp_path: Path) -> None:
        trace = tmp_path / "trace"
        env = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "HTTP_PROXY": "http://192.0.2.1:3128",
            "HTTPS_PROXY": "http://192.0.2.1:3128",
        }
        words = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(trace)]
        process = subprocess.Popen([*words, *UP, "--json"], stdout=subprocess.PIPE, env=env)
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        twin = Twin()
        twin._facts = said
        shop = Shop(twin, "traced")
        shop.listener(port := free_port(), fixed("x"))
        twin.client("cloudwatch").put_metric_data(Namespace="A", MetricData=[{"MetricName": "m", "Value": 1}])
        twin.client("s3").list_buckets()
        answered = get(port)
        os.kill(said["pid"], signal.SIGTERM)
        process.wait(30)
        process.stdout.close()
        inet = [line for line in trace.read_text().splitlines() if "AF_INET" in line]

        assert answered == (200, "x")
        assert [line for line in inet if "127.0.0.1" not in line and '"::1"' not in line] == []
