"""The load generator is bounded, and its client tells a loss from a rightful retry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossfade.demo.traffic import Load, Traffic, main
from crossfade.demo.wire import Answer, ClientConnection, Unsent
from crossfade.errors import UsageError


class TestBounds:
    @pytest.mark.parametrize(
        "changed",
        [
            {"rate": 400.1},
            {"rate": 0.0},
            {"rate": float("nan")},
            {"seconds": 601.0},
            {"seconds": -1.0},
            {"count": 100_001},
            {"slow_ms": 60_001},
            {"timeout": 61.0},
            {"paths": ()},
        ],
    )
    def test_a_load_beyond_a_bound_is_refused(self, changed: dict[str, Any]) -> None:
        with pytest.raises(UsageError):
            Load(port=1, out=Path("never-written"), **changed)

    def test_the_command_refuses_it_as_wrong_usage(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as end:
            main(["--port", "1", "--out", "never-written", "--rate", "4000"])

        assert end.value.code == 2
        assert "CF9101" in capsys.readouterr().err

    def test_before_the_first_report_all_counters_are_zero(self, tmp_path: Path) -> None:
        traffic = Traffic(Load(port=1, out=tmp_path / "client.jsonl"))

        assert traffic.rate().sent == 0
        assert not traffic.rate().finished


class FakeSocket:
    def __init__(self) -> None:
        self.error = 0

    def getsockopt(self, level: int, option: int) -> int:
        return self.error


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.socket = FakeSocket()
        self.wrote = b""
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.wrote += bytes(data)

    def abort(self) -> None:
        self.aborted = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.socket if name == "socket" else default


Happens = Callable[[ClientConnection, FakeTransport], None]
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def outcome(happens: Happens, *, used: bool = False) -> Answer | Unsent:
    """What `ask` answers when this happens to the connection after the request was written."""

    async def play() -> Answer | Unsent:
        connection, transport = ClientConnection(), FakeTransport()
        connection.connection_made(transport)
        if used:
            first = connection.ask(b"first", 5)
            connection.data_received(GOOD)
            assert isinstance(await first, Answer)
        waiter = connection.ask(b"GET", 5)
        happens(connection, transport)
        return await waiter

    return asyncio.run(play())


def fed(*parts: bytes, then_eof: bool = False) -> Happens:
    def happens(connection: ClientConnection, transport: FakeTransport) -> None:
        for part in parts:
            connection.data_received(part)
        if then_eof:
            connection.eof_received()

    return happens


def eof_behind_a_reset(connection: ClientConnection, transport: FakeTransport) -> None:
    transport.socket.error = 32
    connection.eof_received()


class TestOutcomes:
    @pytest.mark.parametrize(
        ("parts", "reusable"),
        [
            ((GOOD,), True),
            (tuple(bytes([byte]) for byte in GOOD), True),
            ((b"HTTP/1.1 100 Continue\r\n\r\n", GOOD), True),
            ((b"HTTP/1.1 204 No Content\r\n\r\n",), True),
            ((b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",), False),
            (
                (
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n",
                    b"\r\n\r\n0\r\n",
                    b"\r\n",
                ),
                True,
            ),
        ],
    )
    def test_a_whole_answer_is_an_answer(self, parts: tuple[bytes, ...], reusable: bool) -> None:
        found = outcome(fed(*parts))

        assert isinstance(found, Answer)
        assert (found.outcome, found.status // 100, found.reusable) == ("answered", 2, reusable)

    def test_a_body_without_a_length_ends_with_the_connection(self) -> None:
        found = outcome(fed(b"HTTP/1.1 200 OK\r\n\r\nall of it", then_eof=True))

        assert found == Answer(outcome="answered", status=200)

    @pytest.mark.parametrize(
        "parts",
        [
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhal",),
        ],
    )
    def test_an_answer_cut_short_is_truncated_with_its_head_kept(self, parts: tuple[bytes, ...]) -> None:
        found = outcome(fed(*parts, then_eof=True))

        assert isinstance(found, Answer)
        assert (found.outcome, found.status) == ("truncated", 200)
        assert found.headers

    def test_what_is_not_http_is_no_answer(self) -> None:
        found = outcome(fed(b"SSH-2.0\r\n\r\n"))

        assert found == Answer(outcome="truncated")

    def test_a_reset_is_a_loss(self) -> None:
        found = outcome(lambda connection, _: connection.connection_lost(ConnectionResetError()))

        assert found == Answer(outcome="reset")

    def test_silence_is_a_timeout(self) -> None:
        async def play() -> Answer | Unsent:
            connection = ClientConnection()
            connection.connection_made(FakeTransport())
            return await connection.ask(b"GET", 0.001)

        assert asyncio.run(play()) == Answer(outcome="timeout")


class TestRetries:
    def test_a_kept_connection_closed_before_the_request_came_may_be_replaced(self) -> None:
        assert outcome(eof_behind_a_reset, used=True) == Unsent()

    def test_a_server_that_took_the_request_and_died_is_a_loss(self) -> None:
        assert outcome(fed(then_eof=True), used=True) == Answer(outcome="truncated")

    def test_a_fresh_connection_is_never_replaced(self) -> None:
        assert outcome(eof_behind_a_reset) == Answer(outcome="truncated")

    def test_a_reset_kept_connection_is_a_loss(self) -> None:
        found = outcome(lambda connection, _: connection.connection_lost(ConnectionResetError()), used=True)

        assert found == Answer(outcome="reset")

    def test_a_connection_seen_closed_while_idle_sends_nothing(self) -> None:
        async def play() -> tuple[Answer | Unsent, bytes]:
            connection, transport = ClientConnection(), FakeTransport()
            connection.connection_made(transport)
            connection.eof_received()
            return await connection.ask(b"GET", 5), transport.wrote

        assert asyncio.run(play()) == (Unsent(), b"")
