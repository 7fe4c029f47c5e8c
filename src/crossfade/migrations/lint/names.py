"""Names of tables and other things: as they are written, and as they are meant. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.migrations.lexer import Kind, Token

_PASSED: Final = frozenset({"if", "not", "exists", "only", "concurrently"})
TEMP: Final = "pg_temp"
Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name, perhaps with its schema: `text` as it is written, `parts` without quotes."""

    text: str
    parts: tuple[str, ...]

    @property
    def bare(self) -> str:
        """Without its schema."""
        return self.parts[-1] if self.parts else ""

    @property
    def key(self) -> Key:
        """To tell one from another; no schema and `public` are the same."""
        schema = self.parts[-2] if len(self.parts) > 1 else ""
        return ("" if schema == "public" else schema, self.bare)

    @property
    def last(self) -> str:
        """The last part, as SQL has to write it."""
        return quoted(self.bare)

    def in_same_schema(self, bare: str) -> Name:
        """Another thing beside this one."""
        lead = self.text[: len(self.text) - len(_written(self))] if len(self.parts) > 1 else ""
        return Name(text=lead + quoted(bare), parts=(*self.parts[:-1], bare))

    def __str__(self) -> str:
        return self.text


NOBODY: Final = Name(text="", parts=())


def _written(name: Name) -> str:
    """The last part as it is written."""
    text = name.text
    return text[text.rindex('"', 0, -1) :] if text.endswith('"') else text.rpartition(".")[2]


def quoted(name: str) -> str:
    """As SQL has to write it."""
    plain = name.isidentifier() and name.isascii() and name == name.lower()
    return name if plain else '"' + name.replace('"', '""') + '"'


def unquoted(word: str) -> str:
    """A word as it is meant."""
    return word[1:-1].replace('""', '"') if word.startswith('"') else word


def name_at(tokens: Sequence[Token], at: int) -> tuple[Name, int]:
    """The name that begins here, and where it ends; IF EXISTS, ONLY and the like are passed over."""
    while at < len(tokens) and tokens[at].kind is Kind.WORD and tokens[at].value in _PASSED:
        at += 1
    if at >= len(tokens) or tokens[at].kind not in {Kind.WORD, Kind.QUOTED}:
        return NOBODY, at
    begin, parts = at, [tokens[at].value]
    while at + 2 < len(tokens) and tokens[at + 1].text == ".":
        parts.append(tokens[at + 2].value)
        at += 2
    text = "".join(one.text for one in tokens[begin : at + 1])
    return Name(text=text, parts=tuple(parts)), at + 1


def names_at(tokens: Sequence[Token], at: int) -> Iterator[Name]:
    """All names of a list that begins here: `a, b.c`; a function's brackets are passed over."""
    while True:
        name, at = name_at(tokens, at)
        if name is NOBODY:
            return
        yield name
        at = _past_brackets(tokens, at)
        if at < len(tokens) and tokens[at].text == "*":
            at += 1
        if at >= len(tokens) or tokens[at].text != ",":
            return
        at += 1


def _past_brackets(tokens: Sequence[Token], at: int) -> int:
    depth = 0
    while at < len(tokens) and (depth or tokens[at].text == "("):
        depth += {"(": 1, ")": -1}.get(tokens[at].text, 0)
        at += 1
    return at


def split_at_commas(tokens: Sequence[Token]) -> Iterator[tuple[Token, ...]]:
    """What stands between the commas that are in no bracket."""
    depth, begin = 0, 0
    for at, token in enumerate(tokens):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            yield tuple(tokens[begin:at])
            begin = at + 1
    yield tuple(tokens[begin:])


def bracket_at(tokens: Sequence[Token], at: int) -> tuple[Token, ...]:
    """What stands in the bracket that opens here, without the bracket."""
    return tuple(tokens[at + 1 : _past_brackets(tokens, at) - 1])
