"""A house finds the platform of a spec or of a plan, keeps its twin's time, and says where it writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alb_world import Twin, twin, world
from grounds import AlbGround, names

from crossfade.bootstrap import House
from crossfade.clocks import clock_of, keep_twins_time
from crossfade.engine.clock import ScaledClock, SystemClock
from crossfade.engine.opening import Wish
from crossfade.errors import RefusedError
from crossfade.platforms import LocalPlatform
from crossfade.platforms.alb import AlbPlatform
from crossfade.release.policy import Waivers
from crossfade.sites import refuse_lonely_state
from crossfade.spec.places import s3_place

WISH = Wish(actor="somebody", waivers=Waivers())


@pytest.fixture(scope="module")
def cloud() -> Iterator[Twin]:
    with twin() as made:
        yield made


@pytest.fixture
def ground(cloud: Twin, tmp_path: Path) -> Iterator[AlbGround]:
    yield AlbGround(tmp_path, world(cloud, next(names)))
    cloud.clock.run_at(1.0)
    cloud.faults.remove()


class TestPlatforms:
    def test_a_plan_finds_its_site_without_any_file(self, ground: AlbGround) -> None:
        ground.balancer.register("blue", ("127.0.0.1", 9001), ("127.0.0.1", 9002))
        house = House.of(ground.spec)
        plan = house.open(ground.spec, "v2", WISH)
        assert plan is not None

        later = House(ground.spec.state)
        found = later.sites.of_plan(later.store.row(plan.release).plan)

        assert isinstance(found, AlbPlatform)
        assert found.site == ground.balancer.site
        assert found is later.ports(plan).platform
        assert plan.limits.look == timedelta(seconds=3)
        assert (plan.gone, plan.again) == ("deregistered", "registered")
        assert isinstance(later.sites.of_plan(replace(plan, artifact={"candidate": {}})), LocalPlatform)

    def test_R47_where_it_is_about_to_write_is_known_before(self, ground: AlbGround) -> None:
        assert str(ground.balancer.where.endpoint) in House.of(ground.spec).sites.place(ground.spec)

    def test_what_speaks_against_the_load_balancer_refuses_before_anything_is_written(
        self, ground: AlbGround
    ) -> None:
        ground.balancer._listener(9090)
        before = ground.everything()

        with pytest.raises(RefusedError) as refused:
            House.of(ground.spec).open(ground.spec, "v2", WISH)

        assert refused.value.id == "CF4432"
        assert ground.everything() == before

    def test_what_the_journal_knows_is_shown_while_nobody_answers(
        self, cloud: Twin, ground: AlbGround
    ) -> None:
        from crossfade.twin.faults import Fault

        ground.balancer.register("blue", ("127.0.0.1", 9001), ("127.0.0.1", 9002))
        plan = House.of(ground.spec).open(ground.spec, "v2", WISH)
        assert plan is not None
        cloud.faults.add(Fault(kind="fail_before", status=403, code="AccessDenied", service="elbv2"))

        standing = House(ground.spec.state).standing(ground.service)

        assert standing.plan == plan
        assert standing.serving is None
        assert "unknown" in standing.way_back


class TestLonelyState:
    @pytest.mark.parametrize("said", ["1", "true"])
    def test_a_runners_folder_is_no_place_for_a_journal_of_a_release_on_aws(
        self, ground: AlbGround, monkeypatch: pytest.MonkeyPatch, said: str
    ) -> None:
        monkeypatch.setenv("CI", said)
        assert ground.spec.aws is not None
        on_aws = replace(ground.spec, aws=replace(ground.spec.aws, endpoint=None))

        with pytest.raises(RefusedError) as refused:
            refuse_lonely_state(on_aws, on_aws.state)

        assert refused.value.id == "CF4436"
        assert "s3://" in refused.value.fix
        refuse_lonely_state(on_aws, s3_place("s3://acme/prod", account="123456789012", region="eu-west-1"))
        refuse_lonely_state(ground.spec, ground.spec.state)

    @pytest.mark.parametrize("said", ["", "0", "false"])
    def test_a_persons_machine_may_keep_it(
        self, ground: AlbGround, monkeypatch: pytest.MonkeyPatch, said: str
    ) -> None:
        monkeypatch.setenv("CI", said)
        assert ground.spec.aws is not None

        on_aws = replace(ground.spec, aws=replace(ground.spec.aws, endpoint=None))
        refuse_lonely_state(on_aws, on_aws.state)


class TestTime:
    def test_a_house_on_a_twin_has_the_twins_time_in_every_process(
        self, cloud: Twin, ground: AlbGround
    ) -> None:
        cloud.clock.run_at(60.0)
        cloud.clock.advance(100_000.0)

        here, there = House.of(ground.spec).clock, House(ground.spec.state).clock

        for clock in (here, there):
            assert isinstance(clock, ScaledClock)
            assert clock.factor == 60.0
            assert abs(clock.now().timestamp() - cloud.clock.now()) < 60.0

    def test_without_its_twin_a_folder_keeps_the_time_it_was_given(self, cloud: Twin, tmp_path: Path) -> None:
        cloud.clock.run_at(60.0)
        keep_twins_time(tmp_path, cloud.endpoint)
        file = tmp_path / "clock.json"
        file.write_text(file.read_text().replace(cloud.endpoint, "http://127.0.0.1:9"))

        found = clock_of(tmp_path)

        assert isinstance(found, ScaledClock)
        assert found.factor == 60.0
        assert abs(found.now().timestamp() - cloud.clock.now()) < 60.0

    def test_without_any_twin_a_folder_has_real_time(self, tmp_path: Path) -> None:
        keep_twins_time(tmp_path, "http://127.0.0.1:9")

        assert isinstance(clock_of(tmp_path), SystemClock)

    def test_the_way_from_the_clock_to_the_watch_and_back(self) -> None:
        clock = ScaledClock(factor=60.0, start=1_000.0, shows=5_000_000.0)

        assert clock.instant(1_010.0).timestamp() == 5_000_600.0
        assert clock.real(clock.instant(1_010.0)) == 1_010.0
