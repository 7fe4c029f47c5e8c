"""
Where the journal is kept: whether it can be written, and in a bucket whether two writers are told apart.

The one object that is written there is the one that each release writes for the same reason.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from crossfade.aws import Door, Where
from crossfade.doctor import here
from crossfade.doctor.check import Check, State, failed, ok
from crossfade.engine.s3.objects import Objects, S3Objects, SecondError
from crossfade.engine.s3.store import PROBE
from crossfade.errors import RefusedError
from crossfade.spec import Spec

NOBODYS: Final = '"00000000000000000000000000000000"'
"""An etag that no object has."""

NOTICED: Final = timedelta(seconds=2)


def state(spec: Spec) -> Iterator[Check]:
    """Wherever the spec says."""
    if isinstance(spec.state, Path):
        yield from here.state(spec.state)
        return
    place = spec.state
    door = Door(Where(account=place.account, region=place.region, endpoint=place.endpoint, role=place.role))
    yield from bucket(S3Objects(door, place.bucket, place.prefix))


def bucket(objects: Objects) -> Iterator[Check]:
    """Raises `StoreAwayError` where it cannot be written at all."""
    found = objects.get(PROBE)
    etag = found.etag if found is not None else objects.put(PROBE, b"{}")
    lost = [said for said, replaces in _TRIES if _written(objects, replaces)]
    if lost:
        yield failed(
            "state",
            RefusedError(
                "CF5045",
                f"{objects.name} does not tell two writers apart: it {' and '.join(lost)}",
                "conditional writes are what keeps two controllers from driving one release (R23)",
                "a bucket of S3 itself honours them; a proxy or another store before it may not",
            ),
        )
        return
    # Where a release writes it just now, that proves as much.
    with contextlib.suppress(SecondError):
        objects.put(PROBE, b"{}", etag)
    yield ok("state", f"{objects.name} can be written, and tells two writers apart")
    if objects.skew > NOTICED:
        yield Check(
            name="clock", state=State.WARN, id="CF5043",
            said=f"this machine's clock is {objects.skew.total_seconds():.0f} s away from the bucket's",
            why="leases between machines are told by the clock", fix="timedatectl set-ntp true",
        )  # fmt: skip


_TRIES: Final = (
    ("created an object that is there", None),
    ("replaced an object that is another by now", NOBODYS),
)


def _written(objects: Objects, replaces: str | None) -> bool:
    """Whether a write that must come second was done."""
    try:
        objects.put(PROBE, b"{}", replaces)
    except SecondError:
        return False
    return True
