"""Many who write to one bucket at once, hands in between, and weather."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from buckets import ACCOUNT, REGION, WEATHER, Weather, door, new_bucket, objects_in
from s3_stores import LEASE, STATE, asks, ends, opened, store_in

from crossfade.aws import Door, Where
from crossfade.engine import LostLeaseError, StoreAwayError
from crossfade.engine.s3 import Objects, S3Objects, S3Store, StoreDeniedError
from crossfade.errors import AccessError, HeldError
from crossfade.release.state import fold
from crossfade.release.values import Event, EventType
from crossfade.testing import NOON, MemoryObjects, opening, small_plan


def side_by_side(count: int, work: Callable[[int], None]) -> None:
    """So many at once; the first that fails fails the test."""
    broken: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001  # told by the test itself
            broken.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]


class TestRaces:
    @pytest.mark.parametrize(
        ("times", "real"),
        [(50, False), (5, True), pytest.param(50, True, marks=[pytest.mark.long, pytest.mark.timeout(600)])],
    )
    def test_six_writers_at_once_lose_nothing(self, times: int, real: bool) -> None:
        bucket = new_bucket() if real else ""
        memory = MemoryObjects()

        def objects() -> Objects:
            return objects_in(bucket) if real else memory

        opened(objects())

        def write(number: int) -> None:
            store, refused = store_in(objects()), small_plan(f"X{number}")
            for turn in range(times):
                if turn % 2:
                    store.send("R1", asks(f"c{number}-{turn}"), NOON)
                else:
                    event = Event(type=EventType.RELEASE_REFUSED, ts=NOON, actor=f"{number}-{turn}")
                    store.record_refused(refused, event)

        side_by_side(6, write)
        store = store_in(objects())
        sent = [command.id for command in store.inbox("R1")]
        told = [entry.event.actor for entry in store.entries(service="shop", limit=9999)]
        wanted = [f"{number}-{turn}" for number in range(6) for turn in range(times)]

        assert sorted(sent) == sorted(f"c{name}" for name in wanted if int(name.split("-")[1]) % 2)
        assert sorted(name for name in told if name and "-" in name) == sorted(
            name for name in wanted if not int(name.split("-")[1]) % 2
        )
        assert store.verify() == ()

    def test_R22_of_six_who_open_at_once_one_does(self) -> None:
        bucket, held, plans = new_bucket(), list[HeldError](), [small_plan(f"R{n}") for n in range(6)]

        def begin(number: int) -> None:
            try:
                store_in(objects_in(bucket)).open_release(plans[number], opening(plans[number]), NOON)
            except HeldError as error:
                held.append(error)

        side_by_side(6, begin)
        store = store_in(objects_in(bucket))
        holder = store.active("shop")

        assert len(held) == 5
        assert {error.exit_code for error in held} == {8}
        assert holder is not None
        assert all(holder.id in error.what for error in held)
        assert store.verify() == ()

    def test_R23_of_six_who_claim_at_once_one_may_write(self) -> None:
        bucket = new_bucket()
        opened(objects_in(bucket))
        won: list[str] = []

        def claim(number: int) -> None:
            if store_in(objects_in(bucket)).claim_due(NOON, f"c{number}", LEASE, "shop") is not None:
                won.append(f"c{number}")

        side_by_side(6, claim)

        assert len(won) == 1
        assert store_in(objects_in(bucket)).row("R1").lease_owner == won[0]


class Meddled(MemoryObjects):
    """Somebody writes between a part and the object that shall name it."""

    meddle: Callable[[], object] | None = None

    def put(self, key: str, body: bytes, replaces: str | None = None) -> str:
        if key == STATE and self.meddle is not None:
            meddle, self.meddle = self.meddle, None
            meddle()
        return super().put(key, body, replaces)


class TestBetween:
    """What happens between the part and the object that names it."""

    def test_R44_a_command_that_lands_there_in_the_last_tick_is_answered_in_the_journal(self) -> None:
        objects = Meddled()
        store = opened(objects)
        claim = store.claim("R1", NOON, "me", LEASE)
        assert claim is not None
        end = Event(type=EventType.RELEASE_SUCCEEDED, ts=NOON)
        objects.meddle = lambda: store_in(objects).send("R1", asks("c1"), NOON)
        store.save(claim, fold(claim.plan, claim.state, (end,)), (end,), (), None, now=NOON)
        answer, told = store.command_result("c1"), [entry.event.type for entry in store.entries()]

        assert answer is not None
        assert "ended" in answer.why
        assert told[-2:] == [EventType.RELEASE_SUCCEEDED, EventType.COMMAND_RECEIVED]
        assert store.verify() == ()
        assert len(store.strays()) == 1

    def test_R22_another_release_that_opens_there_holds_the_service(self) -> None:
        objects, mine = Meddled(), small_plan("R2")
        ends(opened(objects), "R1")
        store, other = store_in(objects), small_plan("R3")
        objects.meddle = lambda: store_in(objects).open_release(other, opening(other), NOON)

        with pytest.raises(HeldError, match="release R3 holds shop"):
            store.open_release(mine, opening(mine), NOON)
        assert store.entries(release="R2") == ()
        assert store.verify() == ()

    def test_R23_one_that_takes_the_lease_over_there_is_the_only_one_that_writes(self) -> None:
        objects = Meddled()
        store = opened(objects)
        claim = store.claim("R1", NOON, "me", LEASE)
        assert claim is not None
        late = NOON + LEASE + store.margin
        objects.meddle = lambda: store_in(objects).claim("R1", late, "another", LEASE)
        said = Event(type=EventType.RELEASE_STUCK, ts=NOON)

        with pytest.raises(LostLeaseError):
            store.save(claim, fold(claim.plan, claim.state, (said,)), (said,), (), NOON, now=NOON)
        assert len(store.entries()) == 2
        assert store.row("R1").lease_owner == "another"
        assert store.verify() == ()


@pytest.fixture
def weather() -> Weather:
    """That of a bucket of its own, with R1 opened in it."""
    bucket = new_bucket()
    opened(objects_in(bucket))
    WEATHER[bucket] = Weather()
    WEATHER[bucket].calls.append(bucket)
    return WEATHER[bucket]


def under(weather: Weather) -> S3Store:
    bucket = weather.calls[0]
    return store_in(objects_in(bucket))


class TestWeather:
    def test_a_write_whose_answer_was_lost_is_found_and_not_made_twice(self, weather: Weather) -> None:
        store, refused = under(weather), small_plan("R2")
        event = Event(type=EventType.RELEASE_REFUSED, ts=NOON, actor="ada")
        for swallows in (1, 2):
            weather.swallows = swallows
            store.send("R1", asks(f"c{swallows}"), NOON)
        weather.swallows = 1
        store.record_refused(refused, event)
        clean = store.strays()
        weather.swallows = 2  # boto3's own second try too: then the part is written under another name
        store.record_refused(refused, event)

        assert [command.id for command in store.inbox("R1")] == ["c1", "c2"]
        assert len(store.entries(release="R2")) == 2
        assert store.verify() == ()
        assert (clean, len(store.strays())) == ((), 1)

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (("503 Slow Down", "SlowDown"), "CF5042"),
            (("500 Internal Server Error", "InternalError"), "CF5042"),
            (("400 Bad Request", "SomethingNew"), "CF5042"),
        ],
    )
    def test_a_bucket_that_does_not_answer_is_away_and_may_come_back(
        self, weather: Weather, answer: tuple[str, str], told: str
    ) -> None:
        store = under(weather)
        weather.refuses = answer

        for call in (lambda: store.active("shop"), lambda: store.send("R1", asks("c1"), NOON)):
            with pytest.raises(StoreAwayError) as away:
                call()
            assert (away.value.id, away.value.busy, away.value.exit_code) == (told, True, 11)
        weather.refuses = None
        assert store.active("shop") is not None

    @pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken", "InvalidAccessKeyId"])
    def test_a_denial_is_one_of_access_and_goes_home_at_once(self, weather: Weather, code: str) -> None:
        store = under(weather)
        weather.refuses = ("403 Forbidden", code)

        with pytest.raises(StoreDeniedError) as denied:
            store.active("shop")

        assert isinstance(denied.value, AccessError)
        assert isinstance(denied.value, StoreAwayError)
        assert (denied.value.id, denied.value.exit_code, denied.value.busy) == ("CF4305", 3, False)
        assert "s3:ListBucket" in denied.value.fix

    def test_a_bucket_that_is_not_there_is_named_with_the_way_to_make_it(self) -> None:
        with pytest.raises(StoreAwayError) as refused:
            store_in(objects_in("no-such-bucket")).active("shop")

        assert refused.value.id == "CF5041"
        assert refused.value.fix.startswith(f"aws s3 mb s3://no-such-bucket --region {REGION}")

    def test_R47_another_account_than_the_pinned_one_is_refused_before_anything_is_asked(self) -> None:
        bucket = new_bucket()
        WEATHER[bucket] = Weather()
        other = Door(Where(account="999999999999", region=REGION, endpoint=door().where.endpoint))

        with pytest.raises(StoreDeniedError) as refused:
            opened(S3Objects(other, bucket, "prod"))

        assert refused.value.id == "CF4303"
        assert WEATHER[bucket].calls == []

    def test_every_call_says_whose_bucket_it_must_be(self) -> None:
        bucket, objects = new_bucket(), S3Objects(door(), "", "prod")
        objects._bucket = bucket
        asked: list[str | None] = []
        events = door().client("s3").meta.events

        def note(params: dict[str, Any], **_rest: Any) -> None:
            asked.append(params.get("ExpectedBucketOwner"))

        events.register("before-parameter-build.s3", note, unique_id="whose")
        try:
            store = opened(objects)
            store.verify()
            store.strays()
        finally:
            events.unregister("before-parameter-build.s3", unique_id="whose")

        assert set(asked) == {ACCOUNT}

    @pytest.mark.parametrize(("off", "claims"), [(1, True), (30, False), (-30, False)])
    def test_R23_a_machine_whose_clock_is_wrong_holds_no_lease(
        self, weather: Weather, off: int, claims: bool
    ) -> None:
        weather.clock = timedelta(seconds=off)
        store = under(weather)

        if claims:
            assert store.claim("R1", NOON, "me", LEASE) is not None
            return
        with pytest.raises(StoreAwayError) as refused:
            store.claim("R1", NOON, "me", LEASE)
        assert refused.value.id == "CF5043"
        assert store.row("R1").lease_owner is None

    def test_nobody_there_is_away_within_a_lease(self) -> None:
        nobody = Door(Where(account=ACCOUNT, region=REGION, endpoint="http://127.0.0.1:9"))
        nobody.prove = lambda: None  # type: ignore[method-assign, assignment, return-value]  # it was, once

        with pytest.raises(StoreAwayError) as away:
            store_in(S3Objects(nobody, "state", "prod")).active("shop")
        assert away.value.busy
