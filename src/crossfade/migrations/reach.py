"""What reaches beyond its database is run on a sandbox of ours, never on a server of the user's. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from crossfade.errors import RefusedError
from crossfade.migrations.script import Statement

_BEYOND: Final = frozenset(
    {
        ("alter", "system"),
        *((verb, what) for verb in ("create", "alter", "drop") for what in ("database", "tablespace")),
        *((verb, what) for verb in ("alter", "drop") for what in ("role", "user", "group")),
        ("drop", "owned"),
        ("reassign", "owned"),
        ("create", "subscription"),
        ("alter", "subscription"),
    }
)


def stay_inside(statements: Iterable[Statement], called: str) -> None:
    """Raises RefusedError (CF9216) at the first statement that reaches beyond."""
    for one in statements:
        if _reaches(one):
            raise RefusedError(
                "CF9216",
                f"{called}:{one.line} {' '.join(one.lead[:2]).upper()} reaches beyond its database",
                "on a server of yours it would change what was there before",
                "take it out of the file, or leave --sandbox-dsn away",
            )


def _reaches(statement: Statement) -> bool:
    lead = statement.lead
    if lead[:2] in _BEYOND:
        # `ALTER USER MAPPING` is of the database.
        return lead[2:3] != ("mapping",)
    words = [token.value for token in statement.tokens]
    if lead[:1] == ("copy",):
        return not {"stdin", "stdout"} & set(words)
    return False
