"""
Which values a column takes, asked of the server: its type, NOT NULL, its domain, its CHECKs.

Rules over several columns are answered for combinations. UNIQUE and FOREIGN KEY depend on other rows and
are left to the INSERT itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from crossfade.migrations.catalog import Catalog, Column, Relation, Rule
from crossfade.migrations.lexer import Kind, Token, UnreadableError, meaningful
from crossfade.migrations.pools import Shape, around, array_of, shape_of, values_of
from crossfade.migrations.wire import Session, literal, name

Value = str | None
_COMBINATIONS: Final = 400
_PER_NAME: Final = 10
_HOLDS: Final = """
CREATE OR REPLACE FUNCTION pg_temp.crossfade_holds(said text) RETURNS bool LANGUAGE plpgsql AS $f$
DECLARE answer bool; BEGIN EXECUTE said INTO answer; RETURN COALESCE(answer, true);
EXCEPTION WHEN OTHERS THEN RETURN false; END $f$
"""


class Literals:
    """Literals by the column names they stand beside, from every sentence there is.

    What the migration itself inserts is no value to sow: it would meet its own rows, and no one else's.
    """

    def __init__(self, sentences: Iterable[Sequence[Token]], inserts: Iterable[Sequence[Token]] = ()) -> None:
        self._by_name: dict[str, dict[str, None]] = {}
        self._null: set[str] = set()
        for sentence in sentences:
            self._learn(sentence)
        self._inserts = list(inserts)

    def reserved(self, table: Relation) -> frozenset[str]:
        """Values that the migration inserts into a table by hand."""
        mine = [tokens for tokens in self._inserts if table.name in {one.value for one in tokens[:6]}]
        values = {
            ("-" if at and tokens[at - 1].text == "-" else "") + one.value
            for tokens in mine
            for at, one in enumerate(tokens)
            if one.kind in {Kind.STRING, Kind.NUMBER}
        }
        return frozenset(values)

    def often_null(self, column: Column) -> bool:
        """Whether a sentence asks for rows in which the column is NULL: those are the usual ones."""
        return not column.not_null and column.name in self._null

    def _learn(self, tokens: Sequence[Token]) -> None:
        for at, token in enumerate(tokens):
            if [one.value for one in tokens[at + 1 : at + 3]] == ["is", "null"]:
                self._null.add(token.value)
            if token.kind is Kind.STRING and ("$" in token.text[:1] or len(token.value) > 200):
                with suppress(UnreadableError):
                    self._learn(meaningful(token.value))  # the body of a function
            if token.kind not in {Kind.STRING, Kind.NUMBER}:
                continue
            for near in tokens[max(0, at - 24) : at + 12]:
                if near.kind in {Kind.WORD, Kind.QUOTED}:
                    self._by_name.setdefault(near.value, {})[token.value] = None

    def near(self, column: Column, kind: Shape) -> tuple[str, ...]:
        """What is worth trying in this column because some sentence names both: words first as they stand."""
        listed = [around(text, kind) for text in self._by_name.get(column.name, {})]
        if kind.is_string:
            listed = list(itertools.zip_longest(*listed))
        found = dict.fromkeys(one for several in listed for one in several if one is not None)
        return tuple(found)[: 3 * _PER_NAME]


class Judge:
    """Asks one session whether values are legal, each question once. Makes a temporary function there."""

    def __init__(self, session: Session, catalog: Catalog) -> None:
        self._session = session
        self._catalog = catalog
        self._answers: dict[str, bool] = {}
        session.ask(_HOLDS)

    def _hold(self, questions: Sequence[str]) -> list[bool]:
        open_ = [one for one in dict.fromkeys(questions) if one not in self._answers]
        if open_:
            rows = self._session.ask(
                "SELECT pg_temp.crossfade_holds(q) FROM unnest($1::text[]) WITH ORDINALITY u (q, at) "
                "ORDER BY at",
                [array_of(open_)],
            )
            self._answers |= {one: row[0] == "t" for one, row in zip(open_, rows, strict=True)}
        return [self._answers[one] for one in questions]

    def all_taken(
        self, table: Relation, wanted: Mapping[Column, Sequence[Value]]
    ) -> dict[Column, list[Value]]:
        """The same for several columns, in one question."""
        asked = {column: self._asked(table, column, values) for column, values in wanted.items()}
        self._hold([one for _, questions in asked.values() for one in questions or ()])
        return {column: self.taken(table, column, values) for column, values in wanted.items()}

    def taken(self, table: Relation, column: Column, values: Sequence[Value]) -> list[Value]:
        """Those of the values that the column takes, in their order."""
        kept, questions = self._asked(table, column, values)
        if questions is None:
            return kept
        return [one for one, fine in zip(kept, self._hold(questions), strict=True) if fine]

    def _asked(
        self, table: Relation, column: Column, values: Sequence[Value]
    ) -> tuple[list[Value], list[str] | None]:
        """Values that may be taken, and what to ask of each; None where all of them are."""
        if column.not_null:
            values = [one for one in values if one is not None]
        rules = [one for one in table.rules if one.kind == "c" and one.columns == (column.attnum,)]
        kind = shape_of(column, self._catalog.enums)
        values = [one for one in values if one is None or kind.length is None or len(one) <= kind.length]
        known = {None, *values_of(kind)}
        if column.kind != "d" and not rules and (column.base_name == "text" or known.issuperset(values)):
            return list(values), None
        return list(values), [_question({column: one}, rules) for one in values]

    def combinations(
        self, columns: Sequence[Column], rules: Sequence[Rule], pools: Mapping[int, Sequence[Value]]
    ) -> list[dict[int, Value]]:
        """Combinations of values that rules over several columns let through, as different as they come."""
        tried = _spread([pools[one.attnum] for one in columns])
        questions = [_question(dict(zip(columns, values, strict=True)), rules) for values in tried]
        fine = [values for values, holds in zip(tried, self._hold(questions), strict=True) if holds]
        whole = [values for values in fine if None not in values]
        gaps = [values for values in fine if None in values]
        mixed = [*whole[:2], *gaps[:2], *whole[2:], *gaps[2:]]
        return [{one.attnum: value for one, value in zip(columns, values, strict=True)} for values in mixed]


def _spread(pools: Sequence[Sequence[Value]]) -> list[tuple[Value, ...]]:
    """Some combinations of a product: its diagonals first, which makes equal values meet."""
    longest = max((len(pool) for pool in pools), default=0)
    found: dict[tuple[Value, ...], None] = {}
    if not all(pools):
        return []
    for shift, at in itertools.product(range(len(pools[0]) if len(pools) > 1 else 1), range(longest)):
        found[tuple(pool[(at + shift * place) % len(pool)] for place, pool in enumerate(pools))] = None
        if len(found) >= _COMBINATIONS:
            break
    for values in itertools.islice(itertools.product(*pools), _COMBINATIONS):
        found[values] = None
    return list(found)


def _question(values: Mapping[Column, Value], rules: Sequence[Rule]) -> str:
    row = ", ".join(
        f"{literal(value)}::{column.type_name} AS {name(column.name)}" for column, value in values.items()
    )
    tests = " AND ".join(f"(({rule.expr}) IS NOT FALSE)" for rule in rules) or "true"
    # The row is looked at as a whole: a value that nothing looks at is never cast.
    return f"SELECT {tests} AND crossfade_row::text IS NOT NULL FROM (SELECT {row}) crossfade_row"


def candidates(column: Column, catalog: Catalog, literals: Literals) -> list[Value]:
    """What is worth trying in a column: literals beside its name woven into the values of its type, NULL."""
    kind = shape_of(column, catalog.enums)
    plain, near = list(values_of(kind)), list(literals.near(column, kind))
    woven = [one for pair in itertools.zip_longest(plain, near) for one in pair if one is not None]
    found: list[Value] = list(dict.fromkeys(woven))
    return [*found[:2], None, *found[2:]]
