"""
The account's budget of changes, spent on ways back first.

AWS gives all of an account 20 changes of rules at once and 3 a second after them; consoles and other tools
draw on the same. Here every change of this process takes a token of a bucket of the same size. A change
that can wait is put off while less than a reserve is left, so that an abort finds tokens whatever other
releases do. An abort waits for its token, but not for longer than a look may take.

A throttled answer says that others have spent what we thought was there: the bucket is emptied.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from crossfade.errors import PlatformError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`burst` calls at once, `per_s` afterwards; `reserve` of them are for ways back alone."""

    burst: float
    per_s: float
    reserve: float


CHANGES: Final = Limit(burst=20, per_s=3, reserve=10)
"""ModifyRule, ModifyListener, tags: "Mutating actions" in the user guide of Elastic Load Balancing."""

TARGETS: Final = Limit(burst=20, per_s=4, reserve=5)
"""RegisterTargets and DeregisterTargets."""

OF_TARGETS: Final = frozenset({"register_targets", "deregister_targets"})

WAITS_S: Final = 4.0
"""Seconds that the changes of one way back wait for their tokens, all together: a look outlives no lease."""


NEARLY: Final = 1e-3
"""Of a token, and of a second: epochs of today are numbers without a finer end."""


class Bucket:
    """Tokens that come back with time. Not thread-safe by itself."""

    def __init__(self, limit: Limit, now: float) -> None:
        self.limit = limit
        self._tokens, self._at = limit.burst, now

    def left(self, now: float) -> float:
        """How many calls could be made now."""
        came = max(0.0, now - self._at) * self.limit.per_s
        self._tokens, self._at = min(self.limit.burst, self._tokens + came), now
        return self._tokens

    def take(self, now: float) -> None:
        self._tokens = self.left(now) - 1

    def empty(self, now: float) -> None:
        self._tokens = min(self.left(now), 0.0)

    def comes_in(self, now: float) -> float:
        """Seconds until a call could be made."""
        return max(0.0, (1 - self.left(now)) / self.limit.per_s)


class Pace:
    """One an account and region: what its releases may change now. Safe to share between threads."""

    def __init__(self, now: Callable[[], float], sleep: Callable[[float], None]) -> None:
        """`now` in epoch seconds and `sleep` in seconds, both of the release's clock."""
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._buckets = {False: Bucket(CHANGES, now()), True: Bucket(TARGETS, now())}

    @contextmanager
    def change(self, operation: str, until: float | None) -> Iterator[None]:
        """
        Around one change; of a way back where it may wait for its token, `until` an epoch of the clock.

        Raises `PlatformError` CF4427 where it is put off: nothing was asked, the next look asks again.
        """
        bucket = self._buckets[operation in OF_TARGETS]
        self._wait(bucket, operation, until)
        try:
            yield
        except PlatformError as error:
            if error.id == "CF4306":
                with self._lock:
                    bucket.empty(self._now())
            raise

    def _wait(self, bucket: Bucket, operation: str, until: float | None) -> None:
        kept = bucket.limit.reserve if until is None else 0.0
        while True:
            with self._lock:
                now = self._now()
                if bucket.left(now) + NEARLY >= 1 + kept:
                    bucket.take(now)
                    return
                comes = bucket.comes_in(now)
            if until is None or now + comes > until:
                raise PlatformError(
                    "CF4427",
                    f"{operation} is put off",
                    f"AWS allows {bucket.limit.per_s:g} a second, and ways back go first",
                    "the next look asks again",
                )
            self._sleep(max(comes, NEARLY))
