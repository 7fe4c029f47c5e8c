"""
Loads a schema into an empty database: what `pg_dump --schema-only` prints, or DDL by hand.

Roles that the schema only names are made. An extension that the server lacks is refused, but for a few that
are harmless or have a faithful stand-in; the verdict names those.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from crossfade.errors import RefusedError
from crossfade.migrations.answers import Failure
from crossfade.migrations.script import Statement, brings_data
from crossfade.migrations.wire import Session, name

_NO_ROLE: Final = re.compile(r'role "(.+)" does not exist')
_NO_EXTENSION: Final = re.compile(
    r'extension "(.+)" is not available|extension control file .*/([\w-]+)\.control'
)
_STAND_INS: Final = {
    "uuid-ossp": "CREATE FUNCTION public.uuid_generate_v4() RETURNS uuid LANGUAGE sql "
    "AS 'SELECT gen_random_uuid()'",
    "pgcrypto": "SELECT 1",  # gen_random_uuid is PostgreSQL's own since 13; anything else of it fails
    "pg_stat_statements": "SELECT 1",
    "plpgsql": "SELECT 1",
}
_NO_PATH: Final = frozenset({"", '""', '"$user", public', "pg_catalog"})  # pg_dump empties it
_IGNORED: Final = {
    "42704": ("set", "comment"),  # a setting of another version; a comment on what is stood in for
    "42710": ("create",),
    "42P06": ("create",),
}


@dataclass(slots=True)
class Loaded:
    """What was done beside the schema's own words."""

    stand_ins: list[str] = field(default_factory=list)
    search_path: str = ""  # where the file left it, if it did


def load(session: Session, statements: Iterable[Statement], called: str) -> Loaded:
    """Run the schema. Raises RefusedError (CF9210) at the first statement that fails."""
    loaded = Loaded()
    for one in statements:
        if brings_data(one):
            raise RefusedError(
                "CF9202",
                f"{called}:{one.line} COPY … FROM stdin carries data",
                "a schema has none",
                "pg_dump --schema-only",
            )
        said = _run(session, one, loaded)
        if said is not None:
            raise _refused(called, one, said)
    path = session.ask("SELECT pg_catalog.current_setting('search_path')")[0][0] or ""
    loaded.search_path = "" if path.strip() in _NO_PATH else path
    for order in ("RESET ALL", "RESET ROLE"):
        session.attempt(order)
    return loaded


def missing_extension(said: Failure) -> str | None:
    """The extension that a server lacks, where that is what it says."""
    found = _NO_EXTENSION.search(f"{said.message} {said.detail}")
    return next((one for one in found.groups() if one), None) if found else None


def _run(session: Session, statement: Statement, loaded: Loaded) -> Failure | None:
    for _ in range(8):
        said = session.attempt(statement.text)
        if not isinstance(said, Failure):
            return None
        role = _NO_ROLE.search(said.message)
        extension = missing_extension(said)
        if role and not session.failed:
            session.attempt(f"CREATE ROLE {name(role.group(1))}")
        elif extension in _STAND_INS:
            session.attempt(_STAND_INS[extension])
            loaded.stand_ins.append(extension)
            return None
        else:
            return None if _harmless(statement, said) else said
    return Failure(sqlstate="XX000", message="too many roles are missing")


def _harmless(statement: Statement, said: Failure) -> bool:
    lead = statement.lead
    if said.sqlstate == "42710" and not {"role", "user", "extension"} & set(lead[:2]):
        return False
    return lead[:1] == ("set",) or lead[:1] in {(one,) for one in _IGNORED.get(said.sqlstate, ())}


def _refused(called: str, statement: Statement, said: Failure) -> RefusedError:
    fix = "mend the schema; pg_dump --schema-only prints one that loads"
    if missing_extension(said):
        fix = "--sandbox-dsn for a server that has the extension"
    return RefusedError("CF9210", f"{called}:{statement.line} the schema cannot be loaded", str(said), fix)


_APP_ROLE: Final = """
SELECT g.rolname, count(*) FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
  LATERAL pg_catalog.aclexplode(c.relacl) a JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.grantee <> c.relowner AND NOT g.rolsuper
  AND c.relkind IN ('r', 'p', 'v') AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
GROUP BY g.rolname ORDER BY count(*) DESC, g.rolname LIMIT 1
"""


def app_role(session: Session) -> str | None:
    """The role that the application seems to use: the one the schema gives the most rights on tables."""
    rows = session.ask(_APP_ROLE)
    return rows[0][0] if rows else None
