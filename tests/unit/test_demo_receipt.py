"""The receipt's rule on hand-made logs: every class of loss, and who pays for it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from crossfade.demo.receipt import Arm, End, Join, join


def asked(ident: str, **changed: Any) -> dict[str, Any]:
    return {
        "id": ident,
        "sent": 10.0,
        "wall": 1e9,
        "path": "/",
        "kind": "keep-alive",
        "outcome": "answered",
        "status": 200,
        "revision": "v2",
        "pid": 7,
        "ms": 12.0,
        "reconnects": 0,
    } | changed


def lost(ident: str, outcome: str = "reset") -> dict[str, Any]:
    return asked(ident, outcome=outcome, status=0, revision="", pid=0)


def did(ident: str, what: str, pid: int = 7, revision: str = "v2") -> dict[str, Any]:
    return {"id": ident, "revision": revision, "pid": pid, "status": 0, "did": what}


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def join(
        self,
        client: list[dict[str, Any]],
        app: list[dict[str, Any]] = [],  # noqa: B006 - read only
        ends: dict[int, End] = {},  # noqa: B006 - read only
        **more: Any,
    ) -> Join:
        logs = write(self.folder / "app.log", app)
        return join(write(self.folder / "client.jsonl", client), [logs], ends, **more)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def classes(receipt: Join) -> dict[str, int]:
    names = ("ok", "failed_by_bad_app", "failed_by_release_machinery", "lost_in_flight_on_exited")
    return {name: getattr(receipt, name) for name in names if getattr(receipt, name)}


class TestWhoPays:
    def test_a_good_answer_is_ok(self, bench: Bench) -> None:
        assert classes(bench.join([asked("a")], [did("a", "answered")])) == {"ok": 1}

    def test_a_500_that_the_app_answered_is_the_apps(self, bench: Bench) -> None:
        receipt = bench.join([asked("a", status=500)], [did("a", "failed")])

        assert classes(receipt) == {"failed_by_bad_app": 1}

    def test_a_500_with_the_apps_header_is_the_apps_even_if_a_kill_took_its_line(self, bench: Bench) -> None:
        receipt = bench.join([asked("a", status=500)], [], {7: "killed"})

        assert classes(receipt) == {"failed_by_bad_app": 1}

    def test_an_answer_the_app_never_gave_is_the_machinerys(self, bench: Bench) -> None:
        for status in (404, 502, 503, 504):
            receipt = bench.join([asked("a", status=status, revision="", pid=0)])

            assert classes(receipt) == {"failed_by_release_machinery": 1}
            assert receipt.unmatched == ("a",)

    def test_a_503_of_the_proxy_for_a_request_the_app_answered_well_is_the_machinerys(
        self, bench: Bench
    ) -> None:
        receipt = bench.join([asked("a", status=503, revision="", pid=0)], [did("a", "answered")])

        assert classes(receipt) == {"failed_by_release_machinery": 1}
        assert receipt.by_revision["v2"].failed == 1

    def test_a_hung_request_is_the_apps_whatever_the_client_saw(self, bench: Bench) -> None:
        receipt = bench.join(
            [lost("a", "timeout"), asked("b", status=504, revision="", pid=0)],
            [did("a", "hung"), did("b", "hung")],
        )

        assert classes(receipt) == {"failed_by_bad_app": 2}

    def test_a_refused_connection_is_the_machinerys(self, bench: Bench) -> None:
        receipt = bench.join([lost("a", "refused")], [], {7: "exited"})

        assert classes(receipt) == {"failed_by_release_machinery": 1}
        assert receipt.dropped_connections == 1

    def test_a_timeout_without_a_word_of_the_app_is_the_machinerys(self, bench: Bench) -> None:
        receipt = bench.join([lost("a", "timeout")], [did("a", "left")])

        assert classes(receipt) == {"failed_by_release_machinery": 1}
        assert receipt.dropped_connections == 0
        assert receipt.unmatched == ()

    @pytest.mark.parametrize("what", ["abandoned", "left", "answered"])
    def test_only_an_exit_by_itself_excuses_what_was_in_flight(self, bench: Bench, what: str) -> None:
        by_end: dict[End | None, dict[str, int]] = {}
        ends: tuple[End | None, ...] = ("exited", "stopped", "killed", None)
        for end in ends:
            given: dict[int, End] = {} if end is None else {7: end}
            by_end[end] = classes(bench.join([lost("a")], [did("a", what)], given))

        machinery = {"failed_by_release_machinery": 1}
        assert by_end == {
            "exited": {"lost_in_flight_on_exited": 1},
            "stopped": machinery,
            "killed": machinery,
            None: machinery,
        }

    def test_an_answer_cut_short_names_its_process_by_its_header(self, bench: Bench) -> None:
        cut = asked("a", outcome="truncated")

        assert classes(bench.join([cut], [], {7: "exited"})) == {"lost_in_flight_on_exited": 1}
        assert classes(bench.join([cut], [], {7: "stopped"})) == {"failed_by_release_machinery": 1}

    def test_the_proxys_word_names_the_process_of_a_request_without_a_line(self, bench: Bench) -> None:
        receipt = bench.join([lost("a"), lost("b")], [], {7: "exited"}, routed={"a": 7, "b": 8})

        assert classes(receipt) == {"lost_in_flight_on_exited": 1, "failed_by_release_machinery": 1}

    def test_of_two_apps_that_had_it_one_without_an_excuse_is_enough(self, bench: Bench) -> None:
        lines = [did("a", "abandoned", pid=7), did("a", "left", pid=8)]

        assert classes(bench.join([lost("a")], lines, {7: "exited"})) == {"failed_by_release_machinery": 1}
        lines = [did("a", "failed", pid=7), did("a", "left", pid=8)]
        assert classes(bench.join([lost("a")], lines)) == {"failed_by_release_machinery": 1}


class TestWhatIsCounted:
    def test_the_classes_add_up(self, bench: Bench) -> None:
        receipt = bench.join(
            [asked("a"), asked("b", status=500), lost("c"), lost("d"), lost("e", "timeout")],
            [did("d", "abandoned", pid=9)],
            {9: "exited"},
        )

        assert receipt.requests == sum(classes(receipt).values()) == 5
        assert receipt.dropped_connections == 2
        assert sum(arm.requests for arm in receipt.by_revision.values()) == 5

    def test_latency_is_of_good_answers_not_held_on_purpose(self, bench: Bench) -> None:
        times = [asked(str(n), ms=float(n)) for n in range(1, 101)]
        held = [asked("slow", kind="slow", ms=1500.0), asked("bad", status=500, ms=9000.0)]
        receipt = bench.join(times + held)

        assert receipt.by_revision["v2"] == Arm(requests=102, failed=1, p50=50.0, p99=99.0)

    def test_exposure_is_the_candidates_share_of_all_requests(self, bench: Bench) -> None:
        client = [asked("a"), asked("b"), asked("c", revision="v3"), lost("d")]

        receipt = bench.join(client, [did("d", "left", revision="v3")], candidate="v3")
        assert receipt.exposed_share == 0.5
        assert bench.join(client).exposed_share is None
        assert bench.join(client, candidate="v9").exposed_share == 0.0
        assert bench.join([], candidate="v9").exposed_share == 0.0

    def test_a_revision_without_a_header_is_known_from_the_apps_line(self, bench: Bench) -> None:
        receipt = bench.join([asked("a", revision="", pid=0)], [did("a", "answered")])

        assert classes(receipt) == {"ok": 1}
        assert list(receipt.by_revision) == ["v2"]

    def test_only_the_window_counts(self, bench: Bench) -> None:
        client = [asked(str(n), sent=float(n)) for n in range(10)]

        assert bench.join(client, since=2.0, until=5.0).requests == 3

    def test_reconnects_are_counted_beside_not_as_losses(self, bench: Bench) -> None:
        receipt = bench.join([asked("a", reconnects=2)])

        assert (receipt.reconnects, classes(receipt)) == (2, {"ok": 1})

    def test_a_line_cut_by_a_kill_is_counted_and_excuses_nobody(self, tmp_path: Path) -> None:
        client = write(tmp_path / "client", [lost("a")])
        log = write(tmp_path / "app", [did("b", "answered")])
        with log.open("a") as more:
            more.write('{"id": "a", "did": "fai')
        receipt = join(client, [log], {7: "killed"})

        assert receipt.unreadable_lines == 1
        assert classes(receipt) == {"failed_by_release_machinery": 1}

    def test_a_log_that_cannot_be_read_is_no_receipt(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            join(write(tmp_path / "client", []), [tmp_path / "gone"], {})

    def test_no_more_than_ten_unmatched_ids_are_shown(self, bench: Bench) -> None:
        receipt = bench.join([lost(str(n)) for n in range(30)])

        assert (len(receipt.unmatched), receipt.failed_by_release_machinery) == (10, 30)

    def test_thirty_thousand_requests_take_about_a_second_at_most(self, tmp_path: Path) -> None:
        ids = [f"run-{n:06d}" for n in range(30_000)]
        client = write(tmp_path / "client", [asked(i) for i in ids])
        log = write(tmp_path / "app", [did(i, "answered") for i in ids])
        began = time.process_time()
        receipt = join(client, [log], {7: "stopped"})
        took = time.process_time() - began

        assert receipt.ok == 30_000
        assert took < 1.0, f"{took:.2f} s of CPU"
