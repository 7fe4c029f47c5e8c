"""
The folder `database.migrations` → schema changes, or one error with every mistake in it.

    0042_full_name.sql  ·  0042_full_name.expand.sql      what expands
    0042_full_name.contract.sql                           what contracts, later
    0042_full_name.abort.sql                              takes the expand away again
    0042_full_name.yaml                                   the rest: commands, dual write, backfill, invariant

A `.sql` whose middle is another word is a mistake, never left out in silence: half a change would run.
Files that are neither SQL nor YAML, and folders, are somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from crossfade.counted import as_counted
from crossfade.spec.change_forms import (
    AcceptForm,
    BackfillForm,
    ChangeForm,
    DualWriteForm,
    PartForm,
    PauseOnForm,
)
from crossfade.spec.change_models import (
    ROWS,
    TARGET,
    Accept,
    Backfill,
    CommandPart,
    DualWrite,
    Pair,
    Part,
    PauseOn,
    Phase,
    SchemaChange,
    SqlPart,
)
from crossfade.spec.findings import Finding, KeyPath, SpecError
from crossfade.spec.mistakes import Notes, fitted
from crossfade.spec.reading import read

__all__ = ["read_changes"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_MIDDLES: Final[dict[str, Phase]] = {
    "": "expand", "expand": "expand", "contract": "contract", "abort": "abort",
}  # fmt: skip
_YAML: Final = frozenset({".yaml", ".yml"})
_MOST_BYTES: Final = 4 * 1024 * 1024
_EXAMPLE: Final = "not_before: 7d"
_WORD: Final = {
    "statement": "5d0f3c1e5d0f3c1e", "counterexample": "9c0e9c0e9c0e9c0e", "who": "ana",
    "reason": "the form asks for a name",
}  # fmt: skip


@dataclass(slots=True)
class _Files:
    """The files of one change."""

    parts: dict[Phase, Path] = field(default_factory=dict)
    settings: Path | None = None


def read_changes(folder: Path) -> tuple[SchemaChange, ...]:
    """Every change of the folder, in the order of their names. Raises SpecError with all mistakes."""
    findings: list[Finding] = []
    gathered = _gathered(folder, findings)
    changes = [_change(name, gathered[name], findings) for name in sorted(gathered, key=as_counted)]
    if findings:
        raise SpecError(findings)
    return tuple(change for change in changes if change is not None)


def _gathered(folder: Path, findings: list[Finding]) -> dict[str, _Files]:
    try:
        files = sorted(one for one in folder.iterdir() if one.is_file())
    except OSError as error:
        raise SpecError([_unreadable(folder, error)]) from None
    found: dict[str, _Files] = {}
    for file in files:
        kind = file.suffix.lower()
        if kind != ".sql" and kind not in _YAML:
            continue
        name, _, middle = file.name[: -len(file.suffix)].partition(".")
        if not _NAME.fullmatch(name):
            findings.append(_not_a_name(file))
            continue
        _sort(file, middle, found.setdefault(name, _Files()), findings)
    return found


def _sort(file: Path, middle: str, files: _Files, findings: list[Finding]) -> None:
    """Give a file its place in its change."""
    if file.suffix.lower() != ".sql":
        if middle:
            findings.append(_not_a_part(file, middle, "NAME.yaml"))
        elif files.settings is not None:
            findings.append(_twice(file, "the settings", files.settings))
        else:
            files.settings = file
        return
    phase = _MIDDLES.get(middle)
    if phase is None:
        findings.append(_not_a_part(file, middle, "NAME.sql, NAME.contract.sql or NAME.abort.sql"))
    elif phase in files.parts:
        findings.append(_twice(file, f"the {phase}", files.parts[phase]))
    else:
        files.parts[phase] = file


def _change(name: str, files: _Files, findings: list[Finding]) -> SchemaChange | None:
    sql = {phase: _sql(file, findings) for phase, file in files.parts.items()}
    if files.settings is None:
        return _built(name, sql, ChangeForm(), Path())
    try:
        document = read(
            files.settings, example=_EXAMPLE, empty="take the file away: all its keys are optional"
        )
    except SpecError as error:
        findings.extend(error.findings)
        return None
    notes = Notes(document)
    form = fitted(document, notes, ChangeForm)
    for phase, part in (("expand", form.expand), ("contract", form.contract)):
        if part is not None and phase in files.parts:
            notes.say(
                "CF9262", (phase,), f"the {phase} stands twice",
                f"{files.parts[phase].name} holds it too; nobody can say which is meant",
                "keep the file or the command", at_key=True,
            )  # fmt: skip
    _check(form, notes)
    findings.extend(notes.findings)
    return None if notes.findings else _built(name, sql, form, files.settings)


def _sql(file: Path, findings: list[Finding]) -> SqlPart | None:
    try:
        data = file.read_bytes()
    except OSError as error:
        findings.append(_unreadable(file, error))
        return None
    if len(data) > _MOST_BYTES:
        findings.append(
            _finding(
                "CF9260",
                file,
                "the file is too large",
                f"a part is at most {_MOST_BYTES >> 20} MiB",
                "load rows by a program of their own; a migration changes the shape",
            )
        )
        return None
    try:
        return SqlPart(file=file, text=data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        findings.append(
            _finding("CF9260", file, "the file is not UTF-8", str(error.reason), "save it as UTF-8")
        )
        return None


def _check(form: ChangeForm, notes: Notes) -> None:
    """What each setting needs beside its form."""
    for path, value in _texts(form):
        if value is not None and not value.strip():
            notes.say(
                "CF9263", path, "an empty text says nothing", "it would become SQL that cannot be run",
                "write it, or take the key away",
            )  # fmt: skip
    if form.backfill is not None:
        _needs(notes, ("backfill", "table"), form.backfill.table, "table: customers")
        _needs(notes, ("backfill", "set"), form.backfill.set, "set: {full_name: name}")
    if form.dual_write is not None:
        _needs(notes, ("dual_write", "table"), form.dual_write.table, "table: customers")
        _needs(notes, ("dual_write", "pairs"), form.dual_write.pairs, "pairs: [{old: name, new: full_name}]")
        for at, pair in enumerate(form.dual_write.pairs or ()):
            _needs(notes, ("dual_write", "pairs", at, "old"), pair.old, "old: name")
            _needs(notes, ("dual_write", "pairs", at, "new"), pair.new, "new: full_name")
    for phase, part in (("expand", form.expand), ("contract", form.contract)):
        if part is not None:
            _needs(notes, (phase, "command"), part.command, 'command: "alembic upgrade 0042"')
    for at, word in enumerate(form.accept or ()):
        for name, example in _WORD.items():
            _needs(notes, ("accept", at, name), (getattr(word, name) or "").strip(), f"{name}: {example}")
    change = SchemaChange(name="", invariant=form.invariant)
    if change.checks_rows and form.backfill is None and form.dual_write is None:
        notes.say(
            "CF9263", ("invariant",), "an invariant of rows, and no table they are rows of",
            "it is a condition on the table of `backfill` or `dual_write`",
            "write a SELECT that finds the offending rows",
        )  # fmt: skip


def _needs(notes: Notes, path: KeyPath, value: object, example: str) -> None:
    if not value:
        notes.say(
            "CF9263", path, f"`{path[-1]}` is missing", "it has no default that could be right",
            f"add `{example}`",
        )  # fmt: skip


def _texts(form: ChangeForm) -> Iterator[tuple[KeyPath, str | None]]:
    yield ("invariant",), form.invariant
    if form.backfill is not None:
        yield ("backfill", "where"), form.backfill.where
        for column, value in (form.backfill.set or {}).items():
            yield ("backfill", "set", column), value
        for at, column in enumerate(form.backfill.key or ()):
            yield ("backfill", "key", at), column


def _built(name: str, sql: dict[Phase, SqlPart | None], form: ChangeForm, settings: Path) -> SchemaChange:
    def part(phase: Phase, written: PartForm | None) -> Part | None:
        if written is None:
            return sql.get(phase)
        return CommandPart(file=settings, command=written.command or "")

    return SchemaChange(
        name=name,
        expand=part("expand", form.expand),
        contract=part("contract", form.contract),
        abort=sql.get("abort"),
        dual_write=_dual_write(form.dual_write),
        backfill=_backfill(form.backfill),
        invariant=form.invariant,
        not_before=form.not_before or timedelta(),
        accept=tuple(_accept(one) for one in form.accept or ()),
    )


def _dual_write(form: DualWriteForm | None) -> DualWrite | None:
    if form is None:
        return None
    pairs = [
        Pair(old=old, new=new, up=pair.up or f"NEW.{_quoted(old)}", down=pair.down or f"NEW.{_quoted(new)}")
        for pair in form.pairs or ()
        for old, new in [(pair.old or "", pair.new or "")]
    ]
    return DualWrite(table=form.table or "", pairs=tuple(pairs))


def _accept(form: AcceptForm) -> Accept:
    return Accept(
        statement=(form.statement or "").strip(),
        counterexample=(form.counterexample or "").strip(),
        who=" ".join((form.who or "").split()),
        reason=" ".join((form.reason or "").split()),
    )


def _quoted(column: str) -> str:
    return '"{}"'.format(column.replace('"', '""'))


def _backfill(form: BackfillForm | None) -> Backfill | None:
    if form is None:
        return None
    return Backfill(
        table=form.table or "",
        set=tuple((form.set or {}).items()),
        key=tuple(form.key or ()),
        where=form.where,
        rows=form.rows or ROWS,
        target=form.target or TARGET,
        pause_on=_pause_on(form.pause_on),
    )


def _pause_on(form: PauseOnForm | None) -> PauseOn:
    if form is None:
        return PauseOn()
    return PauseOn(lag=form.lag, autovacuum=form.autovacuum is not False, flag=form.flag, load=form.load)


def _finding(error_id: str, file: Path, what: str, why: str, fix: str) -> Finding:
    return Finding(id=error_id, file=str(file), line=0, column=0, what=what, why=why, fix=fix)


def _unreadable(path: Path, error: OSError) -> Finding:
    return _finding(
        "CF9260", path, "it cannot be read", error.strerror or str(error),
        "name the folder of schema changes in `database.migrations`, and check its permissions",
    )  # fmt: skip


def _not_a_name(file: Path) -> Finding:
    return _finding(
        "CF9261", file, "this is not the name of a schema change",
        "a name is letters, digits, `_` and `-`, up to the first dot, at most 100",
        "name it like `0042_full_name.sql`",
    )  # fmt: skip


def _not_a_part(file: Path, middle: str, allowed: str) -> Finding:
    word = "".join(c if c.isprintable() else "?" for c in middle)
    return _finding(
        "CF9261", file, f"`{word}` is no part of a schema change",
        "a part left out in silence would be half a change", f"name it {allowed}",
    )  # fmt: skip


def _twice(file: Path, what: str, other: Path) -> Finding:
    return _finding(
        "CF9262", file, f"{what} stands twice", f"{other.name} holds it too", "keep one of them",
    )  # fmt: skip
