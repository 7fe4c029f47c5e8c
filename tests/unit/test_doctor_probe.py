"""The parts of a probe: the ledger on disk, the tape, two traces side by side, and what is taken away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from crossfade.doctor.probe import Ledger, compare, differences
from crossfade.doctor.probe.ledger import Run, Thing
from crossfade.doctor.probe.making import TAG, Maker
from crossfade.doctor.probe.tape import Tape, Time, shape
from crossfade.errors import CrossfadeError, PlatformError, UsageError

RUN = Run(id="1a2b3c", account="123456789012", region="eu-west-1")
FRONT, GROUP = Thing(kind="load-balancer", name="front"), Thing(kind="target-group", name="blue")


class Still(Time):
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class TestTheLedger:
    def test_what_was_begun_is_left_until_it_is_gone_the_newest_first(self, tmp_path: Path) -> None:
        ledger = Ledger(tmp_path / "l")
        ledger.begin(RUN)
        ledger.intends(FRONT)
        ledger.intends(GROUP)
        assert Ledger(tmp_path / "l").left() == (GROUP, FRONT)
        ledger.gone(GROUP)

        assert Ledger(tmp_path / "l").left() == (FRONT,)
        assert Ledger(tmp_path / "l").run() == RUN

    def test_another_probe_does_not_begin_over_it(self, tmp_path: Path) -> None:
        Ledger(tmp_path / "l").begin(RUN)
        Ledger(tmp_path / "l").intends(FRONT)

        with pytest.raises(UsageError, match="has not cleaned up") as caught:
            Ledger(tmp_path / "l").begin(RUN)
        assert caught.value.why == "load-balancer front"

    def test_half_a_line_of_a_kill_is_not_read(self, tmp_path: Path) -> None:
        ledger = Ledger(tmp_path / "l")
        ledger.begin(RUN)
        ledger.intends(FRONT)
        with ledger.path.open("a") as out:
            out.write('{"made": ["target-gr')

        assert ledger.left() == (FRONT,)

    def test_at_the_end_there_is_no_file(self, tmp_path: Path) -> None:
        ledger = Ledger(tmp_path / "l")
        ledger.begin(RUN)
        ledger.end()

        assert not ledger.path.exists()
        assert ledger.run() is None
        assert ledger.left() == ()


JSONS: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ABC"), inner, max_size=3)
    ),
    max_leaves=10,
)


class TestTheTape:
    def test_an_answers_shape_is_its_fields_and_never_its_values(self) -> None:
        reply = {
            "Rules": [{"Arn": "secret", "Tags": []}, {"Arn": "s", "Port": 1}],
            "ResponseMetadata": {"x": 1},
        }

        assert sorted(set(shape(reply))) == ["Rules[].Arn", "Rules[].Port", "Rules[].Tags[]"]

    @given(JSONS)
    def test_values_do_not_change_a_shape(self, value: Any) -> None:
        def other(of: Any) -> Any:
            match of:
                case dict():
                    return {key: other(child) for key, child in of.items()}
                case list():
                    return [other(child) for child in of]
                case _:
                    return "something else"

        assert list(shape(value)) == list(shape(other(value)))

    def test_a_call_that_was_not_answered_is_made_again_and_each_try_is_kept(self) -> None:
        tape, tries = (
            Tape(Still(), {"kind": "aws"}),
            [ReadTimeoutError(endpoint_url="x"), throttled(), {"A": 1}],
        )

        def method() -> Any:
            said = tries.pop(0)
            if isinstance(said, Exception):
                raise said
            return said

        tape.step("build")
        tape.call(client("elbv2", describe_rules=method), "DescribeRules")

        assert [one["code"] for one in tape.steps[0].calls] == ["CF4307", "Throttling", ""]
        assert tape.steps[0].calls[-1]["shape"] == ["A"]

    def test_what_aws_refuses_is_not_repeated(self) -> None:
        tape, asked = Tape(Still(), {}), []

        def method() -> Any:
            asked.append(1)
            raise said("ValidationError")

        tape.step("build")
        with pytest.raises(PlatformError, match="ValidationError"):
            tape.call(client("elbv2", describe_rules=method), "DescribeRules")
        assert len(asked) == 1

    def test_states_are_kept_where_they_change(self) -> None:
        tape = Tape(Still(), {})
        tape.step("targets")
        for state in ("initial", "initial", "healthy", "healthy", "initial"):
            tape.saw("blue", state)
            tape.clock.sleep(1.0)

        assert [(one["state"], one["at_s"]) for one in tape.steps[0].states] == [
            ("initial", 0.0),
            ("healthy", 2.0),
            ("initial", 4.0),
        ]


def client(service: str, **methods: Any) -> Any:
    return SimpleNamespace(
        meta=SimpleNamespace(service_model=SimpleNamespace(service_name=service)), **methods
    )


def said(code: str) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "X"
    )


def throttled() -> ClientError:
    return said("Throttling")


class Elbv2:
    """Load balancers and groups by name, which take a while to go."""

    def __init__(self, tags: Mapping[str, str], busy: int = 0) -> None:
        self.meta = SimpleNamespace(service_model=SimpleNamespace(service_name="elbv2"))
        self.tags, self.busy, self.there = tags, busy, True
        self.deleted = 0

    def describe_target_groups(self, **_: Any) -> Any:
        if not self.there:
            raise said("TargetGroupNotFound")
        return {"TargetGroups": [{"TargetGroupArn": "arn"}]}

    def describe_tags(self, **_: Any) -> Any:
        return {
            "TagDescriptions": [{"Tags": [{"Key": key, "Value": text} for key, text in self.tags.items()]}]
        }

    def delete_target_group(self, **_: Any) -> Any:
        self.deleted += 1
        if self.busy:
            self.busy -= 1
            raise said("ResourceInUse")
        self.there = False
        return {}


def maker(elbv2: Elbv2, folder: Path) -> Maker:
    tape, ledger = Tape(Still(), {}), Ledger(folder / "l")
    tape.step("teardown")
    ledger.begin(RUN)
    ledger.intends(GROUP)
    return Maker(elbv2=elbv2, ec2=None, tape=tape, ledger=ledger, run=RUN.id, say=lambda _: None)


class TestTakingAway:
    def test_what_is_still_used_is_tried_again_until_it_is_seen_to_be_gone(self, tmp_path: Path) -> None:
        elbv2 = Elbv2({TAG: RUN.id}, busy=3)
        hands = maker(elbv2, tmp_path)
        hands.take_away(GROUP)

        assert elbv2.deleted == 4
        assert hands.ledger.left() == ()

    def test_what_bears_another_tag_is_left_alone(self, tmp_path: Path) -> None:
        elbv2 = Elbv2({TAG: "another"})
        hands = maker(elbv2, tmp_path)

        with pytest.raises(CrossfadeError, match="is not this probe's"):
            hands.take_away(GROUP)
        assert elbv2.deleted == 0
        assert hands.ledger.left() == (GROUP,)

    def test_what_does_not_go_in_time_stays_in_the_ledger(self, tmp_path: Path) -> None:
        hands = maker(Elbv2({TAG: RUN.id}, busy=10_000), tmp_path)

        with pytest.raises(PlatformError, match="is still there"):
            hands.take_away(GROUP)
        assert hands.ledger.left() == (GROUP,)

    def test_what_was_never_made_is_gone(self, tmp_path: Path) -> None:
        elbv2 = Elbv2({})
        elbv2.there = False
        hands = maker(elbv2, tmp_path)
        hands.take_away(GROUP)

        assert hands.ledger.left() == ()


def a_trace(kind: str, **changes: Any) -> dict[str, Any]:
    where = {"kind": kind, "region": "eu-west-1"} | (
        {"preset": "instant", "factor": 5.0} if kind == "twin" else {}
    )
    call = {"action": "elbv2:DescribeTargetHealth", "at_s": 1.0, "ms": 5.0, "code": "", "shape": ["A", "B"]}
    step = {
        "name": "targets",
        "began_s": 0.0,
        "took_s": 12.0,
        "calls": [call, call],
        "states": [
            {"what": "blue", "state": "initial", "at_s": 1.0},
            {"what": "blue", "state": "healthy", "at_s": 9.0},
        ],
        "figures": {"lost": 0},
    }
    return {"version": 1, "where": where, "steps": [{**step, **changes}]}


class TestTwoTraces:
    def test_that_agree_have_no_differences_however_long_things_took(self) -> None:
        lines = compare(a_trace("twin"), a_trace("aws", took_s=140.0))

        assert lines == [
            "mine   twin, preset instant, clock x5, eu-west-1",
            "other  AWS, eu-west-1",
            "",
            "targets  12.0 s | 140.0 s",
            "  states   blue: initial > healthy | initial > healthy",
            "  figure   lost: 0 | 0",
        ]
        assert differences(lines) == 0

    def test_that_differ_say_in_what(self) -> None:
        call = {
            "action": "elbv2:DescribeTargetHealth",
            "at_s": 1.0,
            "ms": 5.0,
            "code": "",
            "shape": ["A", "C"],
        }
        other = {**call, "action": "elbv2:DescribeTags"}
        states = [{"what": "blue", "state": "healthy", "at_s": 1.0}]
        lines = compare(
            a_trace("twin"), a_trace("aws", calls=[call, other], states=states, figures={"lost": 3})
        )

        assert lines[4:] == [
            "  differs  calls: elbv2:DescribeTargetHealth | elbv2:DescribeTargetHealth elbv2:DescribeTags",
            "  differs  elbv2:DescribeTargetHealth answers only in mine: B",
            "  differs  elbv2:DescribeTargetHealth answers only in the other: C",
            "  differs  blue: initial > healthy | healthy",
            "  figure   lost: 0 | 3",
        ]
        assert differences(lines) == 4

    def test_a_step_that_one_did_not_do_is_a_difference(self) -> None:
        lines = compare(a_trace("twin"), a_trace("aws", name="drain"))

        assert lines[3:] == ["differs  targets: only in mine", "differs  drain: only in the other"]

    def test_a_trace_is_json(self) -> None:
        tape = Tape(Still(), {"kind": "aws", "region": "eu-west-1"})
        tape.step("build")
        tape.figure("took_s", 1.23456)
        tape.close()

        read = json.loads(json.dumps(tape.document()))
        assert read["steps"][0]["figures"] == {"took_s": 1.235}
        assert compare(read, read)[3] == "build    0.0 s | 0.0 s"
