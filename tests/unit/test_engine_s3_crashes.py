"""R33, R34 in a bucket: whatever becomes of any call, the same events, and a journal that is whole."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from engine_world import folder
from s3_world import S3Life, Wrong, away

from crossfade.engine import Controller
from crossfade.engine.emergency import ACTOR
from crossfade.engine.s3 import S3Store, StoreDeniedError
from crossfade.release.state import Outcome
from crossfade.release.values import NOTHING, EnsureWeight

ENDS = {1001: Outcome.SUCCEEDED, 500: Outcome.ROLLED_BACK}


def lived(bad_at: int, wrong: dict[int, Wrong] | None = None) -> S3Life:
    with folder() as where:
        return S3Life(where, bad_at=bad_at, wrong=wrong).to_the_end()


def agree(bad_at: int, whole: S3Life, schedules: Iterable[dict[int, Wrong]]) -> None:
    for wrong in schedules:
        life = lived(bad_at, wrong)
        raised = [write.weight for write in life.world.writes if isinstance(write, EnsureWeight)]

        assert life.trace() == whole.trace(), wrong
        assert life.seen.verify() == (), wrong
        assert life.seen.row("R1").outcome is ENDS[bad_at]
        assert raised == sorted(raised), "absolute writes may repeat, never in another order"
        assert life.world.weight == whole.world.weight
        strays = life.strays()
        assert len(strays) <= len(wrong), (wrong, strays)
        assert all("/journal/" in key for key in strays)


@pytest.mark.parametrize("wrong", Wrong)
@pytest.mark.parametrize("bad_at", ENDS)
class TestR34:
    def test_R34_one_call_of_many_goes_wrong(self, bad_at: int, wrong: Wrong) -> None:
        whole = lived(bad_at)
        calls = len(whole.objects.calls)
        agree(bad_at, whole, ({point: wrong} for point in range(1, calls + 1, calls // 6)))

    @pytest.mark.long
    @pytest.mark.timeout(1200)
    def test_R34_each_single_call_goes_wrong(self, bad_at: int, wrong: Wrong) -> None:
        whole = lived(bad_at)
        points = range(1, len(whole.objects.calls) + 1)
        agree(bad_at, whole, ({point: wrong} for point in points))


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("bad_at", ENDS)
def test_R34_any_three_calls_go_wrong_in_any_way(bad_at: int) -> None:
    whole, chance, ways = lived(bad_at), random.Random(34), list(Wrong)
    points = range(1, len(whole.objects.calls) + 40)
    schedules = [{point: chance.choice(ways) for point in chance.sample(points, 3)} for _ in range(600)]
    agree(bad_at, whole, schedules)


def test_R34_a_part_is_written_before_the_object_that_names_it() -> None:
    calls = lived(1001).objects.calls
    parts = [number for number, call in enumerate(calls) if call.startswith("put service/shop/journal/")]

    assert parts
    assert all(calls[number + 1] == "put service/shop/state.json" for number in parts)


def test_a_look_that_finds_nothing_new_is_one_question_a_claim_and_a_save() -> None:
    with folder() as where:
        life = S3Life(where, bake=600)
        while life.seen.row("R1").state.step(life.plan).name != "10 %" or life.seen.row("R1").lease_owner:
            life.look()
        store = S3Store(life.objects, where)
        driving = Controller(store, life.wiring, life.clock, "c9", service="shop")
        for _ in range(4):  # the first looks of a machine read the plan, and say that it has begun
            life.objects.calls.clear()
            life.objects.asked.clear()
            life.clock.jump(store.next_wake("shop") or life.clock.now())
            store._shelf._seen["shop"].at = 0.0  # so much time has passed
            driving.round()

    state = "service/shop/state.json"
    assert life.objects.calls == [f"get {state}", f"put {state}", f"put {state}"]


class TestAway:
    """R34: a bucket that cannot be reached is a disk that is full, but for the patience."""

    @pytest.fixture
    def life(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Life:
        """At 10 %; real time stands still, and the folder for temporary files is a new one."""
        monkeypatch.setattr("crossfade.engine.emergency.temporary", lambda: tmp_path)
        life = S3Life(tmp_path / "machine" / ".crossfade", bake=600)
        while life.seen.row("R1").state.step(life.plan).name != "10 %" or life.world.weight != 100:
            life.look()
        return life

    def rounds(self, life: S3Life, monkeypatch: pytest.MonkeyPatch, *, blind: float) -> None:
        """Looks of a controller that has seen nothing for so many real seconds."""
        monkeypatch.setattr(life.controller, "blind_for", lambda: blind)
        for _ in range(3):
            life.clock.advance(1)
            life.controller.round()

    def test_R34_no_answer_is_waited_for_as_long_as_a_lease(
        self, life: S3Life, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        life.objects.down = away()
        self.rounds(life, monkeypatch, blind=9.0)
        waited = life.world.weight
        self.rounds(life, monkeypatch, blind=11.0)
        (log,) = tmp_path.iterdir()

        assert waited == 100
        assert life.world.weight == NOTHING
        assert log.name.endswith("emergency.log")

    def test_R34_a_denial_sends_traffic_home_at_once_and_any_command_of_the_machine_tells_the_release(
        self, life: S3Life, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        life.objects.down = StoreDeniedError("CF4305", "s3:GetObject was denied (ExpiredToken)")
        self.rounds(life, monkeypatch, blind=0.0)
        home, life.objects.down = life.world.weight, None
        elsewhere = S3Store(life.objects, tmp_path / "another" / ".crossfade", glance=0.0)
        life.controller = Controller(elsewhere, life.wiring, life.clock, "c9", service="shop")
        life.to_the_end()
        row = life.seen.row("R1")

        assert home == NOTHING
        assert (row.outcome, row.state.asked and row.state.asked.actor) == (Outcome.ROLLED_BACK, ACTOR)
        assert "ExpiredToken" in (row.state.asked.reason if row.state.asked else "")
        assert list(tmp_path.iterdir()) == []
        assert life.seen.verify() == ()
