"""
What one release has learned, in memory as in the store: the judge, its intervals, the samples of health.

Everything enters through `Memory` before it is judged, and a restarted controller replays the
same entries into the same judge: the same bits again (R27, R30), and no slot twice. Entries:

    {"header": {...}, "origin": int}       the judge's header with history; `origin` = real second 0;
                                           "source" = who counted
    {"start", "end", "slot", ...}          one interval as pushed; times are clock seconds from origin
    {"health": {...}}                      one sample of the instances' states, and at times their memory
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from crossfade.judge import METHOD, Stream, open_stream
from crossfade.judge import Verdict as Judged
from crossfade.signals.framing import Frame
from crossfade.signals.source import Memory

BEFORE_NAMED: Final = "1"
"""The method of releases that were recorded before its name was."""

TOUCH_S: Final = 0.01
"""Clock seconds that two intervals may be apart and still touch."""


def clock_s(real_s: float, factor: float) -> float:
    """A span on the clock, rounded to what an epoch's float can hold of it."""
    return round(real_s * factor, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A stored release as `crossfade.judge.replay` takes it."""

    header: Mapping[str, Any]
    intervals: tuple[Mapping[str, Any], ...]


def recorded(entries: Sequence[Mapping[str, Any]]) -> Recorded | None:
    """The header and the intervals of a release; None where nothing was judged."""
    headers = [_header(entry) for entry in entries if "header" in entry]
    if not headers:
        return None
    return Recorded(header=headers[0], intervals=tuple(entry for entry in entries if "slot" in entry))


def _header(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"method": BEFORE_NAMED, **entry["header"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Which real seconds an interval was, in which step's window, and whether it could be judged."""

    start: float
    end: float
    step: str
    clock_s: float
    readable: bool
    past: bool
    aside: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Ledger:
    """One release's judge and what it was fed."""

    release: str
    memory: Memory
    stream: Stream | None = None
    origin: int = 0
    source: str = ""
    """Who counted; empty in what was recorded before it was written down."""
    edges: Sequence[float] = ()
    """Upper edges of the latency buckets, in ms."""
    clock_end: float = -inf
    """Where the last interval ended, in clock seconds from the origin."""
    said: Judged | None = None
    """The judge's last answer."""
    bad: str = ""
    """Why the last interval could not be judged; empty where it could."""
    pieces: list[Piece] = field(default_factory=list)
    live: list[Mapping[str, Any]] = field(default_factory=list)
    """Intervals in which stable took traffic, newest last: the baseline once it takes none."""
    history: list[Mapping[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    """Samples of health."""

    @classmethod
    def read(cls, release: str, memory: Memory) -> Ledger:
        """Replays what the memory holds."""
        ledger = cls(release=release, memory=memory)
        for entry in memory.intervals(release):
            ledger._take(entry)
        return ledger

    @property
    def next(self) -> float:
        """The real epoch from which on nothing was judged yet."""
        return self.pieces[-1].end if self.pieces else 0

    @property
    def failed(self) -> bool:
        """Whether the judge has ever said that this candidate is bad; it does not take that back."""
        return self.said is not None and self.said["verdict"] == "fail"

    def open(self, header: Mapping[str, Any], origin: int, source: str) -> None:
        """Begins judging, with the newest method; refused by the judge, nothing is stored."""
        header = {"method": METHOD, **header}
        open_stream(header)
        self._add({"header": header, "origin": origin, "source": source})

    def push(self, frame: Frame, factor: float, about: Mapping[str, Any]) -> None:
        """
        One more interval, stored and then judged.

        Counts that cannot be are stored as unread, with why: a bad reading is neither zero nor good (R24).
        """
        entry: dict[str, Any] = {
            "start": self._after_the_last(clock_s(frame.start - self.origin, factor)),
            "end": clock_s(frame.end - self.origin, factor),
            "slot": [frame.start, frame.end],
            "stable": frame.stable,
            "candidate": frame.candidate,
            "stable_instances": [list(pair) for pair in frame.stable_instances],
            "candidate_instances": [list(pair) for pair in frame.candidate_instances],
            **({"aside": dict(frame.aside)} if frame.aside else {}),
            **about,
        }
        bad = frame.bad or self._refused(entry)
        if bad:
            entry |= {"bad": bad, "stable": None, "candidate": None}
            entry |= {"stable_instances": [], "candidate_instances": []}
        self._add(entry)

    def _after_the_last(self, start: float) -> float:
        """Frames that touch in real time touch on the clock: an epoch's float is coarser than the judge."""
        return self.clock_end if abs(start - self.clock_end) < TOUCH_S else start

    def sample(self, sample: Mapping[str, Any]) -> None:
        """One look at the instances."""
        self._add({"health": dict(sample)})

    def covers(self, step: str, begin: int) -> float:
        """Clock seconds of judged data in the window of a step that began at this real second."""
        return sum(
            piece.clock_s
            for piece in self.pieces
            if piece.step == step and piece.readable and piece.start >= begin
        )

    def _refused(self, entry: Mapping[str, Any]) -> str:
        """What a judge that is thrown away says against these counts; empty where it takes them."""
        try:
            open_stream({"edges_ms": self.edges, "gates": {"errors": {}}}).push(entry)
        except (ValueError, TypeError, KeyError) as error:
            return f"the counts are garbled: {error}"
        return ""

    def _add(self, entry: Mapping[str, Any]) -> None:
        self.memory.add(self.release, entry)
        self._take(entry)

    def _take(self, entry: Mapping[str, Any]) -> None:
        if "header" in entry:
            header = _header(entry)
            self.stream = open_stream(header)
            self.origin, self.edges = int(entry["origin"]), header["edges_ms"]
            self.source = str(entry.get("source") or "")
            self.history = list(header.get("history") or ())
        elif "health" in entry:
            self.samples.append(entry["health"])
        elif self.stream is not None:
            self.said = self.stream.push(entry)
            self.bad = str(entry.get("bad") or "")
            start, end = entry["slot"]
            self.clock_end = entry["end"]
            past = entry.get("baseline") == "past"
            self.pieces.append(
                Piece(
                    start=start,
                    end=end,
                    step=entry["step"],
                    clock_s=entry["end"] - entry["start"],
                    readable=not self.bad,
                    past=past,
                    aside=entry.get("aside") or {},
                )
            )
            if not past and not self.bad and entry["stable"]["requests"]:
                self.live.append(entry)
