"""The schema with rows in it, as a template that is cloned and never touched again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from crossfade.migrations.catalog import Catalog
from crossfade.migrations.catalog_reader import read_catalog
from crossfade.migrations.data import Content, read_content
from crossfade.migrations.legal import Literals
from crossfade.migrations.load import app_role, load
from crossfade.migrations.sandbox.server import Database, Server
from crossfade.migrations.script import Statement
from crossfade.migrations.seed import Seeds, keep, sow, wipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A template database and what is known of it; `role` is the application's."""

    template: Database
    catalog: Catalog
    seeds: Seeds
    content: Content
    role: str | None
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[tuple[str, str], list[str]]:
        """The names of each relation's columns, by which what a statement writes is compared."""
        return {one.key: [column.name for column in one.columns] for one in self.catalog.relations.values()}

    def reduced(self, kinds: Collection[int] | None, tables: Collection[int]) -> Ground:
        """The same with only some kinds of rows in some tables; no kinds: not even the schema's own rows."""
        template = self.trial(kinds, tables)
        with template.visited() as session:
            content = read_content(session, self.catalog)
        return replace(self, template=template, content=content)

    def trial(self, kinds: Collection[int] | None, tables: Collection[int] = ()) -> Database:
        """A clone to try something on, with only some kinds of rows in some tables."""
        clone = self.template.clone()
        if tables:
            with clone.connect() as session:
                if kinds is None:
                    wipe(session, self.catalog, tables)
                else:
                    keep(session, self.catalog, self.seeds, kinds, tables)
        return clone


def lay(
    server: Server, schema: Sequence[Statement], called: str, literals: Literals, role: str | None
) -> Ground:
    """Load the schema and sow. Raises RefusedError where it does not load."""
    template = server.create()
    with template.visited() as session:
        loaded = load(session, schema, called)
        template.search_path = loaded.search_path
        catalog = read_catalog(session)
        seeds = sow(session, catalog, literals)
        content = read_content(session, catalog)
        found = role or app_role(session)
    notes = [f"extension {one} is stood in for" for one in loaded.stand_ins]
    notes += [f"no legal row was found for {one}" for one in seeds.empty]
    notes += (
        [] if found else ["no role of the application is known: privileges and row security are not proved"]
    )
    return Ground(
        template=template, catalog=catalog, seeds=seeds, content=content, role=found, notes=tuple(notes)
    )


def grown(kinds: Sequence[int], fine: Callable[[Sequence[int]], bool], trials: int) -> list[int]:
    """The most kinds that go well together, found by halving."""
    kept: list[int] = []
    waiting = [list(kinds)]
    while waiting and trials > 0:
        chunk = waiting.pop(0)
        trials -= 1
        if fine([*kept, *chunk]):
            kept += chunk
        elif len(chunk) > 1:
            half = len(chunk) // 2
            waiting = [chunk[:half], chunk[half:], *waiting]
    return kept
