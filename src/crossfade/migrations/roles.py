"""
What a whole server knows of roles: who is a member of whom, and what a role's sessions are set to.

Databases are cloned, roles are not: what the migration does to them on one clone is so on every other one.
So it is remembered before the migration is tried, and put back before the old shape is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from crossfade.migrations.answers import Failure
from crossfade.migrations.script import Script, Statement
from crossfade.migrations.verdict import Counterexample
from crossfade.migrations.wire import Session, literal, name

_MEMBERS: Final = """
SELECT r.rolname, m.rolname FROM pg_catalog.pg_auth_members a
  JOIN pg_catalog.pg_roles r ON r.oid = a.roleid JOIN pg_catalog.pg_roles m ON m.oid = a.member
WHERE NOT pg_catalog.starts_with(r.rolname, 'pg_')
"""
_SETTINGS: Final = """
SELECT r.rolname, pg_catalog.split_part(s, '=', 1), pg_catalog.substr(s, pg_catalog.strpos(s, '=') + 1)
FROM pg_catalog.pg_db_role_setting d JOIN pg_catalog.pg_roles r ON r.oid = d.setrole,
  LATERAL pg_catalog.unnest(d.setconfig) s WHERE d.setdatabase = 0
"""
_NAMES: Final = frozenset({"role", "user", "group"})
_TAKES_ON: Final = frozenset({"role", "authorization"})

Rows = frozenset[tuple[str | None, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Members, and settings, as they were."""

    members: Rows
    settings: Rows

    @classmethod
    def of(cls, session: Session) -> Roles:
        return cls(members=frozenset(session.ask(_MEMBERS)), settings=frozenset(session.ask(_SETTINGS)))

    def put_back(self, session: Session) -> None:
        """As far as the roles are still there."""
        now = Roles.of(session)
        for role, member in now.members - self.members:
            session.attempt(f"REVOKE {name(role or '')} FROM {name(member or '')}")
        for role, member in self.members - now.members:
            session.attempt(f"GRANT {name(role or '')} TO {name(member or '')}")
        for role, setting, _ in now.settings - self.settings:
            session.attempt(f"ALTER ROLE {name(role or '')} RESET {_setting(setting)}")
        for role, setting, value in self.settings - now.settings:
            session.attempt(
                f"ALTER ROLE {name(role or '')} SET {_setting(setting)} = {_value(setting, value)}"
            )


def _setting(text: str | None) -> str:
    return ".".join(name(part) for part in (text or "").split("."))


def _value(setting: str | None, value: str | None) -> str:
    """A list of names stays a list; anything else is one text."""
    return value or "''" if setting == "search_path" else literal(value)


def speaks_of_roles(script: Script) -> bool:
    """Whether a migration may change what every database of a server shares."""
    return bool(script.names & _NAMES) or any(_is_membership(one) for one in script.statements)


def _is_membership(statement: Statement) -> bool:
    """`GRANT a TO b`, and not a right on something."""
    return statement.lead[:1] in {("grant",), ("revoke",)} and "on" not in {
        token.value for token in statement.tokens
    }


def takes_on(statement: Statement) -> bool:
    """SET ROLE and SET SESSION AUTHORIZATION: what only a member may do."""
    return statement.lead[:1] == ("set",) and bool(_TAKES_ON & set(statement.lead[1:4]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Able:
    """Which roles a server lets take on what: by the text of the statement that does, and its version."""

    by_text: Mapping[tuple[str, str], frozenset[str]]

    @classmethod
    def of(cls, session: Session, taken_on: Iterable[tuple[Statement, str]], role: str | None) -> Able:
        """Asked as each role's own session. None are able where the server lets us be nobody else."""
        wanted = list(taken_on)
        members = {row[1] for row in session.ask(_MEMBERS)} if wanted else set()
        candidates = sorted(one for one in members | {role} if one)
        return cls(
            by_text={
                (one.text, source): frozenset(each for each in candidates if _goes(session, one, each))
                for one, source in wanted
            }
        )

    def lost(self, after: Able, role: str | None) -> list[Counterexample]:
        """What the application's role (any member where that is not known) could take on and now cannot."""
        found = []
        for (text, source), could in self.by_text.items():
            asked = {one for one in could if one == role} or could
            unable = sorted(asked - after.by_text[text, source])
            found += [_refused(text, source, one) for one in unable[:1]]
        return found


def _goes(session: Session, statement: Statement, role: str) -> bool:
    """A role that takes on itself tells nothing."""
    if role in {token.value for token in statement.tokens}:
        return False
    session.ask("BEGIN")
    said = [session.attempt(f"SET SESSION AUTHORIZATION {name(role)}"), session.attempt(statement.text)]
    session.ask("ROLLBACK")
    return not any(isinstance(one, Failure) for one in said)


def _refused(text: str, source: str, role: str) -> Counterexample:
    return Counterexample(
        statement=text,
        source=source,
        values=(),
        before=f"{role} may",
        after=f"error 42501: {role} may not any more",
        kind="observed",
        wrong="error",
    )
