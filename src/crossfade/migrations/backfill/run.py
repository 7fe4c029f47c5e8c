"""
The walk: batch by batch through a table, until a pass finds nothing left to do.

    look at the next N rows ─► write those that are due ─► keep the place ─► COMMIT ─► pace, pauses ─► next

WHY SEVERAL PASSES. Rows that somebody held are left out and visited again. And where the application writes
both columns, a version that knows only the old one goes on writing behind the cursor: then a pass counts as
the last one only if it found nothing to change. With a trigger nobody can, and a pass that held all it
wanted is enough. AFTER A ROLLBACK OF THE RELEASE IT IS RUN AGAIN: the old version wrote only the old column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from crossfade.errors import PlatformError, RefusedError
from crossfade.migrations.backfill import cursor as places
from crossfade.migrations.backfill.batch import Batches, Reach, Wrote
from crossfade.migrations.backfill.clock import Pulse
from crossfade.migrations.backfill.cursor import Cursor
from crossfade.migrations.backfill.live import Live, RefusedStatementError
from crossfade.migrations.backfill.meaning import digest_of, triggers_fired
from crossfade.migrations.backfill.pace import Pace
from crossfade.migrations.backfill.pauses import Pauses
from crossfade.migrations.backfill.records import Record
from crossfade.migrations.backfill.sql import Values, Way
from crossfade.migrations.backfill.standbys import Standby
from crossfade.migrations.backfill.table import read_table
from crossfade.migrations.backfill.telling import Began, Moved, Passed, Told, TriedAgain, at_least
from crossfade.migrations.backfill.waits import Waits
from crossfade.migrations.wire import literal
from crossfade.spec.change_models import Backfill

PASSES: Final = 12
"""Times through the table before it is said that there is no end to it."""
TRIES: Final = 30
"""Times a batch is rolled back in a row before it is said who is in the way."""
_BETWEEN_PASSES_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended: `done`, `stopped` by a person, or `unsettled`: every pass found rows again."""

    state: str
    changed: int
    """Rows changed by this run."""
    cursor: Cursor
    seconds: float


def backfill(
    live: Live,
    change: str,
    order: Backfill,
    *,
    who: str,
    tell: Callable[[Told], None],
    pulse: Pulse | None = None,
    rows: int | None = None,
    written_by_trigger: bool = False,
    standbys: tuple[Standby, ...] = (),
) -> Outcome:
    """
    Fill what is due, from where the last run stopped.

    `standbys` have addresses of their own. `rows` is the size of the first batch where it is not the order's.
    `written_by_trigger`: a trigger keeps both columns in step.
    Raises what `Live`, `read_table` and `Table` raise, RefusedError (CF9287, CF9288) and PlatformError
    (CF9290).
    """
    table = read_table(live.session, order.table)
    way = Way(table=table, key=table.way(order.key))
    values = Values.of(table, order)
    _refuse_moving_keys(values, way)
    pulse = pulse or Pulse()
    places.prepare(live)
    live.hold(change, pulse)
    digest = digest_of(order, table)
    begun = _begun(live, change, digest)
    record = Record.begun(live, change, part="backfill", sha256=digest, text=order.table, who=who)
    tell(
        Began(
            change=change,
            table=table.called,
            key=tuple(one.name for one in way.key),
            rows=table.rows,
            seen=begun.seen,
            turn=begun.turn,
            again=begun.after is not None,
            fires=triggers_fired(table, values.names),
        )
    )
    target = order.target.total_seconds()
    live.ask(f"SET statement_timeout = {literal(f'{max(30.0, 20 * target):.0f}s')}")
    walk = _Walk(
        batches=Batches(live=live, change=change, way=way, values=values),
        record=record,
        waits=Waits(Pauses(live, order.pause_on, table.parts, standbys=standbys), pulse, tell),
        cursor=begun,
        write=Pace.of(rows or order.rows, target),
        look=Pace.of(rows or order.rows, target),
        began=pulse.now(),
    )
    return walk.through(written_by_trigger=written_by_trigger)


def _begun(live: Live, change: str, digest: str) -> Cursor:
    found = places.read(live, change)
    if found is not None and found.paused_by is not None:
        raise RefusedError(
            "CF9287",
            f"the backfill of {change} is paused",
            f"{found.paused_by} asked for it",
            f"crossfade migrate backfill {change} --resume",
        )
    if found is None or found.state != "running" or found.digest != digest:
        return places.begin(live, change, digest)
    return found


def _refuse_moving_keys(values: Values, way: Way) -> None:
    moved = sorted(values.names & {one.name for one in way.key})
    if moved:
        raise RefusedError(
            "CF9284",
            f"{', '.join(moved)} cannot be set and be the way through the table",
            "a row that moves along the key is met twice, or never",
            "key: another unique key; the column of a new primary key is filled by the old one",
        )


@dataclass(slots=True, kw_only=True)
class _Walk:
    """`write` paces the rows that are written, `look` those that are looked at."""

    batches: Batches
    record: Record
    waits: Waits
    cursor: Cursor
    write: Pace
    look: Pace
    began: float
    walked: int = 0
    changed: int = 0

    @property
    def pulse(self) -> Pulse:
        return self.waits.pulse

    def through(self, *, written_by_trigger: bool) -> Outcome:
        """Passes, until one finds nothing left."""
        for number in range(1, PASSES + 1):
            self._pass()
            if self.pulse.stopped:
                return self._outcome("stopped")
            now = self.cursor
            self.waits.tell(Passed(turn=now.turn, seen=now.seen, changed=now.changed, skipped=now.skipped))
            if not now.skipped and (written_by_trigger or not now.changed):
                return self._finished()
            if number < PASSES:
                self._begin_again(number)
        if self.cursor.skipped:
            raise PlatformError(
                "CF9290",
                f"{self.cursor.skipped} rows of {self._called} were held by others in every pass",
                self.batches.holders(),
                "end those transactions, and run it again",
            )
        return self._outcome("unsettled")

    @property
    def _called(self) -> str:
        return self.batches.way.table.called

    def _pass(self) -> None:
        more = True
        while more and not self.pulse.stopped:
            self.waits.for_others()
            if not self.pulse.stopped:
                more = self._batch()

    def _begin_again(self, number: int) -> None:
        if self.cursor.skipped:
            self.pulse.rest(min(0.25 * 2**number, _BETWEEN_PASSES_S))
        self.cursor = self.cursor.again()
        places.save(self.batches.live, self.batches.change, self.cursor)

    def _finished(self) -> Outcome:
        self.cursor = replace(self.cursor, state="done", after=None)
        with self.batches.live.transaction():
            places.save(self.batches.live, self.batches.change, self.cursor)
            passes = "one pass" if self.cursor.turn == 1 else f"{self.cursor.turn} passes"
            self.record.ended("done", self.cursor.changed_in_all, passes)
        return self._outcome("done")

    def _outcome(self, state: str) -> Outcome:
        return Outcome(
            state=state, changed=self.changed, cursor=self.cursor, seconds=self.pulse.now() - self.began
        )

    def _batch(self) -> bool:
        """One batch, however many tries it takes; whether there may be rows behind it."""
        for tries in range(1, TRIES + 1):
            began = self.pulse.now()
            try:
                wrote = self.batches.write(self.cursor, Reach(look=self.look.rows, write=self.write.rows))
            except RefusedStatementError as error:
                if error.again is None:
                    raise error.at(self._place()) from None
                self.write = self.look = self.write.refused(tries, self.pulse.die())
                self.waits.tell(TriedAgain(why=error.again, tries=tries))
                self.pulse.rest(self.look.rest_s)
                if self.pulse.stopped:
                    return True
                continue
            self._moved(wrote, self.pulse.now() - began)
            if wrote.paused_by is not None and not wrote.last:
                self.waits.until_none(self._asked_to_pause)
            return not wrote.last
        raise PlatformError(
            "CF9290",
            f"{TRIES} times in a row a batch of {self._called} could not be written",
            self.batches.holders(),
            "end what is in the way, and run it again: it goes on where it stopped",
        )

    def _moved(self, wrote: Wrote, took_s: float) -> None:
        self.walked += wrote.seen
        self.changed += wrote.at.changed - self.cursor.changed
        self.cursor = wrote.at
        far = replace(self.look, rows=min(self.look.rows, max(wrote.seen, self.write.rows)))
        self.look = far.after(took_s, wrote.waiting)
        if wrote.due * 2 >= self.write.rows:
            self.write = self.write.after(took_s, wrote.waiting)
        spent = self.pulse.now() - self.began
        self.waits.tell(
            Moved(
                seen=self.cursor.seen,
                rows=at_least(self.batches.way.table.rows, self.cursor.seen),
                changed=self.cursor.changed_in_all,
                skipped=self.cursor.skipped,
                batch=wrote.seen,
                took_s=took_s,
                rate=self.walked / spent if spent > 0 else 0.0,
                turn=self.cursor.turn,
            )
        )
        if self.look.rest_s:
            self.pulse.rest(self.look.rest_s)

    def _place(self) -> str:
        """Which batch it is, by a key that may be shown."""
        key, after = self.batches.way.key, self.cursor.after
        rows = f"a batch of up to {self.look.rows} rows"
        if after is None:
            return f"in {rows}, the first"
        if not all(one.may_be_shown for one in key):
            return f"in {rows}, after {self.cursor.seen} rows"
        return f"in {rows} behind ({', '.join(one.name for one in key)}) = ({', '.join(after)})"

    def _asked_to_pause(self) -> str | None:
        found = places.read(self.batches.live, self.batches.change)
        by = found.paused_by if found else None
        return None if by is None else f"{by} asked for it"
