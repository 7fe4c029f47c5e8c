"""Access-log lines to closed seconds: nothing lost, nothing counted twice, errors told apart."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from crossfade.dataplane import EDGES_MS
from crossfade.dataplane.accesslog import AccessLog
from crossfade.dataplane.counts import KEEP_S, LAG_S, Ledger


def line(at: float, **more: Any) -> dict[str, Any]:
    usual = {"s": "shop.live", "t": str(at), "d": 2000, "ms": 2, "c": "shop.blue", "i": "blue-1"}
    return {**usual, "r": 200, "x": "via_upstream", "f": "-", **more}


class TestEdges:
    def test_they_run_from_half_a_millisecond_to_a_minute_by_the_root_of_1_25(self) -> None:
        ratios = {round(b / a, 9) for a, b in pairwise(EDGES_MS)}

        assert EDGES_MS[0] == 0.5
        assert EDGES_MS[-2] < 60_000 <= EDGES_MS[-1]
        assert ratios == {round(math.sqrt(1.25), 9)}

    @pytest.mark.parametrize(("took_us", "bucket"), [(1, 0), (500, 0), (501, 1), (10**9, len(EDGES_MS))])
    def test_an_edge_belongs_to_the_bucket_below_it(self, took_us: int, bucket: int) -> None:
        ledger = Ledger(99)
        ledger.add(line(100, d=took_us), {})
        ledger.read_up_to(2000)
        counts = ledger.since("shop", 0, "").intervals[0].groups["blue"]

        assert counts.latency[bucket] == sum(counts.latency) == 1


class TestWhatLasts:
    @pytest.mark.parametrize("more", [{"r": 101}, {"k": "text/event-stream; charset=utf-8"}])
    def test_a_socket_and_an_event_stream_are_as_slow_as_their_beginning(self, more: dict[str, Any]) -> None:
        ledger = Ledger(99)
        ledger.add(line(100, d=50_000_000, h=900, **more), {})
        ledger.add(line(100, d=50_000_000, h=900, r=200, k="text/html"), {})
        ledger.read_up_to(2000)
        (slot,) = ledger.since("shop", 0, "").intervals
        counts = slot.groups["blue"]
        buckets = [EDGES_MS[n] for n, number in enumerate(counts.latency) if number]

        assert slot.start == 150.0, "counted when it ended"
        assert buckets[0] < 1.0
        assert buckets[1] > 50_000 / 1.2


class TestKinds:
    @pytest.mark.parametrize(
        ("more", "app", "proxy", "injected"),
        [
            ({}, 0, 0, 0),
            ({"r": 404}, 0, 0, 0),
            ({"r": 500}, 1, 0, 0),
            ({"r": 502, "x": "upstream_reset_before_response_started{connection_termination}"}, 0, 1, 0),
            ({"r": 200, "x": "upstream_reset_after_response_started{remote_reset}"}, 0, 1, 0),
            ({"r": 503, "x": "no_healthy_upstream", "i": None}, 0, 1, 0),
            ({"r": 504, "x": "upstream_response_timeout"}, 0, 1, 0),
            ({"r": 0, "x": "downstream_remote_disconnect"}, 0, 0, 0),
            ({"r": 500, "x": "fault_filter_abort", "f": "FI", "i": None}, 1, 0, 1),
            ({"f": "DI"}, 0, 0, 1),
        ],
    )
    def test_who_answered_decides_whose_error_it_is(
        self, more: dict[str, Any], app: int, proxy: int, injected: int
    ) -> None:
        ledger = Ledger(99)
        ledger.add(line(100, **more), {})
        ledger.read_up_to(102)
        counts = ledger.since("shop", 0, "").intervals[0].groups["blue"]

        assert (counts.app_errors, counts.proxy_errors, counts.injected) == (app, proxy, injected)
        assert counts.requests == sum(counts.latency) == 1

    def test_the_test_listener_and_the_unrouted_are_counted_apart(self) -> None:
        ledger = Ledger(99)
        ledger.add(line(100, s="shop.test", c="shop.green.test"), {})
        ledger.add(line(100, s="shop.test", c=None, r=503, x="direct_response"), {})
        ledger.add(line(100, c=None, r=503, x="direct_response"), {})
        ledger.add(line(100, s="cart.live", c="cart.blue"), {})
        ledger.read_up_to(102)
        (interval,) = ledger.since("shop", 0, "").intervals

        assert interval.groups == {}
        assert {group: c.requests for group, c in interval.test.items()} == {"green": 1, "": 1}
        assert interval.unrouted == 1

    def test_injected_errors_are_dealt_to_the_instances_in_turn(self) -> None:
        ledger = Ledger(99)
        aborted = {"r": 500, "x": "fault_filter_abort", "f": "FI", "i": None}
        for _ in range(6):
            ledger.add(line(100, **aborted), {"shop.blue": ["blue-1", "blue-2"]})
        ledger.read_up_to(102)
        (interval,) = ledger.since("shop", 0, "").intervals

        assert {k: c.requests for k, c in interval.instances["blue"].items()} == {
            "blue-1": 3,
            "blue-2": 3,
        }


class TestTime:
    def test_a_request_belongs_to_the_second_in_which_it_ended(self) -> None:
        ledger = Ledger(99)
        ledger.add(line(100.5, d=1_700_000), {})
        ledger.read_up_to(110)

        assert [i.start for i in ledger.since("shop", 0, "").intervals] == [102.0]

    def test_R28_a_second_is_closed_only_when_the_log_was_read_beyond_it(self) -> None:
        ledger = Ledger(100)
        ledger.add(line(100.1), {})
        ledger.read_up_to(101 + LAG_S - 0.01)
        early = ledger.since("shop", 0, "")
        ledger.read_up_to(101 + LAG_S + 0.01)
        late = ledger.since("shop", 0, "")

        assert (early.intervals, early.watermark) == ((), 100.0)
        assert (len(late.intervals), late.watermark) == (1, 101.0)

    def test_a_late_line_is_counted_in_the_open_second_and_changes_no_closed_one(self) -> None:
        ledger = Ledger(100)
        ledger.add(line(100.1), {})
        ledger.read_up_to(105)
        closed = ledger.since("shop", 0, "").intervals
        ledger.add(line(100.2), {})
        ledger.read_up_to(110)
        after = ledger.since("shop", 0, "").intervals

        assert after[0] == closed[0]
        assert sum(i.groups["blue"].requests for i in after) == 2

    def test_old_seconds_are_forgotten_and_said_to_be(self) -> None:
        ledger = Ledger(100)
        ledger.add(line(100.1), {})
        ledger.read_up_to(100 + KEEP_S + 1000)
        counted = ledger.since("shop", 0, "")

        assert counted.intervals == ()
        assert counted.known_from > 101
        assert KEEP_S >= 7200, "at least two hours"


class TestFile:
    """The reader, one round at a time, over a file that a stand-in for Envoy writes."""

    @pytest.fixture(autouse=True)
    def setup(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr("time.time", lambda: 1000.0)
        self.path = tmp_path / "access.log"
        self.seen = 1000.0
        self.reopened = 0
        self.log = AccessLog(self.path, proxy_seen=lambda: self.seen, instances=dict, reopen=self.reopen)
        yield
        self.log._file.close()

    def reopen(self) -> None:
        self.reopened += 1

    def write(self, count: int) -> None:
        with self.path.open("a") as out:
            out.writelines(json.dumps(line(1000.0)) + "\n" for _ in range(count))

    def requests(self) -> int:
        self.log._ledger.read_up_to(1010)
        counted = self.log.counted("shop", 0)
        return sum(i.groups["blue"].requests for i in counted.intervals)

    def test_rotation_loses_no_line_and_is_no_outage(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("crossfade.dataplane.logfile.ROTATE_BYTES", 1000)
        self.write(20)
        with self.path.open("a") as old:  # Envoy goes on with the old file until it reopens
            self.log._round()
            renamed = not self.path.exists()
            old.write(json.dumps(line(1000.0)) + "\n")
        self.log._round()
        between = self.log.counted("shop", 0).problem
        self.write(3)
        self.log._round()

        assert renamed
        assert self.reopened
        assert between == ""
        assert self.requests() == 24

    def test_R24_unreadable_is_not_silent(self) -> None:
        self.write(1)
        self.log._round()
        silent = self.log.counted("shop", 0)
        self.seen = 990.0
        self.log._round()
        frozen = self.log.counted("shop", 0)
        self.seen = 1000.0
        self.path.unlink()
        self.log._round()
        gone = self.log.counted("shop", 0)

        assert silent.problem == ""
        assert frozen.problem == "Envoy does not answer"
        assert gone.problem.endswith("is gone")
        assert silent.watermark == frozen.watermark == gone.watermark

    def test_half_a_line_waits_for_its_other_half_and_rubbish_is_passed_over(self) -> None:
        text = json.dumps(line(1000.0))
        self.path.write_text(text[:20])
        self.log._round()
        self.path.write_text(text + "\n{rubbish\n" + text + "\n")
        self.log._round()

        assert self.requests() == 2
