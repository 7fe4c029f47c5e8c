"""What `doctor` says on this machine: its screen, its code, who counts, and a state that lies here."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from crossfade.cli.doctor import doctor
from crossfade.cli.render.doctor import data, lines
from crossfade.doctor import here
from crossfade.doctor.check import Check, State, examined, exit_code, ok
from crossfade.doctor.signals import signals
from crossfade.errors import AccessError, PlatformError, RefusedError
from crossfade.spec import CloudWatchSignals, PrometheusSignals, ScrapeSignals, Signals
from crossfade.spec.load import load_spec
from crossfade.spec.places import S3Place

SCREENS = Path(__file__).parent / "screens"


def states(checks: Any) -> dict[str, str]:
    return {one.name: one.state.value for one in checks}


class TestACheckThatFails:
    def test_hides_no_other(self) -> None:
        def broken() -> Iterator[Check]:
            yield ok("first", "is well")
            raise PlatformError("CF4307", "nobody answers", "it is away", "wait")

        checks = tuple(examined([("away", broken), ("here", lambda: [ok("here", "is well")])]))

        assert states(checks) == {"first": "ok", "away": "FAIL", "here": "ok"}
        assert (checks[1].id, checks[1].why, checks[1].fix) == ("CF4307", "it is away", "wait")

    @pytest.mark.parametrize(
        ("errors", "code"),
        [
            ((), 0),
            ((RefusedError("CF1", "no"),), 11),
            ((AccessError("CF2", "no"),), 3),
            ((RefusedError("CF1", "no"), AccessError("CF2", "no")), 3),
        ],
    )
    def test_is_told_by_the_exit_code_credentials_first(
        self, errors: tuple[Exception, ...], code: int
    ) -> None:
        def raising(error: Exception) -> Any:
            def look() -> Iterator[Check]:
                yield from ()
                raise error

            return look

        warned = Check(name="w", state=State.WARN, said="so so")
        checks = (*examined([(str(at), raising(error)) for at, error in enumerate(errors)]), warned)

        assert exit_code(checks) == code


class TestTheScreen:
    CHECKS = (
        ok("identity", "arn:aws:iam::123456789012:user/anna in account 123456789012"),
        Check(
            name="draining",
            state=State.WARN,
            said="shop-blue takes 900 s",
            why="a release waits 600 s",
            fix="aws …",
        ),
        Check(name="rules", state=State.FAIL, said="none is there", id="CF3049", why="R49", fix="correct it"),
        Check(
            name="permissions to change",
            state=State.UNKNOWN,
            said="4 calls: a, b, c, d",
            why="IAM was not asked",
        ),
    )

    def test_is_this(self) -> None:
        assert "\n".join(lines("shop on alb", self.CHECKS)) + "\n" == (SCREENS / "doctor.txt").read_text()

    def test_as_data_has_the_same_and_no_empty_fields(self) -> None:
        assert data("shop", self.CHECKS, 11) == {
            "service": "shop",
            "exit_code": 11,
            "checks": [
                {
                    "name": "identity",
                    "state": "ok",
                    "what": "arn:aws:iam::123456789012:user/anna in account 123456789012",
                },
                {
                    "name": "draining",
                    "state": "warn",
                    "what": "shop-blue takes 900 s",
                    "why": "a release waits 600 s",
                    "fix": "aws …",
                },
                {
                    "name": "rules",
                    "state": "fail",
                    "id": "CF3049",
                    "what": "none is there",
                    "why": "R49",
                    "fix": "correct it",
                },
                {
                    "name": "permissions to change",
                    "state": "not_checked",
                    "what": "4 calls: a, b, c, d",
                    "why": "IAM was not asked",
                },
            ],
        }


class TestTheVerbOnThisMachine:
    def run(self, folder: Path, text: str, *args: str) -> Any:
        (folder / "crossfade.yaml").write_text(text)
        return CliRunner().invoke(
            doctor,
            ["--file", str(folder / "crossfade.yaml"), *args],
            catch_exceptions=False,
            standalone_mode=False,
        )

    TEXT = (
        "apiVersion: crossfade/v1\nservice: shop\nstrategy: canary\n"
        "platform: {local: {command: 'sleep {port}', port: 0}}\n"
    )

    def test_a_service_that_could_be_released_is_exit_0_and_makes_nothing(self, tmp_path: Path) -> None:
        result = self.run(tmp_path, self.TEXT, "--json")
        said = json.loads(result.stdout)

        assert result.return_value == 0
        assert {one["name"]: one["state"] for one in said["checks"]} == dict.fromkeys(
            ("envoy", "command", "platform", "state", "gates", "signals"), "ok"
        )
        assert [one.name for one in tmp_path.iterdir()] == ["crossfade.yaml"]

    def test_a_program_that_is_nowhere_is_exit_11(self, tmp_path: Path) -> None:
        result = self.run(tmp_path, self.TEXT.replace("sleep", "./serve"))

        assert result.return_value == 11
        assert "FAIL" in result.stdout
        assert "CF4206" in result.stdout

    def test_R18_an_alarm_that_cannot_be_reached_is_in_the_way(self, tmp_path: Path) -> None:
        gates = 'gates: {paging: {alarms: [{http: "http://127.0.0.1:1/alarm"}]}}\n'
        result = self.run(tmp_path, self.TEXT + gates, "--json")
        said = {one["name"]: one for one in json.loads(result.stdout)["checks"]}

        assert result.return_value == 11
        assert said["gate paging"]["id"] == "CF3018"
        assert "http://127.0.0.1:1/alarm cannot be reached" in said["gate paging"]["what"]

    def test_gates_that_only_observe_warn(self, tmp_path: Path) -> None:
        gates = 'gates: {paging: {mode: observe, alarms: [{http: "http://127.0.0.1:1/alarm"}]}, errors: {}}\n'
        result = self.run(tmp_path, self.TEXT + gates, "--json")

        assert {one["name"]: one["state"] for one in json.loads(result.stdout)["checks"]}[
            "gate paging"
        ] == "warn"
        assert result.return_value == 0


class Shows(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path.startswith(("/metrics", "/api/v1/query?")) else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def page() -> Iterator[int]:
    """A port of this machine where somebody shows counters."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shows)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


class TestWhoCounts:
    SPEC = load_spec(Path(__file__).parent / "specs" / "alb.yaml")

    def asked(self, source: Signals, *targets: tuple[str, int]) -> dict[str, Check]:
        return {one.name: one for one in signals(replace(self.SPEC, signals=source), targets)}

    def test_minutes_are_warned_about_with_what_would_be_faster(self) -> None:
        found = self.asked(CloudWatchSignals())["signals"]

        assert found.state is State.WARN
        assert "stopped in up to 5.5 min" in found.said
        assert "scrape" in found.fix

    def test_instances_that_show_their_counters_here_are_ok(self, page: int) -> None:
        found = self.asked(ScrapeSignals(), ("127.0.0.1", page))

        assert found["signals"].state is State.OK
        assert found["scrape"].said == "1 of 1 instances answer /metrics from here"

    def test_one_that_is_not_reached_from_here_is_in_the_way(self, page: int) -> None:
        found = self.asked(ScrapeSignals(), ("127.0.0.1", page), ("127.0.0.1", 1))["scrape"]

        assert (found.state, found.id) == (State.FAIL, "CF3066")
        assert "1 of 2 instances do not show counters here: http://127.0.0.1:1/metrics" in found.said

    def test_a_page_that_is_another_is_no_counters(self, page: int) -> None:
        found = self.asked(ScrapeSignals(path="/other"), ("127.0.0.1", page))["scrape"]

        assert "it answered 404" in found.said

    def test_counters_may_be_at_a_port_of_their_own(self, page: int) -> None:
        assert self.asked(ScrapeSignals(port=page), ("127.0.0.1", 1))["scrape"].state is State.OK

    def test_while_nobody_serves_nobody_can_be_asked(self) -> None:
        assert self.asked(ScrapeSignals())["scrape"].state is State.UNKNOWN

    def test_a_prometheus_is_asked(self, page: int) -> None:
        there, nowhere = (
            PrometheusSignals(url=f"http://127.0.0.1:{port}", stable="a", candidate="b") for port in (page, 1)
        )

        assert self.asked(there)["prometheus"].state is State.OK
        assert self.asked(nowhere)["prometheus"].id == "CF3066"


class TestAStateOnThisMachine:
    SPEC = load_spec(Path(__file__).parent / "specs" / "alb.yaml")

    def test_is_worse_for_a_service_on_aws(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CI", raising=False)
        (check,) = here.off_this_machine(self.SPEC)

        assert check.state is State.WARN

    def test_is_refused_on_a_runner(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CI", "true")

        with pytest.raises(RefusedError, match="on a CI runner"):
            list(here.off_this_machine(self.SPEC))

    def test_is_as_good_as_a_twin_that_is_on_it_too(self) -> None:
        assert self.SPEC.aws is not None
        twin = replace(self.SPEC, aws=replace(self.SPEC.aws, endpoint="http://127.0.0.1:4566"))

        assert list(here.off_this_machine(twin)) == []

    def test_in_a_bucket_it_is_not_on_this_machine(self) -> None:
        place = S3Place(bucket="acme", prefix="prod", account="123456789012", region="eu-west-1")

        assert list(here.off_this_machine(replace(self.SPEC, state=place))) == []
