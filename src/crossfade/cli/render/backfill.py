"""What a backfill and a verification say: a line each time for people, an object for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final, assert_never

from crossfade.migrations.backfill import Outcome, Verified
from crossfade.migrations.backfill.telling import Began, Moved, Passed, Told, TriedAgain, Waiting, WentOn

_EVENTS: Final[dict[type[Told], str]] = {
    Began: "began", Moved: "moved", Passed: "passed", TriedAgain: "tried_again", Waiting: "waiting",
    WentOn: "went_on",
}  # fmt: skip


def as_object(change: str, said: Told) -> dict[str, Any]:
    """One event of `--json`."""
    told = {"event": _EVENTS[type(said)], "change": change} | asdict(said)
    if isinstance(said, Moved):
        told |= {"share": said.share, "left_s": said.left_s}
    return told


def outcome_object(change: str, outcome: Outcome) -> dict[str, Any]:
    """The last event of a backfill."""
    return {
        "event": outcome.state,
        "change": change,
        "changed": outcome.changed,
        "changed_in_all": outcome.cursor.changed_in_all,
        "passes": outcome.cursor.turn,
        "seconds": round(outcome.seconds, 3),
    }


def verified_object(change: str, found: Verified) -> dict[str, Any]:
    """The last event of a verification."""
    return {
        "event": "stopped" if found.stopped else "verified" if found.holds else "offending",
        "change": change,
        "offending": found.offending,
        "seen": found.seen,
        "keys": list(found.keys),
        "sample": [list(key) for key in found.sample],
        "find": found.find,
        "seconds": round(found.seconds, 3),
    }


def as_lines(said: Told) -> tuple[str, ...]:
    """What a person reads; the first line of a backfill names the triggers that it sets off."""
    match said:
        case Began():
            many = "rows not yet counted" if said.rows is None else f"about {said.rows:,} rows"
            where = f"{said.change}: {said.table} by ({', '.join(said.key)}), {many}"
            again = (f"  goes on after {said.seen:,} rows of pass {said.turn}",) if said.again else ()
            fires = tuple(f"  each row that is filled fires your trigger {one}" for one in said.fires)
            return (where, *again, *fires)
        case Moved():
            return (progress(said),)
        case Waiting():
            spent = f" (for {said.for_s:.0f} s now)" if said.for_s >= 1 else ""
            return (f"  waits: {said.why}{spent}",)
        case WentOn():
            return (f"  goes on after {said.waited_s:.0f} s",)
        case TriedAgain():
            return (f"  again, smaller: {said.why}",)
        case Passed():
            held = f", {said.skipped:,} held by others" if said.skipped else ""
            return (f"  pass {said.turn}: {said.seen:,} rows looked at, {said.changed:,} changed{held}",)
        case _:
            assert_never(said)


def progress(moved: Moved) -> str:
    """Where it is, how fast, how long still."""
    share = "" if moved.share is None else f" ({moved.share * 100:.0f} %)"
    left = "" if moved.left_s is None else f", {_span(moved.left_s)} left"
    batch = f"batch of {moved.batch:,} in {moved.took_s * 1000:.0f} ms"
    of = " rows" if moved.rows is None else f" of {moved.rows:,}"
    return f"  {moved.seen:,}{of}{share}, {moved.rate:,.0f} rows/s{left}, {batch}"


def outcome_lines(change: str, outcome: Outcome, *, verify_next: bool) -> tuple[str, ...]:
    """How it ended, and what to type next."""
    rows = f"{outcome.changed:,} rows changed in {_span(outcome.seconds)}"
    match outcome.state:
        case "done":
            following = (f"next  crossfade migrate verify {change}",) if verify_next else ()
            return (f"{change}: done, {rows}", *following)
        case "stopped":
            return (
                f"{change}: stopped, {rows}; nothing is lost",
                f"next  crossfade migrate backfill {change}",
            )
        case _:
            return (
                f"{change}: {rows}, and every pass finds rows again: the old version goes on writing",
                "next  a dual_write trigger, or run it again when the old version is gone",
            )


def verified_lines(change: str, found: Verified) -> tuple[str, ...]:
    """The count, a few keys, and how to find the rest."""
    looked = "" if found.seen is None else f" of {found.seen:,}"
    if found.stopped:
        return (f"{change}: stopped after {found.seen or 0:,} rows; nothing is verified",)
    if found.holds:
        return (f"{change}: verified, 0{looked} rows offend, in {_span(found.seconds)}",)
    keys = ", ".join(found.keys)
    sample = tuple(f"  ({keys}) = ({', '.join(key)})" for key in found.sample)
    return (
        f"{change}: {found.offending:,}{looked} rows offend",
        *sample,
        f"find  {' '.join(found.find.split())}",
    )


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
