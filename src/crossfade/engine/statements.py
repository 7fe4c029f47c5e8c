"""The store's SQL, read once from its files by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources


def text(name: str) -> str:
    """One file of `engine/sql/`, whole."""
    return (resources.files("crossfade.engine") / "sql" / name).read_text(encoding="utf-8")


def queries() -> Mapping[str, str]:
    """Name to statement, from `queries.sql`."""
    parts = re.split(r"^-- name: (\w+)$", text("queries.sql"), flags=re.MULTILINE)
    return {name: body.strip().rstrip(";") for name, body in zip(parts[1::2], parts[2::2], strict=True)}
