"""Where listeners are served."""

from __future__ import annotations

import socket
import threading

import pytest

from crossfade.twin.balancer.seats import Seats


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The ports that are taken by others; free ones are dealt out from 50000 on."""
    taken: set[int] = set()
    fresh = iter(range(50_000, 60_000))
    monkeypatch.setattr("crossfade.twin.balancer.seats._free", lambda port, *_: port not in taken)
    monkeypatch.setattr(
        "crossfade.twin.balancer.seats.free_port",
        lambda avoid: next(port for port in fresh if port not in avoid),
    )
    return taken


class TestSeats:
    def test_a_port_is_as_asked_for_where_that_can_be(self, free: set[int]) -> None:
        free.add(8443)
        seats = Seats()
        asked = [("a", 8080), ("b", 80), ("c", 8443), ("d", 8080), ("e", 9001)]
        seats.want(asked, avoid=[50_000, 9001])

        assert seats.ports() == {"a": 8080, "b": 50_001, "c": 50_002, "d": 50_003, "e": 50_004}

    def test_a_listener_keeps_its_port_whatever_else_comes_and_goes(self, free: set[int]) -> None:
        seats = Seats()
        seats.want([("a", 80), ("b", 8080)], avoid=[])
        before = seats.ports()
        free.update(before.values())  # they are bound now, by ourselves
        seats.want([("c", 80), ("b", 8080), ("a", 80)], avoid=[])

        assert {arn: seats.ports()[arn] for arn in before} == before

    def test_a_listener_that_is_asked_for_elsewhere_moves(self, free: set[int]) -> None:
        seats = Seats()
        seats.want([("a", 8080)], avoid=[])
        seats.want([("a", 9090)], avoid=[])

        assert seats.ports() == {"a": 9090}

    def test_whoever_lost_the_race_for_a_port_gets_another(self, free: set[int]) -> None:
        seats = Seats()
        seats.want([("a", 8080), ("b", 9090)], avoid=[])
        free.update((8080, 9090))

        assert seats.move(avoid=[50_000], ours=[9090])
        assert seats.ports() == {"a": 50_001, "b": 9090}
        assert not seats.move(avoid=[], ours=[9090, 50_001])

    def test_a_port_that_was_ours_is_waited_for(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = held.getsockname()[1]
        seats = Seats()
        seats.want([("a", port)], avoid=[])
        with socket.create_server(
            ("127.0.0.1", port)
        ) as bound:  # as Envoy is, for a moment after its listener
            seats.want([], avoid=[])
            threading.Timer(0.1, bound.close).start()
            seats.want([("b", port)], avoid=[])

        assert seats.ports() == {"b": port}
