"""
The database of one service, asked: what ran there, and what that means for those who may want to go back.

`Preconditions` for a release that opens, and the same answers for `migrate contract`, `migrate prove NAME`
and `can-rollback`. Nothing is written to the database here; what is learned is kept beside the journal.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from psycopg import ProgrammingError
from psycopg import conninfo as dsn

from crossfade.engine.ports import Store
from crossfade.errors import CrossfadeError, RefusedError
from crossfade.migrations.running.ledger import WHOLE, Done, of_part, rows_of, standing
from crossfade.migrations.shape import Shape, read_shape
from crossfade.migrations.wire import Session
from crossfade.preconditions.booting import Trial
from crossfade.preconditions.heard import Place
from crossfade.preconditions.objecting import (
    breaks,
    not_expanded,
    not_read,
    not_recorded,
    of_another_version,
    unknown_shape,
)
from crossfade.preconditions.reach import Past, Reachable, reachable
from crossfade.preconditions.records import Part, Records, Version
from crossfade.preconditions.say import footing
from crossfade.preconditions.sessions import open_sessions, with_sessions
from crossfade.preconditions.words import Asked, Word, words_of
from crossfade.release.plan import Footing, Plan
from crossfade.release.policy import Objection
from crossfade.release.state import Outcome
from crossfade.spec.changes import read_changes

if TYPE_CHECKING:
    from crossfade.spec import Spec
    from crossfade.spec.change_models import Accept, SchemaChange
    from crossfade.spec.database_models import Database

_PATIENCE_S: Final = 3
_HISTORY: Final = 200
_PARTS: Final = ("expand", "contract")


class DatabaseSide:
    """One service's database, with what is kept of its versions."""

    def __init__(self, spec: Spec, database: Database, store: Store, now: Callable[[], datetime]) -> None:
        self._spec, self._database = spec, database
        self._store, self.now = store, now
        self.records = Records(store.drawer, spec.service)

    # What there is

    @property
    def variable(self) -> str:
        """The variable that holds the address."""
        return self._database.direct

    @property
    def role(self) -> str | None:
        """The role that the application connects as."""
        return self._database.app_role

    @property
    def trial(self) -> Trial | None:
        """How an instance is started for a trial; None where nobody said."""
        if self._database.boot is None:
            return None
        platform = self._spec.platform
        place = self.place
        return Trial(
            command=self._database.boot,
            health=platform.health,
            home=self._spec.folder,
            variables=place.variables,
        )

    @property
    def place(self) -> Place:
        """Where programs run, and the variables in which they find the database."""
        return Place(home=str(self._spec.folder), variables=(self._database.url, self._database.direct))

    @cached_property
    def changes(self) -> tuple[SchemaChange, ...]:
        """The schema changes of the folder. Raises SpecError with every mistake in them."""
        named = self._database.migrations
        return () if named is None else read_changes(self._spec.folder / named)

    def accepted(self, change: str) -> tuple[Accept, ...]:
        """What persons accepted of a change; nothing where it is not in the folder any more."""
        return next((one.accept for one in self.changes if one.name == change), ())

    def connect(self) -> Session:
        """A short connection. Raises RefusedError (CF9302) without a word of the address."""
        try:
            return Session(_patient(os.environ.get(self.variable, "")))
        except ProgrammingError:
            why = f"what {self.variable} holds is neither a URL nor keywords and values"
        except RefusedError as error:
            why = _first_line(error.why) if self.is_named else f"the variable {self.variable} is not set"
        raise RefusedError(
            "CF9302", "the database could not be asked", why, f"export {self.variable}=postgresql://…"
        )

    @property
    def is_named(self) -> bool:
        """Whether the variable holds anything."""
        return bool(os.environ.get(self.variable))

    def ledger(self) -> tuple[Done, ...]:
        """What ran, as the database itself keeps it."""
        with self.connect() as session:
            return rows_of(session)

    def done(self, ledger: Sequence[Done]) -> tuple[Part, ...]:
        """Parts that ran to their end, in the order in which they did."""
        whole = [one for one in ledger if one.number == WHOLE and one.done and one.part in _PARTS]
        whole.sort(key=lambda one: one.finished or one.started)
        return tuple(Part(change=one.change, part=one.part, sha256=one.sha256) for one in whole)

    def shape(self) -> Shape | None:
        """The statements of the version that lies in this folder; None where nobody recorded them."""
        file = self._spec.folder / self._database.shape
        if not file.exists():
            return None
        return read_shape(file.read_text("utf-8"), str(file), service=self._spec.service)

    def words(self, change: SchemaChange, ledger: Sequence[Done]) -> tuple[Word, ...]:
        """How what persons accepted of a change stands, by the proofs that are kept of it as it is now."""
        past = self._past()
        named = {one for row in past for one in (row.stable, row.candidate) if one is not None}
        near = {one.revision for one in reachable(past, self._database.rollback_window, self.now())}
        asked = []
        for revision in sorted(named):
            version = self.records.version(revision)
            for which, written in (("expand", change.expand), ("contract", change.contract)):
                if version is not None and written is not None:
                    part = Part(change=change.name, part=which, sha256=written.sha256)
                    proof = self.records.proved(part, version.shape)
                    asked.append(Asked(part=part, revision=revision, reachable=revision in near, proof=proof))
        over: dict[str, str] = {
            one.part: one.note
            for one in ledger
            if one.change == change.name and one.number == WHOLE and one.done and one.part in _PARTS
        }
        return words_of(change.name, change.accept, asked, over)

    def reachable(self, now: datetime | None = None) -> tuple[Reachable, ...]:
        """Versions that serve or may come back."""
        return reachable(self._past(), self._database.rollback_window, now or self.now())

    def met(self, now: datetime | None = None) -> tuple[Reachable, ...]:
        """Versions that serve or may come back, and those that have a session on the database now."""
        past, service = self._past(), self._spec.service
        with self.connect() as session:
            opened = open_sessions(session, service)
        named = {one for row in past for one in (row.stable, row.candidate) if one is not None}
        found = reachable(past, self._database.rollback_window, now or self.now())
        return with_sessions(found, opened, service, sorted(named))

    def lingering(self, session: Session) -> tuple[Reachable, ...]:
        """Versions that nobody may roll back to any more, and that have sessions all the same."""
        past, service = self._past(), self._spec.service
        named = {one for row in past for one in (row.stable, row.candidate) if one is not None}
        found = reachable(past, self._database.rollback_window, self.now())
        everybody = with_sessions(found, open_sessions(session, service), service, sorted(named))
        return everybody[len(found) :]

    def _past(self) -> list[Past]:
        return [
            Past(
                stable=row.plan.stable,
                candidate=row.plan.candidate,
                succeeded=row.outcome is Outcome.SUCCEEDED,
                ended=None if row.outcome is None else self._store.entries(release=row.id)[-1].event.ts,
            )
            for row in self._store.releases(self._spec.service, limit=_HISTORY)
        ]

    # The port

    def footing(self, plan: Plan) -> Footing | None:
        """See `ports.Preconditions`."""
        return None if plan.stable is None else self.footing_of(plan.stable)

    def footing_of(self, revision: str) -> Footing:
        """What the kept proofs say about this version and the database as it is. Never raises."""
        try:
            done = self.done(self.ledger())
            return self.said_of(revision, done)
        except CrossfadeError as error:
            return Footing(holds=None, why=f"{error.what}: {error.why}".strip(": "))

    def said_of(self, revision: str, done: Sequence[Part]) -> Footing:
        """What the kept proofs, and persons' words, say about this version after these parts."""
        version = self.records.version(revision)
        return footing(revision, version, done, self.records.proved, lambda part: self.accepted(part.change))

    def objections(self, plan: Plan) -> tuple[Objection, ...]:
        """See `ports.Preconditions`."""
        try:
            ledger, shape = self.ledger(), self.shape()
            changes = self.changes
        except CrossfadeError as error:
            return (not_read(error),)
        found: list[Objection] = []
        if shape is None:
            found.append(not_recorded(plan.candidate, self._database.shape))
        elif shape.revision not in (None, plan.candidate):
            found.append(of_another_version(plan.candidate, shape))
        found += [
            not_expanded(change.name, plan.candidate)
            for change in changes
            if change.expand is not None and standing(change, ledger) in {"planned", "expanding"}
        ]
        done = self.done(ledger)
        for one in self.reachable():
            if one.revision != plan.candidate:
                said = self.said_of(one.revision, done)
                found += [] if said.holds else [_objection(one, said)]
        return tuple(found)

    def keep(self, plan: Plan) -> None:
        """What the candidate sends, and what had run when it was released; before the release opens."""
        shape = self.shape()
        if shape is not None:
            self.keep_version(plan.candidate, shape, self.done(self.ledger()))

    def keep_version(self, revision: str, shape: Shape, done: Sequence[Part]) -> None:
        """A revision with its statements, as one that has met all that ran."""
        version = Version(
            revision=revision,
            shape=shape.digest,
            statements=len(shape.statements),
            ran=tuple((one.change, one.part) for one in done),
        )
        self.records.keep_version(version, shape)

    def part_of(self, change: SchemaChange, ledger: Sequence[Done]) -> str:
        """The part that would run next."""
        expanded = of_part(ledger, change.name, "expand")
        over = WHOLE in expanded and expanded[WHOLE].done
        return "contract" if over or change.expand is None else "expand"


def _objection(one: Reachable, said: Footing) -> Objection:
    return breaks(one, said) if said.holds is False else unknown_shape(one, said)


def _patient(address: str) -> str:
    return dsn.make_conninfo(address, connect_timeout=_PATIENCE_S, client_encoding="UTF8")


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "it gave no reason"
