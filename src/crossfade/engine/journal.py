"""
The chain of the journal: each entry carries the hash of the one before, the head is kept apart (R44).

This shows a changed, removed, inserted or cut-off entry. It does not stop somebody who may
write the file and rewrites the whole chain with its head: for that keep a copy of the head
elsewhere (`crossfade history --verify` prints it).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crossfade.engine.codec import decode, dump, encode
from crossfade.engine.records import Entry, Row
from crossfade.release.plan import Plan
from crossfade.release.state import State, fold, opened
from crossfade.release.values import Event, EventType

GENESIS = "0" * 64
"""What the first entry follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last entry: its number and its hash."""

    seq: int = 0
    hash: str = GENESIS

    @classmethod
    def read(cls, text: str | None) -> Head:
        if text is None:
            return cls()
        seq, _, value = text.partition(" ")
        return cls(seq=int(seq), hash=value)

    def text(self) -> str:
        return f"{self.seq} {self.hash}"


def body_of(event: Event, plan: Plan | None) -> str:
    """What is written of an event; the first one of a release carries its plan."""
    said: dict[str, object] = {"event": encode(event)}
    if plan is not None:
        said["plan"] = encode(plan)
    return dump(said)


def digest(prev: str, seq: int, release: str, service: str, *, ts: int, body: str) -> str:
    """The hash of an entry over all that it says and the hash before it."""
    said = dump([prev, seq, release, service, ts, body])
    return hashlib.sha256(said.encode()).hexdigest()


def document_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a stored row says, read back."""
    said: dict[str, Any] = json.loads(row["body"])
    return said


def entry_of(row: Mapping[str, Any], document: Mapping[str, Any]) -> Entry:
    """A stored row as an entry."""
    return Entry(
        seq=row["seq"],
        service=row["service"],
        release=row["release"],
        event=decode(Event, document["event"]),
        prev_hash=row["prev_hash"],
        hash=row["hash"],
    )


def breaks(rows: Iterable[Mapping[str, Any]], head: Head) -> Iterator[str]:
    """Where the chain does not hold, in words."""
    last = Head()
    for row in rows:
        seq = row["seq"]
        if seq != last.seq + 1:
            yield f"entries {last.seq + 1} to {seq - 1} are missing"
        elif row["prev_hash"] != last.hash:
            yield f"entry {seq} does not follow entry {last.seq}"
        told = digest(row["prev_hash"], seq, row["release"], row["service"], ts=row["ts"], body=row["body"])
        if told != row["hash"]:
            yield f"entry {seq} was changed: its hash is not that of what it says"
        last = Head(seq=seq, hash=row["hash"])
    if last.seq < head.seq:
        yield f"the journal was cut off: it ends at entry {last.seq}, its head is entry {head.seq}"
    elif last != head:
        yield f"the journal ends at entry {last.seq} with another hash than its head says"


def refolded(plan: Plan, events: Iterable[Event]) -> State | None:
    """The state by the journal alone; None where nothing opened it."""
    state: State | None = None
    for event in events:
        if event.type is EventType.RELEASE_OPENED:
            state = opened(event.ts)
        elif state is not None:
            state = fold(plan, state, (event,))
    return state


def unlike(entries: Sequence[Mapping[str, Any]], kept: Sequence[Row]) -> Iterator[str]:
    """Releases whose row is not what the journal makes of it."""
    told: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        told.setdefault(entry["release"], []).append(json.loads(entry["body"]))
    for row in kept:
        documents = told.pop(row.id, [])
        if not documents or "plan" not in documents[0]:
            yield f"release {row.id} has no plan in the journal"
            continue
        if decode(Plan, documents[0]["plan"]) != row.plan:
            yield f"the plan of release {row.id} is not the one the journal opened it with"
        events = [decode(Event, document["event"]) for document in documents]
        if refolded(row.plan, events) != row.state:
            yield f"the state of release {row.id} is not what its journal entries make of it"
        if row.state.outcome is not row.outcome:
            yield f"the outcome of release {row.id} is not its state's"
    for release, documents in told.items():
        if any(document["event"]["type"] != EventType.RELEASE_REFUSED.value for document in documents):
            yield f"release {release} has journal entries and no row"
