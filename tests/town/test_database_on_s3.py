"""A version recorded and released on one machine, proved on another: they share a bucket and a database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from machines import Cloud, Machine, cloud
from psycopg import connect

from crossfade.migrations.sandbox import Sandbox

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(240)]

SCHEMA = "CREATE TABLE customers (id serial PRIMARY KEY, name text NOT NULL);"
TESTS = """\
import os, psycopg
with psycopg.connect(os.environ["SHOP_URL"]) as db:
    (one,) = db.execute("INSERT INTO customers (name) VALUES (%s) RETURNING id", ["Ada"]).fetchone()
    db.execute("SELECT id, name FROM customers WHERE id = %s", [one])
"""
MORE = "database: {url: {env: SHOP_URL}, migrations: db}\n"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Cloud]:
    with cloud(tmp_path) as one:
        yield one


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with Sandbox() as sandbox:
        sandbox.server.admin.ask("CREATE DATABASE shop")
        address = f"postgresql://postgres@/shop?host={quote(str(sandbox.folder), safe='')}&port=5432"
        with connect(address, autocommit=True) as session:
            session.execute(SCHEMA)
        monkeypatch.setenv("SHOP_URL", address)
        yield address


def checkout(made: Cloud, name: str) -> Machine:
    machine = made.machine(name)
    file = machine.folder / "crossfade.yaml"
    file.write_text(file.read_text() + MORE)
    (machine.folder / "db").mkdir()
    (machine.folder / "schema.sql").write_text(SCHEMA)
    (machine.folder / "tests.py").write_text(TESTS)
    return machine


def test_R37_R45_what_one_machine_recorded_another_proves_and_a_third_takes(made: Cloud, url: str) -> None:
    first, second, third = (checkout(made, name) for name in ("first", "second", "third"))
    recorded = first.run(
        "migrate", "record", "--schema", "schema.sql", "--revision", "v1", "--", sys.executable, "tests.py"
    )
    assert recorded.code == 0, recorded
    released = first.run("deploy", "v1", "--output", "plain")
    assert released.code == 0, released
    for one in (second, third):
        (one.folder / "db" / "0042_full_name.sql").write_text("ALTER TABLE customers ADD full_name text;")

    proved = second.run("migrate", "prove", "0042_full_name")
    assert proved.code == 0, proved
    assert "0042_full_name against v1 (it serves), 2 statements" in proved.out

    expanded = third.run("migrate", "expand", "0042_full_name")
    assert expanded.code == 0, expanded
    assert "0042_full_name against v1: proved " in expanded.err
    back = second.run("can-rollback", "v1")
    assert back.code == 0, back
    assert "migration 0042_full_name proved against 2 of v1's statements; all of them ran" in back.out
    assert "postgres" not in back.out + proved.out + expanded.err
    assert "Ada" not in back.out + proved.out + expanded.err
    assert not (second.folder / "shape.json").exists()
    assert url
