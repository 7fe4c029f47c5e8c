"""
The receipt: what the users saw, joined by request id with what the app says it did.

The rule, which decides who pays for a request that went wrong:

    Whatever the app did not itself answer as failed counts as lost by the machinery,
    unless that app process exited by itself.

So every doubt goes against the release: a request that no app has a line for, a line lost to a
kill -9, a good answer that did not arrive. What excuses the machinery is proof only: the app's
own word (a line, or its header on the answer) that it failed, or a process that the caller, who
started it, saw exit by itself. The story prints the result.

Reads line by line, in one pass over the client's file and one over each app's; only requests
that are still open are kept between the passes.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

End = Literal["exited", "stopped", "killed"]
"""How a process ended: by itself; because we asked; by a signal that nobody of us sent."""

NOBODY = "?"  # the revision of requests that no revision is known to have seen
SAMPLE = 10  # ids shown of those that no app knows
_DROPPED = ("refused", "reset", "truncated")
_ITS_OWN_FAILURE = ("failed", "hung")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One revision as its users saw it. Milliseconds, of good answers not held on purpose."""

    requests: int
    failed: int  # by whomever
    p50: float | None  # None: no good answer to measure
    p99: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """
    Where every request went: `requests` is the sum of `ok` and the three kinds of failure.

    `dropped_connections` lies across those kinds: the connection was refused, reset or cut
    short under the request, whoever is to blame.
    """

    requests: int
    ok: int  # answered with a status below 400
    failed_by_bad_app: int  # the app itself answered 4xx or 5xx, or let it hang
    failed_by_release_machinery: int
    lost_in_flight_on_exited: int  # the process that had it exited by itself
    dropped_connections: int
    reconnects: int  # resent by the client, rightly: an idle connection had been closed
    by_revision: Mapping[str, Arm]
    unmatched: tuple[str, ...]  # ids, at most SAMPLE, of failures that no app has a word on
    unreadable_lines: int  # cut off by a kill, in whichever file
    exposed_share: float | None  # of all requests, those that reached the candidate; None: unnamed


@dataclass(slots=True, kw_only=True)
class _Seen:
    requests: int = 0
    failed: int = 0
    times: list[float] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Open:
    """A failure, or a good answer without a revision, until an app's line says more."""

    record: dict[str, Any]
    lines: list[dict[str, Any]] = field(default_factory=list)


def join(
    client: Path,
    apps: Iterable[Path],
    ends: Mapping[int, End],
    *,
    candidate: str | None = None,
    routed: Mapping[str, int] | None = None,
    since: float = -math.inf,
    until: float = math.inf,
) -> Join:
    """
    Join the file of `traffic` with the log files of every app process.

    `ends` says how each process ended; one that still runs is left out. `routed` names the
    process a proxy sent a request to, for requests that no app has a line for. `since` and
    `until` (monotonic seconds, as in the files) keep only requests sent in [since, until).
    Raises OSError when a file cannot be read: a receipt is never made from half of the facts.
    """
    unreadable: Counter[Path] = Counter()
    still_open: dict[str, _Open] = {}
    arms: dict[str, _Seen] = {}
    count: Counter[str] = Counter()
    for record in _read(client, unreadable):
        if not since <= record["sent"] < until:
            continue
        count["requests"] += 1
        count["reconnects"] += record["reconnects"]
        count["dropped"] += record["outcome"] in _DROPPED
        count["ok"] += _good(record)
        if _good(record) and record["revision"]:
            _see(arms, record["revision"], record)
        else:
            still_open[record["id"]] = _Open(record=record)
    for path in apps:
        for line in _read(path, unreadable):
            found = still_open.get(line["id"])
            if found is not None:
                found.lines.append(line)

    unmatched: list[str] = []
    for ident, item in still_open.items():
        revision = item.record["revision"] or next((x["revision"] for x in item.lines), NOBODY)
        _see(arms, revision, item.record)
        if _good(item.record):
            continue
        if not item.lines and not item.record["pid"]:
            unmatched.append(ident)
        count[_blame(item, ends, routed or {})] += 1
    exposed = arms[candidate].requests if candidate in arms else 0
    return Join(
        requests=count["requests"],
        ok=count["ok"],
        failed_by_bad_app=count["app"],
        failed_by_release_machinery=count["machinery"],
        lost_in_flight_on_exited=count["exited"],
        dropped_connections=count["dropped"],
        reconnects=count["reconnects"],
        by_revision={name: _arm(seen) for name, seen in sorted(arms.items())},
        unmatched=tuple(unmatched[:SAMPLE]),
        unreadable_lines=unreadable.total(),
        exposed_share=None if candidate is None else exposed / max(count["requests"], 1),
    )


def _blame(
    item: _Open, ends: Mapping[int, End], routed: Mapping[str, int]
) -> Literal["app", "machinery", "exited"]:
    """Who pays for a failure: the rule of this module, word by word."""
    record, lines = item.record, item.lines
    itself = record["outcome"] == "answered" and record["pid"]
    if itself or (lines and all(line["did"] in _ITS_OWN_FAILURE for line in lines)):
        return "app"
    had_it = {line["pid"] for line in lines}
    if record["pid"]:
        had_it.add(record["pid"])
    if not had_it and record["id"] in routed:
        had_it.add(routed[record["id"]])
    # Were it sent to several, each of them has to excuse the machinery.
    if had_it and all(ends.get(pid) == "exited" for pid in had_it):
        return "exited"
    return "machinery"


def _good(record: dict[str, Any]) -> bool:
    return bool(record["outcome"] == "answered" and record["status"] < 400)


def _see(arms: dict[str, _Seen], revision: str, record: dict[str, Any]) -> None:
    seen = arms.setdefault(revision, _Seen())
    seen.requests += 1
    if not _good(record):
        seen.failed += 1
    elif record["kind"] != "slow":
        seen.times.append(record["ms"])


def _arm(seen: _Seen) -> Arm:
    times = sorted(seen.times)
    return Arm(
        requests=seen.requests,
        failed=seen.failed,
        p50=_quantile(times, 0.50),
        p99=_quantile(times, 0.99),
    )


def _quantile(ordered: list[float], share: float) -> float | None:
    """Nearest rank: the smallest value that at least `share` of all do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def _read(path: Path, unreadable: Counter[Path]) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            try:
                found = json.loads(line)
            except ValueError:
                found = None
            if isinstance(found, dict) and "id" in found:
                yield found
            else:
                unreadable[path] += 1
