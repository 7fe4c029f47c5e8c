"""
From what a server says to what a person reads: what, why, and what to do next. Pure.

By SQLSTATE, never by the words of a message. A message's DETAIL is left out: it shows rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from crossfade.errors import AccessError, CrossfadeError, PlatformError, RefusedError
from crossfade.migrations.answers import Failure
from crossfade.migrations.running.blockers import Blocker, without_literals
from crossfade.migrations.running.ledger import Chapter, Done
from crossfade.migrations.script import Statement

_KEPT = "what ran before it is in the ledger and not done twice"


def failed(change: str, part: Chapter, statement: Statement, said: Failure, where: str) -> CrossfadeError:
    """A statement that the server refused."""
    what = f"{change}: {part} failed in line {statement.line}: {without_literals(statement.text)}"
    why = f"{said} ({where})"
    match said.sqlstate:
        case "42501":
            return AccessError("CF9273", what, why, "grant it, or let `database.direct_url` name the owner")
        case "57014":
            return PlatformError(
                "CF9273",
                what,
                f"{why}: it took longer than such a statement may while others wait",
                "take it apart: work that grows with rows belongs into statements that nobody waits for",
            )
        case "25001":
            return RefusedError(
                "CF9273", what, why, "give it a file of its own, or write `-- crossfade: no-transaction`"
            )
    kind = said.sqlstate[:2]
    if kind == "53":
        return PlatformError("CF9273", what, why, f"make room on the server, then run it again; {_KEPT}")
    if kind in {"08", "57", "58", "XX"}:
        return PlatformError("CF9273", what, why, f"see the server's log, then run it again; {_KEPT}")
    return RefusedError("CF9273", what, why, f"mend the statement, then run it again; {_KEPT}")


def lock_not_had(
    change: str,
    statement: Statement,
    blockers: Sequence[Blocker],
    last: Failure | None,
    *,
    tries: int,
    span: timedelta,
) -> PlatformError:
    """The lock was never free in time."""
    named = "; ".join(str(one) for one in blockers) or (str(last) if last else "nobody was seen holding it")
    return PlatformError(
        "CF9272",
        f"{change}: no lock for line {statement.line} in {tries} tries and {span.total_seconds():.0f} s",
        f"in the way: {named}",
        "end that transaction, or run this again at a quieter time; nothing of this transaction was done",
    )


def drifted(change: str, part: Chapter, row: Done, statement: Statement | None, sha256: str) -> RefusedError:
    """The file says something else than what ran."""
    now = f"{without_literals(statement.text)} (sha256 {sha256[:12]})" if statement else "nothing"
    which = f"statement {row.number} of {part}" if row.number else f"{part}"
    when = f"{row.finished:%Y-%m-%d %H:%M}" if row.finished else "before"
    return RefusedError(
        "CF9269",
        f"{change}: {which} is not what ran",
        f"ran {when} by {row.who}: {row.text} (sha256 {row.sha256[:12]}); the file now: {now}",
        "put it back as it was, and write what is to come into a new change",
    )


def blocks(change: str, found: Sequence[tuple[Statement, str]]) -> RefusedError:
    """Statements that keep others waiting for as long as the table is big."""
    said = "; ".join(f"line {one.line}: {why}" for one, why in found)
    return RefusedError(
        "CF9270",
        f"{change}: {without_literals(found[0][0].text)} would keep others waiting",
        said,
        "rewrite it so that nobody waits (`crossfade migrate prove` names what to split), or take it on: "
        "--accept-blocking REASON",
    )


def changes_rows(change: str, found: Sequence[tuple[Statement, str]]) -> RefusedError:
    """Statements that change as many rows as there are."""
    said = "; ".join(f"line {one.line}: {why}" for one, why in found)
    return RefusedError(
        "CF9271",
        f"{change}: {without_literals(found[0][0].text)} changes rows in one go, as many as there are",
        said,
        "write it as `backfill` in the change's YAML, which goes batch by batch; or take it on: "
        "--accept-blocking REASON",
    )


def unknowable(change: str, statement: Statement) -> RefusedError:
    """A statement outside any transaction whose effect cannot be looked up."""
    building = "index" in statement.lead[:3]
    return RefusedError(
        "CF9278",
        f"{change}: line {statement.line} runs outside a transaction: {without_literals(statement.text)}",
        "if this runner died in the middle, nobody could tell whether it ran",
        "give the index a name" if building else "run it by hand; what a migration holds can be looked up",
    )


def left_invalid(change: str, statement: Statement, index: str, said: Failure | None) -> PlatformError:
    """An index that cannot be built and cannot be taken away."""
    why = f"{said}" if said else "it was built and is not valid"
    return PlatformError(
        "CF9273",
        f"{change}: line {statement.line} left the invalid index {index}",
        f"{why}; a unique one goes on refusing rows",
        f"DROP INDEX CONCURRENTLY {index}; then run this again",
    )
