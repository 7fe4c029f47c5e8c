"""The verbs that change a real database: what runs, once; what is refused; what is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from migrating_world import World

from crossfade.migrations.sandbox import Sandbox

pytestmark = pytest.mark.real
ADD = "ALTER TABLE customers ADD COLUMN full_name text;"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(18) as running:
        yield running


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(sandbox=sandbox, folder=tmp_path, monkeypatch=monkeypatch)


class TestExpand:
    def test_a_change_runs_once_and_says_so(self, world: World) -> None:
        world.write(a__sql=ADD)

        assert world.done("expand", "a") == "a: expanded\n"
        assert world.done("expand", "a") == "a: nothing to do: it is expanded\n"
        assert [(one.number, one.state, one.tries, one.locks) for one in world.ledger()] == [
            (0, "done", 1, ""),
            (1, "done", 1, "customers: AccessExclusiveLock"),
        ]
