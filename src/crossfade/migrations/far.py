"""
Which statements a migration cannot reach, so that they need not be run: they open nothing that it touched.

A statement that may reach further than what it opens (a function of the schema's, a trigger, a rule, a
policy, a view that calls one) is never far.
"""

from __future__ import annotations

from crossfade.migrations.answers import Failure
from crossfade.migrations.catalog import Catalog
from crossfade.migrations.runs import Runner
from crossfade.migrations.script import Statement
from crossfade.migrations.touched import Touched

_HANGING = ("trigger", "rule", "policy")


class Far:
    """Asks one session of the shape before, each statement once. `touched` None: anything may be."""

    def __init__(self, runner: Runner, catalog: Catalog, touched: Touched | None) -> None:
        self._runner = runner
        self._catalog = catalog
        self._touched = touched
        keys = [key.partition(":") for key in catalog.other]
        signatures = [rest for kind, _, rest in keys if kind == "function"]
        self._functions = {one.partition("(")[0].rpartition(".")[2] for one in signatures}
        self._hung = {int(rest.partition(":")[0]) for kind, _, rest in keys if kind in _HANGING}
        self._known: dict[str, bool] = {}

    def is_far(self, statement: Statement) -> bool:
        """Whether the statement fares after the migration as it did before, whatever its values."""
        if statement.text not in self._known:
            self._known[statement.text] = self._is_far(statement)
        return self._known[statement.text]

    @property
    def all_are(self) -> bool:
        """Whether the migration touched nothing that was there."""
        there = self._touched
        return there is not None and not there.names and there.relations.isdisjoint(self._catalog.relations)

    def _is_far(self, statement: Statement) -> bool:
        there, relations = self._touched, self._catalog.relations
        words = {one.value for one in statement.tokens}
        if there is None or there.names & words or self._functions & {one.strip('"') for one in words}:
            return False
        prepared = self._runner.prepare(statement.text)
        used = None if isinstance(prepared, Failure) else self._runner.used(prepared)
        # LOCK, TRUNCATE, REFRESH and a value of regclass open nothing when planned: they must run to tell.
        if used is None or used.isdisjoint(relations):
            return False
        views = any(relations[oid].kind in "vm" for oid in used if oid in relations)
        reaches_on = used & self._hung or (views and self._functions)
        return not (used & there.relations or reaches_on)
