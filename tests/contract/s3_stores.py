"""Stores in a bucket and what is done with them: what the tests of the S3 store share."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from crossfade.engine.s3 import Objects, S3Store
from crossfade.release.state import fold
from crossfade.release.values import Command, Event, EventType, Verb
from crossfade.testing import NOON, opening, small_plan

LEASE = timedelta(seconds=10)

STATE = "service/shop/state.json"


def store_in(objects: Objects) -> S3Store:
    return S3Store(objects, Path("/nowhere"), glance=0.0)


def opened(objects: Objects, release: str = "R1") -> S3Store:
    store, plan = store_in(objects), small_plan(release)
    store.open_release(plan, opening(plan), NOON)
    return store


def ends(store: S3Store, release: str) -> None:
    claim = store.claim(release, NOON, "me", LEASE)
    assert claim is not None
    end = Event(type=EventType.RELEASE_SUCCEEDED, ts=NOON)
    store.save(claim, fold(claim.plan, claim.state, (end,)), (end,), (), None, now=NOON)


def asks(number: str) -> Command:
    return Command(id=number, verb=Verb.ABORT, actor="ada", reason="because")


def part_of(objects: Objects, first: int) -> str:
    return next(key for key in objects.keys("service/shop/journal/") if f"/{first:010d}-" in key)
