"""The line before a service: first come, first served; who dies has left it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crossfade.engine import SqliteStore, processes
from crossfade.engine.store import FILE


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "state") as made:
        yield made


class TestLine:
    def test_who_came_earlier_is_ahead_and_other_services_have_lines_of_their_own(
        self, store: SqliteStore
    ) -> None:
        first = store.line.join("shop", "v2", "ada")
        other = store.line.join("api", "v7", "bob")
        second = store.line.join("shop", "v3", "eve")

        assert [place.revision for place in store.line.ahead("shop", second)] == ["v2"]
        assert store.line.ahead("shop", first) == store.line.ahead("api", other) == ()
        assert [place.actor for place in store.line.ahead("shop")] == ["ada", "eve"]

    def test_a_place_that_is_left_is_nobody_s_and_a_new_one_is_at_the_end(self, store: SqliteStore) -> None:
        first, second = (store.line.join("shop", revision, "ada") for revision in ("v2", "v3"))
        store.line.leave("shop", first)
        again = store.line.join("shop", "v2", "ada")

        assert store.line.ahead("shop", second) == ()
        assert [place.number for place in store.line.ahead("shop", again)] == [second]
        assert again > second > first, "a number is never given twice"

    def test_the_dead_hold_no_place(self, store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(processes, "birth", lambda _pid: "1")
        store.line.join("shop", "v2", "ada")
        monkeypatch.setattr(processes, "birth", lambda _pid: "2")
        last = store.line.join("shop", "v3", "eve")

        assert store.line.ahead("shop", last) == ()
        monkeypatch.setattr(processes, "birth", lambda _pid: "1")
        assert [place.revision for place in store.line.ahead("shop")] == [], "v2 was taken out, v3 is dead"


def test_a_journal_of_the_first_layout_gets_its_line_when_it_is_opened(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "state"):
        pass
    with closing(sqlite3.connect(tmp_path / "state" / FILE)) as link:
        link.executescript("drop table line; pragma user_version = 1;")

    with SqliteStore(tmp_path / "state") as store:
        store.line.join("shop", "v2", "ada")
        assert len(store.line.ahead("shop")) == 1
