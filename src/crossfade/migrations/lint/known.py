"""
What is known of the schema while a migration is read: from `--schema`, and from what stands in it.

Told of each action in order, it knows tables that a migration makes itself, types, what must be there, keys,
indexes. WHAT IT WAS NOT TOLD IS UNKNOWN, never "not there": rules that need it say so, or assume the worse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final

from crossfade.migrations.lexer import Kind, Token
from crossfade.migrations.lint.actions import Action, words_of
from crossfade.migrations.lint.columns import Column, bare, column_of, is_table_rule
from crossfade.migrations.lint.names import TEMP, Key, Name, bracket_at, name_at, split_at_commas, unquoted
from crossfade.migrations.lint.types import Type, type_of

_WORDS: Final = re.compile(r"[\w$]+")
_ANYTHING: Final = frozenset({"execute", "perform", "call", "select"})
"""Words of a DO behind which stands what no word of it says."""


@dataclass(slots=True)
class Table:
    """`new`: made by the migration that is read, and surely so."""

    columns: dict[str, Type] = field(default_factory=dict)
    not_null: set[str] = field(default_factory=set)
    checked: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Constraint to columns, of CHECK (column IS NOT NULL) and NOT NULL, valid or not."""
    invalid: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    """Columns whose value names one row."""
    indexed: set[str] = field(default_factory=set)
    whole: bool = False
    """Its CREATE TABLE was seen: what is not known of it is not there."""
    default_partition: bool = False
    partitioned: bool = False
    reckoned: set[str] = field(default_factory=set)
    """Columns in a CHECK, or anywhere in an index with an expression or a WHERE: more hangs on their type."""
    sources: set[str] = field(default_factory=set)
    """Columns that a generated one is made of."""
    stored: set[str] = field(default_factory=set)
    new: bool = False

    def is_there(self, column: str) -> bool:
        """Whether a NULL is ruled out by a valid constraint."""
        proved = (name for name, of in self.checked.items() if column in of and name not in self.invalid)
        return column in self.not_null or any(proved)

    def forget(self, column: str) -> None:
        """A column that is dropped; another of its name is another one."""
        self.columns.pop(column, None)
        for some in (self.not_null, self.keys, self.indexed, self.stored, self.reckoned, self.sources):
            some.discard(column)
        self.checked = {name: of for name, of in self.checked.items() if column not in of}

    def lose(self, constraint: str, table: str) -> None:
        """A constraint that is dropped; of one never heard of, all that it may have proved."""
        if self.checked.pop(constraint, None) is not None:
            return
        if constraint.endswith(("_fkey", "_check")):
            return
        told = {one for one in self.not_null if constraint == f"{table}_{one}_not_null"}
        self.not_null -= told or (set() if constraint.endswith("key") else self.not_null)
        self.keys -= set() if told else self.keys

    def copy(self) -> Table:
        """Another one that knows the same."""
        return replace(
            self,
            columns=dict(self.columns),
            not_null=set(self.not_null),
            checked=dict(self.checked),
            invalid=set(self.invalid),
            keys=set(self.keys),
            indexed=set(self.indexed),
            reckoned=set(self.reckoned),
            sources=set(self.sources),
            stored=set(self.stored),
        )


@dataclass(slots=True)
class Known:
    """Everything that was told, by name."""

    tables: dict[Key, Table] = field(default_factory=dict)
    indexes: dict[Key, tuple[Key, tuple[str, ...]]] = field(default_factory=dict)
    views: dict[Key, frozenset[str]] = field(default_factory=dict)
    """View to the words of its query."""
    domains: dict[str, bool] = field(default_factory=dict)
    """Domain to whether it is constrained."""
    routines: set[str] = field(default_factory=set)
    new: set[tuple[str, Key]] = field(default_factory=set)
    """Other things that this migration made: views, types, functions."""
    home: str = ""
    """The schema of names without one, where the migration says so."""

    def next_file(self) -> None:
        """What was new is no longer: the next migration finds it with rows."""
        self.new, self.home = set(), ""
        self.tables = {key: one for key, one in self.tables.items() if key[0] != TEMP}
        for one in self.tables.values():
            one.new = False

    def copy(self) -> Known:
        """Another one that knows the same."""
        return Known(
            tables={key: one.copy() for key, one in self.tables.items()},
            indexes=dict(self.indexes),
            views=dict(self.views),
            domains=dict(self.domains),
            routines=set(self.routines),
            new=set(self.new),
            home=self.home,
        )

    def forget(self, action: Action) -> None:
        """What an action may have changed that cannot be read; what is new stays new."""
        if action.kind == "alter table":
            lost = [self._at(action.table)]
        else:
            body = set(_WORDS.findall(" ".join(one.text for one in action.tokens).lower()))
            all_ = action.kind != "do" or not body.isdisjoint(_ANYTHING)
            lost = [key for key in self.tables if all_ or key[1].lower() in body]
        for key in lost:
            self.tables[key] = Table(new=key in self.tables and self.tables[key].new)

    def forget_tables(self, names: frozenset[str]) -> None:
        """Tables of these names, whatever their schema."""
        if names:
            self.tables |= {key: Table() for key in self.tables if key[1] in names}

    def forget_all(self) -> None:
        """A whole file that cannot be read."""
        self.tables, self.indexes, self.views = {}, {}, {}

    def table(self, name: Name) -> Table:
        """What is known of a table; of one never heard of, nothing."""
        return self.tables.get(self._at(name)) or Table()

    def is_new(self, name: Name) -> bool:
        return self.table(name).new

    def is_shown(self, table: Name, column: str) -> bool:
        """Whether a view may show this column."""
        return any(table.bare in words and bool({column, "*"} & words) for words in self.views.values())

    def has_index(self, table: Name, index: Name) -> bool:
        """Whether an index of this name is surely there, and no constraint's."""
        return self._beside(table, index) in self.indexes

    def made(self, kind: str, name: Name) -> bool:
        """Whether this migration made such a thing itself."""
        return (kind, self._key(name)) in self.new

    def _key(self, name: Name) -> Key:
        return (self.home, name.bare) if len(name.parts) == 1 else name.key

    def _at(self, name: Name) -> Key:
        hidden = (TEMP, name.bare)
        return hidden if len(name.parts) == 1 and hidden in self.tables else self._key(name)

    def _own(self, name: Name) -> Table:
        return self.tables.setdefault(self._at(name), Table())

    def tell(self, action: Action) -> None:
        """Take in what an action does."""
        if action.kind == "alter table":
            self._alter(action)
        elif action.kind in {"create table", "create materialized view"}:
            self._create(action)
        elif action.kind == "drop table":
            self.tables.pop(self._at(action.table), None)
        elif action.kind == "create index":
            self._index(action)
        elif action.kind == "drop index":
            self._drop_index(action.table)
        elif action.kind in {"drop view", "drop materialized view"}:
            self.views.pop(self._key(action.table), None)
            self.tables.pop(self._at(action.table), None)
        elif action.kind == "create domain":
            self.domains[action.table.bare] = action.has_any("check", "not")
            self.new.add(("domain", self._key(action.table)))
        elif action.kind == "alter domain" and (action.has("add") or action.has("set", "not", "null")):
            self.domains[action.table.bare] = True
        elif action.kind.startswith("create "):
            self._other(action)
        elif action.kind == "set" and action.has("search_path"):
            first = next(iter(action.tokens[action.at("search_path") + 2 :]), None)
            self.home = "" if first is None or first.value in {"public", "default"} else first.value

    def _other(self, action: Action) -> None:
        if action.kind == "create view":
            self.views[self._key(action.table)] = frozenset(action.words)
        if action.kind in {"create function", "create procedure"}:
            self.routines.add(action.table.bare)
        if not action.has("or", "replace") and not action.has("if", "not", "exists"):
            self.new.add((action.kind.partition(" ")[2], self._key(action.table)))

    def _create(self, action: Action) -> None:
        name, perhaps = action.table, action.has("if", "not", "exists")
        head = action.words[: action.at("(")] if "(" in action.words else action.words
        temporary = bool({"temp", "temporary"} & set(head))
        at = (TEMP, name.bare) if temporary else self._key(name)
        if perhaps and not temporary:
            self.tables.setdefault(at, Table())
            return
        table = Table(new=True, whole=not _taken_from_elsewhere(action))
        table.partitioned = action.has("partition", "by")
        if action.kind == "create materialized view":
            self.views[at] = frozenset(action.words)
        self.tables[at] = table
        partition = action.at("partition", "of")
        if partition >= 0:
            parent = self._own(action.after("partition", "of"))
            parent.default_partition |= action.words[-1] == "default"
            table.columns, table.keys, table.not_null = parent.columns, parent.keys, parent.not_null
        elif "(" in action.words:
            for line in split_at_commas(bracket_at(action.tokens, action.words.index("("))):
                self._line(table, line)

    def _line(self, table: Table, line: tuple[Token, ...]) -> None:
        if is_table_rule(line):
            _add_rule(table, line)
        elif column := column_of(line):
            self._column(table, column)

    def _column(self, table: Table, column: Column) -> None:
        name = column.name.bare
        words = words_of(column.kind)
        table.columns[name] = type_of(words)
        if column.not_null or {"serial", "bigserial", "smallserial"} & set(words) or column.rule("generated"):
            table.not_null.add(name)
        table.sources |= set(words_of(column.rule("generated") or ()))
        table.reckoned |= set(words_of(column.rule("check") or ()))
        if column.rule("generated") and "stored" in words_of(column.rule("generated") or ()):
            table.stored.add(name)
            table.not_null.discard(name)
        if column.rule("primary") or column.rule("unique"):
            table.keys.add(name)
            table.indexed.add(name)

    def _index(self, action: Action) -> None:
        table = self._own(action.table)
        if "(" not in action.words:
            return
        at = action.words.index("(")
        inside = bracket_at(action.tokens, at)
        table.indexed |= {one.value for one in inside if one.kind in {Kind.WORD, Kind.QUOTED}}
        lines = [line for line in split_at_commas(inside) if line]
        plain = tuple(line[0].value for line in lines)
        if "where" in action.words or any("(" in words_of(line) for line in lines):
            table.reckoned |= {one.value for one in action.tokens[at:]}
        name = action.after("index")
        if name.parts:
            self.indexes[self._beside(action.table, name)] = (self._key(action.table), plain)
        if (
            "unique" in action.words[:3]
            and len(plain) == 1
            and len(inside) == 1
            and "where" not in action.words
        ):
            table.keys.add(plain[0])

    def _drop_index(self, name: Name) -> None:
        of, columns = self.indexes.pop(self._key(name), (None, ()))
        if of in self.tables and len(columns) == 1:
            self.tables[of].keys.discard(columns[0])

    def index_columns(self, table: Name, index: Name) -> tuple[str, ...]:
        """The columns of an index; of one never heard of, none."""
        return self.indexes.get(self._beside(table, index), (table.key, ()))[1]

    def _beside(self, table: Name, index: Name) -> Key:
        return self._key(table.in_same_schema(index.bare))

    def _alter(self, action: Action) -> None:
        table = self._own(action.table)
        words = action.words
        if action.begins("rename", "to"):
            new = action.table.in_same_schema(action.after("to").bare)
            self.tables[self._key(new)] = self.tables.pop(self._at(action.table))
        elif action.begins("rename") and not action.begins("rename", "constraint"):
            _rename(table, action.column("rename").bare, action.after("to").bare)
        elif action.begins("attach", "partition"):
            table.default_partition |= words[-1] == "default"
        elif action.begins("validate", "constraint"):
            table.invalid.discard(action.after("constraint").bare)
        elif action.begins("add") and is_table_rule(action.tokens[1:]):
            self._add_rule(table, action)
        elif action.begins("add", "not", "null"):
            _add_rule(table, action.tokens[1:])
        elif action.begins("add"):
            begin = 2 if action.begins("add", "column") else 1
            if column := column_of(action.tokens[begin:]):
                self._column(table, column)
        elif action.begins("alter"):
            _alter_column(table, action)
        elif action.begins("drop", "constraint"):
            table.lose(action.after("constraint").bare, action.table.bare)
        elif action.begins("drop"):
            table.forget(action.column("drop").bare)

    def _add_rule(self, table: Table, action: Action) -> None:
        _add_rule(table, action.tokens[1:])
        if action.has("primary", "key", "using", "index"):
            table.not_null |= set(self.index_columns(action.table, action.after("using", "index")))


def _taken_from_elsewhere(action: Action) -> bool:
    """Whether columns come from a query, a type, or another table."""
    depth, outside = 0, list[str]()
    for token, word in zip(action.tokens, action.words, strict=True):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        outside += [word] if depth == 0 else []
    lines = split_at_commas(bracket_at(action.tokens, action.at("("))) if "(" in action.words else ()
    like = any(line and line[0].kind is Kind.WORD and line[0].value == "like" for line in lines)
    return like or not {"as", "inherits", "of"}.isdisjoint(outside)


def _add_rule(table: Table, line: Sequence[Token]) -> None:
    """A constraint of a table, as CREATE TABLE and ADD write it."""
    words = bare(tuple(line))
    named = line[1].value if words != words_of(line) and len(line) > 1 else ""
    if words[:1] == ("check",):
        table.reckoned |= {one.value for one in line}
        columns = tuple(_there(words))
        named = named or f"{'_'.join(columns)} check"
        table.checked[named] = columns
    elif words[:2] == ("not", "null") and len(words) > 2:
        named = named or f"{words[2]} not null"
        table.checked[named] = (unquoted(words[2]),)
    elif words[:1] in {("primary",), ("unique",)} and "(" in words:
        inside = bracket_at(line, [one.text for one in line].index("("))
        key = [one.value for one in inside if one.kind in {Kind.WORD, Kind.QUOTED}]
        table.indexed |= set(key)
        table.keys |= set(key) if len(key) == 1 else set()
        table.not_null |= set(key) if words[0] == "primary" else set()
    if words[-2:] in {("not", "valid"), ("not", "enforced")}:
        table.invalid.add(named)
    else:
        table.invalid.discard(named)


def _there(words: Sequence[str]) -> Iterator[str]:
    """Columns of `c IS NOT NULL`, where nothing but AND stands beside them."""
    inside = [one for one in words[1:] if one not in {"(", ")"}]
    if inside[-2:] in [["not", "valid"], ["not", "enforced"]]:
        inside = inside[:-2]
    if "or" in inside:
        return
    for _, part in groupby(inside, lambda word: word == "and"):
        column, *rest = part
        if rest == ["is", "not", "null"]:
            yield unquoted(column)


def _alter_column(table: Table, action: Action) -> None:
    name, end = name_at(action.tokens, 2 if action.begins("alter", "column") else 1)
    column, words = name.bare, action.words[end:]
    if words == ("set", "not", "null"):
        table.not_null.add(column)
    elif words == ("drop", "not", "null"):
        table.not_null.discard(column)
    elif words[:1] == ("type",) or words[:3] == ("set", "data", "type"):
        kind = words[words.index("type") + 1 :]
        table.columns[column] = type_of(kind[: kind.index("using")] if "using" in kind else kind)


def _rename(table: Table, old: str, new: str) -> None:
    if old in table.columns:
        table.columns[new] = table.columns.pop(old)
    for some in (table.not_null, table.keys, table.indexed, table.stored, table.reckoned, table.sources):
        if old in some:
            some.discard(old)
            some.add(new)
    table.checked = {
        name: tuple(new if one == old else one for one in of) for name, of in table.checked.items()
    }
