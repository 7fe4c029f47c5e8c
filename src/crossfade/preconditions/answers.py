"""
Answers that need a proof: may this part run, may we go back to that version, does anybody need what is there?

Kept proofs are taken where they are of exactly this text and these statements; others are made now and kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from crossfade.errors import CrossfadeError, RefusedError
from crossfade.migrations.fits import fit
from crossfade.migrations.running.dump import schema_of
from crossfade.migrations.running.ledger import standing
from crossfade.migrations.script import Script, Statement
from crossfade.preconditions.accepting import weigh
from crossfade.preconditions.booting import boot
from crossfade.preconditions.heard import counted, heard_script
from crossfade.preconditions.in_step import behind, taken_away, with_dual_write
from crossfade.preconditions.proving import Case, Prover, script_of, sends, statements_of
from crossfade.preconditions.records import Part, Proved
from crossfade.preconditions.same_ground import ground_of
from crossfade.preconditions.say import footing, on_the_schema, since
from crossfade.release.plan import Footing
from crossfade.spec.change_models import CommandPart, SqlPart

if TYPE_CHECKING:
    from crossfade.migrations.shape import Shape
    from crossfade.migrations.verdict import Verdict
    from crossfade.preconditions.database import DatabaseSide
    from crossfade.preconditions.reach import Reachable
    from crossfade.spec.change_models import Part as Written
    from crossfade.spec.change_models import SchemaChange

_LIVE: Final = "the schema of the database"
_MOMENT: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The real schema as it is now: DDL, and the rows in which frameworks count."""

    statements: tuple[Statement, ...]
    counted: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A part on the schema as it is, the digest of both, and who proves."""

    prover: Prover
    case: Case
    live: Live
    ground: str
    begun: bool = False
    """It has run in part: what it was proved on is half gone, and the proof is that of its beginning."""


class Answers:
    """Questions to one database side."""

    def __init__(self, side: DatabaseSide) -> None:
        self._side = side
        self._taken: dict[str, list[str]] = {}

    # A part of a change

    def prove(
        self, change: SchemaChange, *, anew: bool = True
    ) -> Iterator[tuple[Reachable, Proved | None, Verdict | None]]:
        """
        The next part of a change against every version that serves or may come back.

        A version that nobody recorded has no proof. Not `anew`: a kept proof of just this is taken, and has
        no verdict. Raises RefusedError (CF9308) where there is no version.
        """
        versions = self._side.met()
        if not versions:
            raise RefusedError(
                "CF9308",
                "there is no version to prove it against",
                "no release of this service is on record",
                "with files: crossfade migrate prove --schema S --old O --new N --migration M",
            )
        ledger = self._side.ledger()
        which = self._side.part_of(change, ledger)
        over = any((one.change, one.part) == (change.name, which) for one in self._side.done(ledger))
        if over or standing(change, ledger) in {"expanding", "contracting"}:
            raise RefusedError(
                "CF9316", f"{change.name} has {'run to its end' if over else 'run in part'}",
                "a proof on what it left would be of something else",
                "crossfade can-rollback tells what was proved",
            )  # fmt: skip
        part, script, live = self._next(change, which)
        with self._prover(live.version) as prover:
            case = self._case(part, script, live)
            ground = ground_of(case, live, change.dual_write)
            for one in versions:
                shape = self._shape_of(one.revision)
                if shape is None:
                    yield one, None, None
                    continue
                kept = None if anew else self._kept(part, shape, ground)
                if kept is not None:
                    yield one, self._booted(kept, live, script), None
                    continue
                if which == "expand" and case.script is script:
                    whole = with_dual_write(prover.server, live.statements, _LIVE, change, script)
                    case = replace(case, script=whole)
                asked = _Asked(prover=prover, case=case, live=live, ground=ground)
                proof, verdict = self._proved(asked, one.revision, shape)
                yield one, proof, verdict

    def weighed(self, proof: Proved) -> Footing:
        """What a proof comes to with what persons accepted of its change."""
        found = weigh(proof, self._side.accepted(proof.change))
        if found.holds and found.why:
            self._taken.setdefault(proof.change, []).append(f"{proof.revision}: {found.why}")
        return found

    def taken(self, change: SchemaChange) -> str:
        """On whose word something was let through until now; for the ledger."""
        return "; ".join(self._taken.get(change.name, ()))

    def _kept(self, part: Part, shape: Shape, ground: str | None) -> Proved | None:
        """The kept proof, of just this ground, or of any; a trial start that failed is tried again."""
        found = self._side.records.proved(part, shape.digest)
        if found is None or ground not in {None, found.ground}:
            return None
        return None if found.safe is False and self._side.trial is not None else found

    def _proved(self, asked: _Asked, revision: str, shape: Shape) -> tuple[Proved, Verdict]:
        """Made now, and kept."""
        proof, verdict = asked.prover.prove(asked.case, revision, shape)
        proof = self._booted(replace(proof, ground=asked.ground), asked.live, asked.case.script)
        self._side.records.keep_proof(proof)
        return proof, verdict

    def _booted(self, proof: Proved, live: Live, script: Script) -> Proved:
        """The proof, and what starting the version on the new schema says against it."""
        trial = self._side.trial
        if trial is None or (proof.safe is False and not proof.possible):
            return proof
        why = boot(trial, proof.revision, live.statements, live.counted, script)
        return proof if why is None else replace(proof, safe=False, failing=why, possible=())

    def may_contract(self, change: SchemaChange) -> tuple[str, ...]:
        """Why a contract may not run now, each with the date when it may (R38); empty where it may."""
        early = self._side.now() - change.not_before
        versions = self._side.met(early)
        if not versions:
            return ("no release of this service is on record: nobody knows which versions may come back",)
        part, script, live = self._next(change, "contract")
        needing: list[str] = []
        case = self._case(part, script, live)
        ground = ground_of(case, live, change.dual_write)
        begun = standing(change, self._side.ledger()) == "contracting"
        with self._prover(live.version) as prover:
            for one in versions:
                asked = _Asked(prover=prover, case=case, live=live, ground=ground, begun=begun)
                why = self._needs(asked, one.revision)
                if why is not None:
                    needing.append(_until(one, why, change.not_before))
        return tuple(needing)

    def needed_by(self, change: SchemaChange) -> tuple[str, ...]:
        """Versions that need what a change has added, or of which nobody knows."""
        found = []
        for one in self._side.met():
            version = self._side.records.version(one.revision)
            if version is None or (change.name, "expand") in version.ran:
                found.append(f"{one.revision} ({one.why})")
        return tuple(found)

    def _needs(self, asked: _Asked, revision: str) -> str | None:
        """What breaks in this version when the part runs; None where nothing does."""
        shape = self._shape_of(revision)
        if shape is None:
            return "nobody recorded what it sends"
        proof = self._kept(asked.case.part, shape, None if asked.begun else asked.ground)
        if proof is None:
            proof, _ = self._proved(asked, revision, shape)
        elif not asked.begun:
            proof = self._booted(proof, asked.live, asked.case.script)
        found = self.weighed(proof)
        return None if found.holds else found.why or "it is not proved that it does not"

    # A version

    def can_go_back(self, revision: str) -> Footing:
        """
        Whether this version runs on the database as it is: proofs of what ran since, and its statements now.

        Never raises: what cannot be found out is said as unknown (R45).
        """
        try:
            return self._can(revision)
        except CrossfadeError as error:
            return Footing(holds=None, why=f"{error.what}: {error.why}".strip(": "))

    def _can(self, revision: str) -> Footing:
        records, version = self._side.records, self._side.records.version(revision)
        shape = self._shape_of(revision)
        if version is None or shape is None:
            return footing(revision, None, (), records.proved)
        done, live = self._side.done(self._side.ledger()), self._live()
        with self._prover(live.version) as prover:
            self._prove_what_ran(prover, revision, shape, since(version, done))
            found = self._side.said_of(revision, done)
            if found.holds is False:
                return found
            fits = fit(prover.server, live.statements, sends(revision, shape), self._side.role)
        return on_the_schema(revision, found, fits)

    def _prove_what_ran(self, prover: Prover, revision: str, shape: Shape, ran: Sequence[Part]) -> None:
        """Proofs that nobody made before: on the schema that the version was recorded on, part by part."""
        if not shape.schema or all(self._side.records.proved(part, shape.digest) for part in ran):
            return
        schema = statements_of(shape.schema, f"the schema of {revision}")
        for part in ran:
            written = self._written(part)
            if written is None:
                return
            script = script_of(written)
            if self._side.records.proved(part, shape.digest) is None:
                case = Case(
                    part=part,
                    script=script,
                    schema=schema,
                    schema_name=f"the schema of {revision}",
                    new=None,
                    role=self._side.role,
                )
                proof, _ = prover.prove(case, revision, shape)
                self._side.records.keep_proof(proof)
            schema = (*schema, *script.statements)

    def _written(self, part: Part) -> SqlPart | None:
        """The part's text, where the folder still has exactly that."""
        change = next((one for one in self._side.changes if one.name == part.change), None)
        written: Written | None = getattr(change, part.part, None)
        return written if isinstance(written, SqlPart) and written.sha256 == part.sha256 else None

    # What they share

    def _shape_of(self, revision: str) -> Shape | None:
        version = self._side.records.version(revision)
        return None if version is None else self._side.records.shape(version.shape)

    def _next(self, change: SchemaChange, which: str) -> tuple[Part, Script, Live]:
        written: Written | None = getattr(change, which)
        if written is None:
            raise RefusedError(
                "CF9309", f"{change.name} has no {which}", "there is nothing to prove",
                f"{change.name}.{which}.sql, or `{which}: {{command: …}}` in {change.name}.yaml",
            )  # fmt: skip
        live = self._live()
        with self._side.connect() as session:
            first = taken_away(session, change) if which == "contract" else ()
        if isinstance(written, CommandPart):
            copy = (*live.statements, *first)
            script = heard_script(written, copy, live.counted, self._side.place)
        else:
            script = script_of(written)
        script = behind(first, script)
        return Part(change=change.name, part=which, sha256=written.sha256), script, live

    def _live(self) -> Live:
        with self._side.connect() as session:
            version, rows = session.version, counted(session)
        ddl = schema_of(os.environ[self._side.variable], version)
        return Live(statements=statements_of(ddl, _LIVE), counted=rows, version=version)

    def _case(self, part: Part, script: Script, live: Live) -> Case:
        return Case(
            part=part,
            script=script,
            schema=live.statements,
            schema_name=_LIVE,
            new=self._side.shape(),
            role=self._side.role,
        )

    def _prover(self, version: int) -> Prover:
        return Prover(version, self._side.now().strftime(_MOMENT))


def _until(one: Reachable, why: str, wait: timedelta) -> str:
    if one.until is None:
        return f"{one.revision} needs the old shape ({why}), and {one.why}: it opens {one.ends}"
    opens = one.until + wait
    return f"{one.revision} needs the old shape ({why}), and {one.why}: it opens {opens:%Y-%m-%d %H:%M} UTC"
