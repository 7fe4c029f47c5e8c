"""
Which column a parameter stands beside. Pure: words and a catalogue in, guesses out.

`WHERE email = $1`, `VALUES ($1, $2)`, `SET name = $1`, `IN ($1, $2)`, `lower(a) = lower($1)`. A guess only
chooses what is tried first; a parameter without one is given values by its type. NOTHING IS CONCLUDED FROM A
BINDING.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crossfade.migrations.catalog import Catalog, Column, Relation
from crossfade.migrations.lexer import Kind, Token

_BEFORE_A_TABLE: Final = frozenset({"from", "join", "update", "into", "using", "only", "lateral"})
_NOT_AN_ALIAS: Final = frozenset(
    [
        "on",
        "using",
        "where",
        "set",
        "join",
        "left",
        "right",
        "inner",
        "outer",
        "full",
        "cross",
        "natural",
        "group",
        "order",
        "having",
        "limit",
        "offset",
        "union",
        "intersect",
        "except",
        "returning",
        "values",
        "select",
        "default",
        "when",
        "for",
        "fetch",
        "window",
        "as",
        "and",
        "or",
        "not",
        "do",
        "tablesample",
        "overriding",
        "with",
    ]
)
_CLAUSE_ENDS: Final = frozenset(
    [
        "and",
        "or",
        "where",
        "on",
        "having",
        "when",
        "then",
        "else",
        "select",
        "returning",
        "set",
        "from",
        "limit",
        "offset",
        "order",
        "group",
        "by",
        "union",
        "values",
        "case",
        "end",
        "fetch",
        "window",
    ]
)
_RECKONS: Final = frozenset({"+", "-", "*", "/"})


@dataclass(slots=True)
class Binding:
    """What is known of a parameter: columns it is compared with, columns it is written to, a LIMIT."""

    compared: dict[tuple[int, int], Column] = field(default_factory=dict)
    assigned: dict[tuple[int, int], Column] = field(default_factory=dict)
    counts: bool = False  # LIMIT, OFFSET
    reckoned: bool = False  # added to something, or the like

    @property
    def columns(self) -> tuple[Column, ...]:
        return (*self.assigned.values(), *self.compared.values())


@dataclass(frozen=True, slots=True)
class Bound:
    """A statement's tables and its parameters' bindings, by number from 1."""

    tables: tuple[Relation, ...]
    params: Mapping[int, Binding]


def bind(tokens: Sequence[Token], catalog: Catalog) -> Bound:
    return _Reader(tokens, catalog).read()


class _Reader:
    def __init__(self, tokens: Sequence[Token], catalog: Catalog) -> None:
        self._tokens = tokens
        self._catalog = catalog
        self._aliases: dict[str, Relation] = {}
        self._tables: dict[int, Relation] = {}
        self._close = _brackets(tokens)
        self._opened = {stop: begin for begin, stop in self._close.items()}
        self._params: dict[int, Binding] = {}

    def read(self) -> Bound:
        for token in self._tokens:
            if token.kind is Kind.PARAM:
                self._params.setdefault(int(token.value), Binding())
        self._find_tables()
        for at, token in enumerate(self._tokens):
            if token.value == "into" and token.kind is Kind.WORD:
                self._insert(at)
            if token.value == "set" and token.kind is Kind.WORD:
                self._assignments(at)
        for at, token in enumerate(self._tokens):
            if token.kind is Kind.PARAM:
                self._comparison(at, self._params[int(token.value)])
        return Bound(tuple(self._tables.values()), self._params)

    def _word(self, at: int) -> str:
        token = self._tokens[at] if 0 <= at < len(self._tokens) else None
        return token.value if token and token.kind is Kind.WORD else ""

    def _sign(self, at: int) -> str:
        token = self._tokens[at] if 0 <= at < len(self._tokens) else None
        return token.text if token and token.kind is Kind.SIGN else ""

    def _is_name(self, at: int) -> bool:
        return 0 <= at < len(self._tokens) and self._tokens[at].kind in {Kind.WORD, Kind.QUOTED}

    def _find_tables(self) -> None:
        for at in range(len(self._tokens)):
            first = self._word(at - 1) in _BEFORE_A_TABLE
            if not self._is_name(at) or not (first or self._sign(at - 1) == ","):
                continue
            table, after = self._table(at)
            if table is None or (not first and self._sign(after) == "("):
                continue
            if not first and not (self._is_name(after) and self._word(after) not in _NOT_AN_ALIAS):
                continue  # in a list, only `table alias` is surely a table
            self._tables[table.oid] = table
            self._aliases.setdefault(table.name, table)
            if self._word(after) == "as":
                after += 1
            if self._is_name(after) and self._word(after) not in _NOT_AN_ALIAS:
                self._aliases[self._tokens[after].value] = table

    def _table(self, at: int) -> tuple[Relation | None, int]:
        if self._sign(at + 1) == "." and self._is_name(at + 2):
            found = self._catalog.find(self._tokens[at].value, self._tokens[at + 2].value)
            return found, at + 3
        return self._catalog.find(None, self._tokens[at].value), at + 1

    def _insert(self, into: int) -> None:
        if not self._is_name(into + 1):
            return
        table, at = self._table(into + 1)
        if table is None:
            return
        if self._word(at) == "as":
            at += 2
        columns: list[Column | None] = list(table.columns)
        if self._sign(at) == "(" and self._word(at + 1) != "select":
            end = self._close[at]
            columns = [
                table.named(self._tokens[one].value) for one in range(at + 1, end) if self._is_name(one)
            ]
            at = end + 1
        if self._word(at) == "overriding":
            at += 3
        if self._word(at) == "values":
            self._values(at + 1, columns)
        elif self._word(at) == "select":
            stop = self._until(
                at + 1, len(self._tokens), {"from", "where", "returning", "on", "union", "limit"}
            )
            self._place(at + 1, stop, columns)

    def _values(self, at: int, columns: Sequence[Column | None]) -> None:
        while self._sign(at) == "(":
            self._place(at + 1, self._close[at], columns)
            at = self._close[at] + 1
            if self._sign(at) != ",":
                return
            at += 1

    def _place(self, start: int, end: int, columns: Sequence[Column | None]) -> None:
        """The n-th expression of a list is written to the n-th column."""
        for (begin, stop), column in zip(self._parts(start, end), columns, strict=False):
            if column is not None:
                self._assign(begin, stop, column)

    def _assign(self, begin: int, stop: int, column: Column) -> None:
        for at in range(begin, stop):
            if self._tokens[at].kind is Kind.PARAM:
                binding = self._params[int(self._tokens[at].value)]
                binding.assigned[column.relation, column.attnum] = column

    def _assignments(self, set_: int) -> None:
        target = self._target(set_)
        if target is None:
            return
        stop = self._until(set_ + 1, self._end_of_level(set_), {"where", "from", "returning", "when"})
        for begin, end in self._parts(set_ + 1, stop):
            if self._sign(begin) == "(":
                names = [
                    self._tokens[one] for one in range(begin + 1, self._close[begin]) if self._is_name(one)
                ]
                right = self._close[begin] + 2
                if self._word(right) == "row":
                    right += 1
                if self._sign(right) == "(" and self._word(right + 1) != "select":
                    self._place(right + 1, self._close[right], [target.named(one.value) for one in names])
                continue
            column = target.named(self._tokens[begin].value) if self._is_name(begin) else None
            if column and self._sign(begin + 1) == "=":
                self._assign(begin + 2, end, column)

    def _target(self, set_: int) -> Relation | None:
        """The table of an UPDATE … SET, or of an INSERT … ON CONFLICT DO UPDATE SET."""
        for at in range(set_ - 1, -1, -1):
            word = self._word(at)
            if word in {"update", "into"} and self._is_name(at + 1):
                begin = at + 2 if self._word(at + 1) == "only" else at + 1
                table, _ = self._table(begin)
                if table is not None:
                    return table
        return None

    def _comparison(self, at: int, binding: Binding) -> None:
        if self._word(at - 1) in {"limit", "offset"} or (
            self._word(at - 1) in {"first", "next"} and self._word(at - 2) == "fetch"
        ):
            binding.counts = True
            return
        binding.reckoned = not {self._sign(at - 1), self._sign(at + 1)}.isdisjoint(_RECKONS)
        level: tuple[int, int] | None = (at, at + 1)
        place = size = 0
        while level is not None:
            begin, stop = self._clause(*level)
            found = list(self._columns_in(begin, stop))
            if size > 1 and len(found) == size:
                found = [found[place]]  # (a, b) = ($1, $2)
            for column in found:
                if (column.relation, column.attnum) not in binding.assigned:
                    binding.compared[column.relation, column.attnum] = column
            if found or binding.assigned:
                return
            bracket = self._bracket_around(level[0])
            if bracket is None:
                return
            parts = list(self._parts(bracket[0] + 1, bracket[1]))
            size = len(parts)
            place = next((one for one, part in enumerate(parts) if part[0] <= at < part[1]), 0)
            level = (bracket[0], bracket[1] + 1)

    def _bracket_around(self, at: int) -> tuple[int, int] | None:
        around = [(begin, stop) for begin, stop in self._close.items() if begin < at < stop]
        return max(around, default=None)

    def _clause(self, begin: int, stop: int) -> tuple[int, int]:
        """The words around at the same depth, up to what ends a comparison."""
        begin = self._back(begin)
        if self._word(begin - 1) == "and" and "between" in {self._word(begin - one) for one in range(2, 7)}:
            begin = self._back(begin - 1)
        while stop < len(self._tokens) and not self._ends(stop) and self._sign(stop) not in {")", "]"}:
            stop = self._close.get(stop, stop) + 1
        return begin, stop

    def _back(self, begin: int) -> int:
        while begin > 0 and not self._ends(begin - 1) and self._sign(begin - 1) not in {"(", "["}:
            begin = self._opened.get(begin - 1, begin - 1)
        return begin

    def _ends(self, at: int) -> bool:
        return self._word(at) in _CLAUSE_ENDS or self._sign(at) in {",", ";"}

    def _columns_in(self, begin: int, stop: int) -> Iterator[Column]:
        for at in range(begin, stop):
            if not self._is_name(at) or self._sign(at + 1) == "(" or self._sign(at - 1) == "::":
                continue
            if self._sign(at + 1) == ".":
                continue
            called = self._tokens[at].value
            if self._sign(at - 1) == ".":
                table = self._aliases.get(self._tokens[at - 2].value)
                tables: tuple[Relation, ...] = (table,) if table else ()
            else:
                tables = tuple(self._tables.values())
            for table in tables:
                column = table.named(called)
                if column is not None:
                    yield column

    def _parts(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Stretches between commas of the same depth."""
        begin = at = start
        while at < end:
            if self._sign(at) == ",":
                yield begin, at
                begin = at + 1
            at = self._close.get(at, at) + 1
        if begin < end:
            yield begin, end

    def _until(self, start: int, end: int, words: set[str]) -> int:
        at = start
        while at < end and self._word(at) not in words:
            at = self._close.get(at, at) + 1
        return min(at, end)

    def _end_of_level(self, at: int) -> int:
        """Where the bracket around this place closes."""
        around = [stop for begin, stop in self._close.items() if begin < at < stop]
        return min(around, default=len(self._tokens))


def _brackets(tokens: Sequence[Token]) -> dict[int, int]:
    """Each opening bracket's closing one."""
    found, open_ = {}, []
    for at, token in enumerate(tokens):
        if token.kind is not Kind.SIGN:
            continue
        if token.text in {"(", "["}:
            open_.append(at)
        elif token.text in {")", "]"} and open_:
            found[open_.pop()] = at
    return found
