"""
Columns that a version neither reads nor sets: what a trigger writes there makes no difference to it.

Asked of the server, once a table, and only where something was written otherwise than before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from crossfade.migrations.answers import Failure
from crossfade.migrations.catalog import Catalog, Column
from crossfade.migrations.runs import Key, Runner
from crossfade.migrations.subject import Tried
from crossfade.migrations.tolerance import Readers

_IN_A_BODY: Final = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.prokind IN ('f', 'p')
  AND pg_catalog.strpos(pg_catalog.pg_get_functiondef(p.oid), $1) > 0)
"""


class Unseen:
    """Knows them by table. A statement that cannot be prepared may see anything."""

    def __init__(self, runner: Runner, catalog: Catalog, all_tried: Sequence[Tried]) -> None:
        self._catalog = catalog
        self._session = runner.session
        self._readers = Readers(runner.session, catalog)
        prepared = [runner.prepare(one.statement.text, one.types(), one.hints) for one in all_tried]
        self._prepared = [one for one in prepared if not isinstance(one, Failure)]
        self._all_known = len(self._prepared) == len(prepared)
        self._found: dict[Key, frozenset[tuple[Key, str]]] = {}

    def of(self, tables: Iterable[Key]) -> frozenset[tuple[Key, str]]:
        """The columns of some tables that no statement sees."""
        return frozenset().union(*(self._of_table(one) for one in tables))

    def _of_table(self, key: Key) -> frozenset[tuple[Key, str]]:
        if key not in self._found:
            table = self._catalog.by_name.get(key)
            columns = table.columns if table is not None and self._all_known else ()
            self._found[key] = frozenset(
                (key, one.name)
                for one in columns
                if not self._in_a_body(one) and not self._readers.names(self._prepared, one)
            )
        return self._found[key]

    def _in_a_body(self, column: Column) -> bool:
        """Whether some function has the column's name in it: what it reads, no statement shows."""
        return self._session.ask(_IN_A_BODY, [column.name])[0][0] == "t"
