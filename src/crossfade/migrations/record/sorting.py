"""
Which of the statements that came are the version's own, and which only set the stage. Pure.

What is left out is left out by name, with a reason: a statement that goes missing in silence is one that no
proof ever runs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from crossfade.migrations.asked import names_constraints
from crossfade.migrations.catalog import BOOKKEEPING
from crossfade.migrations.lexer import Kind, Token

_SCHEMA_WORDS: Final = """
    create alter drop grant revoke comment reassign security import cluster reindex vacuum analyze refresh
    checkpoint load
"""
_SESSION_WORDS: Final = """
    begin start commit end rollback abort savepoint release set reset show discard deallocate listen unlisten
    notify close fetch move prepare execute explain
"""
_SCHEMA: Final = frozenset(_SCHEMA_WORDS.split())
_SESSION: Final = frozenset(_SESSION_WORDS.split())
_SEQUENCES: Final = frozenset({"nextval", "currval", "setval"})
"""Their sequence stands in a string: no name of the schema need be told."""
_READS_OR_WRITES: Final = frozenset(
    ("select", "insert", "update", "delete", "merge", "with", "values", "table", "call", "copy", "lock")
)

_WRITES: Final = frozenset({"insert", "update", "delete", "merge", "copy", "lock", "call"})
_IS_ELSEWHERE: Final = "another database's, or a table of the tests alone"
_MAY_BE_ELSEWHERE: Final = f"a question to PostgreSQL itself, {_IS_ELSEWHERE}"
NOTHING: Final = "names nothing of the recorded schema"

SILENT: Final = _SESSION - {"explain", "notify"}
"""What every client sends around its statements: not worth a line in the list of what is left out."""


def left_out(tokens: Sequence[Token], names: Collection[str]) -> str | None:
    """Why this statement is no part of the shape; None where it is one. `names`: of the recorded schema."""
    lead = next((token.value for token in tokens if token.kind is Kind.WORD), "")
    if lead in _SCHEMA:
        return "changes the schema: set-up"
    if lead == "truncate":
        return "empties a table: set-up of a test"
    if names_constraints(tokens):
        return None
    if lead in _SESSION:
        return f"{lead.upper()}: of the session, no statement on data"
    if lead == "do":
        return "a DO block: its parts are not seen"
    if lead not in _READS_OR_WRITES:
        return "no statement that reads or writes rows"
    if lead == "copy" and (why := _copied(tokens)) is not None:
        return why
    told = {token.value for token in tokens if token.kind in (Kind.WORD, Kind.QUOTED)}
    if not told.isdisjoint(BOOKKEEPING):
        return "a framework counts its migrations: set-up"
    if told.isdisjoint(names) and told.isdisjoint(_SEQUENCES):
        return f"{NOTHING}: {_IS_ELSEWHERE if lead in _WRITES else _MAY_BE_ELSEWHERE}"
    return None


def _copied(tokens: Sequence[Token]) -> str | None:
    words_ = [token.text.lower() for token in tokens]
    if not {"stdin", "stdout"} & set(words_):
        return "COPY from or to a file of the server"
    if "stdin" in words_ and "(" not in words_[: words_.index("stdin")]:
        return "COPY inwards without its columns: which ones it fills, nobody knows later"
    return None


def inner(tokens: Sequence[Token], text: str) -> str | None:
    """The query of a DECLARE … CURSOR … FOR; None where this is none."""
    if not tokens or tokens[0].value != "declare":
        return None
    for at, token in enumerate(tokens):
        if token.value == "for" and any(one.value == "cursor" for one in tokens[:at]):
            return text[tokens[at + 1].start :] if at + 1 < len(tokens) else None
    return None


def prepared_query(tokens: Sequence[Token], text: str) -> str | None:
    """The query of a PREPARE … AS; None where this is none."""
    if not tokens or tokens[0].value != "prepare":
        return None
    begin = next((at for at, token in enumerate(tokens) if token.value == "as"), None)
    return None if begin is None or begin + 1 >= len(tokens) else text[tokens[begin + 1].start :]


def arguments(tokens: Sequence[Token]) -> tuple[str | None, ...] | None:
    """The values of EXECUTE name(…); None where one of them is no plain one."""
    opened = next((at for at, token in enumerate(tokens) if token.text == "("), None)
    if opened is None:
        return ()
    inside = tokens[opened + 1 : -1] if tokens[-1].text == ")" else tokens[opened + 1 :]
    values: list[str | None] = []
    piece: list[Token] = []
    for token in (*inside, _COMMA):
        if token.text != ",":
            piece.append(token)
            continue
        value = _plain(piece)
        if value is None:
            return None
        values += value
        piece = []
    return tuple(values)


_COMMA: Final = Token(Kind.SIGN, ",", ",", 0, 0)


def _plain(piece: Sequence[Token]) -> tuple[str | None] | None:
    """One value alone: a string, a number with or without its sign, NULL, true, false."""
    sign = "-" if piece and piece[0].text == "-" else ""
    one = piece[1:] if sign else piece
    if len(one) != 1 or (sign and one[0].kind is not Kind.NUMBER):
        return None
    (token,) = one
    if token.kind in (Kind.STRING, Kind.NUMBER):
        return (sign + token.value,)
    if token.value in {"null", "true", "false"}:
        return (None if token.value == "null" else token.value,)
    return None
