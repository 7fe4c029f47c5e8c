"""
The receipt's numbers: what every request met, and how long detection and return took.

Seconds come from two clocks that are one: the client's wall clock, and the engine's, which
a demo runs faster; `clock.real` leads back. Nothing is taken from what was planned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crossfade.bootstrap import House
from crossfade.demo import witness
from crossfade.demo.builds import APP_LOG
from crossfade.demo.receipt import join
from crossfade.engine.records import Entry
from crossfade.release.plan import Plan
from crossfade.release.values import EventType

Lived = tuple[Plan, float, float, Sequence[Entry]]
"""A release of the story: its plan, begin and end (monotonic seconds), its journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release of the story, as measured here."""

    revision: str
    outcome: str
    exposed_share: float
    """Of all requests between opening and end, those that reached this revision."""
    exposed: int
    detect_s: float | None
    """First request on the candidate to verdict; None where nothing was detected."""
    warm_up_s: float | None
    evidence_s: float | None
    tick_s: float | None
    restore_s: float | None
    """Verdict to the last request sent that reached the candidate; 0 where none came after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The whole receipt."""

    releases: tuple[Release, ...]
    requests: int
    failed_by_release_machinery: int
    failed_by_bad_app: int
    dropped_connections: int
    lost_in_flight_on_exited: int
    reconnects: int
    client_late_ms_p99: int
    time_compression: float

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def measure(
    folder: Path,
    house: House,
    lived: Sequence[Lived],
    *,
    late_ms: int,
    own_app: bool,
    revisions: Mapping[str, str],
) -> Measured:
    """
    Join the client's lines with the apps', and read the journal's times.

    `revisions` names the revision of each instance: of a program of the user's, which writes
    no lines of ours, the proxy is the witness.
    """
    client = folder / "client.jsonl"
    apps = [
        witness.answers(house.folder, revisions, folder / "answers.jsonl") if own_app else folder / APP_LOG
    ]
    whole = join(client, apps, {})
    named = witness.by_request(apps[0]) if own_app else {}
    sent = [json.loads(line) for line in client.read_text().splitlines() if line.endswith("}")]
    return Measured(
        releases=tuple(
            _release(house, one, client=client, apps=apps, sent=sent, named=named) for one in lived
        ),
        requests=whole.requests,
        failed_by_release_machinery=whole.failed_by_release_machinery,
        failed_by_bad_app=whole.failed_by_bad_app,
        dropped_connections=whole.dropped_connections,
        lost_in_flight_on_exited=whole.lost_in_flight_on_exited,
        reconnects=whole.reconnects,
        client_late_ms_p99=late_ms,
        time_compression=house.clock.factor,
    )


def _release(
    house: House,
    lived: Lived,
    *,
    client: Path,
    apps: Sequence[Path],
    sent: Sequence[dict[str, Any]],
    named: Mapping[str, str],
) -> Release:
    plan, began, ended, entries = lived
    state = house.store.row(plan.release).state
    joined = join(client, apps, {}, candidate=plan.candidate, since=began, until=ended)
    mine = [
        one["wall"]
        for one in sent
        if began <= one["sent"] < ended and (one["revision"] or named.get(one["id"])) == plan.candidate
    ]
    verdict = next((one for one in entries if one.event.type is EventType.ROLLBACK_STARTED), None)
    arm = joined.by_revision.get(plan.candidate)
    exposed = arm.requests if arm else 0
    timing: dict[str, float | None] = dict.fromkeys(
        ("detect_s", "warm_up_s", "evidence_s", "tick_s", "restore_s")
    )
    if verdict is not None and mine:
        said = house.clock.real(verdict.event.ts)
        warm_up = float(str(plan.judging.get("warm_up_s", 0.0))) / house.clock.factor
        closed = [one.end.timestamp() for one in house.store.intervals(plan.release, "live")]
        last = max((end for end in closed if end <= said), default=said)
        detect = said - min(mine)
        tick = min(said - last, detect)
        timing = {
            "detect_s": round(detect, 3),
            "warm_up_s": round(min(warm_up, detect - tick), 3),
            "evidence_s": round(max(detect - tick - warm_up, 0.0), 3),
            "tick_s": round(tick, 3),
            "restore_s": round(max(max(mine) - said, 0.0), 4),
        }
    return Release(
        revision=plan.candidate,
        outcome=state.outcome.value if state.outcome else "running",
        exposed_share=round(exposed / joined.requests, 5) if joined.requests else 0.0,
        exposed=exposed,
        **timing,
    )
