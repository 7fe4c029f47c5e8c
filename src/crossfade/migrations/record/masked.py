"""
Passwords out of what is written down: a shape is kept with the release, and shown.

A command may name an address with a password in it, a set-up may make roles. Pure.
"""

from __future__ import annotations

import re
from typing import Final

from crossfade.migrations.lexer import Kind, UnreadableError, meaningful

_HIDDEN: Final = "***"
_ADDRESS: Final = re.compile(r"(?<=://)([^\s:/@'\"]*):[^\s/'\"]*@")
_NAMED: Final = re.compile(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s'\"&]+)", re.IGNORECASE)
_TELL_SECRETS: Final = frozenset(
    {"password", "encrypted", "connection", "mapping", "server", "dblink_connect"}
)


def masked(told: str) -> str:
    """A command or a message without the passwords of the addresses in it."""
    return _NAMED.sub(rf"\g<1>{_HIDDEN}", _ADDRESS.sub(rf"\g<1>:{_HIDDEN}@", told))


def masked_sql(text: str) -> str:
    """A statement of set-up: where it speaks of passwords or of other servers, without any of its strings."""
    lowered = text.lower()
    if not any(one in lowered for one in _TELL_SECRETS):
        return masked(text)
    try:
        tokens = meaningful(text)
    except UnreadableError:
        return masked(text)
    if not any(one.kind is Kind.WORD and one.value in _TELL_SECRETS for one in tokens):
        return masked(text)
    pieces, at = [], 0
    for token in tokens:
        if token.kind is Kind.STRING:
            pieces += [text[at : token.start], f"'{_HIDDEN}'"]
            at = token.end
    return "".join((*pieces, text[at:]))
