"""The demo's app without sockets: how long answers take, and how requests are read."""

from __future__ import annotations

import random

import pytest

from crossfade.demo.app import _parse, main
from crossfade.demo.behaviour import Behaviour, service_time


def drawn(*, slow: bool) -> list[float]:
    rng = random.Random(1)
    return sorted(service_time(rng, slow=slow) for _ in range(40_000))


class TestServiceTime:
    def test_good_has_p50_of_12_ms_and_p99_of_60_ms(self) -> None:
        times = drawn(slow=False)

        assert times[20_000] == pytest.approx(0.012, rel=0.03)
        assert times[39_600] == pytest.approx(0.060, rel=0.06)

    def test_slow_triples_p99_and_leaves_p50_alone(self) -> None:
        good, slow = drawn(slow=False), drawn(slow=True)

        assert slow[20_000] == good[20_000]
        assert slow[39_600] / good[39_600] == pytest.approx(3.0, rel=0.05)

    def test_slow_touches_twelve_requests_of_a_hundred(self) -> None:
        rng, twin = random.Random(2), random.Random(2)
        touched = sum(service_time(rng, slow=True) != service_time(twin, slow=False) for _ in range(40_000))

        assert touched / 40_000 == pytest.approx(0.12, rel=0.1)


class TestReading:
    def test_a_request_is_read_with_its_query_and_id(self) -> None:
        request = _parse(b"GET /slow?ms=20&x HTTP/1.1\r\nHost: a\r\nX-Request-Id: Ab-1\r\n\r\nGET")

        assert request is not None
        assert (request.path, request.query["ms"], request.id) == ("/slow", "20", "Ab-1")
        assert request.keep
        assert request.size == 59

    def test_a_request_waits_for_its_whole_body(self) -> None:
        head = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n"

        assert _parse(head + b"ab") is None
        whole = _parse(head + b"abc")
        assert whole is not None
        assert whole.size == len(head) + 3

    def test_the_connection_ends_when_asked_or_with_http_1_0(self) -> None:
        for text in (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"):
            request = _parse(text)

            assert request is not None
            assert not request.keep

    def test_a_chunked_body_is_marked_to_be_refused(self) -> None:
        request = _parse(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")

        assert request is not None
        assert request.refused

    @pytest.mark.parametrize(
        "nonsense", [b"\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\ncontent-length: -9\r\n\r\n"]
    )
    def test_nonsense_is_an_error(self, nonsense: bytes) -> None:
        with pytest.raises(ValueError, match=r"."):
            _parse(nonsense)


def test_an_unknown_behaviour_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--port", "0", "--revision", "v1", "--behaviour", "odd"])

    said = capsys.readouterr().err
    assert all(name in said for name in ("odd", *Behaviour))
