"""
When the journal cannot be written: the one effect that is allowed without it, and its trace.

A controller that cannot write must not go on, and must not leave a candidate half judged
in front of users. It sends traffic home, by the same safety rules as any way back, says so
on stderr and in `emergency.log`; when the store can be written again the log becomes an
ordinary command to turn back, so the journal is whole (R34).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crossfade.engine import codec
from crossfade.engine.clock import EngineClock
from crossfade.engine.ports import Store
from crossfade.engine.tick import Ports
from crossfade.errors import AccessError, PlatformError, UsageError
from crossfade.release.plan import Plan
from crossfade.release.reconcile import reconcile
from crossfade.release.state import Road, State
from crossfade.release.values import NOTHING, Command, EnsureWeight, GoHome, Instant, Verb, sure

NAME = "emergency.log"

ACTOR = "crossfade (emergency)"
"""Who turned back, in the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One line of `emergency.log`."""

    release: str
    service: str
    ts: Instant
    reason: str


def needs_home(plan: Plan, state: State) -> bool:
    """On the road on, with weight, and not past return: there, going home is right even blind."""
    step = state.step(plan)
    return (
        state.outcome is None
        and state.road is Road.ON
        and not step.point_of_no_return
        and max(step.world.weight, state.had) > NOTHING
    )


class Emergency:
    """The log and the effect; one a store."""

    def __init__(self, store: Store, clock: EngineClock) -> None:
        self._store = store
        self._clock = clock
        self._said: dict[str, str] = {}
        """What was said last of each release: at every look the same is news only once."""

    def paths(self) -> tuple[Path, ...]:
        """
        In the state folder, and in the system's folder for temporary files where the first is full.

        The second comes first where the store is elsewhere: any command on this machine finds it there.
        """
        name = hashlib.sha256(os.fsencode(self._store.name)).hexdigest()[:16]
        beside = self._store.folder / NAME
        shared = temporary() / f"crossfade-{os.geteuid()}-{name}-{NAME}"
        return (shared, beside) if self._store.elsewhere else (beside, shared)

    def go_home(self, plan: Plan, ports: Ports, reason: str) -> bool:
        """
        Traffic to stable without a journal entry; True where it is seen to be home.

        Written down first, so far as anything can be written. Safe to repeat at every look.
        """
        if plan.release not in self._said:
            self._said[plan.release] = reason
            self._write(plan, reason)
        look = ports.platform.observe(plan)
        if sure(look.truth.weights, lambda span: span.at(NOTHING)):
            self.say(plan, f"all traffic is on {plan.stable}")
            return True
        for effect in reconcile(plan, plan.back[0].world, look.truth):
            if isinstance(effect, GoHome | EnsureWeight):
                try:
                    ports.platform.perform(plan, effect, look.fence)
                except (PlatformError, AccessError) as error:
                    self.say(plan, f"going home failed, trying again: {error.id} {error.what}: {error.why}")
        return False

    def say(self, plan: Plan, text: str) -> None:
        """To stderr, where it is not what was said of this release the last time."""
        if self._said.get(plan.release) != text:
            self._said[plan.release] = text
            _say(f"release {plan.release}: {text}")

    def _write(self, plan: Plan, reason: str) -> None:
        at = self._clock.now()
        said = Written(release=plan.release, service=plan.service, ts=at, reason=reason)
        _say(f"release {plan.release} of {plan.service}: {reason}; sending all traffic to {plan.stable}")
        if plan.break_glass:
            _say(f"without Crossfade: {plan.break_glass}")
        line = (codec.dump(said) + "\n").encode()
        failed: list[str] = []
        for path in self.paths():
            try:
                _append(path, line)
            except OSError as error:
                failed.append(f"{path}: {error.strerror or error}")
            else:
                return
        _say(f"nor can {NAME} be written ({'; '.join(failed)}): {codec.dump(said)}")

    def merge(self) -> tuple[str, ...]:
        """
        Hands what was logged to the releases as commands to turn back; the releases named.

        The log is removed after. A crash in between sends the same ids again, which changes nothing.
        Raises `StoreAwayError` while the store still cannot be written.
        """
        told: list[str] = []
        for path in self.paths():
            if not _ours(path):
                continue
            for said in _read(path):
                when = codec.encode(said.ts)
                command = Command(
                    id=f"emergency:{said.release}:{when}",
                    verb=Verb.ABORT,
                    actor=ACTOR,
                    reason=f"{said.reason}; traffic was sent home without a journal, {when}",
                )
                # A log of another folder's release, or of one whose row was lost, names nobody here.
                with contextlib.suppress(UsageError):
                    self._store.send(said.release, command, self._clock.now())
                    told.append(said.release)
            path.unlink(missing_ok=True)
        return tuple(told)


def _append(path: Path, line: bytes) -> None:
    # A link laid in a shared folder for temporary files must not choose what we write to.
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if os.write(handle, line) < len(line):
            raise OSError("only a part of the line could be written")
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary() -> Path:
    """Where a file may lie when the state folder takes none."""
    return Path(tempfile.gettempdir())


def _ours(path: Path) -> bool:
    """A plain file of this user's; what another one laid into a shared folder is not read."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()


def _read(path: Path) -> Iterator[Written]:
    """The whole lines of a log; a line cut off by a full disk says nothing."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    with os.fdopen(handle, "rb") as log:
        lines = log.read().splitlines()
    for line in lines:
        with contextlib.suppress(json.JSONDecodeError, KeyError, TypeError, ValueError):
            yield codec.decode(Written, json.loads(line))


def _say(text: str) -> None:
    """To stderr, even where that is gone too."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"crossfade: EMERGENCY {text}\n")
        sys.stderr.flush()
