"""
The migrations of one folder, read one after the other: what an earlier one has made, a later one knows. Pure.

The order is the runner's. A TABLE OF AN EARLIER FILE IS NOT NEW: it may hold rows by then. A contract runs a
release or more later, and nobody knows when: behind each file it may have run or not. A later file counts
neither on what it does nor on what it takes away, and it itself, like an abort, counts only on what holds
from its own expand to the last file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from crossfade.counted import as_counted
from crossfade.migrations.lint.asked import NEWEST
from crossfade.migrations.lint.check import Reading, read, read_on
from crossfade.migrations.lint.common import Since, about, perhaps
from crossfade.migrations.lint.known import Known

Way = Literal["on", "later", "back"]
_WAYS: Final[Mapping[str, Way]] = {
    "expand": "on", "up": "on", "contract": "later",
    "abort": "back", "down": "back", "undo": "back", "rollback": "back", "revert": "back",
}  # fmt: skip
_RANK: Final[tuple[Way, ...]] = ("on", "later", "back")
_ROUNDS: Final = 2
"""Contracts that may run in any order: each is looked at behind each other one."""
_MANY: Final = 6
_FLYWAYS_UNDO: Final = re.compile(r"U(\d[\d._]*__.*)")


def read_folder(
    files: Mapping[str, str], *, pg: int = NEWEST, schema: Known | None = None
) -> dict[str, Reading]:
    """Name to SQL → name to what was found in it, in the runner's order; never raises for a text."""
    known = Known() if schema is None else schema.copy()
    found: dict[str, Reading] = {}
    waiting: dict[str, Since] = {}
    contracts: list[str] = []
    for name in sorted(files, key=_order):
        way = _way(name)[0]
        if way == "on":
            found[name] = read_on(files[name], name, known, contract=False, pg=pg)
            known.next_file()
        else:
            found[name] = read(files[name], name, pg=pg, schema=about(known, files[name]))
            waiting[name] = Since(known, files[name])
        if way == "back":
            continue
        contracts += [name] if way == "later" else []
        named = found[name].named
        may_run = [one for one in contracts if waiting[one].minds(named)]
        crowd = _crowd([found[one] for one in may_run])
        may_run = [] if crowd else may_run * _ROUNDS
        known.forget_tables(crowd)
        for one in may_run:
            known = perhaps(known, found[one], files[one])
        for other, since in waiting.items():
            if other != name and since.minds(named):
                since.met(found[name], surely=way == "on")
                since.lose(crowd)
                for one in may_run:
                    if one != other and since.minds(found[one].named):
                        since.met(found[one], surely=False)
    for name, since in waiting.items():
        found[name] = read(files[name], name, pg=pg, schema=since.ground)
    return found


def _crowd(contracts: Sequence[Reading]) -> frozenset[str]:
    """What so many contracts are about that their orders are not looked at one by one; else nothing."""
    if len(contracts) <= _MANY:
        return frozenset()
    return frozenset().union(*(one.named or frozenset() for one in contracts))


def _order(name: str) -> tuple[object, ...]:
    """As the runner takes them; of one change the expand first, then the contract, then the way back."""
    way, stem = _way(name)
    *parents, last = name.split("/")
    return ([as_counted(part) for part in parents], as_counted(stem), _RANK.index(way), last)


def _way(name: str) -> tuple[Way, str]:
    """Which way a file goes, and what it has in common with its fellows."""
    stem = name.rpartition("/")[2].removesuffix(".sql")
    lead, _, last = stem.rpartition(".")
    if lead and last.lower() in _WAYS:
        return _WAYS[last.lower()], lead
    undo = _FLYWAYS_UNDO.fullmatch(stem)
    return ("back", f"V{undo.group(1)}") if undo else ("on", stem)
