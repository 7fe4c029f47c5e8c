"""
procrastinate 0.17.0 -> 0.18.0: the release that was withdrawn from PyPI for its migrations.

python -m bench.migrations.projects.procrastinate
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from bench.migrations.projects.common import ask, installed

from crossfade.migrations.sandbox import Sandbox

_NAME: Final = re.compile(r"(?:\n|^)-- ([a-z0-9_]+) --\n(?:-- .+\n)*")
_PLACE: Final = re.compile(r"%\((\w+)\)s")


def main() -> None:
    with (
        installed("procrastinate==0.17.0") as old,
        installed("procrastinate==0.18.0") as new,
        Sandbox() as box,
    ):
        home, home_new = (one / "procrastinate" / "sql" for one in (old, new))
        known = {one.name for one in (home / "migrations").glob("*.sql")}
        added = [one for one in sorted((home_new / "migrations").glob("*.sql")) if one.name not in known]
        sql, sql_new = (statements(one / "queries.sql") for one in (home, home_new))
        schema = (home / "schema.sql").read_text()
        for one in added:
            ask(box.server, one.name, schema=schema, old=sql, new=sql_new, migration=one.read_text())
        every = "\n".join(one.read_text() for one in added)
        ask(box.server, "all of 0.18.0", schema=schema, old=sql, new=sql_new, migration=every)


def statements(path: Path) -> str:
    """The queries of a version, with `$1` for its named places."""
    pieces = _NAME.split(path.read_text())[1:]
    return ";\n".join(numbered(one.strip().rstrip(";")) for one in pieces[1::2])


def numbered(sql: str) -> str:
    places: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"${places.setdefault(found[1], len(places) + 1)}"

    text = re.sub(r"\bin (%\(\w+\)s)", r"= ANY (\1)", sql, flags=re.IGNORECASE)  # the driver's tuple
    return _PLACE.sub(number, text).replace("{channel_name}", "a_channel")


if __name__ == "__main__":
    main()
