"""
Two runs of one statement, before and after the migration: the same to the version that sent it? Pure.

Rows are compared as a multiset, numbers as numbers; what differs between two runs on the same shape (ids,
now()) is masked down to whether it is NULL. More columns are no difference but a need; a filled gap (NULL
before, a value after) is none where the migration filled gaps.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final

from crossfade.migrations.answers import Failure, Field

Value = str | None
Row = tuple[Value, ...]
Categories = Mapping[int, tuple[str, str]]
_MASKED: Final = "\0masked"
_HELD: Final = "\0held"
_STRINGS: Final = frozenset("SE")
_OUT_OF_TIME: Final = frozenset({"57014", "55P03"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a statement changed in one table: its columns, the rows that came, how many went."""

    columns: tuple[str, ...]
    added: tuple[Row, ...]
    removed: int
    held: Mapping[str, frozenset[Value]] = field(default_factory=dict)  # values that a column had before
    taken: tuple[Row, ...] = ()  # the rows that went, where they were looked at

    def untouched(self) -> frozenset[str]:
        """The columns that the rows that came have as those that went."""
        if len(self.added) != len(self.taken):
            return frozenset()
        return frozenset(
            one
            for at, one in enumerate(self.columns)
            if Counter(row[at] for row in self.added) == Counter(row[at] for row in self.taken)
        )

    def left_alone(self, column: str) -> bool:
        """Whether the statement wrote nothing into a column."""
        at = self.columns.index(column)
        return column in self.untouched() or all(row[at] is None for row in self.added)

    def without(self, columns: Collection[str]) -> Effect:
        """As if the table had none of some columns: what changed there only did not change."""
        places = [at for at, one in enumerate(self.columns) if one not in columns]
        came, went = (
            Counter(tuple(row[at] for at in places) for row in rows) for rows in (self.added, self.taken)
        )
        return Effect(
            columns=tuple(self.columns[at] for at in places),
            added=tuple((came - went).elements()),
            removed=self.removed - (came & went).total(),
            held=self.held,
            taken=tuple((went - came).elements()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run gave."""

    failure: Failure | None = None
    fields: tuple[Field, ...] = ()
    rows: tuple[Row, ...] = ()
    affected: int = 0
    effects: Mapping[tuple[str, str], Effect] = field(default_factory=dict)

    @property
    def late(self) -> bool:
        """Whether only our own time-outs ended it, which says nothing about it."""
        return self.failure is not None and self.failure.sqlstate in _OUT_OF_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """What is not the same twice: columns of the result, columns of tables written."""

    result: frozenset[str] = frozenset()
    effects: frozenset[tuple[tuple[str, str], str]] = frozenset()
    counts: bool = False

    @property
    def hides(self) -> bool:
        """Whether anything is not the same twice."""
        return bool(self.result or self.effects or self.counts)

    def __or__(self, other: Mask) -> Mask:
        return Mask(
            result=self.result | other.result,
            effects=self.effects | other.effects,
            counts=self.counts or other.counts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the migration is known to have changed, so that no expected difference is taken for a fault."""

    before: Categories = field(default_factory=dict)
    after: Categories = field(default_factory=dict)
    defaults: frozenset[tuple[tuple[str, str], str]] = frozenset()  # columns with another default now
    default_fields: frozenset[tuple[int, int]] = frozenset()  # the same by table and attnum
    filled: bool = False
    incidental: frozenset[tuple[int, int]] = frozenset()  # columns that a trigger changed on the way
    incidental_names: frozenset[tuple[tuple[str, str], str]] = frozenset()
    retyped: Mapping[tuple[int, int], tuple[tuple[str, str], str]] = field(default_factory=dict)
    """Columns of another type or size now, by table and attnum."""
    unseen: frozenset[tuple[tuple[str, str], str]] = frozenset()  # what no old statement reads or sets


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The answer: what is wrong, if anything, and what the old version has to cope with."""

    wrong: str = ""
    before: str = ""
    after: str = ""
    more_columns: bool = False
    types_changed: bool = False
    default_changed: bool = False


def mask_of(one: Outcome, two: Outcome) -> Mask:
    """What differs between two runs on the same shape."""
    result = {
        f"{at}"
        for at in range(len(one.fields))
        if Counter(row[at] for row in one.rows) != Counter(row[at] for row in two.rows)
    }
    effects = set()
    for key, effect in one.effects.items():
        other = two.effects.get(key)
        for at, column in enumerate(effect.columns):
            mine = Counter(row[at] for row in effect.added)
            if other is not None and mine != Counter(row[at] for row in other.added):
                effects.add((key, column))
    return Mask(
        result=frozenset(result),
        effects=frozenset(effects),
        counts=len(one.rows) != len(two.rows) or one.affected != two.affected,
    )


def compare(before: Outcome, after: Outcome, mask: Mask, context: Context) -> Compared:
    """Before (which went well) against after."""
    if after.failure is not None:
        return Compared(wrong="error", before=said(before), after=str(after.failure))
    shape = _fields(before.fields, after.fields, context)
    if isinstance(shape, str):
        return Compared(wrong="columns", before=_columns(before), after=shape)
    pairs, types_changed = shape
    if not mask.counts:
        wrong = _rows(before, after, pairs, mask, context)
        if wrong:
            return wrong
        if before.affected != after.affected:
            return Compared(wrong="rows", before=said(before), after=said(after))
    told = _effects(before, after, mask, context)
    if told.wrong:
        return told
    return Compared(
        more_columns=len(after.fields) > len(before.fields),
        types_changed=types_changed,
        default_changed=told.default_changed or _returned_default(before, after, pairs, mask, context),
    )


def _fields(
    before: Sequence[Field], after: Sequence[Field], context: Context
) -> tuple[list[tuple[int, int]], bool] | str:
    """Which column of the result after is which before; a text where one is gone or of another kind."""
    pairs, changed = [], False
    free = list(range(len(after)))
    for at, wanted in enumerate(before):
        found = next((one for one in free if after[one].name == wanted.name), None)
        if found is None:
            return f'no column "{wanted.name}" in the result'
        free.remove(found)
        pairs.append((at, found))
        kind, called = context.before.get(wanted.type, ("?", "?"))
        kind_now, called_now = context.after.get(after[found].type, ("?", "?"))
        if _group(kind) != _group(kind_now):
            return f'column "{wanted.name}" is {called_now}, was {called}'
        changed = changed or (called != called_now and kind not in _STRINGS)
        changed = changed or (kind != kind_now)
    return pairs, changed


def _group(category: str) -> str:
    return "S" if category in _STRINGS else category


def _rows(
    before: Outcome, after: Outcome, pairs: Sequence[tuple[int, int]], mask: Mask, context: Context
) -> Compared | None:
    firm = [
        (at, now)
        for at, now in pairs
        if not _excused(before, at, context) and not _told_by_effects(before, at, context)
    ]
    cells = [
        (at, now, _kind(before.fields[at], context), _hidden(before, at, mask, context)) for at, now in firm
    ]
    mine = [tuple(_cell(row[at], kind, masked) for at, _, kind, masked in cells) for row in before.rows]
    theirs = [tuple(_cell(row[now], kind, masked) for _, now, kind, masked in cells) for row in after.rows]
    if _same(mine, theirs, fills=context.filled):
        return None
    return Compared(wrong="rows", before=said(before), after=said(after))


def _hidden(before: Outcome, at: int, mask: Mask, context: Context) -> bool:
    place = (before.fields[at].table, before.fields[at].attnum)
    return f"{at}" in mask.result or place in context.incidental


def _excused(before: Outcome, at: int, context: Context) -> bool:
    """Whether a column returned by an INSERT holds a default that the migration changed."""
    return _inserts(before) and (before.fields[at].table, before.fields[at].attnum) in context.default_fields


def _told_by_effects(before: Outcome, at: int, context: Context) -> bool:
    """Whether a result is what the statement wrote itself, which is compared in the type that it had."""
    place = context.retyped.get((before.fields[at].table, before.fields[at].attnum))
    effect = before.effects.get(place[0]) if place else None
    return bool(place and effect and effect.added and place[1] not in effect.untouched())


def _inserts(outcome: Outcome) -> bool:
    return any(effect.added and not effect.removed for effect in outcome.effects.values())


def _returned_default(
    before: Outcome, after: Outcome, pairs: Sequence[tuple[int, int]], mask: Mask, context: Context
) -> bool:
    for at, now in pairs:
        if _excused(before, at, context) and f"{at}" not in mask.result:
            mine, theirs = [row[at] for row in before.rows], [row[now] for row in after.rows]
            if Counter(mine) != Counter(theirs):
                return True
    return False


def _kind(one: Field, context: Context) -> str:
    category, called = context.before.get(one.type, ("?", "?"))
    return "json" if called in {"json", "jsonb"} else category


def _cell(value: Value, kind: str, masked: bool) -> Value:
    if value is None:
        return None
    if masked:
        return _MASKED
    if kind == "N":
        return _number(value)
    return _json(value) if kind == "json" else value


def _number(text: str) -> str:
    try:
        return str(Decimal(text).normalize())
    except InvalidOperation:
        return text


def _json(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text


def _same(before: Sequence[Row], after: Sequence[Row], *, fills: bool) -> bool:
    if Counter(before) == Counter(after):
        return True
    if not fills or len(before) != len(after):
        return False
    left = list(after)
    for row in before:
        match = next((one for one in left if _filled(row, one)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _filled(before: Row, after: Row) -> bool:
    return all(mine is None or mine == theirs for mine, theirs in zip(before, after, strict=True))


def _effects(before: Outcome, after: Outcome, mask: Mask, context: Context) -> Compared:
    default_changed = False
    for key, wrote in before.effects.items():
        mine, theirs = wrote, after.effects.get(key)
        if theirs is None:
            continue
        unseen = [one for one in mine.columns if (key, one) in context.unseen and mine.left_alone(one)]
        if unseen:
            mine, theirs = mine.without(unseen), theirs.without(unseen)
        kept = [one for one in mine.columns if one in theirs.columns]
        excused = {one for one in kept if (key, one) in context.defaults}
        if mask.counts:
            continue
        if len(mine.added) != len(theirs.added) or mine.removed != theirs.removed:
            what = f"writes other rows to {key[1]}"
            return Compared(wrong="effect", before=_wrote(mine), after=f"{what}: {_wrote(theirs)}")
        masked = {one for one in kept if (key, one) in mask.effects}
        loose = excused | (mine.untouched() & theirs.untouched())
        firm = [one for one in kept if one not in loose and (key, one) not in context.incidental_names]
        told = [_projected(one, firm, masked) for one in (mine, theirs)]
        if not _same(told[0], told[1], fills=context.filled):
            return Compared(wrong="effect", before=_wrote(mine), after=f"{key[1]} gets {_wrote(theirs)}")
        bare = [_projected(one, sorted(excused), masked) for one in (mine, theirs)]
        if not _same(bare[0], bare[1], fills=False) and not mine.removed:
            default_changed = True
    return Compared(default_changed=default_changed)


def _projected(effect: Effect, columns: Sequence[str], masked: set[str] | frozenset[str]) -> list[Row]:
    places = [(effect.columns.index(one), one in masked) for one in columns]
    held = [effect.held.get(one, frozenset()) for one in columns]
    return [
        tuple(
            _veiled(row[at], some) if hidden else row[at]
            for (at, hidden), some in zip(places, held, strict=True)
        )
        for row in effect.added
    ]


def _veiled(value: Value, held: frozenset[Value]) -> Value:
    """Of a value that is never the same twice, what is: NULL, one that stood there before, or a new one."""
    if value is None:
        return None
    return _HELD if value in held else _MASKED


def _wrote(effect: Effect) -> str:
    rows = "; ".join(_shown(row) for row in effect.added[:2])
    return f"{len(effect.added)} written, {effect.removed} taken away" + (f": {rows}" if rows else "")


def said(outcome: Outcome) -> str:
    """An outcome in a line."""
    if outcome.failure is not None:
        return str(outcome.failure)
    if not outcome.fields:
        return _counted(outcome.affected)
    rows = "; ".join(_shown(row) for row in outcome.rows[:3])
    more = f"; {len(outcome.rows) - 3} more" if len(outcome.rows) > 3 else ""
    return _counted(len(outcome.rows)) + (f": {rows}{more}" if rows else "")


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"


def _shown(row: Row) -> str:
    cells = (
        "NULL" if one is None else one if len(one) <= 40 else f"{one[:37]}... ({len(one)})" for one in row
    )
    return f"({', '.join(cells)})"


def _columns(outcome: Outcome) -> str:
    return "columns " + ", ".join(one.name for one in outcome.fields)
