"""A change's dual write is proved with it: a trigger after the expand, none before the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.script import read_script, read_statements
from crossfade.migrations.wire import Session
from crossfade.preconditions.in_step import behind, taken_away, with_dual_write
from crossfade.spec.change_models import DualWrite, Pair, SchemaChange, SqlPart

pytestmark = pytest.mark.real

SCHEMA = read_statements(
    "CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL)",
    "schema",
)
EXPAND = read_script("ALTER TABLE customers ADD COLUMN full_name text", "expand")
CONTRACT = read_script("ALTER TABLE customers DROP COLUMN name", "contract")
PAIR = Pair(old="name", new="full_name", up="NEW.name", down="NEW.full_name")
CHANGE = SchemaChange(
    name="0042_full_name",
    expand=SqlPart(file=Path("0042_full_name.sql"), text="ALTER TABLE customers ADD COLUMN full_name text"),
    dual_write=DualWrite(table="customers", pairs=(PAIR,)),
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def expanded(sandbox: Sandbox) -> Iterator[Session]:
    """A database after the expand as it is proved."""
    script = with_dual_write(sandbox.server, SCHEMA, "schema", CHANGE, EXPAND)
    with sandbox.server.create().connect() as session:
        for one in (*SCHEMA, *script.statements):
            session.ask(one.text)
        yield session


def test_R37_the_new_version_is_proved_on_columns_that_are_filled(expanded: Session) -> None:
    expanded.ask("INSERT INTO customers (full_name) VALUES ('Ada')")

    assert expanded.ask("SELECT name FROM customers") == (("Ada",),)


def test_R38_the_contract_is_proved_on_columns_that_no_trigger_holds(expanded: Session) -> None:
    script = behind(taken_away(expanded, CHANGE), CONTRACT)
    for one in script.statements:
        expanded.ask(one.text)
    expanded.ask("INSERT INTO customers (full_name) VALUES ('Ada')")

    assert len(script.units) == 2
    assert expanded.ask("SELECT full_name FROM customers") == (("Ada",),)


def test_an_expand_that_fails_is_proved_as_it_is(sandbox: Sandbox) -> None:
    wrong = read_script("ALTER TABLE nobody ADD COLUMN full_name text", "expand")

    assert with_dual_write(sandbox.server, SCHEMA, "schema", CHANGE, wrong) == wrong
