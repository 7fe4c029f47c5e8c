"""What the data plane says becomes facts of truth, and never more than it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crossfade.dataplane import Counted, Counts, Group, Instance, Interval, Observed, Proxy, Service
from crossfade.dataplane.model import InstanceState
from crossfade.platforms.local_counts import _instances
from crossfade.platforms.local_facts import facts, look_back, sides
from crossfade.release.plan import Plan
from crossfade.release.values import ALL, NOTHING, Known, Seat, Seen, Share, Side, Span, Truth, Unknown

PLAN = Plan(
    release="r2",
    service="shop",
    stable="v1",
    candidate="v2",
    on=(),
    back=(),
    gates=(),
    artifact={"candidate": {"instances": 3}},
)
TAGS = {"primary": "green", "release": "r2", "candidate": "blue", "weighted_at": "100.0"}
NOBODY = Span(low=NOTHING, high=NOTHING)


def group(revision: str, instances: int = 3) -> Group:
    return Group(revision=revision, command=("serve",), folder="/", instances=instances)


def instance(name: str, number: int, revision: str, state: InstanceState = "ready") -> Instance:
    return Instance(
        group=name,
        id=f"{name}-{number}",
        pid=1,
        port=1,
        revision=revision,
        state=state,
        since=0.0,
        restarts=0,
        last_exit="",
        rss_bytes=0,
    )


def observed(weight: int = 100, **changes: Any) -> Observed:
    weights = {"green": 1000 - weight, "blue": weight}
    service = Service(
        name="shop", groups={"green": group("v1"), "blue": group("v2", 2)}, weights=weights, tags=TAGS
    )
    seen = Observed(
        generation=7,
        service=service,
        applied=True,
        reason="",
        routes=weights,
        test_route="blue",
        listener_port=1,
        test_port=2,
        instances=(
            *(instance("green", number, "v1") for number in range(3)),
            *(instance("blue", number, "v2") for number in range(2)),
        ),
        restarts={"blue": 0, "green": 0},
        active={"blue": 0, "green": 1},
        silent_s={"blue": 0.2, "green": 0.0},
        envoy=Proxy(pid=1, restarts=0, rss_bytes=0),
        sampled_at=110.0,
    )
    document = {key: changes.pop(key) for key in ("tags", "groups") if key in changes}
    return replace(seen, service=replace(service, **document), **changes)


def tally(requests: int) -> Counts:
    return Counts(requests=requests, app_errors=0, proxy_errors=0, injected=0, latency=(requests,))


def counted(problem: str = "", **requests: int) -> Counted:
    groups = {name: tally(number) for name, number in requests.items()}
    slot = Interval(start=101.0, end=102.0, groups=groups, instances={}, test={}, unrouted=0)
    return Counted(intervals=(slot,), known_from=0.0, watermark=102.0, problem=problem)


def truth(seen: Observed, counts: Counted | None = None) -> Truth:
    return facts(PLAN, seen, counts or counted(green=900, blue=100))


def seen_of(found: Truth) -> Seen:
    assert isinstance(found.seen, Known)
    return found.seen.value


class TestSides:
    def test_sides_never_swap_during_a_release(self) -> None:
        trusted = observed().service
        for primary in ("green", "blue"):
            who = sides(replace(trusted, tags={**TAGS, "primary": primary}), "r2")
            assert (who.stable, who.candidate, who.ours) == ("green", "blue", True)

    def test_another_release_sees_the_untrusted_group_as_the_candidates(self) -> None:
        who = sides(observed().service, "r3")
        assert (who.stable, who.candidate, who.ours) == ("green", "blue", False)


class TestWeights:
    def test_R06_the_weight_is_what_envoy_runs_and_not_what_the_document_says(self) -> None:
        found = truth(observed(weight=100, routes={"green": 1000, "blue": 0}))
        assert found.weights == Known(NOBODY)

    def test_R06_a_document_that_envoy_refused_is_unknown_in_envoys_words(self) -> None:
        found = truth(observed(applied=False, reason="no such cluster"))
        assert found.weights == Unknown("no such cluster")
        assert found.test == Unknown("no such cluster")

    def test_R06_routes_that_cannot_be_read_leave_pair_weight_and_test_unknown(self) -> None:
        found = truth(observed(routes=None))
        assert all(isinstance(fact, Unknown) for fact in (found.pair, found.weights, found.test))


class TestSeen:
    def test_the_band_holds_the_share_that_flows_and_not_another(self) -> None:
        found = seen_of(truth(observed()))

        assert found.agrees(Share(100))
        assert not found.agrees(Share(300))
        assert not found.agrees(NOTHING)

    def test_few_requests_make_a_wide_band_and_none_contradict_nothing(self) -> None:
        few, none = truth(observed(), counted(green=3)), truth(observed(), counted())

        assert seen_of(few).candidate.high > 500
        assert seen_of(none).agrees(Share(100))
        assert not seen_of(none).agrees(NOTHING)

    def test_R05_zero_is_proved_by_silence_only_and_what_goes_on_is_left_to_the_drain(self) -> None:
        def at_home(silent: float, active: int) -> Seen:
            return seen_of(
                truth(
                    observed(0, silent_s={"blue": silent, "green": 0.0}, active={"blue": active, "green": 1}),
                    counted(green=1000),
                )
            )

        assert at_home(1.0, 0).candidate == NOBODY
        assert at_home(0.9, 0).candidate.high > 0
        assert at_home(5.0, 1).candidate == NOBODY, "one websocket must not hold up a release for ever"
        assert at_home(0.0, 1).candidate.high > 0

    def test_a_quiet_moment_of_a_side_with_weight_is_not_zero(self) -> None:
        quiet = observed(100, silent_s={"blue": 3.0, "green": 0.0})
        assert seen_of(truth(quiet, counted(green=9))).agrees(Share(100))

    def test_no_traffic_at_all_is_zero_on_both_sides(self) -> None:
        idle = observed(silent_s={"blue": 3.0, "green": 3.0}, active={"blue": 0, "green": 0})
        assert seen_of(truth(idle, counted())) == Seen(stable=NOBODY, candidate=NOBODY)

    def test_R24_counters_that_cannot_be_read_are_not_silence(self) -> None:
        assert isinstance(truth(observed(active=None, silent_s=None)).seen, Unknown)
        assert truth(observed(), counted("log is gone")).seen == Unknown("log is gone")

    def test_counts_from_before_the_last_weight_write_are_not_asked_for(self) -> None:
        service = observed().service
        assert look_back(service, 104.0) == 100.0
        assert look_back(service, 500.0) == 490.0
        assert look_back(replace(service, tags={"weighted_at": "soon"}), 500.0) == 490.0


class TestFleet:
    def test_capacity_is_never_rounded_up(self) -> None:
        found = truth(observed())

        assert isinstance(found.candidate, Known)
        assert (found.candidate.value.wanted, found.candidate.value.ready) == (666, 666)
        assert isinstance(found.stable, Known)
        assert found.stable.value.ready == ALL

    @pytest.mark.parametrize("state", ["starting", "unhealthy", "draining", "stopping"])
    def test_R02_only_ready_instances_of_the_wanted_revision_count(self, state: InstanceState) -> None:
        there = (instance("blue", 0, "v2", state), instance("blue", 1, "v0"))
        found = truth(observed(instances=there)).candidate

        assert isinstance(found, Known)
        assert (found.value.ready, found.value.exists) == (0, 666)

    def test_R05_instances_that_are_leaving_exist_until_they_are_gone(self) -> None:
        groups = {"green": group("v1"), "blue": None}
        found = truth(observed(groups=groups, instances=(instance("blue", 0, "v2", "stopping"),))).candidate

        assert isinstance(found, Known)
        assert (found.value.wanted, found.value.ready, found.value.exists) == (0, 0, 333)


class TestPairAndSeat:
    @pytest.mark.parametrize(
        ("green", "blue", "primary", "named"),
        [
            ("v1", "v2", "green", True),
            ("v1", None, "green", True),
            (None, "v2", "blue", True),
            (None, "v2", "green", False),
            ("v0", "v2", "green", False),
            ("v1", "v9", "green", False),
        ],
    )
    def test_R49_the_pair_is_named_where_both_groups_carry_the_plans_revisions(
        self, green: str | None, blue: str | None, primary: str, named: bool
    ) -> None:
        groups = {"green": group(green) if green else None, "blue": group(blue) if blue else None}
        found = truth(observed(groups=groups, tags={**TAGS, "primary": primary}))

        assert found.pair == Known(named)
        assert found.primary == Known(Side.CANDIDATE if primary == "blue" else Side.STABLE)

    def test_the_seat_is_free_only_when_nothing_of_the_last_release_is_left(self) -> None:
        tags = {**TAGS, "release": "r1"}
        groups = {"green": group("v1"), "blue": None}
        green = tuple(instance("green", number, "v1") for number in range(3))

        free = observed(0, groups=groups, tags=tags, instances=green)
        left = replace(free, instances=(*green, instance("blue", 0, "v0", "draining")))
        weighted = replace(free, routes={"green": 900, "blue": 100})
        unread = replace(free, routes=None)

        assert truth(free).seat == Known(Seat(holder=None))
        assert truth(left).seat == Known(Seat(holder="r1"))
        assert truth(weighted).seat == Known(Seat(holder="r1"))
        assert isinstance(truth(unread).seat, Unknown)

    def test_R13_instances_of_nobody_known_hold_the_seat_too(self) -> None:
        assert truth(observed(tags={"primary": "green"})).seat == Known(Seat(holder="unknown"))


def test_requests_that_reached_no_instance_are_dealt_out_and_not_lost() -> None:
    whole = Counts(requests=30, app_errors=0, proxy_errors=10, injected=0, latency=(30,))
    slot = Interval(
        start=0.0,
        end=1.0,
        groups={"blue": whole},
        instances={"blue": {"b1": tally(10), "b2": tally(10)}},
        test={},
        unrouted=0,
    )

    assert _instances(slot, "blue") == (
        ("b1", {"requests": 15.0, "errors": 5.0, "latency": [15.0]}),
        ("b2", {"requests": 15.0, "errors": 5.0, "latency": [15.0]}),
    )
    assert _instances(slot, "green") == ()
