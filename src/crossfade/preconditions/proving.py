"""Proofs of a schema change against the versions that are kept, on a throw-away PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from crossfade.migrations.prove import Question, prove
from crossfade.migrations.prove import Version as Sends
from crossfade.migrations.running.dump import major_for
from crossfade.migrations.sandbox import Sandbox, Server
from crossfade.migrations.script import Script, Statement, read_script, read_statements
from crossfade.migrations.shape import Shape
from crossfade.migrations.verdict import Verdict
from crossfade.preconditions.accepting import Possible, possible_of
from crossfade.preconditions.records import Part, Proved
from crossfade.preconditions.say import said
from crossfade.spec.change_models import SqlPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A part to be proved: on this schema, with the statements of the version that comes with it."""

    part: Part
    script: Script
    schema: tuple[Statement, ...]
    schema_name: str
    new: Shape | None
    role: str | None


def script_of(part: SqlPart) -> Script:
    """A part as it runs."""
    return read_script(part.text, part.file.name)


def statements_of(ddl: str, name: str) -> tuple[Statement, ...]:
    """DDL as a proof takes it."""
    return read_statements(ddl, name)


class Prover:
    """A PostgreSQL like the real one, for as long as the context lasts."""

    def __init__(self, version: int | None, at: str) -> None:
        self._major = None if version is None else major_for(version)
        self._at = at
        self._sandbox: Sandbox | None = None

    @property
    def server(self) -> Server:
        """Started when it is first needed: kept proofs need none."""
        if self._sandbox is None:
            self._sandbox = Sandbox(self._major)
        return self._sandbox.server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._sandbox is not None:
            self._sandbox.stop()

    def prove(self, case: Case, revision: str, shape: Shape) -> tuple[Proved, Verdict]:
        """One part against one version's statements."""
        old = sends(revision, shape)
        new = old if case.new is None else sends("new", case.new)
        question = Question(
            schema=case.schema,
            schema_name=case.schema_name,
            old=(old,),
            new=new,
            migration=case.script,
            app_role=case.role,
        )
        verdict = prove(question, self.server)
        return _kept(case.part, revision, shape, verdict, self._at), verdict


def sends(name: str, shape: Shape) -> Sends:
    """A recorded version as a proof takes it."""
    return Sends(name=name, statements=shape.as_statements(name), transactions=shape.as_transactions())


def _kept(part: Part, revision: str, shape: Shape, verdict: Verdict, at: str) -> Proved:
    first = next(iter(verdict.counterexamples), None)
    unproved = [one for one in verdict.not_proved if one.source == revision]
    return Proved(
        change=part.change,
        part=part.part,
        sha256=part.sha256,
        shape=shape.digest,
        revision=revision,
        safe=verdict.rollback_safe,
        phase=verdict.phase,
        statements=len(shape.statements),
        executed=verdict.seen.proved,
        needs=verdict.needs,
        failing="" if first is None else said(first),
        undecided=""
        if verdict.rollback_safe or not (verdict.rollback_safe is None or unproved)
        else _undecided(unproved),
        possible=_possible(part, shape, verdict),
        at=at,
    )


def _possible(part: Part, shape: Shape, verdict: Verdict) -> tuple[Possible, ...]:
    """All counterexamples, where each is of values that nobody was seen sending; else none."""
    found = verdict.counterexamples
    if verdict.seen.migration_fails or not all(one.beyond for one in found):
        return ()
    return tuple(possible_of(part, shape.digest, one.statement, one.beyond, one.wrong) for one in found)


def _undecided(unproved: Sequence[object]) -> str:
    count = len(unproved)
    if not count:
        return "it could not be decided"
    return f"{count} of its statements could not be executed"
