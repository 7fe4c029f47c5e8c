"""What is asked of a proof: a schema, versions, a migration. And what follows from their words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.migrations.roles import takes_on
from crossfade.migrations.script import Asked, Script, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version's statements; `name` is where they come from."""

    name: str
    statements: tuple[Statement, ...]
    transactions: tuple[tuple[Asked, ...], ...] = ()
    """Of several statements, with the values they had: run as a whole as well."""

    @property
    def settings(self) -> tuple[str, ...]:
        """
        What its sessions are set to. Of SQL by hand, where no transaction can be run again, SET LOCAL too.

        Roles are not: statements are tried as the application's.
        """
        sets = [one for one in self.statements if one.lead[:1] == ("set",) and not takes_on(one)]
        if self.transactions:
            return tuple(one.text for one in sets)
        return tuple(
            f"SET{one.text[one.tokens[1].end :]}" if one.lead[1:2] == ("local",) else one.text for one in sets
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be proved."""

    schema: tuple[Statement, ...]
    schema_name: str
    old: tuple[Version, ...]
    new: Version
    migration: Script
    app_role: str | None = None

    @property
    def taken_on(self) -> tuple[tuple[Statement, str], ...]:
        """Where old versions take on a role, and which version it is."""
        return tuple((one, old.name) for old in self.old for one in old.statements if takes_on(one))

    @property
    def defers(self) -> bool:
        """Whether a constraint may be checked as late as at COMMIT, before or after the migration."""
        told = (*self.schema, *self.migration.statements)
        return any({"deferrable"} & {token.value for token in one.tokens} for one in told) or any(
            one.lead[:3] == ("create", "constraint", "trigger") for one in told
        )
