"""The ledger as it lies in a database: written in somebody's transaction, read again as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from crossfade.migrations.running.ledger import (
    TABLES,
    Done,
    ended,
    ledger_is_there,
    of_part,
    rows_of,
    undo,
    write,
)
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.wire import Session

pytestmark = pytest.mark.real
NOON = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
ROW = Done(
    change="0042_full_name",
    part="expand",
    number=1,
    sha256="ab",
    text='ALTER TABLE "it\'s" ADD COLUMN x\\y',
    state="started",
    started=NOON,
    who="alice's laptop",
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(18) as running:
        yield running


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[Session]:
    with sandbox.server.create().connect() as opened:
        yield opened


def test_a_database_that_we_never_touched_has_none(session: Session) -> None:
    assert not ledger_is_there(session)
    assert rows_of(session) == ()
    assert session.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'crossfade'") == (("0",),)


def test_a_row_is_read_as_it_was_written(session: Session) -> None:
    session.ask(TABLES)
    session.ask("SET timezone = 'Asia/Tokyo'")
    over = replace(ended(ROW, NOON + timedelta(seconds=2), "done", "fine"), rows=0, tries=3)

    assert write(session, ROW) is None
    assert rows_of(session) == (ROW,)
    assert write(session, over) is None
    assert rows_of(session) == (over,)
    assert over.ms == 2000


def test_it_is_made_twice_without_harm(session: Session) -> None:
    session.ask(TABLES)
    write(session, ROW)
    session.ask(TABLES)

    assert rows_of(session) == (ROW,)


def test_a_row_goes_with_the_transaction_it_was_written_in(session: Session) -> None:
    session.ask(TABLES)
    session.ask("BEGIN")
    write(session, ROW)
    session.ask("ROLLBACK")

    assert rows_of(session) == ()


def test_what_was_undone_no_longer_counts(session: Session) -> None:
    session.ask(TABLES)
    write(session, ROW)
    undo(session, "another")
    before = of_part(rows_of(session), ROW.change, "expand")
    undo(session, ROW.change)

    assert before == {1: ROW}
    assert of_part(rows_of(session), ROW.change, "expand") == {}
