"""Rows of which a condition is not true, counted by the key: short statements, and a rest after each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from crossfade.errors import PlatformError
from crossfade.migrations.backfill.live import Live, RefusedStatementError
from crossfade.migrations.backfill.pace import Pace
from crossfade.migrations.backfill.sql import Key, Way, bounds
from crossfade.migrations.backfill.telling import Moved, TriedAgain, at_least
from crossfade.migrations.backfill.waits import Waits

SHOWN: Final = 5
"""Keys of offending rows that are kept: enough to see what kind of rows they are."""
TRIES: Final = 30


@dataclass(slots=True, kw_only=True)
class Count:
    """A count on its way; `offends` is the condition that offending rows meet."""

    live: Live
    way: Way
    offends: str
    waits: Waits
    pace: Pace
    began: float
    seen: int = 0
    offending: int = 0
    sample: list[Key] = field(default_factory=list)
    after: Key | None = None

    def through(self) -> bool:
        """Every row, or until somebody stops it; whether it was stopped."""
        more = True
        while more and not self.waits.pulse.stopped:
            self.waits.for_others()
            start = self.waits.pulse.now()
            number = self._batch()
            took = self.waits.pulse.now() - start
            more = number == self.pace.rows
            self.pace = self.pace.after(took)
            self._tell(number, took)
            if more:
                self.waits.pulse.rest(min(took, self.pace.target_s))
        return more

    def _batch(self) -> int:
        """How many rows there were; one that was refused for a while is asked again, smaller."""
        for tries in range(1, TRIES + 1):
            try:
                return self._looked()
            except RefusedStatementError as error:
                if error.again is None:
                    raise
                self.pace = self.pace.refused(tries, self.waits.pulse.die())
                self.waits.tell(TriedAgain(why=error.again, tries=tries))
                self.waits.pulse.rest(self.pace.rest_s)
        raise PlatformError(
            "CF9290",
            f"{TRIES} times in a row {self.way.table.called} could not be read",
            "somebody holds it, or a batch of ten rows takes too long",
            "end what is in the way, and run it again",
        )

    def _looked(self) -> int:
        number, wrong, *texts = self.live.ask(
            self.way.slice(self.after, self.pace.rows, self.offends), bounds(self.after)
        )[0]
        if not int(number or 0):
            return 0
        last = tuple(str(one) for one in texts)
        if int(wrong or 0):
            self._keep_some(last)
        self.seen += int(number or 0)
        self.offending += int(wrong or 0)
        self.after = last
        return int(number or 0)

    def _keep_some(self, last: Key) -> None:
        room = SHOWN - len(self.sample)
        if room > 0 and all(one.may_be_shown for one in self.way.key):
            query = self.way.keys_of(self.after, last, self.offends, room)
            found = self.live.ask(query, bounds(self.after, last))
            self.sample += [tuple(str(one) for one in key) for key in found]

    def _tell(self, number: int, took_s: float) -> None:
        spent = self.waits.pulse.now() - self.began
        self.waits.tell(
            Moved(
                seen=self.seen,
                rows=at_least(self.way.table.rows, self.seen),
                changed=self.offending,
                skipped=0,
                batch=number,
                took_s=took_s,
                rate=self.seen / spent if spent > 0 else 0.0,
            )
        )
