"""What a server answers, as values: rows, a failure, a prepared statement. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What the server says against a statement."""

    sqlstate: str
    message: str
    detail: str = ""
    table: str = ""
    column: str = ""
    constraint: str = ""

    def __str__(self) -> str:
        return f"error {self.sqlstate}: {self.message}"


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a result, and the table's column it is, where it is one."""

    name: str
    type: int
    mod: int
    table: int
    attnum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a statement gave: fields, values as text, the command tag."""

    fields: tuple[Field, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    tag: str = ""

    @property
    def affected(self) -> int:
        """Rows returned or touched, as the command tag says."""
        last = self.tag.rsplit(" ", 1)[-1]
        return int(last) if last.isdigit() else len(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A prepared statement: the types of its parameters and its result."""

    name: str
    params: tuple[int, ...]
    fields: tuple[Field, ...]
    declared: tuple[int, ...] = ()  # types that had to be named for PostgreSQL to read it


@dataclass(frozen=True, slots=True)
class Order:
    """SQL text, or a prepared statement by name with its values."""

    sql: str = ""
    prepared: str | None = None
    values: tuple[str | None, ...] = ()
