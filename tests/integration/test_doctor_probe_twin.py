"""`doctor --probe` on a twin with a real Envoy behind it: what it finds, and that nothing of it stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from crossfade.aws import Door, Where
from crossfade.cli import doctor_probe
from crossfade.cli.doctor import doctor
from crossfade.doctor.probe import FILE, Ledger, Pace, Wish, clean, compare, differences, probe
from crossfade.doctor.probe.declared import IMPLIED, NOT_ON_A_TWIN, calls
from crossfade.doctor.probe.making import TAG
from crossfade.errors import PlatformError, UsageError
from crossfade.testing import Twin

pytestmark = pytest.mark.real

QUICK = Pace(flips=2, quiet_s=4.0, split=60, metrics_s=120.0, look_s=1.0)
STEPS = ["ground", "build", "targets", "flips", "split", "sticky", "abort", "drain", "metrics", "teardown"]


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with Twin(clock=20.0) as made:
        yield made


@pytest.fixture(autouse=True)
def mended(twin: Twin) -> Iterator[None]:
    yield
    twin.mend()


def door(twin: Twin) -> Door:
    return Door(Where(account=twin.account, region=twin.region, endpoint=twin.endpoint))


def run(twin: Twin, folder: Path) -> dict[str, Any]:
    ledger = Ledger(folder / FILE)
    return probe(door(twin), ledger, folder / "trace.json", wish=Wish(), pace=QUICK, say=lambda _: None)


def things(twin: Twin) -> dict[str, list[str]]:
    """What is there now of a probe's."""
    elbv2, ec2 = twin.client("elbv2"), twin.client("ec2")
    return {
        "balancers": [one["LoadBalancerName"] for one in elbv2.describe_load_balancers()["LoadBalancers"]],
        "groups": [one["TargetGroupName"] for one in elbv2.describe_target_groups()["TargetGroups"]],
        "walls": [
            one["GroupName"]
            for one in ec2.describe_security_groups()["SecurityGroups"]
            if one["GroupName"].startswith("crossfade-probe-")
        ],
    }


NOTHING: dict[str, list[str]] = {"balancers": [], "groups": [], "walls": []}


def test_it_measures_and_leaves_nothing(twin: Twin, tmp_path: Path) -> None:
    document = run(twin, tmp_path)
    figures = {one["name"]: one["figures"] for one in document["steps"]}

    assert [one["name"] for one in document["steps"]] == STEPS
    assert not [one["failed"] for one in document["steps"] if one.get("failed")]
    assert figures["flips"]["lost"] == figures["abort"]["lost"] == figures["drain"]["lost"] == 0
    assert abs(figures["split"]["standard_deviations_off"]) < 5
    assert figures["sticky"] == {
        "held_by_cookie_at_weight_0": "5 of 5",
        "held_after_stickiness_off": "0 of 5",
    }
    assert figures["drain"]["unused_after_s"] >= 30
    assert things(twin) == NOTHING
    assert json.loads((tmp_path / "trace.json").read_text()) == document
    assert not (tmp_path / FILE).exists()


def test_the_policy_of_a_probe_allows_what_it_calls_and_nothing_that_it_does_not(
    twin: Twin, tmp_path: Path
) -> None:
    before = twin.ask("GET", "/twin/actions")["seq"]
    run(twin, tmp_path)

    made = {(one["service"], one["action"]) for one in twin.actions(before)}
    declared = {(one.service, one.action) for one in calls(twin.account, twin.region)}
    assert made - declared == set()
    # Proved by the door before a probe begins.
    assert declared - made == IMPLIED | NOT_ON_A_TWIN | {("sts", "GetCallerIdentity")}


def test_everything_is_tagged_named_and_written_down_before_it_is_made(twin: Twin, tmp_path: Path) -> None:
    before = twin.ask("GET", "/twin/actions")["seq"]
    twin.fault("fail_before", action="CreateListener", code="ValidationError", status=400)
    said: list[str] = []
    with pytest.raises(PlatformError, match="ValidationError"):
        probe(
            door(twin), Ledger(tmp_path / FILE), tmp_path / "t", wish=Wish(), pace=QUICK, say=said.append
        )  # fmt: skip

    made = [
        one for one in twin.actions(before) if one["action"].startswith("Create") and one["status"] == 200
    ]
    names = [line.rpartition(" ")[2] for line in said if line.startswith("make ")]
    assert [one["action"] for one in made] == [
        "CreateSecurityGroup",
        "CreateLoadBalancer",
        "CreateLoadBalancer",
    ]
    assert all(name.startswith("crossfade-probe-") for name in names)
    tagged = [one for one in made if one["service"] == "elbv2"]
    assert all(TAG in json.dumps(one["params"]) for one in tagged)
    assert things(twin) == NOTHING


def test_answers_that_are_lost_and_throttled_calls_are_made_again(twin: Twin, tmp_path: Path) -> None:
    for kind in ("drop_after", "throttle", "fail_after"):
        twin.fault(kind, service="elbv2", probability=0.1)
    document = run(twin, tmp_path)
    codes = {call["code"] for one in document["steps"] for call in one["calls"]}

    assert codes - {""}
    assert [one["name"] for one in document["steps"]] == STEPS
    assert things(twin) == NOTHING


@pytest.mark.long
def test_two_traces_of_one_twin_have_no_differences(twin: Twin, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    lines = compare(run(twin, tmp_path), run(twin, tmp_path / "other"))

    assert [line for line in lines if "differs" in line] == []
    assert differences(lines) == 0


KILLED = """
import sys, pathlib
from crossfade.aws import Door, Where
from crossfade.doctor.probe import *
door = Door(Where(account=sys.argv[1], region=sys.argv[2], endpoint=sys.argv[3]))
folder = pathlib.Path(sys.argv[4])
say = lambda line: print(line, flush=True)
probe(door, Ledger(folder / FILE), folder / "t", wish=Wish(), pace=Pace(), say=say)
"""


@pytest.mark.parametrize("at", ["make load-balancer", "make target-group", "step flips"])
def test_a_killed_probe_is_cleaned_up_by_the_next_command(twin: Twin, tmp_path: Path, at: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, twin.account, twin.region, twin.endpoint, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(at):
            break
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    time.sleep(0.2)  # what was under way in the twin is done or not
    ledger = Ledger(tmp_path / FILE)

    with pytest.raises(UsageError, match="has not cleaned up after itself"):
        run(twin, tmp_path)
    assert clean(door(twin), ledger, say=lambda _: None) > 0
    assert things(twin) == NOTHING
    assert not ledger.path.exists()
    assert clean(door(twin), ledger, say=lambda _: None) == 0


class TestTheVerb:
    def spec(self, folder: Path, endpoint: str = "") -> str:
        aws = f'{{account: "123456789012", region: eu-west-1{endpoint}}}'
        text = (
            f"apiVersion: crossfade/v1\nservice: shop\nstrategy: canary\naws: {aws}\n"
            "platform: {local: {command: 'sleep {port}', port: 0}}\n"
        )
        (folder / "crossfade.yaml").write_text(text)
        return str(folder / "crossfade.yaml")

    def run(self, *args: str) -> Any:
        return CliRunner().invoke(doctor, args, catch_exceptions=False, standalone_mode=False)

    def test_a_trace_is_compared_without_making_anything(self, tmp_path: Path) -> None:
        trace = {"version": 1, "where": {"kind": "aws", "region": "eu-west-1"}, "steps": []}
        for name in ("crossfade-probe.json", "other.json"):
            (tmp_path / name).write_text(json.dumps(trace))
        result = self.run("--probe", "--compare", str(tmp_path / "other.json"), "--file", self.spec(tmp_path))

        assert result.return_value == 0
        assert result.stdout == "mine   AWS, eu-west-1\nother  AWS, eu-west-1\n\n"
        assert result.stderr == "0 differences\n"

    def test_what_is_no_trace_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "crossfade-probe.json").write_text("{}")

        with pytest.raises(UsageError, match="is not the trace of a probe"):
            self.run("--probe", "--compare", "other.json", "--file", self.spec(tmp_path))

    def test_on_aws_the_price_is_shown_and_without_an_answer_nothing_is_made(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        asked = doctor_probe.Asked(
            yes=False,
            clean=False,
            compare=None,
            trace=None,
            subnets=None,
            cidr="198.51.100.7/32",
            internal=False,
        )
        with pytest.raises(UsageError, match="the probe spends money"):
            doctor_probe.ask(Door(Where(account="123456789012", region="eu-west-1")), asked, tmp_path / FILE)

        said = capsys.readouterr().err
        assert "It makes, in account 123456789012, eu-west-1:" in said
        assert "0.05 to 0.10 USD" in said
        assert "open to 198.51.100.7/32" in said

    def test_on_a_twin_nothing_is_asked_and_nothing_left_is_said(self, twin: Twin, tmp_path: Path) -> None:
        file = self.spec(tmp_path, f', endpoint: "{twin.endpoint}"')
        result = self.run("--probe", "--clean", "--file", file)

        assert result.return_value == 0
        assert result.stderr == "nothing was left\n"
