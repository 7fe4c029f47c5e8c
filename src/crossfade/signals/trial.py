"""
A warm-up's answers judged: candidate against stable, by the release's own judge. Pure.

The schedule of `size` pairs is cut in two. The first half warms and is not judged: being slow
or failing while imports, caches and pools are filled is what a warm-up is for, and users will not
meet it; it is counted and told. Stable's part of it is the judge's history. The second half is
judged, errors and latency, to its end. A failure has to repeat, on as many fresh pairs behind it,
and must not fade: an app that takes longer to warm than half the schedule is not a bad one. So a
warm-up goes on, part after part, while each is bad but better than the one before. It costs no
user anything. Only a candidate that never answered well is stopped as soon as that is proved.

Pairs are judged in the order of the schedule, and a part is laid on the judge's axis as `AXIS_S`
seconds whatever it took: at most `PIECES` intervals, of which the judge takes three together for one
witness (its brake against bursts). So no stall of the machine that is shorter than a twentieth of
the part can prove more than 1.25 nats of about ten, and compressed time is judged as real time is.

`warming.py` feeds a `Trial`, `warmed.py` says what came of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossfade.judge import METHOD, Interval, Stream, Verdict, open_stream
from crossfade.release.values import Side
from crossfade.signals.asking import Pair

AXIS_S: Final = 300.0
"""Length of a judged half as the judge counts: the default bake."""

PIECES: Final = 60
"""Intervals in it, each of five such seconds."""

LEAST: Final = 100
"""Pairs that warm, and of stable's latencies that the judge needs before it can cut any: below, an app
that is still cold would be compared with one that is not. Errors are judged of any number."""

FADES: Final = 0.8
"""A part whose share of bad answers is below so much of the one before is still warming. Of a build
that is bad for good the shares differ by chance only; then it costs one part more."""

FIRST_MOST: Final = 0.05
"""Share of failures at which a first release is bad where no `max` says it: there is no stable to ask."""

JUDGED: Final = ("errors", "latency")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of the schedule that was judged: what went in, and the last that came out."""

    header: Mapping[str, Any]
    intervals: Sequence[Mapping[str, Any]]
    pairs: Sequence[Pair]
    said: Verdict | None

    @property
    def failed(self) -> bool:
        return self.said is not None and self.said["verdict"] == "fail"


class Trial:
    """The judging of one run; a fold over the pairs that came, in the order of the schedule."""

    def __init__(
        self,
        size: int,
        judging: Mapping[str, Any],
        edges_ms: Sequence[float],
        *,
        with_stable: bool,
        again: Callable[[], bool],
    ) -> None:
        """`judging`: gates, preset and the warm-up's own alpha. `again`: whether time is left for a part."""
        self._judging, self._edges = judging, tuple(edges_ms)
        self._with_stable = with_stable
        self._again = again
        self.over = False
        """No further pair can change what is known."""
        self._begin = self._cold = size // 2
        self._length = size - self._begin
        self._came: dict[int, Pair | None] = {}
        self._upto = 0
        """All before this number have come, or were left out."""
        self._stream: Stream | None = None
        self._header: Mapping[str, Any] = {}
        self._intervals: list[Interval] = []
        self._said: Verdict | None = None
        self.parts: list[Part] = []

    @property
    def wanted(self) -> int:
        """How many pairs the schedule has now."""
        return self._begin + self._length

    @property
    def sent(self) -> int:
        """How many pairs were answered, or given up."""
        return sum(pair is not None for pair in self._came.values())

    @property
    def bad(self) -> bool:
        """Whether the candidate is worse than stable, as far as there was time to tell."""
        return self.parts[-1].failed and not self.fading

    @property
    def fading(self) -> bool:
        """Whether the last part was better than the one before."""
        return len(self.parts) > 1 and _fades(*self.parts[-2:])

    @property
    def warming(self) -> Sequence[Pair]:
        """The pairs that came before any was judged."""
        return self._pairs(0, self._cold)

    def asks(self, name: str) -> bool:
        """Whether the release has this gate, and it may stop."""
        gates = self._judging.get("gates")
        return gates is None or (name in gates and gates[name].get("mode") != "observe")

    def add(self, number: int, pair: Pair | None) -> None:
        """One pair that is complete; None: it was left out for both sides."""
        self._came[number] = pair
        while self._upto in self._came:
            self._upto += 1
        while not self.over and self._advance():
            pass

    def end(self) -> None:
        """No more pairs come: what is judged up to now is the last part."""
        if not self.over and self._stream is not None:
            self._close()

    def _advance(self) -> bool:
        """One interval more, where all of its pairs are there."""
        if self._upto < self._begin:
            return False
        if self._stream is None:
            self._header = self._opening()
            self._stream = open_stream(self._header)
        count = min(PIECES, self._length)
        index = len(self._intervals)
        first, last = (self._begin + at * self._length // count for at in (index, index + 1))
        if self._upto < last:
            return False
        wide = AXIS_S / count
        interval: Interval = {
            "start": index * wide,
            "end": (index + 1) * wide,
            "stable": self._arm(first, last, Side.STABLE),
            "candidate": self._arm(first, last, Side.CANDIDATE),
            "step": "warm-up",
        }
        self._intervals.append(interval)
        self._said = self._stream.push(interval)
        if index + 1 == count or (self._said["verdict"] == "fail" and not self._lives):
            self._close()
        return True

    @property
    def _lives(self) -> bool:
        """Whether the candidate ever answered well: one that did may be warming, and is given the time."""
        return any(pair is not None and pair.answers[Side.CANDIDATE].good for pair in self._came.values())

    def _close(self) -> None:
        """The part ends; one that failed is judged again, on as many pairs behind it."""
        length, begin = self._length, self._begin
        done = len(self._intervals) * length // min(PIECES, length)
        part = Part(
            header=self._header,
            intervals=self._intervals,
            pairs=self._pairs(begin, begin + done),
            said=self._said,
        )
        self.parts.append(part)
        proved = part.failed and (not self._lives or (len(self.parts) > 1 and not self.fading))
        if not part.failed or proved or not self._again():
            self.over = True
        else:
            self._begin = begin + done
            self._stream, self._intervals, self._said = None, [], None

    def _pairs(self, first: int, last: int) -> list[Pair]:
        found = (self._came.get(number) for number in range(first, last))
        return [pair for pair in found if pair is not None]

    def _opening(self) -> Mapping[str, Any]:
        """The judge's header: everything a replay needs (R30), the pairs before it included."""
        before = self._begin
        count = min(PIECES, before) or 1
        cuts = [at * before // count for at in range(count + 1)]
        history = [
            {
                "start": (at - count) * AXIS_S / count,
                "end": (at + 1 - count) * AXIS_S / count,
                "stable": self._arm(cuts[at], cuts[at + 1], Side.STABLE),
                "candidate": None,
            }
            for at in range(count)
            if self._with_stable and cuts[at + 1] > cuts[at]
        ]
        return {
            "method": METHOD,
            "edges_ms": list(self._edges),
            "alpha": self._judging["alpha"],
            "preset": self._judging.get("preset", "normal"),
            "bake_s": AXIS_S,
            "weight": 0.5,
            "gates": self._gates(),
            "history": history,
            "cold": self._arm(0, before, Side.CANDIDATE),  # told, not judged
        }

    def _gates(self) -> Mapping[str, Any]:
        asked = self._judging.get("gates")
        gates = {
            name: dict(settings)
            for name, settings in ({name: {} for name in JUDGED} if asked is None else asked).items()
            if name in JUDGED
        }
        if "errors" in gates and not self._with_stable and gates["errors"].get("max") is None:
            gates["errors"]["max"] = FIRST_MOST
        warmed = sum(pair.good for pair in self._pairs(0, self._begin))
        measured = self._with_stable or gates.get("latency", {}).get("max")
        if warmed < LEAST or not measured:
            gates.pop("latency", None)
        return gates

    def _arm(self, first: int, last: int, side: Side) -> Any:
        """
        One side's counts. A latency counts where both sides answered well: an error is quick, and
        would make its side look fast.
        """
        pairs = self._pairs(first, last)
        row = [0] * (len(self._edges) + 1)
        for pair in pairs:
            if pair.good and side in pair.answers:
                row[bisect_left(self._edges, pair.answers[side].ms)] += 1
        mine = [pair.answers[side] for pair in pairs if side in pair.answers]
        return {"requests": len(mine), "errors": sum(not answer.good for answer in mine), "latency": row}


def _fades(before: Part, after: Part) -> bool:
    """Whether what is bad in `after` was worse before."""
    if after.said is None:
        return False
    shown = after.said["gates"].get(after.said["blame"] or "")
    limit = None if shown is None else shown["limit_ms"]
    was, now = (_bad_share(part.pairs, limit) for part in (before, after))
    return now < FADES * was


def _bad_share(pairs: Sequence[Pair], limit_ms: float | None) -> float:
    """The candidate's answers that are slower than the limit, or failed where there is none."""
    mine = [pair.answers[Side.CANDIDATE] for pair in pairs if limit_ms is None or pair.good]
    bad = sum(not one.good if limit_ms is None else one.ms > limit_ms for one in mine)
    return bad / len(mine) if mine else 0.0
