"""
A file of SQL as statements, and a migration as transactions.

A file is ONE transaction unless it says otherwise: with BEGIN and COMMIT of its own, or with a line
`-- crossfade: no-transaction`. A file that holds a statement PostgreSQL refuses inside a transaction
is run statement by statement; which ones those are, PostgreSQL says (`trace.py`).

What psql does and a server does not (backslash commands, variables, data after COPY) is refused by
name: nothing is skipped in silence but the two lines that pg_dump writes since 2025.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.errors import RefusedError
from crossfade.migrations.lexer import Kind, Token, UnreadableError, words

_HARMLESS: Final = re.compile(r"\\(?:un)?restrict\b[^\n]*")
_ROUTINES: Final = frozenset({"function", "procedure"})
_NO_TRANSACTION: Final = re.compile(
    r"^--\s*(?:crossfade:\s*)?no-transaction\b|\+goose\s+no\s+transaction\b|\+migrate\s+up\s+notransaction\b"
    r"|migrate:up\b.*\btransaction:\s*false\b|^--\s*changeset\b.*\brunInTransaction:\s*false\b"
    r"|^--\s*atlas:txmode\s+none\b",
    re.IGNORECASE | re.MULTILINE,
)
_SECTION: Final = re.compile(
    r"^\s*--\s*(?:(?:\+goose|\+migrate|migrate:|rambler)\s*(up|down)\b|(up|down)\s+migration\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement, its text without the semicolon, the line and column it begins at, its tokens."""

    text: str
    line: int
    tokens: tuple[Token, ...]
    column: int = 1
    samples: tuple[tuple[str | None, ...], ...] = ()
    """Values that it was really sent with, where somebody listened."""
    sent: str = ""  # as the version sends it, where something else is tried in its place
    anew: bool = False  # analysed each time that it is sent: no session keeps it prepared

    @property
    def said(self) -> str:
        """As the version sends it."""
        return self.sent or self.text

    @property
    def lead(self) -> tuple[str, ...]:
        """The first words, lower case: what kind of statement it is."""
        return tuple(token.value for token in self.tokens[:6] if token.kind is Kind.WORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A statement of a recorded transaction with its values; `said` is the version's statement that it is."""

    text: str
    values: tuple[str | None, ...] = ()
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What runs together: a transaction, or one statement by itself."""

    statements: tuple[Statement, ...]
    transaction: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A migration as it will run. `explicit`: its transactions are written in the file."""

    units: tuple[Unit, ...]
    explicit: bool

    @property
    def statements(self) -> tuple[Statement, ...]:
        return tuple(statement for unit in self.units for statement in unit.statements)

    @property
    def names(self) -> frozenset[str]:
        """Every word that it speaks of."""
        return frozenset(token.value for one in self.statements for token in one.tokens)

    def apart(self) -> Script:
        """The same statements, each by itself."""
        units = tuple(Unit(statements=(one,), transaction=False) for one in self.statements)
        return Script(units=units, explicit=True)


def read_statements(sql: str, name: str) -> tuple[Statement, ...]:
    """The statements of a file; `name` is for messages. Raises RefusedError (CF9201, CF9202)."""
    if "\0" in sql:
        raise RefusedError(
            "CF9201",
            f"{name}:{_line(sql, sql.index(chr(0)))} cannot be read: a zero byte",
            "it is no text",
            "name the file that holds the SQL",
        )
    try:
        return tuple(_split(_without_harmless(sql), name))
    except UnreadableError as error:
        raise RefusedError(
            "CF9201",
            f"{name}:{_line(sql, error.at)} cannot be read: {error.what}",
            "nothing is judged from half a file",
            "close it; what psql reads, is read here",
        ) from None


def read_script(sql: str, name: str) -> Script:
    """A migration's statements in their transactions."""
    up = _only_up(sql)
    statements = read_statements(up, name)
    if not statements:
        raise RefusedError(
            "CF9214",
            f"{name} holds no statement to run",
            "it is empty, or everything stands in comments or below a mark of the way down",
            "name the file of the migration; where nothing changes there is nothing to prove",
        )
    for one in statements:
        if brings_data(one):
            _refuse_data(name, one.line)
    if any(_control(one) for one in statements):
        return Script(units=tuple(_units(statements)), explicit=True)
    if _NO_TRANSACTION.search(_comments(up)):
        return Script(units=(Unit(statements=statements, transaction=True),), explicit=False).apart()
    return Script(units=(Unit(statements=statements, transaction=True),), explicit=False)


def _comments(sql: str) -> str:
    return "\n".join(token.text for token in words(sql) if token.kind is Kind.COMMENT)


def _only_up(sql: str) -> str:
    """The way up of a file with a way up and a way down (goose, dbmate …); lines keep their number."""
    kept, taking, lines = [], True, sql.splitlines(keepends=True)
    if not any(map(_SECTION.match, lines)):
        return sql
    for line in lines:
        mark = _SECTION.match(line)
        if mark:
            taking = (mark.group(1) or mark.group(2)).lower() == "up"
        kept.append(line if taking else "\n")
    return "".join(kept)


def _without_harmless(sql: str) -> str:
    return re.sub(rf"^{_HARMLESS.pattern}$", lambda found: " " * len(found.group()), sql, flags=re.MULTILINE)


def _line(sql: str, at: int) -> int:
    return sql.count("\n", 0, at) + 1


@dataclass(slots=True)
class _Gathering:
    """The statement being read: its tokens, and how deep in brackets and in a SQL body we are."""

    tokens: list[Token]
    depth: int = 0
    body: int = 0

    def take(self, token: Token) -> None:
        self.tokens.append(token)
        if token.kind is Kind.SIGN:
            self.depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        elif token.kind is Kind.WORD and self._routine():
            self._count_body(token.value)

    def _routine(self) -> bool:
        lead = [token.value for token in self.tokens[:4] if token.kind is Kind.WORD]
        return lead[:1] == ["create"] and bool(_ROUTINES & set(lead))

    def _count_body(self, word: str) -> None:
        # `BEGIN ATOMIC … END`: semicolons inside belong to the body; CASE has an END too.
        begins = word == "atomic" and len(self.tokens) > 1 and self.tokens[-2].value == "begin"
        if begins or (self.body and word == "case"):
            self.body += 1
        elif self.body and word == "end":
            self.body -= 1

    def closes(self, token: Token) -> bool:
        return token.kind is Kind.SIGN and token.text == ";" and self.depth <= 0 and not self.body


def _split(sql: str, name: str) -> Iterator[Statement]:
    now = _Gathering([])
    for token in words(sql):
        if token.kind is Kind.COMMENT:
            continue
        if now.closes(token):
            if now.tokens:
                yield _statement(sql, now.tokens)
            now = _Gathering([])
            continue
        _refuse_psql(sql, name, token, now)
        now.take(token)
    if now.tokens:
        yield _statement(sql, now.tokens)


def _statement(sql: str, tokens: Sequence[Token]) -> Statement:
    start, end = tokens[0].start, tokens[-1].end
    moved = tuple(Token(one.kind, one.text, one.value, one.start - start, one.end - start) for one in tokens)
    column = start - sql.rfind("\n", 0, start)
    return Statement(text=sql[start:end], line=_line(sql, start), column=column, tokens=moved)


def _refuse_psql(sql: str, name: str, token: Token, now: _Gathering) -> None:
    if token.kind is not Kind.SIGN:
        if token.value == "stdin" and [one.value for one in now.tokens[:1]] == ["copy"] and "\n\\." in sql:
            _refuse_data(name, _line(sql, token.start))
        return
    after = sql[token.end : token.end + 1]
    if token.text == "\\":
        command = re.match(r"\\\S*", sql[token.start :])
        said = command.group() if command else "\\"
        _refuse(sql, name, token, f"{said} is a command of psql, not SQL", "write it as SQL, or take it out")
    touching = sql[token.start - 1 : token.start]
    variable = after.isalpha() or after in {"'", '"', "_"}
    if token.text != ":" or not variable or touching == ":":
        return
    in_slice = any(one.text == "[" for one in now.tokens) and now.depth > 0
    if not in_slice:
        _refuse(
            sql,
            name,
            token,
            "a variable of psql (:name)",
            "write $1, $2 for values, the name itself for names",
        )


def brings_data(statement: Statement) -> bool:
    """COPY FROM STDIN: a version may send it, a file cannot."""
    words = [one.value for one in statement.tokens]
    return words[:1] == ["copy"] and "stdin" in words


def _refuse_data(name: str, line: int) -> None:
    raise RefusedError(
        "CF9202",
        f"{name}:{line} COPY … FROM stdin carries data",
        "a server would not take it",
        "pg_dump --schema-only, or INSERT",
    )


def _refuse(sql: str, name: str, token: Token, what: str, fix: str) -> None:
    raise RefusedError(
        "CF9202", f"{name}:{_line(sql, token.start)} {what}", "a server would not take it", fix
    )


def _control(statement: Statement) -> str | None:
    lead = statement.lead
    if lead[:1] == ("begin",) or lead[:2] == ("start", "transaction"):
        return "begin"
    if lead[:1] in {("commit",), ("end",)} and "prepared" not in lead:
        return "commit"
    if lead[:1] in {("abort",), ("rollback",)} and not {"to", "prepared"} & set(lead[1:3]):
        return "rollback"
    return None


def _units(statements: Iterable[Statement]) -> Iterator[Unit]:
    """Transactions as written; a COMMIT without BEGIN closes one that the framework opened."""
    listed = list(statements)
    controls = [word for word in map(_control, listed) if word]
    inside = bool(controls) and controls[0] != "begin"
    gathered: list[Statement] = []
    for one in listed:
        word = _control(one)
        if word == "begin":
            inside = True
        elif word in {"commit", "rollback"}:
            if gathered and word == "commit":
                yield Unit(statements=tuple(gathered), transaction=True)
            gathered, inside = [], False
        elif inside:
            gathered.append(one)
        else:
            yield Unit(statements=(one,), transaction=False)
    if gathered:
        yield Unit(statements=tuple(gathered), transaction=True)
