"""Real requests through the twin's load balancer, real boto3: our counts are what users got, side by side."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from crossfade.aws import Door, Where
from crossfade.aws.twin import twin_ports, twin_time
from crossfade.release.plan import Plan
from crossfade.signals.arms import Arms, dimension
from crossfade.signals.cloudwatch import CloudWatch
from crossfade.testing import Twin

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(150)]

PLAN = Plan(
    release="r1",
    service="shop",
    stable="v1",
    candidate="v2",
    on=(),
    back=(),
    gates=(),
    judging={"gates": {"errors": {}, "latency": {"at_most": 1.25, "must_see": 2.0, "at": [0.5, 0.99]}}},
)


@contextmanager
def app(name: str, *, every_tenth_fails: bool) -> Iterator[ThreadingHTTPServer]:
    served = Counter[str]()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # no connection outlives its server

        def do_GET(self) -> None:
            with lock:
                served[name] += self.path != "/"
                bad = every_tenth_fails and self.path != "/" and served[name] % 10 == 0
            self.send_response(500 if bad else 200)
            self.send_header("Content-Length", "0")
            self.send_header("x-side", name)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Front:
    """A load balancer with two groups, of which the candidate gets one request in five."""

    def __init__(self, twin: Twin, stable: int, candidate: int) -> None:
        elb, ec2 = twin.client("elbv2"), twin.client("ec2")
        subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        made = elb.create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
        groups = {}
        for name, port in (("stable", stable), ("candidate", candidate)):
            group = elb.create_target_group(
                Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip", HealthCheckIntervalSeconds=30
            )["TargetGroups"][0]["TargetGroupArn"]
            elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": port}])
            groups[name] = group
        weights = [
            {"TargetGroupArn": groups["stable"], "Weight": 80},
            {"TargetGroupArn": groups["candidate"], "Weight": 20},
        ]
        action = {"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}
        listener = elb.create_listener(
            LoadBalancerArn=made, Protocol="HTTP", Port=8080, DefaultActions=[action]
        )["Listeners"][0]["ListenerArn"]
        self.port = twin_ports(twin.endpoint)[listener]
        self.arms = Arms(
            load_balancer=dimension(made),
            stable=dimension(groups["stable"]),
            candidate=dimension(groups["candidate"]),
        )
        self._wait(elb, groups)

    def _wait(self, elb: Any, groups: dict[str, str]) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            found = [
                one["TargetHealth"]["State"]
                for group in groups.values()
                for one in elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
            ]
            if found == ["healthy", "healthy"]:
                return
            time.sleep(0.2)
        raise AssertionError(f"never healthy: {found}")

    def ask(self, many: int) -> Counter[tuple[str, int]]:
        """(side, status) of so many requests, one after the other; a side that did not answer is empty."""
        got: Counter[tuple[str, int]] = Counter()
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        for _ in range(many):
            link.request("GET", "/buy")
            answer = link.getresponse()
            answer.read()
            got[answer.getheader("x-side") or "", answer.status] += 1
        link.close()
        return got


class TwinPace:
    """The twin's time as it is now."""

    def __init__(self, endpoint: str) -> None:
        said = twin_time(endpoint)
        self.factor, self._real, self._twin = said.factor, said.real, said.twin

    def real(self, instant: datetime) -> float:
        return self._real + (instant.timestamp() - self._twin) / self.factor

    def instant(self, epoch: float) -> datetime:
        return datetime.fromtimestamp(self._twin + (epoch - self._real) * self.factor, UTC)


def test_what_users_got_is_what_is_counted_even_where_no_target_answered() -> None:
    with (
        app("stable", every_tenth_fails=False) as stable,
        app("candidate", every_tenth_fails=True) as candidate,
        Twin(clock=20, account="123456789012") as twin,
    ):
        front = Front(twin, stable.server_address[1], candidate.server_address[1])
        begun = TwinPace(twin.endpoint).instant(time.time()).timestamp() - 120
        got = front.ask(2000)
        candidate.shutdown()
        candidate.server_close()  # nobody listens: 502, until health checks see it
        got += front.ask(150)
        time.sleep(1.0)  # the proxy's log is read to its end, before the clock jumps
        twin.advance(900)
        pace = TwinPace(twin.endpoint)
        where = Where(account="123456789012", region=twin.region, endpoint=twin.endpoint)
        source = CloudWatch(Door(where), lambda _plan: front.arms, pace)
        edges = source.edges_ms(PLAN)
        found = source.slots(PLAN, pace.real(datetime.fromtimestamp(begun, UTC)), edges)

    assert not found.problem
    sums = {
        side: Counter[str](
            requests=sum(int(getattr(slot, side)["requests"]) for slot in found.intervals),
            errors=sum(round(getattr(slot, side)["errors"]) for slot in found.intervals),
            times=sum(int(sum(getattr(slot, side)["latency"])) for slot in found.intervals),
        )
        for side in ("stable", "candidate")
    }
    lost = sum(count for (side, _), count in got.items() if not side)
    answered = got["candidate", 200] + got["candidate", 500]
    assert got["candidate", 500] > 20
    assert lost > 5
    assert sums["stable"] == Counter(requests=got["stable", 200], errors=0, times=got["stable", 200])
    assert sums["candidate"] == Counter(
        requests=answered + lost, errors=got["candidate", 500] + lost, times=answered
    )
    assert not any(slot.aside for slot in found.intervals)
