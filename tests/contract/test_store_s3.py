"""What is the bucket's own: how much it holds and is asked, and that tampering shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from buckets import new_bucket, objects_in
from s3_stores import LEASE, STATE, asks, ends, opened, part_of, store_in
from stores import edit

from crossfade.engine import StoreError
from crossfade.engine.s3 import Found
from crossfade.engine.s3.document import KEEP
from crossfade.release.state import Outcome
from crossfade.release.values import Event, EventType
from crossfade.testing import NOON, MemoryObjects, opening, small_plan


@cache
def a_hundred_releases() -> dict[str, Found]:
    """What a bucket holds after them."""
    objects = MemoryObjects()
    for number in range(100):
        store, plan = store_in(objects), replace(small_plan(f"R{number:03d}"), candidate=f"v{number}")
        store.open_release(plan, opening(plan, NOON + number * LEASE), NOON + number * LEASE)
        ends(store, plan.release)
    return objects.kept


class TestMany:
    """A hundred releases later."""

    @pytest.fixture
    def objects(self) -> MemoryObjects:
        return MemoryObjects(kept=dict(a_hundred_releases()))

    def test_the_object_that_every_tick_rewrites_stays_small(self, objects: MemoryObjects) -> None:
        document = json.loads(objects.kept[STATE].body)

        assert len(document["rows"]) <= KEEP + 2
        assert len(objects.kept[STATE].body) < 20_000

    def test_nothing_is_forgotten(self, objects: MemoryObjects) -> None:
        store = store_in(objects)
        rows = store.releases("shop", limit=1000)

        assert [row.id for row in rows] == [f"R{number:03d}" for number in reversed(range(100))]
        assert {row.outcome for row in rows} == {Outcome.SUCCEEDED}
        assert store.row("R007").plan.candidate == "v7"
        assert [entry.event.type for entry in store.entries(release="R007")] == [
            *(event.type for event in opening(small_plan())),
            EventType.RELEASE_SUCCEEDED,
        ]
        assert [entry.seq for entry in store.entries(service="shop")] == list(range(1, 301))
        assert [entry.seq for entry in store.entries(service="shop", after=298)] == [299, 300]
        assert store.verify() == ()
        assert store.strays() == ()

    def test_R44_a_command_to_a_release_of_long_ago_is_declined_and_stays_in_the_journal(
        self, objects: MemoryObjects
    ) -> None:
        store = store_in(objects)
        store.send("R003", asks("late"), NOON)
        answer = store.command_result("late")
        told = store.entries(release="R003")[-1].event
        for number in range(100, 100 + 2 * KEEP):
            plan = small_plan(f"R{number:03d}")
            store.open_release(plan, opening(plan), NOON)
            ends(store, plan.release)

        assert answer is not None
        assert not answer.accepted
        assert (told.type, told.actor) == (EventType.COMMAND_RECEIVED, "ada")
        assert store_in(objects).entries(release="R003")[-1].event == told
        assert len(store_in(objects).releases("shop", limit=1000)) == 100 + 2 * KEEP
        assert store_in(objects).verify() == ()

    def test_R44_an_archive_that_was_changed_is_found(self, objects: MemoryObjects) -> None:
        archive = objects.keys("service/shop/archive/")[0]

        def better(said: dict[str, Any]) -> None:
            said["rows"][0]["outcome"] = "rolled_back"

        edit(objects, better, archive)

        assert store_in(objects).verify() == ("the outcome of release R000 is not its state's",)

    def test_releases_that_are_refused_again_and_again_do_not_fill_it(self) -> None:
        objects = MemoryObjects()
        store, refused = opened(objects), small_plan("R2")
        for _ in range(300):
            store.record_refused(refused, Event(type=EventType.RELEASE_REFUSED, ts=NOON, actor="ada"))

        assert len(objects.kept[STATE].body) < 10_000
        assert len(store.entries(release="R2")) == 300
        assert store.verify() == ()

    def test_nor_does_a_release_that_goes_on_and_on(self) -> None:
        objects = MemoryObjects()
        store = opened(objects)
        claim = store.claim("R1", NOON, "me", LEASE)
        assert claim is not None
        for number in range(1000):
            note = Event(type=EventType.GATE_WAITING, ts=NOON, gate="errors", message=f"{number}")
            claim = store.save(claim, claim.state, (note,), (), NOON, now=NOON)
        told = store_in(objects).entries(release="R1", limit=9999)

        assert len(objects.kept[STATE].body) < 10_000
        assert [entry.event.message for entry in told[2:]] == [f"{number}" for number in range(1000)]
        assert [entry.seq for entry in store_in(objects).entries(service="shop", after=900)] == list(
            range(901, 1003)
        )
        assert store.verify() == ()

    def test_the_last_releases_are_read_without_those_before(self, objects: MemoryObjects) -> None:
        store = store_in(objects)
        store.releases("shop", limit=10)

        assert objects.asked["get"] < 20
        assert "list" not in objects.asked

    def test_nor_do_commands_that_are_answered(self) -> None:
        objects = MemoryObjects()
        store = opened(objects)
        ends(store, "R1")
        for number in range(300):
            store.send("R1", asks(f"c{number}"), NOON)

        assert len(json.loads(objects.kept[STATE].body)["rows"][0]["inbox"]) <= 64
        assert store.command_result("c299") is not None
        assert store.verify() == ()


class TestR44:
    """The journal shows tampering."""

    def test_R44_a_changed_entry_is_found(self) -> None:
        objects = MemoryObjects()
        store = opened(objects)

        def other_actor(said: dict[str, Any]) -> None:
            entry = said["entries"][0]
            entry["body"] = entry["body"].replace("ada", "eve")

        edit(objects, other_actor, part_of(objects, 1))

        assert "entry 1 was changed: its hash is not that of what it says" in store.verify()

    @pytest.mark.parametrize(
        ("deed", "said"),
        [
            (lambda document: document["rows"][0]["parts"].pop(), "it ends at entry 2, its head is entry 3"),
            (lambda document: document["rows"][0]["parts"].pop(0), "entries 1 to 2 are missing"),
            (lambda document: document["rows"].clear(), "it ends at entry 0, its head is entry 3"),
            (lambda document: document.update(head="2 " + "0" * 64), "with another hash than its head says"),
            (
                lambda document: document["rows"][0]["state"]["state"].update(drifts=2),
                "the state of release R1",
            ),
            (lambda document: document["rows"][0].update(outcome=None), "the outcome of release R1"),
        ],
    )
    def test_R44_what_was_changed_in_the_object_is_found(
        self, deed: Callable[[dict[str, Any]], None], said: str
    ) -> None:
        objects = MemoryObjects()
        ends(opened(objects), "R1")
        edit(objects, deed)

        assert any(said in problem for problem in store_in(objects).verify()), store_in(objects).verify()

    def test_R44_a_part_that_is_gone_is_found(self) -> None:
        objects = MemoryObjects()
        ends(opened(objects), "R1")
        del objects.kept[part_of(objects, 3)]
        told = store_in(objects).verify()

        assert any("is missing" in problem for problem in told)
        assert any("it ends at entry 2, its head is entry 3" in problem for problem in told)

    def test_a_service_whose_object_is_gone_is_not_begun_anew(self) -> None:
        objects = MemoryObjects()
        ends(opened(objects), "R1")
        del objects.kept[STATE]

        with pytest.raises(StoreError, match="is gone, and its journal is not") as gone:
            opened(objects, "R2")
        assert gone.value.id == "CF5044"

    def test_the_first_part_of_one_that_died_before_it_made_the_object_stops_nobody(self) -> None:
        objects = MemoryObjects()
        opened(objects)
        del objects.kept[STATE]
        store = opened(objects, "R2")

        assert store.verify() == ()
        assert len(store.strays()) == 1

    def test_an_object_of_a_newer_layout_is_left_alone(self) -> None:
        objects = MemoryObjects()
        opened(objects)
        edit(objects, lambda document: document.update(layout=99))

        with pytest.raises(StoreError) as refused:
            store_in(objects).active("shop")
        assert refused.value.id == "CF5006"

    def test_an_object_that_is_none_of_ours_is_said_so(self) -> None:
        objects = MemoryObjects()
        objects.put(STATE, b"something else")

        with pytest.raises(StoreError) as refused:
            store_in(objects).active("shop")
        assert refused.value.id == "CF5009"


class TestServices:
    def test_each_service_has_a_chain_of_its_own(self) -> None:
        objects = MemoryObjects()
        store, till = opened(objects), small_plan("R2", "till")
        store.open_release(till, opening(till), NOON)

        assert [entry.seq for entry in store.entries(service="till")] == [1, 2]
        assert len(store.entries()) == 4
        assert store.services() == ("shop", "till")
        assert store.verify() == ()

    def test_prefixes_of_one_bucket_know_nothing_of_each_other(self) -> None:
        bucket = new_bucket()
        prod, test = (store_in(objects_in(bucket, prefix)) for prefix in ("prod", "test"))
        plan = small_plan()
        prod.open_release(plan, opening(plan), NOON)

        assert prod.active("shop") is not None
        assert test.active("shop") is None
        assert test.services() == ()
