"""
The twin's load balancers under an open-loop load: who gets what, who is lost, what it costs.

    ./dev run python tests/long/balancers.py [--rate 1000]        about four minutes

Targets and load are processes of their own, so that neither disturbs what is measured here. Every part
prints its figures and fails on what may not be. LIMITS: 2,000 requests/s, 60 s a part.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from balancer_world import BLUE, GREEN, LISTENER, balancing, group, rule, shares, until

from crossfade.dataplane.process import rss_bytes
from crossfade.twin.balancer.model import (
    Target,
)
from crossfade.twin.balancer.service import Balancers
from crossfade.twin.clock import TwinClock

GROUPS = {"blue": BLUE, "green": GREEN}
CONNECTIONS = 50
TICKS = os.sysconf("SC_CLK_TCK")


# --- processes of their own -------------------------------------------------------------------


class Target_(asyncio.Protocol):  # noqa: N801
    """Answers its name; 503 on its health path while the file named by `ill` is there."""

    name, ill = b"", Path("/")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for request in data.split(b"\r\n\r\n")[:-1]:
            status = b"503 Ill" if request.startswith(b"GET /healthz") and self.ill.exists() else b"200 OK"
            head = b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(self.name), self.name)
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.write(head)


async def serve(name: str, ill: str) -> None:
    Target_.name, Target_.ill = name.encode(), Path(ill)
    server = await asyncio.get_running_loop().create_server(Target_, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def load(port: int, rate: float, seconds: float, out: str) -> None:
    """One line a request: when it was sent and over (epoch), and who answered, or its failure."""
    lines: list[str] = []
    begun = time.time() + 0.2
    count = int(min(rate, 2000) * min(seconds, 60))

    async def user(number: int) -> None:
        streams = None
        for turn in range(number, count, CONNECTIONS):
            await asyncio.sleep(max(0.0, begun + turn / rate - time.time()))
            sent = time.time()
            try:
                async with asyncio.timeout(15):
                    if streams is None:
                        streams = await asyncio.open_connection("127.0.0.1", port)
                    reader, writer = streams
                    writer.write(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                    body = await reader.readexactly(length)
                status = head[9:12].decode()
                said = body.decode() if status == "200" else status
                if b"connection: close" in head.lower():
                    writer.close()
                    streams = None
            except (OSError, ValueError, asyncio.IncompleteReadError) as error:
                said, streams = type(error).__name__, None
            lines.append(f"{sent:.6f} {time.time():.6f} {said}\n")

    await asyncio.gather(*(user(number) for number in range(CONNECTIONS)))
    Path(out).write_text("".join(lines))  # noqa: ASYNC240  # all is over


@contextmanager
def child(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, __file__, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


# --- the world --------------------------------------------------------------------------------


class Sums:
    """A sink that adds up, by name and target group."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def record(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        *,
        at: float,
        value: float,
        count: float = 1.0,
        unit: str = "None",
    ) -> None:
        self.counts[name, dimensions.get("TargetGroup", "")] += int(count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    sent: float
    over: float
    said: str


@dataclass
class World:
    balancers: Balancers
    sums: Sums
    targets: dict[str, list[Target]]
    folder: Path
    rate: float
    delay: float = 0.0
    seen: Counter[str] | None = None

    def apply(self, blue: int, green: int, members: Mapping[str, list[Target]] | None = None) -> float:
        given = members or {}
        groups = [
            group(arn, *given.get(name, self.targets[name]), deregistration_delay_s=5)
            for name, arn in GROUPS.items()
        ]
        self.balancers.apply(balancing((rule(shares(blue, green)),), *groups))
        return time.time()

    @contextmanager
    def load(self, seconds: float) -> Iterator[list[Answer]]:
        """The answers are there when the block has ended and the load with it."""
        out = self.folder / "answers"
        found: list[Answer] = []
        port = str(self.balancers.ports()[LISTENER])
        with child("load", port, str(self.rate), str(seconds), str(out)) as process:
            time.sleep(0.5)
            yield found
            process.wait()
        for line in out.read_text().splitlines():
            sent, over, said = line.split(" ")
            found.append(Answer(sent=float(sent), over=float(over), said=said))

    def healthy(self) -> None:
        until(
            lambda: all(
                row.state in ("healthy", "draining")
                for arn in GROUPS.values()
                for row in self.balancers.health(arn)
            )
        )


@contextmanager
def world(rate: float) -> Iterator[World]:
    with (
        tempfile.TemporaryDirectory() as folder,
        child("serve", "blue", f"{folder}/ill") as blue,
        child("serve", "green", f"{folder}/ill") as green,
        child("serve", "blue", f"{folder}/ill") as more,
    ):
        ports = {}
        for name, process in (("blue", blue), ("green", green), ("more", more)):
            assert process.stdout is not None
            ports[name] = int(process.stdout.readline())
        targets = {
            "blue": [Target(ip="127.0.0.1", port=ports["blue"]), Target(ip="127.0.0.1", port=ports["more"])],
            "green": [Target(ip="127.0.0.1", port=ports["green"])],
        }
        sums = Sums()
        balancers = Balancers(Path(folder) / "twin", TwinClock(), sums, lambda: here.delay)
        here = World(balancers=balancers, sums=sums, targets=targets, folder=Path(folder), rate=rate)
        balancers.start()
        try:
            here.apply(1, 0)
            here.healthy()
            yield here
        finally:
            balancers.stop()


def tally(found: list[Answer]) -> Counter[str]:
    return Counter(one.said for one in found)


def lost(found: list[Answer]) -> int:
    return sum(number for said, number in tally(found).items() if said not in GROUPS)


# --- parts ------------------------------------------------------------------------------------


def split(here: World) -> None:
    for blue, green in ((90, 10), (99, 1), (999, 1)):
        here.apply(blue, green)
        with here.load(20) as found:
            pass
        seen, n, p = tally(found), len(found), green / (blue + green)
        z = (seen["green"] - n * p) / math.sqrt(n * p * (1 - p))
        print(f"split {blue}/{green}: {seen['green']} of {n} = {seen['green'] / n:.3%}, z {z:+.2f}")
        assert abs(z) < 4
        assert not lost(found)


def flips(here: World) -> None:
    turns: list[tuple[float, float, str]] = []  # asked, returned, to whom
    with here.load(55) as found:
        while len(turns) < 60:
            name = "green" if len(turns) % 2 == 0 else "blue"
            asked = time.time()
            turns.append((asked, here.apply(int(name == "blue"), int(name == "green")), name))
            time.sleep(0.85)
    ends = [*(asked for asked, _, _ in turns[1:]), math.inf]
    # A request counts that was over before the next flip: else it may have met that one.
    late = sorted(
        max(
            (a.sent - returned for a in found if a.sent > returned - 1 and a.over < end and a.said != name),
            default=-1.0,
        )
        for (_, returned, name), end in zip(turns, ends, strict=True)
    )
    slowest = max(returned - asked for asked, returned, _ in turns)
    print(
        f"flips: 60, {lost(found)} of {len(found)} lost; last request sent to the old side after apply "
        f"returned: p50 {late[30] * 1e3:+.1f} ms, max {late[-1] * 1e3:+.1f} ms; slowest apply {slowest:.3f} s"
    )
    assert not lost(found)
    assert late[-1] < 0.1


def leaving(here: World) -> None:
    here.apply(1, 0)
    first, second = here.targets["blue"]
    with here.load(10) as found:
        for members in ([first], [first, second], [second], [second, first]) * 4:
            here.apply(1, 0, {"blue": members})
            here.healthy()
            time.sleep(0.3)
    print(f"deregister and register: 16 changes, {lost(found)} of {len(found)} lost")
    assert not lost(found)


def open_to_all(here: World) -> None:
    here.apply(1, 0)
    with here.load(8) as found:
        (here.folder / "ill").touch()
        until(lambda: all(row.state == "unhealthy" for row in here.balancers.health(GROUPS["green"])))
        until(lambda: sum(r.state == "unhealthy" for r in here.balancers.health(GROUPS["blue"])) == 2)
    (here.folder / "ill").unlink()
    here.healthy()
    print(f"everybody unhealthy: {lost(found)} of {len(found)} lost")
    assert not lost(found)


def later(here: World) -> None:
    here.apply(1, 0)
    here.delay = 3.0
    with here.load(8) as found:
        time.sleep(1)
        begun = time.time()
        here.apply(0, 1)
    here.delay = 0.0
    first = min(one.over for one in found if one.said == "green") - begun
    last = max(one.sent for one in found if one.said == "blue") - begun
    print(f"rules in force 3 s later: first new {first:.3f} s, last old {last:.3f} s, {lost(found)} lost")
    assert not lost(found)
    assert first >= 3.0
    assert last < 3.5


def cost(here: World) -> None:
    here.apply(9, 1)
    proxy = here.balancers._proxy
    reader = here.balancers._measuring
    assert proxy is not None
    assert proxy.process is not None
    assert reader is not None
    before = dict(here.sums.counts)
    spent = _cpu(f"/proc/{proxy.process.pid}/stat"), _cpu(f"/proc/self/task/{reader.native_id}/stat")
    begun = time.monotonic()
    with here.load(30) as found:
        pass
    took = time.monotonic() - begun
    spans = _cpu(f"/proc/{proxy.process.pid}/stat"), _cpu(f"/proc/self/task/{reader.native_id}/stat")
    envoy, log = ((after - start) / took for after, start in zip(spans, spent, strict=True))
    time.sleep(1)
    seen = tally(found)
    measured = {
        name: here.sums.counts["RequestCount", arn.rpartition(":")[2]]
        - before.get(("RequestCount", arn.rpartition(":")[2]), 0)
        for name, arn in GROUPS.items()
    }
    print(
        f"cost at {len(found) / 30:.0f}/s: Envoy {envoy:.2f} core, {rss_bytes(proxy.process.pid) >> 20} MB; "
        f"log reader {log:.3f} core; counted {measured}, clients {dict(seen)}"
    )
    assert measured == {name: seen[name] for name in GROUPS}
    assert log < 0.25 * len(found) / 30 / 2000 * 2


def _cpu(stat: str) -> float:
    with suppress(OSError):
        fields = Path(stat).read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS
    return 0.0


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(*sys.argv[2:]))
        return
    if sys.argv[1:2] == ["load"]:
        port, rate, seconds, out = sys.argv[2:]
        asyncio.run(load(int(port), float(rate), float(seconds), out))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("parts", nargs="*")
    chosen = parser.parse_args()
    parts = {
        "split": split,
        "flips": flips,
        "leaving": leaving,
        "open": open_to_all,
        "later": later,
        "cost": cost,
    }
    with world(chosen.rate) as here:
        for name in chosen.parts or parts:
            parts[name](here)


if __name__ == "__main__":
    main()
