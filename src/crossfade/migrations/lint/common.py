"""What is known either way, where nobody knows whether something has run: the worse of the two. Pure."""

from __future__ import annotations

import re
from typing import Final

from crossfade.migrations.lint.check import Reading
from crossfade.migrations.lint.known import Known, Table

_WORDS: Final = re.compile(r"[\w$]+")


class Since:
    """
    What holds from the expand of a change until its contract runs, whenever that is.

    Only of what stands in the contract's own text: so a long folder with many contracts is read in no time.
    """

    def __init__(self, known: Known, sql: str) -> None:
        self._words = _names(sql)
        self._now = about(known, sql)
        self.ground = self._now.copy()

    def minds(self, named: frozenset[str] | None) -> bool:
        """Whether a file that is about these may matter to it; None: about anything."""
        return named is None or not named.isdisjoint(self._words)

    def met(self, other: Reading, *, surely: bool) -> None:
        """Another file may run before it; not `surely`: that one may run after it as well."""
        done = self._now.copy()
        other.tell(done)
        done = _only(done, self._words)
        self._now = done if surely else common(self._now, done)
        self.ground = common(self.ground, self._now)

    def lose(self, names: frozenset[str]) -> None:
        """Tables of which nothing is known from now on."""
        self._now.forget_tables(names)
        self.ground.forget_tables(names)


def about(known: Known, sql: str) -> Known:
    """Another one that knows what is known of all that a file names."""
    return _only(known, _names(sql))


def _names(sql: str) -> frozenset[str]:
    """All words, as they are written and as PostgreSQL folds them."""
    return frozenset(_WORDS.findall(sql)) | frozenset(_WORDS.findall(sql.lower()))


def perhaps(known: Known, reading: Reading, sql: str) -> Known:
    """What is known where a file that was read may have run, or not."""
    before = known if reading.named is None else about(known, sql)
    after = before.copy()
    reading.tell(after)
    held = common(before, after)
    if reading.named is None:
        return held
    return Known(
        tables=known.tables | held.tables,
        indexes={
            key: one for key, one in known.indexes.items() if key not in before.indexes or key in held.indexes
        },
        views=known.views | held.views,
        domains=known.domains | held.domains,
        routines=known.routines | held.routines,
    )


def _only(known: Known, names: frozenset[str]) -> Known:
    return Known(
        tables={key: one.copy() for key, one in known.tables.items() if key[1] in names},
        indexes={key: one for key, one in known.indexes.items() if key[1] in names},
        domains={name: one for name, one in known.domains.items() if name in names},
        views={key: words for key, words in known.views.items() if not words.isdisjoint(names)},
        routines=known.routines & names,
    )


def common(one: Known, other: Known) -> Known:
    """What holds in both; nothing of it is new."""
    nothing = Table()
    keys = one.tables.keys() | other.tables.keys()
    domains = one.domains.keys() | other.domains.keys()
    return Known(
        tables={key: _common(one.tables.get(key, nothing), other.tables.get(key, nothing)) for key in keys},
        indexes={name: of for name, of in one.indexes.items() if other.indexes.get(name) == of},
        domains={name: one.domains.get(name, False) or other.domains.get(name, False) for name in domains},
        views=one.views | other.views,
        routines=one.routines | other.routines,
    )


def _common(one: Table, other: Table) -> Table:
    checked = {name: of for name, of in one.checked.items() if other.checked.get(name) == of}
    return Table(
        columns={name: kind for name, kind in one.columns.items() if other.columns.get(name) == kind},
        not_null=one.not_null & other.not_null,
        checked=checked,
        invalid=one.invalid | other.invalid,
        keys=one.keys & other.keys,
        indexed=one.indexed | other.indexed,
        whole=one.whole and other.whole and one.columns == other.columns,
        default_partition=one.default_partition or other.default_partition,
        partitioned=one.partitioned or other.partitioned,
        reckoned=one.reckoned | other.reckoned,
        sources=one.sources | other.sources,
        stored=one.stored | other.stored,
    )
