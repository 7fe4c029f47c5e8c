"""What `plan` shows: whole screens, the JSON, the comment."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import click
import pytest
from render_journals import screens
from test_release_ahead import CANARY, MIN, ROLLING, compiled

from crossfade.cli.plan import Rate
from crossfade.cli.render import plan as screen
from crossfade.cli.render import plan_data as data
from crossfade.cli.render.plan_words import Planned, fix
from crossfade.cli.render.what_if import what_ifs
from crossfade.cli.what_gates_see import Sees, Traffic, bakes_of, sights_of, traffic_of
from crossfade.release.ahead import look_ahead
from crossfade.release.plan import Plan
from crossfade.release.policy import Objection
from crossfade.release.ports import Revision
from crossfade.spec import BlueGreen, OnInterrupt, Strategy, WeightStep

STABLE = Revision(text="v1", identity="3fa9c1d2e0b7aa", artifact={}, instances=4)
BUSY = Traffic(per_s=50.0, source="measured", over_s=900.0, errors=0.001)
SILENT = Traffic(per_s=None, source="unknown", why="no request came in the last 900 s")
GLASS = "/srv/venv/bin/python -m crossfade.dataplane.weights '/srv/a shop with a rather long name' shop blue"
WARM = "can go back: yes, to v1, in seconds (v1 is warm at full capacity; rollback: never rehearsed)"
OBJECTION = Objection(
    id="CF3021",
    what="v2 was rolled back before",
    why="the same revision is not tried again by itself (R21)",
    fix="crossfade deploy REVISION --retry --reason TEXT",
)
THIN = replace(CANARY, steps=(WeightStep(weight=10, bake=5 * MIN, max_bake=10 * MIN),))


def planned(
    strategy: Strategy = CANARY,
    *,
    traffic: Traffic = BUSY,
    stable: Revision | None = STABLE,
    objections: tuple[Objection, ...] = (),
    **changed: Any,
) -> Planned:
    plan = replace(compiled(strategy, stable=stable), break_glass=GLASS if stable else "", **changed)
    ahead = look_ahead(plan, 4)
    sights, why = sights_of(plan, ahead, traffic)
    sees = bool(sights) and all(sight.sees is not Sees.BLIND for sight in sights)
    return Planned(
        plan=plan,
        ahead=ahead,
        platform="local",
        on_interrupt=OnInterrupt.ROLLBACK,
        traffic=traffic,
        sights=sights,
        sightless=why,
        usual=look_ahead(plan, 4, least=bakes_of(sights)).lasts if sees else None,
        way_back=WARM if stable else "can go back: no, because v2 is the first release of shop",
        objections=objections,
    )


@pytest.mark.parametrize("strategy", [CANARY, ROLLING])
def test_what_the_platform_does_with_instances_is_said_in_its_own_words(strategy: Strategy) -> None:
    said = screen.text(planned(strategy, gone="deregistered", again="registered"))

    assert "v2 is deregistered 20 s later" in " ".join(said.split())
    assert "silent, drained, deregistered" in said
    assert not re.search(r"stopped|is started|are started|instances start", said)


class TestScreen:
    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("canary", planned()),
            ("rolling", planned(ROLLING)),
            ("refused and blind", planned(THIN, objections=(OBJECTION,))),
            ("first release without traffic", planned(stable=None, traffic=SILENT)),
        ],
    )
    def test_whole(self, name: str, shown: Planned) -> None:
        assert screen.text(shown) == screens("plan")[name]

    @pytest.mark.parametrize("traffic", [BUSY, SILENT])
    @pytest.mark.parametrize(
        "strategy", [CANARY, ROLLING, THIN, BlueGreen(bake=MIN, max_bake=MIN, keep_old=MIN)]
    )
    def test_no_line_is_wider_than_a_screen(self, strategy: Strategy, traffic: Traffic) -> None:
        text = screen.text(planned(strategy, traffic=traffic, objections=(OBJECTION,)))

        assert max(len(line) for line in text.splitlines()) <= screen.WIDTH

    def test_R46_the_command_that_undoes_it_can_be_copied_as_it_stands(self) -> None:
        text = screen.text(planned())
        lines = text[text.index("undo without crossfade") :].splitlines()[1:]
        command = "\n".join(lines[: next(i for i, line in enumerate(lines) if not line.endswith("\\")) + 1])

        assert re.sub(r"\s*\\\n\s*", " ", command).strip() == GLASS

    def test_unknown_traffic_is_said_and_nothing_is_guessed(self) -> None:
        text = screen.text(planned(traffic=SILENT))

        assert "not shown: the traffic is not known: no request came in the last 900 s" in text
        assert "--traffic 50/s" in text
        assert "takes" not in text.split("Takes")[0].lower()

    def test_a_strangers_escape_reaches_no_terminal(self) -> None:
        text = screen.text(planned(candidate="v2\x1b[31m\nEVIL"))

        assert "\x1b" not in text
        assert "\nEVIL" not in text

    def test_R42_never_rehearsed_is_said(self) -> None:
        assert "rollback: never rehearsed" in screen.text(planned())
        assert "rollback: never rehearsed" in screen.text(planned(stable=None))

    def test_four_eyes_name_who_may_not(self) -> None:
        plan = compiled(CANARY)
        limits = replace(plan.limits, approvals=1)

        assert "approval by a person other than ada" in " ".join(
            screen.text(planned(limits=limits, releaser="ada")).split()
        )


class TestSights:
    def test_R32_a_bake_that_can_never_see_is_blind_and_has_a_fix(self) -> None:
        shown = planned(THIN)
        blind = shown.blind

        assert [sight.gate for sight in blind] == ["errors"]
        assert blind[0].missing_s is not None
        assert blind[0].missing_s > 600
        assert "weight 50 %" in fix(blind[0])
        assert not planned(THIN, traffic=replace(BUSY, per_s=5000.0)).blind

    def test_what_earlier_bakes_have_shown_counts_on(self) -> None:
        rungs = [sight for sight in planned(ROLLING).sights if sight.gate == "errors"]

        assert rungs[0].sees is Sees.EXTENDED
        assert {sight.sees for sight in rungs[1:]} <= {Sees.YES, Sees.CARRIED}

    def test_R29_after_a_flip_the_past_is_the_baseline_and_it_is_said(self) -> None:
        flip = planned(BlueGreen(bake=10 * MIN, max_bake=60 * MIN, keep_old=10 * MIN))

        assert all(sight.past for sight in flip.sights)
        assert "against v1's past: weaker" in screen.text(flip)

    def test_a_baseline_held_back_is_live(self) -> None:
        held = planned(BlueGreen(bake=10 * MIN, max_bake=60 * MIN, keep_old=10 * MIN, hold_back=50))

        assert not any(sight.past for sight in held.sights)

    def test_bakes_take_what_the_slowest_gate_needs_and_no_longer_than_they_may(self) -> None:
        bakes = bakes_of(planned(THIN).sights)

        assert bakes == {"1 %": timedelta(minutes=10)}


def slots(requests: int, seconds: int, *, problem: str = "", known_from: float = 1000.0) -> Any:
    arm = {"requests": requests, "errors": 1, "latency": [requests, 0]}
    none = {"requests": 0, "errors": 0, "latency": [0, 0]}
    intervals = [
        SimpleNamespace(
            start=known_from + at,
            stable=arm,
            candidate=none,
            stable_instances=(),
            candidate_instances=(),
            aside={},
        )
        for at in range(seconds)
        if requests
    ]
    return SimpleNamespace(
        intervals=intervals,
        known_from=known_from,
        watermark=known_from + seconds,
        problem=problem,
        slot_s=1.0,
    )


class TestTraffic:
    def test_it_is_counted_over_what_is_known_and_no_longer(self) -> None:
        found = traffic_of(slots(20, 60), [1.0], begin=500.0, factor=1.0)

        assert (found.per_s, found.over_s, found.errors) == (20.0, 60.0, 0.05)
        assert len(found.history) == 12

    def test_a_faster_clock_sees_fewer_requests_a_second(self) -> None:
        assert traffic_of(slots(20, 60), [1.0], begin=500.0, factor=10.0).per_s == 2.0

    @pytest.mark.parametrize(
        ("source", "why"),
        [
            (slots(20, 60, problem="the platform is not running here"), "not running"),
            (slots(20, 3), "counted for only 3 s"),
            (slots(0, 60), "no request came in the last 60 s"),
        ],
    )
    def test_what_is_not_known_is_said(self, source: Any, why: str) -> None:
        found = traffic_of(source, [1.0], begin=500.0, factor=1.0)

        assert found.per_s is None
        assert why in found.why

    @pytest.mark.parametrize("text", ["50", "50/m", "-1/s", "0/s", "x/s", "1e3/s", "99999999/s"])
    def test_a_rate_has_its_unit(self, text: str) -> None:
        with pytest.raises(click.BadParameter, match="50/s"):
            Rate().convert(text, None, None)

    def test_a_rate_is_read(self) -> None:
        assert Rate().convert("12.5/s", None, None) == 12.5


class TestJson:
    def test_it_is_whole_and_plain(self) -> None:
        shown = planned(ROLLING, objections=(OBJECTION,))
        said = json.loads(json.dumps(data.record(shown), allow_nan=False))

        assert said["would"] == "refused"
        assert said["objections"][0]["id"] == "CF3021"
        assert [step["instances"]["most"] for step in said["steps"]] == [5] * 9
        assert said["duration_s"]["earliest"] == shown.ahead.lasts.earliest.total_seconds()
        assert sum(step["extra_instance_minutes"]["longest"] for step in said["steps"]) == pytest.approx(
            said["extra_instance_minutes"]["longest"]
        )
        assert said["way_back"]["phases"][1]["from_step"] == "25 %"
        assert {one["id"] for one in said["what_if"]} >= {"gate", "hook", "no_data", "controller", "abort"}

    def test_a_blind_bake_is_named_with_its_fix(self) -> None:
        said = data.record(planned(THIN))

        assert said["would"] == "release"
        assert [(one["step"], one["gate"]) for one in said["blind"]] == [("1 %", "errors")]  # type: ignore[attr-defined]

    def test_keys_are_there_whether_known_or_not(self) -> None:
        assert set(data.record(planned())) == set(data.record(planned(stable=None, traffic=SILENT)))


class TestMarkdown:
    def test_whole(self) -> None:
        assert data.markdown(planned(THIN, objections=(OBJECTION,))) == screens("plan")["markdown"]

    def test_a_strangers_text_obeys_nothing(self) -> None:
        said = data.markdown(planned(candidate="|<b>@team</b> `x`"))

        assert "<b>" not in said
        assert "@team" not in said.replace("@&#8203;team", "")


class TestWhatIf:
    def of(self, plan: Plan, on_interrupt: OnInterrupt = OnInterrupt.ROLLBACK) -> dict[str, Any]:
        return {one.id: one for one in what_ifs(plan, on_interrupt)}

    def test_the_words_follow_the_limits_of_this_plan(self) -> None:
        plan = compiled(CANARY)
        holds = replace(plan, limits=replace(plan.limits, no_data_holds=True, inconclusive_holds=False))

        assert "after 5m back to v1" in self.of(plan)["no_data"].then
        assert "after 4h05m back to v1" in self.of(holds)["no_data"].then
        assert "a person decides within 4h" in self.of(plan)["inconclusive"].then
        assert self.of(holds)["inconclusive"].then == "the bake goes on for 30m at most, then back to v1"

    def test_an_interrupt_that_holds_is_said(self) -> None:
        plan = compiled(CANARY)

        assert self.of(plan)["interrupt"].exit_code == 5
        assert self.of(plan, OnInterrupt.HOLD)["interrupt"].exit_code == 130

    def test_a_first_release_has_no_way_back_in_any_line(self) -> None:
        assert not any(
            "back to" in one.then and "no revision" not in one.then
            for one in self.of(compiled(CANARY, stable=None)).values()
        )

    def test_an_approval_is_only_told_where_one_is_asked(self) -> None:
        assert "approval" in self.of(compiled(CANARY))
        assert "approval" not in self.of(compiled(ROLLING))
