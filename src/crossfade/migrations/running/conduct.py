"""
The verbs, from their preconditions to the last row of the ledger: expand, contract, abort.

Each looks where the change stands, asks what it has to ask, judges every statement before the first one runs,
and then lets the executor do what is left. Called again after anything, it goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from crossfade.errors import AccessError, PlatformError, RefusedError
from crossfade.migrations import backfill
from crossfade.migrations.answers import Failure
from crossfade.migrations.running import ledger
from crossfade.migrations.running.commands import Surroundings, hider, run_command
from crossfade.migrations.running.doors import Sessions
from crossfade.migrations.running.executor import Executor, Means, refuse_drift
from crossfade.migrations.running.failures import blocks, changes_rows, drifted, unknowable
from crossfade.migrations.running.ledger import WHOLE, Chapter, Done, Standing, of_part, standing
from crossfade.migrations.running.manner import Judged
from crossfade.migrations.running.outside import effect_of, runs_outside
from crossfade.migrations.running.survey import survey
from crossfade.migrations.script import Script, Statement, Unit, read_script, read_statements
from crossfade.migrations.wire import Session
from crossfade.spec.change_models import CommandPart, DualWrite, Part, SchemaChange, SqlPart

_TAKEN_AWAY: Final = 1001
"""Number of the first statement that takes a dual write away; those that made it begin at 1."""
_BRIEF: Final = Judged(manner="brief")
_NOTHING: Final = Script(units=(), explicit=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What people took upon themselves, by their words."""

    accept_blocking: str = ""
    despite_versions: str = ""
    accepted: str = ""
    """On whose word a possible counterexample was let through."""

    def kept(self, waived: str) -> str:
        """What the ledger keeps of it."""
        despite = f"despite versions: {self.despite_versions}" if self.despite_versions else ""
        return "; ".join(one for one in (waived, despite, self.accepted) if one)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What is asked of those who know of releases; `None` = nobody who knows is there."""

    objections: Callable[[SchemaChange], Sequence[str]] | None = None
    """Why a contract may not run now, each with the date when it may."""
    needed_by: Callable[[SchemaChange], Sequence[str]] | None = None
    """Versions that need what the change has added."""
    accepted: Callable[[SchemaChange], str] = lambda _: ""
    """On whose word nothing stands in the way of it."""
    unknown: str = "there is no release history to ask"
    """Why nobody who knows is there."""
    learn: str = "run it beside the crossfade.yaml of the service"
    """How that is changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A part before it runs: its row, and for SQL its statements and their manners."""

    part: Part | None
    row: Done
    script: Script = _NOTHING
    judged: tuple[Judged, ...] = ()


class Conductor:
    """Conducts changes on one database, alone."""

    def __init__(self, means: Means, sessions: Sessions, around: Surroundings, outside: Outside) -> None:
        self._means = means
        self._sessions, self._session = sessions, sessions.work
        self._executor = Executor(means, sessions)
        self._around = around
        self._outside = outside
        self._make_ledger()
        self.rows = self._executor.settle()

    def stands(self, change: SchemaChange) -> Standing:
        return standing(change, self.rows)

    def expand(self, change: SchemaChange, asked: Asked) -> str:
        """Expand, and put the dual write in place. What was done, in words."""
        now = self.stands(change)
        if now in {"contracting", "contracted"}:
            raise _out_of_order(change, now, "it is past its expand", "write a new change")
        self._forget_abort(change)
        ready = self._ready(change, "expand", change.expand, asked)
        did = ready is not None
        self._do(ready)
        if change.dual_write is None:
            return "expanded" if did else "nothing to do: it is expanded"
        made = self._dual_write(change)
        return "expanded, both columns are written" if did or made else "nothing to do: it is expanded"

    def contract(self, change: SchemaChange, asked: Asked) -> str:
        """Contract, when nobody can go back to what needs the old shape."""
        self._keep_backfills_out(change)
        now = self.stands(change)
        if now == "contracted":
            self._ready(change, "contract", change.contract, asked)
            return "nothing to do: it is contracted"
        if now != "contracting":
            self._refuse_early(change, now)
        self._refuse_while_needed(change, asked)
        asked = replace(asked, accepted=self._outside.accepted(change))
        away = self._taking_away(change, backfill.leave_behind)
        ready = self._ready(change, "contract", change.contract, asked, before=away)
        if now != "contracting":
            backfill.confirm(self._session, change, self._means.who)
        self._do(ready, before=away)
        return "contracted"

    def abort(self, change: SchemaChange, asked: Asked, reason: str) -> str:
        """Take away what the expand has added, while no version needs it."""
        self._keep_backfills_out(change)
        now = self.stands(change)
        if now in {"planned", "aborted"}:
            raise _out_of_order(change, now, "nothing of it is there", "")
        if now in {"contracting", "contracted"}:
            raise _out_of_order(change, now, "what its contract took away is gone", "write a new change")
        self._refuse_to_take_away(change, asked)
        away = self._taking_away(change, backfill.remove)
        ready = self._ready(change, "abort", change.abort, asked, before=away)
        self._do(ready, before=away, end=False)
        remains = () if change.abort else self._made_by_expand(change)
        self._end_abort(change, reason)
        if not remains:
            return "aborted; what it had added is taken away"
        return "\n".join(
            [
                f"aborted; there is no {change.name}.abort.sql, so this remains:",
                *(f"  {one}" for one in remains),
            ]
        )

    def _ready(
        self, change: SchemaChange, chapter: Chapter, part: Part | None, asked: Asked,
        *, before: Script = _NOTHING,
    ) -> _Ready | None:  # fmt: skip
        """A part that has not run, judged but untouched; `before` runs before it. None: it has run."""
        done = of_part(self.rows, change.name, chapter)
        whole = done.get(WHOLE)
        if whole is not None and whole.done:
            if whole.sha256 != (part.sha256 if part else ""):
                raise self._part_drifted(change, chapter, part, done, whole)
            return None
        row = self._whole(change, chapter, part, whole)
        if not isinstance(part, SqlPart):
            return _Ready(part=part, row=replace(row, note=asked.kept("")))
        script, judged, note = self._judged(change, chapter, part, asked, before)
        return _Ready(part=part, row=replace(row, note=asked.kept(note)), script=script, judged=judged)

    def _do(self, ready: _Ready | None, *, before: Script = _NOTHING, end: bool = True) -> None:
        """Run what is left of a part; `before` it, once its row is there, what takes a dual write away."""
        if ready is None:
            return
        row = ready.row
        self._keep(row)
        self._executor.run_again(row.change, "dual_write", before, _brief(before), first=_TAKEN_AWAY)
        if isinstance(ready.part, CommandPart):
            tries = run_command(self._means, self._around, row.change, ready.part.command, self._sessions)
            row = replace(row, tries=tries)
        else:
            self._executor.run(row.change, row.part, ready.script, ready.judged)
        if end:
            self._keep(ledger.ended(row, self._means.clock.now(), "done"))

    def _part_drifted(
        self, change: SchemaChange, chapter: Chapter, part: Part | None, done: dict[int, Done], whole: Done
    ) -> RefusedError:
        """The first statement that is another one now, or the part as a whole."""
        if isinstance(part, SqlPart):
            refuse_drift(change.name, chapter, read_script(part.text, part.file.name), done)
        return drifted(change.name, chapter, whole, None, part.sha256 if part else "")

    def _judged(
        self, change: SchemaChange, chapter: Chapter, part: SqlPart, asked: Asked, before: Script
    ) -> tuple[Script, tuple[Judged, ...], str]:
        """Every statement's manner, before the first one runs; refuses what keeps others waiting."""
        script = read_script(part.text, part.file.name)
        done = of_part(self.rows, change.name, chapter)
        refuse_drift(change.name, chapter, script, done)
        over = {number for number, row in done.items() if row.done}
        left = _without(script, over)
        if not left.statements:
            return script, _brief(script), ""
        for one in left.statements:
            if runs_outside(one) and effect_of(one) is None:
                raise unknowable(change.name, one)
        whole = replace(left, units=(*before.units, *left.units))
        self._means.tell("watches the statements on a copy of the schema first")
        surveyed = survey(self._means.door, change.name, whole, self._means.sandbox_dsn)
        if surveyed.note:
            self._means.tell(surveyed.note)
        of_left = surveyed.judged[len(before.statements) :]
        waived = self._refuse_or_waive(change, list(zip(left.statements, of_left, strict=True)), asked)
        told = iter(of_left)
        judged = tuple(_BRIEF if at in over else next(told) for at, _ in enumerate(script.statements, 1))
        taken_apart = surveyed.script.explicit and not left.explicit
        return (script.apart() if taken_apart else script), judged, waived

    def _refuse_or_waive(
        self, change: SchemaChange, found: Sequence[tuple[Statement, Judged]], asked: Asked
    ) -> str:
        of_rows = [(one, how.why) for one, how in found if how.manner == "rows"]
        blocking = [(one, how.why) for one, how in found if how.manner == "blocking"]
        if not of_rows and not blocking:
            return ""
        if asked.accept_blocking:
            return f"blocking accepted: {asked.accept_blocking}"
        if of_rows:
            raise changes_rows(change.name, of_rows)
        raise blocks(change.name, blocking)

    def _dual_write(self, change: SchemaChange) -> bool:
        whole = of_part(self.rows, change.name, "dual_write").get(WHOLE)
        if change.dual_write is None:
            return False
        made_before = whole is not None and whole.done
        if made_before and backfill.in_place(self._session, change.name, change.dual_write):
            return False
        made = _of(backfill.install(self._session, change.name, change.dual_write))
        row = self._whole(change, "dual_write", None, whole)
        self._executor.run_again(change.name, "dual_write", made, _brief(made), first=1)
        self._keep(ledger.ended(row, self._means.clock.now(), "done"))
        return True

    def _keep_backfills_out(self, change: SchemaChange) -> None:
        """No backfill of this change is at work, and none begins while we are. Raises HeldError (CF9285)."""
        backfill.Live(self._session).hold(change.name, backfill.Pulse())
        self.rows = ledger.rows_of(self._session)

    def _taking_away(
        self, change: SchemaChange, how: Callable[[Session, str, DualWrite], tuple[str, ...]]
    ) -> Script:
        """The statements that end a dual write; none where there is none, or no table any more."""
        if change.dual_write is None:
            return _NOTHING
        if self._session.ask("SELECT pg_catalog.to_regclass($1)", [change.dual_write.table]) == ((None,),):
            return _NOTHING
        return _of(how(self._session, change.name, change.dual_write))

    def _refuse_early(self, change: SchemaChange, now: Standing) -> None:
        if now in {"planned", "aborted", "expanding"}:
            raise _out_of_order(
                change, now, "its expand has not run", f"crossfade migrate expand {change.name}"
            )
        if change.backfill is not None and now not in {"backfilled", "verified"}:
            raise _out_of_order(
                change, now, "rows of the old shape remain", f"crossfade migrate backfill {change.name}"
            )
        if change.invariant is not None and now != "verified":
            raise _out_of_order(
                change, now, "nobody has counted the rows that break its invariant",
                f"crossfade migrate verify {change.name}",
            )  # fmt: skip

    def _refuse_while_needed(self, change: SchemaChange, asked: Asked) -> None:
        """R38: not while a version that needs the old shape can be returned to."""
        if asked.despite_versions:
            return
        if self._outside.objections is None:
            raise RefusedError(
                "CF9277",
                f"{change.name}: nobody can tell whether a version that needs the old shape may come back",
                self._outside.unknown,
                f"{self._outside.learn}, or take it on: --despite-versions REASON",
            )
        found = self._outside.objections(change)
        if found:
            raise RefusedError(
                "CF9277",
                f"{change.name}: a version that needs the old shape may come back",
                "; ".join(found),
                "wait until then, accept what is only possible (crossfade migrate prove "
                f"{change.name}), or take it on: --despite-versions REASON",
            )

    def _refuse_to_take_away(self, change: SchemaChange, asked: Asked) -> None:
        if asked.despite_versions:
            return
        needing = None if self._outside.needed_by is None else self._outside.needed_by(change)
        if needing is not None and not needing:
            return
        why = self._outside.unknown if needing is None else f"needed by {', '.join(needing)}"
        first = self._outside.learn if needing is None else "roll back to a version that does not"
        what = "nobody can tell whether a version needs" if needing is None else "a version needs"
        raise RefusedError(
            "CF9277",
            f"{change.name}: {what} what it has added",
            why,
            f"{first}, or take it on: --despite-versions REASON",
        )

    def _made_by_expand(self, change: SchemaChange) -> tuple[str, ...]:
        rows = of_part(self.rows, change.name, "expand")
        return tuple(row.text for number, row in sorted(rows.items()) if number != WHOLE and row.done)

    def _end_abort(self, change: SchemaChange, reason: str) -> None:
        row = self._whole(change, "abort", change.abort, None)
        over = replace(ledger.ended(row, self._means.clock.now(), "done"), note=reason)
        self._session.attempt("BEGIN")
        failure = (
            ledger.write(self._session, over)
            or ledger.undo(self._session, change.name)
            or backfill.forget(self._session, change.name)
        )
        if failure is not None:
            self._session.attempt("ROLLBACK")
            raise _not_kept(change.name, failure)
        self._session.attempt("COMMIT")
        self.rows = ledger.rows_of(self._session)

    def _forget_abort(self, change: SchemaChange) -> None:
        if of_part(self.rows, change.name, "abort"):
            failure = ledger.undo_abort(self._session, change.name)
            if failure is not None:
                raise _not_kept(change.name, failure)
            self.rows = ledger.rows_of(self._session)

    def _whole(self, change: SchemaChange, chapter: Chapter, part: Part | None, before: Done | None) -> Done:
        text = ""
        if isinstance(part, SqlPart):
            text = part.file.name
        elif isinstance(part, CommandPart):
            text = hider(self._means.door.dsn)(part.command)
        now = self._means.clock.now()
        return Done(
            change=change.name,
            part=chapter,
            number=WHOLE,
            sha256=part.sha256 if part else "",
            text=text,
            state="started",
            started=before.started if before is not None else now,
            who=self._means.who,
        )

    def _keep(self, row: Done) -> None:
        failure = ledger.write(self._session, row)
        if failure is not None:
            raise _not_kept(row.change, failure)
        self.rows = ledger.rows_of(self._session)

    def _make_ledger(self) -> None:
        if ledger.ledger_is_there(self._session):
            return
        said = self._session.attempt(ledger.TABLES)
        if isinstance(said, Failure):
            raise AccessError(
                "CF9273",
                "the ledger cannot be made",
                f"{said} ({self._means.door.where})",
                f"GRANT CREATE ON DATABASE {self._means.door.database} TO {self._means.door.user}",
            )


def _of(made: Sequence[str]) -> Script:
    """Statements of our own, as one transaction."""
    statements = tuple(one for text in made for one in read_statements(text, "dual write"))
    return Script(units=(Unit(statements=statements, transaction=True),), explicit=True)


def _brief(script: Script) -> tuple[Judged, ...]:
    return tuple(_BRIEF for _ in script.statements)


def _without(script: Script, over: set[int]) -> Script:
    """The script without the statements of these numbers."""
    at, units = 0, []
    for unit in script.units:
        kept = []
        for one in unit.statements:
            at += 1
            if at not in over:
                kept.append(one)
        if kept:
            units.append(replace(unit, statements=tuple(kept)))
    return replace(script, units=tuple(units))


def _out_of_order(change: SchemaChange, now: Standing, why: str, fix: str) -> RefusedError:
    return RefusedError("CF9276", f"{change.name} is {now}", why, fix)


def _not_kept(change: str, failure: Failure) -> PlatformError:
    return PlatformError(
        "CF9273", f"{change}: the ledger cannot be written", str(failure), "mend that, then run this again"
    )
