"""
What lives longer than a request, across a promotion and a rollback, through the real Envoy.

Websockets, event streams, downloads and uploads are opened on the version that will go; then all
weight moves away and its instances leave, as a release makes them. Each connection has to end by
itself, or be told goodbye after SIGTERM: none may be reset before the drain is over.
CROSSFADE_LASTING_S sets how long downloads take (default 1; 10 is the long form).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import os
import signal
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from dataplane_world import ready, supervisor_pid, until
from lasting_app import CLOSE, TEXT, accept_of, frame, read_frame

from crossfade.dataplane import Client, Group, Observed, Service, down, ensure_supervisor
from crossfade.dataplane.store import Store

pytestmark = pytest.mark.real

LASTS_S = float(os.environ.get("CROSSFADE_LASTING_S", "1"))
DRAIN_S = 2 * LASTS_S
GRACE_S = 5.0
SOCKETS, DOWNLOADS, STREAMS, UPLOADS = 100, 50, 20, 20


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How one connection ended, and when (UTC epoch)."""

    kind: str
    how: str
    at: float


async def opened(port: int, head: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{head}\r\nhost: shop\r\n".encode())
    return reader, writer


async def socket(port: int, stays: bool, up: asyncio.Semaphore) -> Ended:
    """Says something twice a second; half of the users leave by themselves."""
    key, mask = base64.b64encode(os.urandom(16)).decode(), os.urandom(4)
    reader, writer = await opened(port, "GET /socket HTTP/1.1")
    writer.write(
        "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
        f"sec-websocket-key: {key}\r\n\r\n".encode()
    )
    answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    assert answer.startswith("http/1.1 101")
    assert accept_of(key).lower() in answer
    up.release()
    how, until_ = "", time.time() + LASTS_S
    try:
        while not how:
            over = not stays and time.time() > until_
            writer.write(frame(CLOSE, struct.pack("!H", 1000), mask) if over else frame(TEXT, b"hello", mask))
            await writer.drain()
            opcode, payload = await read_frame(reader)
            if opcode == CLOSE:
                how = f"close frame {struct.unpack('!H', payload[:2])[0]}"
                if not over:
                    writer.write(frame(CLOSE, payload, mask))
            else:
                assert payload == b"hello"
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await reader._wait_for_data("peek")  # type: ignore[attr-defined]  # waits, reads nothing
    except (OSError, asyncio.IncompleteReadError) as error:
        how = f"reset ({type(error).__name__})"
    at = time.time()
    writer.close()
    return Ended(kind="websocket", how=how, at=at)


async def body(kind: str, port: int, path: str, up: asyncio.Semaphore) -> Ended:
    """A download or an event stream, read to its end."""
    reader, writer = await opened(port, f"GET {path} HTTP/1.1")
    writer.write(b"\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    assert head.startswith("http/1.1 200"), head
    up.release()
    how = "finished"
    try:
        if "content-length: " in head:
            await reader.readexactly(int(head.partition("content-length: ")[2].split("\r\n")[0]))
        else:
            while size := int((await reader.readuntil(b"\r\n")), 16):
                await reader.readexactly(size + 2)
            how = "ended by the app"
    except (OSError, asyncio.IncompleteReadError) as error:
        how = f"reset ({type(error).__name__})"
    at = time.time()
    writer.close()
    return Ended(kind=kind, how=how, at=at)


async def upload(port: int, up: asyncio.Semaphore) -> Ended:
    parts = 20
    reader, writer = await opened(port, "POST /upload HTTP/1.1")
    writer.write(f"content-length: {parts * 4096}\r\n\r\n".encode())
    try:
        for number in range(parts):
            writer.write(bytes(4096))
            await writer.drain()
            await asyncio.sleep(LASTS_S / parts)
            if number == 0:
                up.release()
        answer = await reader.readuntil(b"\r\n\r\n")
        size = await reader.readexactly(5)
        how = "finished" if answer.startswith(b"HTTP/1.1 200") and size == b"81920" else "wrong"
    except (OSError, asyncio.IncompleteReadError) as error:
        how = f"reset ({type(error).__name__})"
    at = time.time()
    writer.close()
    return Ended(kind="upload", how=how, at=at)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    down(tmp_path / "state")


def version(revision: str) -> Group:
    app = Path(__file__).with_name("lasting_app.py")
    return Group(
        revision=revision,
        command=(sys.executable, str(app), "{port}", "{revision}"),
        folder=str(app.parent),
        instances=2,
        drain_s=DRAIN_S,
        stop_grace_s=GRACE_S,
    )


def change(client: Client, **fields: object) -> Observed:
    seen = client.observe("shop")
    wanted = replace(seen.service, **fields)  # type: ignore[arg-type]  # fields of Service
    assert client.apply(wanted, seen.generation).applied
    return client.observe("shop")


def printed(folder: Path, group: str, word: str) -> list[float]:
    logs = Store(folder).folder.glob(f"logs/shop-{group}-*.log")
    lines = [line.split() for log in logs for line in log.read_text().splitlines()]
    return [float(line[1]) for line in lines if line[:1] == [word]]


def leave(client: Client, goes: str, stays: str) -> tuple[float, Observed]:
    """What a release does at its end: all weight to one side, silence proved, the other side leaves."""
    change(client, weights={goes: 0, stays: 1000})
    until(lambda: (seen := client.observe("shop").silent_s) is not None and seen[goes] >= 1.0)
    proved = client.observe("shop")
    groups = client.observe("shop").service.groups
    change(client, groups={**groups, goes: None})
    return time.time(), proved


async def across(client: Client, port: int, goes: str, stays: str) -> tuple[list[Ended], float, Observed]:
    up = asyncio.Semaphore(0)
    tasks = [
        asyncio.ensure_future(one)
        for one in (
            *(socket(port, number % 2 == 0, up) for number in range(SOCKETS)),
            *(body("download", port, f"/download/{LASTS_S}", up) for _ in range(DOWNLOADS)),
            *(body("event stream", port, "/events", up) for _ in range(STREAMS)),
            *(upload(port, up) for _ in range(UPLOADS)),
        )
    ]
    for _ in tasks:
        await asyncio.wait_for(up.acquire(), 20)
    out_at, proved = await asyncio.to_thread(leave, client, goes, stays)
    ended = await asyncio.wait_for(asyncio.gather(*tasks), 60)
    return ended, out_at, proved


@pytest.mark.parametrize(
    ("goes", "before"),
    [("blue", {"blue": 1000, "green": 0}), ("green", {"blue": 0, "green": 1000})],
    ids=["promotion", "rollback"],
)
def test_R09_what_lasts_ends_by_itself_or_is_told_goodbye(
    folder: Path, goes: str, before: dict[str, int], request: pytest.FixtureRequest
) -> None:
    stays = "green" if goes == "blue" else "blue"
    client = ensure_supervisor(folder)
    groups = {"blue": version("v1"), "green": version("v2")}
    client.apply(Service(name="shop", groups=groups, weights=before), 0)
    until(lambda: all(len(ready(client.observe("shop"), name)) == 2 for name in groups))
    port = client.observe("shop").listener_port
    assert port is not None
    kept = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    kept.request("GET", "/")
    first = kept.getresponse().read()
    line = kept.sock

    ended, out_at, proved = asyncio.run(across(client, port, goes, stays))
    until(lambda: not [one for one in client.observe("shop").instances if one.group == goes])
    told = min(printed(folder, goes, "SIGTERM"))
    table = Counter((one.kind, one.how) for one in ended)
    cut = client.observe("shop").cut
    kept.request("GET", "/")
    second = kept.getresponse().read()

    print(f"\n{request.node.callspec.id}: SIGTERM {told - out_at:.1f} s after deregistration, cut {cut}")
    for (kind, how), number in sorted(table.items()):
        print(f"  {kind:13} {how:22} {number:4}")
    assert proved.active is not None
    assert proved.active[goes] > 0, "silence was proved while connections went on"
    assert told - out_at >= DRAIN_S - 0.5, "nobody is told before the drain is over"
    assert table == {
        ("websocket", "close frame 1000"): SOCKETS // 2,
        ("websocket", "close frame 1001"): SOCKETS // 2,
        ("download", "finished"): DOWNLOADS,
        ("upload", "finished"): UPLOADS,
        ("event stream", "ended by the app"): STREAMS,
    }
    by_goodbye = [one for one in ended if one.how in ("close frame 1001", "ended by the app")]
    assert all(one.at >= told - 0.05 for one in by_goodbye)
    assert len(printed(folder, goes, "DONE")) == 2, "no app had to be killed"
    assert cut == {goes: SOCKETS // 2 + STREAMS, stays: 0}
    assert "connections that were still open" in Store(folder).supervisor_log.read_text()
    assert (first, second) == ((b"v1", b"v2") if goes == "blue" else (b"v2", b"v1"))
    assert kept.sock is line, "a client's idle connection is the proxy's, and stays"
    kept.close()


def test_an_instance_that_joins_or_leaves_cuts_nobody_on_the_others(folder: Path) -> None:
    client = ensure_supervisor(folder)
    groups = {"blue": replace(version("v1"), instances=1, drain_s=60.0), "green": None}
    client.apply(Service(name="shop", groups=groups, weights={"blue": 1000, "green": 0}), 0)
    until(lambda: len(ready(client.observe("shop"), "blue")) == 1)
    port = client.observe("shop").listener_port
    assert port is not None

    def there(count: int) -> bool:
        return len(ready(client.observe("shop"), "blue")) == count

    async def talk() -> list[Ended]:
        up = asyncio.Semaphore(0)
        tasks = [asyncio.ensure_future(socket(port, False, up)) for _ in range(20)]
        for _ in tasks:
            await asyncio.wait_for(up.acquire(), 20)
        for count in (3, 1):
            more = replace(version("v1"), instances=count, drain_s=60.0)
            await asyncio.to_thread(change, client, groups={"blue": more, "green": None})
            await asyncio.to_thread(until, partial(there, count))
        return await asyncio.wait_for(asyncio.gather(*tasks), 60)

    ended = asyncio.run(talk())

    assert Counter(one.how for one in ended) == {"close frame 1000": 20}
    assert client.observe("shop").cut == {"blue": 0, "green": 0}


def test_R33_what_was_cut_is_remembered_by_the_next_supervisor(folder: Path) -> None:
    client = ensure_supervisor(folder)
    groups = {"blue": replace(version("v1"), instances=1, drain_s=0.2), "green": None}
    client.apply(Service(name="shop", groups=groups, weights={"blue": 1000, "green": 0}), 0)
    until(lambda: len(ready(client.observe("shop"), "blue")) == 1)
    port = client.observe("shop").listener_port
    assert port is not None

    async def stay() -> Ended:
        up = asyncio.Semaphore(0)
        task = asyncio.ensure_future(socket(port, True, up))
        await asyncio.wait_for(up.acquire(), 20)
        nobody = {"weights": {"blue": 0, "green": 0}, "groups": {"blue": None, "green": None}}
        await asyncio.to_thread(change, client, **nobody)
        return await asyncio.wait_for(task, 20)

    ended = asyncio.run(stay())
    assert ended.how == "close frame 1001"
    until(lambda: client.observe("shop").cut["blue"] == 1)
    until(lambda: not client.observe("shop").instances)
    os.kill(supervisor_pid(folder), signal.SIGKILL)

    assert ensure_supervisor(folder).observe("shop").cut == {"blue": 1, "green": 0}


def test_a_websocket_belongs_to_its_users_number_too(folder: Path) -> None:
    client = ensure_supervisor(folder)
    groups = {"blue": replace(version("v1"), instances=1), "green": None}
    client.apply(Service(name="shop", groups=groups, weights={"blue": 1000, "green": 0}, sticky="tok"), 0)
    until(lambda: len(ready(client.observe("shop"), "blue")) == 1)
    port = client.observe("shop").listener_port
    assert port is not None

    async def handshake(cookie: str) -> str:
        reader, writer = await opened(port, "GET /socket HTTP/1.1")
        upgrade = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
        writer.write(f"{upgrade}sec-websocket-key: AAAA\r\n{cookie}\r\n".encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        writer.close()
        return answer

    drawn, kept = (asyncio.run(handshake(cookie)) for cookie in ("", "cookie: crossfade-shop=tok.7\r\n"))
    assert drawn.startswith("HTTP/1.1 101")
    assert "set-cookie: crossfade-shop=tok." in drawn
    assert kept.startswith("HTTP/1.1 101")
    assert "set-cookie" not in kept
