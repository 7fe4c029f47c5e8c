"""
Builds an Application Load Balancer with plain boto3, shifts its weights under load, shows where traffic went.

Nothing in here knows Crossfade. It speaks to whatever AWS_ENDPOINT_URL names, and sends its requests to
127.0.0.1, where a twin serves its load balancers:

    crossfade twin up            # prints the `export AWS_ENDPOINT_URL=… …` to paste
    python shift.py              # about half a minute
    python shift.py --flips 160 --requests 205000
"""

import argparse
import asyncio
import math
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import boto3

USERS = 24  # connections, each one request after the other
BAND = 4.0  # standard deviations: a fair split leaves it once in 16,000 looks


class Load:
    """Users who never stop: counts of colours, and of everything that was no answer."""

    def __init__(self, port: int, path: str, grace: float) -> None:
        self.port, self.path, self.grace = port, path, grace
        self.fresh: Counter[str] = Counter()  # of requests that began after `since`
        self.since = 0.0
        self.lost: list[str] = []
        self.sent = 0
        self.over = False

    async def run(self) -> None:
        await asyncio.gather(*(self.user() for _ in range(USERS)))

    async def user(self) -> None:
        ask = f"GET {self.path} HTTP/1.1\r\nHost: shop.example\r\n\r\n".encode()
        reader = writer = None
        while not self.over:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            began = time.monotonic()
            try:
                colour = await asyncio.wait_for(one(reader, writer, ask), 10)
            except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as error:
                colour = None
                self.lost.append(repr(error))
            self.sent += 1
            if colour is None:
                writer.close()
                writer = None
            elif began > self.since:
                self.fresh[colour] += 1
        if writer is not None:
            writer.close()

    async def more(self, count: int) -> Counter[str]:
        """The colours of at least so many further requests, all of them begun when the grace is over."""
        self.since, self.fresh = time.monotonic() + self.grace, Counter()
        while self.fresh.total() < count:  # noqa: ASYNC110  # users count, nobody announces
            await asyncio.sleep(0.005)
        return Counter(self.fresh)


async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ask: bytes) -> str:
    writer.write(ask)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    status = int(head.split(" ", 2)[1])
    length = next(
        int(row.split(":")[1]) for row in head.splitlines() if row.lower().startswith("content-length:")
    )
    body = (await reader.readexactly(length)).decode()
    if status != 200:
        raise ValueError(f"{status} {body[:80]}")
    return body


class Shop:
    """One load balancer: a listener, a rule for /api/*, and two groups of two targets each."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.elb = boto3.client("elbv2")
        self.targets: list[subprocess.Popen[bytes]] = []
        self.groups: dict[str, str] = {}

    def build(self) -> None:
        ec2 = boto3.client("ec2")
        subnets = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
        vpc = subnets[0]["VpcId"]
        made = self.elb.create_load_balancer(
            Name=f"shop-{self.port}", Type="application", Subnets=[one["SubnetId"] for one in subnets[:2]]
        )
        self.balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
        for colour in ("blue", "green"):
            self.groups[colour] = self.group(colour, vpc)
        self.listener = self.elb.create_listener(
            LoadBalancerArn=self.balancer,
            Protocol="HTTP",
            Port=self.port,
            DefaultActions=[self.split(100, 0)],
        )["Listeners"][0]["ListenerArn"]
        self.rule = self.elb.create_rule(
            ListenerArn=self.listener,
            Priority=10,
            Conditions=[{"Field": "path-pattern", "Values": ["/api/*"]}],
            Actions=[self.split(100, 0)],
        )["Rules"][0]["RuleArn"]
        for arn in self.groups.values():
            self.elb.get_waiter("target_in_service").wait(TargetGroupArn=arn, WaiterConfig={"Delay": 1})

    def group(self, colour: str, vpc: str) -> str:
        arn = self.elb.create_target_group(
            Name=f"{colour}-{self.port}",
            Protocol="HTTP",
            Port=80,
            VpcId=vpc,
            TargetType="ip",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        ports = [self.target(colour), self.target(colour)]
        self.elb.register_targets(
            TargetGroupArn=arn, Targets=[{"Id": "127.0.0.1", "Port": port} for port in ports]
        )
        return str(arn)

    def target(self, colour: str) -> int:
        program = Path(__file__).with_name("target.py")
        process = subprocess.Popen([sys.executable, str(program), "0", colour], stdout=subprocess.PIPE)
        self.targets.append(process)
        return int(process.stdout.readline())

    def split(self, blue: int, green: int) -> dict:
        weights = {"blue": blue, "green": green}
        groups = [{"TargetGroupArn": arn, "Weight": weights[colour]} for colour, arn in self.groups.items()]
        return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}

    def shift(self, where: str, blue: int, green: int) -> None:
        if where == "rule":
            self.elb.modify_rule(RuleArn=self.rule, Actions=[self.split(blue, green)])
        else:
            self.elb.modify_listener(ListenerArn=self.listener, DefaultActions=[self.split(blue, green)])

    def demolish(self) -> None:
        if hasattr(self, "balancer"):
            self.elb.delete_load_balancer(LoadBalancerArn=self.balancer)
        for arn in self.groups.values():
            self.elb.delete_target_group(TargetGroupArn=arn)
        for process in self.targets:
            process.terminate()
            process.wait()
            process.stdout.close()


async def show_splits(shop: Shop, loads: dict[str, Load], count: int) -> bool:
    fair = True
    for where, blue, green in (
        ("listener", 90, 10),
        ("rule", 50, 50),
        ("rule", 999, 1),
        ("listener", 25, 75),
        ("rule", 0, 100),
        ("listener", 100, 0),
    ):
        await asyncio.to_thread(shop.shift, where, blue, green)
        seen = await loads[where].more(count)
        total, share = seen.total(), green / (blue + green)
        off = seen["green"] - total * share
        z = off / math.sqrt(total * share * (1 - share)) if 0 < share < 1 else (math.inf if off else 0.0)
        fair = fair and abs(z) <= BAND
        print(
            f"{where:8} {blue:3}/{green:<3}  wanted {share:7.2%} green, seen {seen['green'] / total:7.2%} "
            f"of {total:,}  z {z:+.2f}  {'ok' if abs(z) <= BAND else 'NOT FAIR'}",
            flush=True,
        )
    return fair


async def flip(shop: Shop, loads: dict[str, Load], flips: int, requests: int) -> int:
    """All traffic from one side to the other, again and again; how many went the old way afterwards."""
    late, slowest, begun = 0, 0.0, sum(load.sent for load in loads.values())
    for number in range(flips):
        where = ("listener", "rule")[number % 2]
        to = ("green", "blue")[number // 2 % 2]
        started = time.monotonic()
        await asyncio.to_thread(shop.shift, where, *((0, 100) if to == "green" else (100, 0)))
        slowest = max(slowest, time.monotonic() - started)
        done = sum(load.sent for load in loads.values()) - begun
        seen = await loads[where].more(max(USERS, (requests - done) // (flips - number) // 2))
        late += seen.total() - seen[to]
    print(
        f"flips    {flips}, slowest call {slowest * 1000:.0f} ms, {late} requests the old way after a call",
        flush=True,
    )
    return late


async def main(asked: argparse.Namespace) -> int:
    begun = time.monotonic()
    shop = Shop(asked.port or free_port())
    try:
        await asyncio.to_thread(shop.build)
        print(
            f"built    shop on 127.0.0.1:{shop.port}, targets healthy after {time.monotonic() - begun:.1f} s",
            flush=True,
        )
        loads = {
            "listener": Load(shop.port, "/", asked.grace),
            "rule": Load(shop.port, "/api/x", asked.grace),
        }
        users = [asyncio.create_task(load.run()) for load in loads.values()]
        fair = await show_splits(shop, loads, asked.sample)
        late = await flip(shop, loads, asked.flips, asked.requests)
        for load in loads.values():
            load.over = True
        await asyncio.gather(*users)
    finally:
        shop.demolish()
    lost = [why for load in loads.values() for why in load.lost]
    sent = sum(load.sent for load in loads.values())
    first = f" ({lost[0]})" if lost else ""
    print(f"requests {sent:,}, lost {len(lost)}{first}, {time.monotonic() - begun:.0f} s")
    return 0 if fair and not late and not lost else 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0, help="of the listener; any free one where not given")
    parser.add_argument("--sample", type=int, default=2000, help="requests to judge each split by")
    parser.add_argument("--flips", type=int, default=20)
    parser.add_argument("--requests", type=int, default=6000, help="under the flips, in all")
    parser.add_argument(
        "--grace",
        type=float,
        default=0.02,
        help="seconds from a call until its weights are believed; a busy machine needs more (default 0.02)",
    )
    if "AWS_ENDPOINT_URL" not in os.environ:
        sys.exit(
            "AWS_ENDPOINT_URL is not set. This is for a twin (crossfade twin up), not for a real account."
        )
    sys.exit(asyncio.run(main(parser.parse_args())))
