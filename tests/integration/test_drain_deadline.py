"""
The end of a drain, when somebody is still connected: who is told, who is killed, who is counted.

`test_long_lived.py` shows that everything ends well when app and supervisor behave. Here the app
does not go, the supervisor dies in the middle, users keep coming, and one waits to be accepted.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dataplane_world import get, ready, supervisor_pid, until
from lasting_app import CLOSE, TEXT, frame, read_frame

from crossfade.dataplane import Client, Group, Service, down, ensure_supervisor
from crossfade.dataplane.ports import connections
from crossfade.dataplane.store import Store

pytestmark = pytest.mark.real

DRAIN_S = 1.5
GRACE_S = 1.0
PROXY_WAITS_S = 1.0  # Envoy's delayed_close_timeout: from the app's end to the user's
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"mask"


class User:
    """One websocket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def comes(cls, port: int) -> User:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            "GET /socket HTTP/1.1\r\nhost: shop\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            f"sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n\r\n".encode()
        )
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        return cls(reader, writer)

    async def echo(self) -> bytes:
        self._writer.write(frame(TEXT, b"still here", MASK))
        return (await read_frame(self._reader))[1]

    async def end(self) -> tuple[str, float]:
        """How it ended, and when (UTC epoch)."""
        try:
            opcode, payload = await read_frame(self._reader)
            assert opcode == CLOSE
            self._writer.write(frame(CLOSE, payload, MASK))
            return f"close frame {struct.unpack('!H', payload[:2])[0]}", time.time()
        except (OSError, asyncio.IncompleteReadError):
            return "cut", time.time()
        finally:
            self._writer.close()

    def leave(self) -> None:
        self._writer.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    down(tmp_path / "state")


def version(revision: str, app: str = "lasting_app.py") -> Group:
    path = Path(__file__).with_name(app)
    return Group(
        revision=revision,
        command=(sys.executable, str(path), "{port}", "{revision}"),
        folder=str(path.parent),
        drain_s=DRAIN_S,
        stop_grace_s=GRACE_S,
    )


def up(folder: Path, blue: Group) -> tuple[Client, int]:
    """v1 in blue with all the weight, v2 in green, both ready; the production port."""
    client = ensure_supervisor(folder)
    groups = {"blue": blue, "green": version("v2")}
    client.apply(Service(name="shop", groups=groups, weights={"blue": 1000, "green": 0}), 0)
    until(lambda: all(ready(client.observe("shop"), name) for name in groups))
    seen = client.observe("shop")
    assert seen.listener_port is not None
    return client, seen.listener_port


def promote(client: Client) -> float:
    """All weight to green, then blue leaves; when that was."""
    seen = client.observe("shop")
    moved = replace(seen.service, weights={"blue": 0, "green": 1000})
    left = replace(moved, groups={**moved.groups, "blue": None})
    assert client.apply(moved, seen.generation).applied
    assert client.apply(left, seen.generation + 1).applied
    return time.time()


def blue_is_gone(client: Client) -> bool:
    return all(one.group != "blue" for one in client.observe("shop").instances)


def told(folder: Path) -> list[float]:
    """When the instances of blue got SIGTERM, as they printed it."""
    logs = Store(folder).logs.glob("shop-blue-*.log")
    lines = [line.split() for log in logs for line in log.read_text().splitlines()]
    return [float(line[1]) for line in lines if line[:1] == ["SIGTERM"]]


def test_R09_an_app_that_ignores_sigterm_is_killed_after_its_grace_and_its_users_are_counted(
    folder: Path,
) -> None:
    client, port = up(folder, version("v1", "stubborn_app.py"))

    async def users() -> tuple[float, list[tuple[str, float]]]:
        here = [await User.comes(port) for _ in range(10)]
        out = await asyncio.to_thread(promote, client)
        return out, await asyncio.wait_for(asyncio.gather(*(user.end() for user in here)), 20)

    out, ends = asyncio.run(users())
    until(lambda: blue_is_gone(client))
    [at] = told(folder)

    assert DRAIN_S - 0.3 <= at - out < DRAIN_S + 1
    assert {how for how, _ in ends} == {"cut"}
    first, last = min(when - at for _, when in ends), max(when - at for _, when in ends)
    print(f"\n  first {first:.2f} last {last:.2f} s after SIGTERM")
    assert GRACE_S - 0.1 <= first <= last < GRACE_S + PROXY_WAITS_S + 1
    assert client.observe("shop").cut == {"blue": 10, "green": 0}
    assert "10 connections" in Store(folder).supervisor_log.read_text()
    assert get(port) == (200, "v2")


def test_R09_who_comes_during_the_drain_is_on_the_side_that_stays(folder: Path) -> None:
    client, port = up(folder, version("v1"))

    async def users() -> tuple[list[str], list[bytes], set[tuple[int, str]]]:
        before = [await User.comes(port) for _ in range(10)]
        await asyncio.to_thread(promote, client)
        ends = asyncio.ensure_future(asyncio.gather(*(user.end() for user in before)))
        late: list[User] = []
        answers = set()
        while not ends.done():
            if len(late) < 50:
                late.append(await User.comes(port))
            answers.add(await asyncio.to_thread(get, port))
        await asyncio.to_thread(until, lambda: blue_is_gone(client))
        echoes = [await asyncio.wait_for(user.echo(), 5) for user in late]
        for user in late:
            user.leave()
        return [how for how, _ in await ends], echoes, answers

    ends, echoes, answers = asyncio.run(users())

    assert ends == ["close frame 1001"] * 10
    assert len(echoes) >= 10
    assert set(echoes) == {b"still here"}, "blue is gone, so they are not on it"
    assert answers == {(200, "v2")}
    assert client.observe("shop").cut == {"blue": 10, "green": 0}


def test_R33_a_supervisor_that_dies_during_a_drain_neither_cuts_nor_prolongs_it(folder: Path) -> None:
    client, port = up(folder, replace(version("v1"), drain_s=3.0))

    async def users() -> tuple[float, list[tuple[str, float]]]:
        here = [await User.comes(port) for _ in range(10)]
        out = await asyncio.to_thread(promote, client)
        await asyncio.sleep(1.5)  # half of the drain is over
        os.kill(supervisor_pid(folder), signal.SIGKILL)
        await asyncio.to_thread(ensure_supervisor, folder)
        assert await asyncio.gather(*(user.echo() for user in here)) == [b"still here"] * 10
        return out, await asyncio.wait_for(asyncio.gather(*(user.end() for user in here)), 20)

    out, ends = asyncio.run(users())
    client = ensure_supervisor(folder)
    until(lambda: blue_is_gone(client))
    [at] = told(folder)

    assert 2.7 <= at - out < 4.2, "not 1.5 + 3"
    assert {how for how, _ in ends} == {"close frame 1001"}
    assert client.observe("shop").cut == {"blue": 10, "green": 0}


def test_R09_who_waits_to_be_accepted_is_in_flight() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        users = [socket.socket() for _ in range(5)]
        for user in users:
            user.setblocking(False)
            user.connect_ex(("127.0.0.1", port))
        found = connections(os.getpid(), port)
        for user in users:
            user.close()

    assert found == 5
