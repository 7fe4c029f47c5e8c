"""Names that change hands within one transaction: what goes is replaced, and nobody sees it gone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.migrations.lint.actions import Action
from crossfade.migrations.lint.names import Key
from crossfade.migrations.lint.rules import RULES, Found

_MADE: Final = frozenset({"create view", "create materialized view"})
"""Of a function the parameters may be others: that is a drop."""
_GONE: Final = frozenset({"drop-object", "rename-table", "rename-object"})
At = tuple[int, Key]


class Replaced:
    """Of one migration: who gives a name up, and who takes it."""

    def __init__(self, statements: Sequence[Action]) -> None:
        self._taken: dict[At, int] = {}
        self._renamed: dict[At, int] = {}
        self._left: dict[At, int] = {}
        for one in statements:
            if not one.transaction:
                continue
            if one.kind in _MADE:
                self._taken[(one.unit, one.table.key)] = one.at_place
            elif one.has("rename", "to"):
                at = (one.unit, one.table.in_same_schema(one.after("to").bare).key)
                self._taken[at] = self._renamed[at] = one.at_place
                self._left.setdefault((one.unit, one.table.key), one.at_place)
            elif one.kind.startswith("drop "):
                self._left.setdefault((one.unit, one.table.key), one.at_place)

    def instead(self, action: Action, found: Found) -> Found | None:
        """What is met where names change hands; None where nothing is."""
        at = (action.unit, action.table.key)
        if found.rule in _GONE and self._taken.get(at, -1) > action.at_place and not action.has("cascade"):
            what = f"{action.table}, whose name another one takes"
            return Found(rule="replace-object", what=what)
        if (
            RULES[found.rule].breaks
            and action.kind == "alter table"
            and self._is_nobodys(at, action.at_place)
        ):
            return None
        return found

    def _is_nobodys(self, at: At, place: int) -> bool:
        """Whether a table has its name from this transaction, and nothing had it before."""
        since = self._renamed.get(at, place)
        return since < place and self._left.get(at, place) >= place
