"""
A service with a database, released as people do it: expand, release, a way back that is proved, contract.

Real PostgreSQL, real Envoy, real processes; `crossfade` as it is typed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from psycopg import connect

from crossfade.migrations.running.dump import schema_of
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.shape import Sent, Shape
from town import Said, Town

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

MORE = """
database: {url: {env: SHOP_URL}, migrations: db, rollback_window: {releases: 2, for: 14d}}
"""
NAMES = (
    "SELECT id, name FROM customers WHERE id = $1",
    "INSERT INTO customers (name) VALUES ($1) RETURNING id",
)
FULL_NAMES = (
    "SELECT id, full_name FROM customers WHERE id = $1",
    "INSERT INTO customers (name, full_name) VALUES ($1, $1) RETURNING id",
)


class Shop:
    """The town's shop with its database."""

    def __init__(self, town: Town, sandbox: Sandbox) -> None:
        self.town = town
        self.version = sandbox.server.version
        sandbox.server.admin.ask("DROP DATABASE IF EXISTS shop WITH (FORCE)")
        sandbox.server.admin.ask("CREATE DATABASE shop")
        self.url = f"postgresql://postgres@/shop?host={quote(str(sandbox.folder), safe='')}&port=5432"
        self.sql("CREATE TABLE customers (id serial PRIMARY KEY, name text NOT NULL)")
        (town.folder / "db").mkdir()
        town.write(strategy="{blue_green: {bake: 5s, keep_old: 5s}}", more=MORE)
        file = town.folder / "crossfade.yaml"
        gates = file.read_text().index("gates:")
        judging = file.read_text().index("judging:")
        text = file.read_text()
        file.write_text(f'{text[:gates]}gates: {{none: "the database is what is tried"}}\n{text[judging:]}')

    def sql(self, text: str) -> None:
        with connect(self.url, autocommit=True) as session:
            session.execute(text)

    def change(self, name: str, expand: str, contract: str) -> None:
        (self.town.folder / "db" / f"{name}.sql").write_text(expand)
        (self.town.folder / "db" / f"{name}.contract.sql").write_text(contract)

    def rows(self, text: str) -> list[str]:
        with connect(self.url, autocommit=True) as session:
            return [one for (one,) in session.execute(text)]

    def shape(
        self, revision: str, statements: tuple[str, ...], samples: tuple[tuple[str | None, ...], ...] = ()
    ) -> None:
        made = Shape(
            statements=tuple(Sent(text=text, samples=samples) for text in statements),
            source="a test",
            service="shop",
            revision=revision,
            schema=schema_of(self.url, self.version),
        )
        (self.town.folder / "shape.json").write_text(made.as_json())

    def run(self, *words: str) -> Said:
        return self.town.run(*words, env={"SHOP_URL": self.url}, patience=120)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture
def shop(town: Town, sandbox: Sandbox) -> Shop:
    made = Shop(town, sandbox)
    made.shape("v1", NAMES)
    said = made.run("deploy", "v1", "--output", "quiet")
    assert said.code == 0, said
    return made


def test_R37_R38_R45_expand_release_a_proved_way_back_and_a_contract_that_waits(shop: Shop) -> None:
    shop.change("0042_full_name", "ALTER TABLE customers ADD COLUMN full_name text;",
                "ALTER TABLE customers DROP COLUMN name;")  # fmt: skip
    shop.shape("v2", FULL_NAMES)

    early = shop.run("deploy", "v2")
    assert early.code == 11
    assert "CF9305 0042_full_name has not been expanded" in early.err

    expanded = shop.run("migrate", "expand", "0042_full_name")
    assert expanded.code == 0, expanded
    planned = shop.run("plan", "v2")
    assert "migration 0042_full_name proved against 2 of v1's statements" in planned.out, planned
    released = shop.run("deploy", "v2", "--output", "plain")
    assert released.code == 0, released

    back = shop.run("can-rollback")
    assert back.code == 0, back
    assert back.out.startswith("can go back: yes, to v1, in minutes (v1 would be released again; ")
    assert "migration 0042_full_name proved against 2 of v1's statements; all of them ran" in back.out

    soon = shop.run("migrate", "contract", "0042_full_name")
    assert soon.code == 11
    assert "v1 needs the old shape (SELECT id, name FROM customers" in soon.err
    assert "it opens 20" in soon.err

    taken = shop.run("migrate", "contract", "0042_full_name", "--despite-versions", "nobody wants v1 back")
    assert taken.code == 0, taken
    gone = shop.run("can-rollback", "v1", "--json")
    assert gone.code == 4
    told = json.loads(gone.out)
    assert told["can"] == "no"
    assert "after contract of 0042_full_name v1 fails: SELECT id, name FROM customers" in told["why"]


def test_R37_what_would_break_the_version_that_serves_is_not_expanded(shop: Shop) -> None:
    shop.change("0043_rename", "ALTER TABLE customers RENAME COLUMN name TO full_name;", "SELECT 1;")
    shop.shape("v2", FULL_NAMES)
    refused = shop.run("migrate", "expand", "0043_rename")

    assert refused.code == 11
    assert "CF9310" in refused.err
    assert "v1 (it serves): SELECT id, name FROM customers" in refused.err
    proved = shop.run("migrate", "prove", "0043_rename", "--json")
    assert proved.code == 4
    assert json.loads(proved.out)[0]["proof"]["rollback_safe"] is False


@pytest.mark.long
def test_R45_a_foreign_hand_on_the_schema_is_seen_and_an_unreachable_database_is_unknown(shop: Shop) -> None:
    assert shop.run("can-rollback", "v1").code == 0
    shop.sql("ALTER TABLE customers RENAME COLUMN name TO surname")
    gone = shop.run("can-rollback", "v1")
    assert gone.code == 4
    assert 'column "name" does not exist' in gone.out

    away = shop.town.run(
        "can-rollback", "v1", env={"SHOP_URL": "postgresql://postgres:s3cr3t@127.0.0.1:1/shop"}
    )
    assert away.code == 11
    assert "can go back: unknown, because the database could not be asked" in away.out
    assert "s3cr3t" not in away.out + away.err
    assert "SHOP_URL is not set" in shop.town.run("can-rollback", "v1").out


@pytest.mark.long
def test_R37_a_version_nobody_recorded_is_not_released_but_by_a_person_s_word(shop: Shop) -> None:
    (shop.town.folder / "shape.json").unlink()
    refused = shop.run("deploy", "v2")
    assert refused.code == 11
    assert "CF9303 nobody recorded what v2 sends to the database" in refused.err

    taken = shop.run(
        "deploy", "v2", "--despite", "migrations", "--reason", "no tests yet", "--output", "quiet"
    )
    assert taken.code == 0, taken
    assert shop.run("can-rollback", "v1").code == 0
    events = shop.town.events()
    assert any(one.get("reason") == "no tests yet" for one in events)


@pytest.mark.long
def test_a_shape_of_another_version_is_refused(shop: Shop) -> None:
    shop.shape("v7", FULL_NAMES)
    refused = shop.run("deploy", "v2")
    assert refused.code == 11
    assert "CF9304 the recorded statements are those of v7" in refused.err


@pytest.mark.long
def test_R37_a_version_that_migrates_when_it_starts_is_found_by_starting_it(shop: Shop) -> None:
    app = shop.town.folder / "migrating.py"
    app.write_text(
        "import os, sys, psycopg\n"
        "from http.server import BaseHTTPRequestHandler, HTTPServer\n"
        "with psycopg.connect(os.environ['DATABASE_URL']) as db:\n"
        "    db.execute('SELECT 1 FROM customers')\n"
        "    if '--migrate' in sys.argv:\n"
        "        db.execute('ALTER TABLE customers ADD COLUMN IF NOT EXISTS age int')\n"
        "class Page(BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_response(200); self.end_headers()\n"
        "HTTPServer(('127.0.0.1', int(sys.argv[1])), Page).serve_forever()\n"
    )
    file = shop.town.folder / "crossfade.yaml"
    spec = file.read_text()
    shop.change("0044_note", "ALTER TABLE customers ADD COLUMN note text;", "SELECT 1;")

    file.write_text(
        spec.replace("migrations: db,", f'migrations: db, boot: "{sys.executable} migrating.py {{port}}",')
    )
    well = shop.run("migrate", "prove", "0044_note")
    assert well.code == 0, well
    file.write_text(
        spec.replace(
            "migrations: db,", f'migrations: db, boot: "{sys.executable} migrating.py {{port}} --migrate",'
        )
    )
    found = shop.run("migrate", "prove", "0044_note")
    assert found.code == 4
    assert "v1 changes the schema when it starts: ALTER TABLE customers ADD COLUMN" in found.out
    refused = shop.run("migrate", "expand", "0044_note")
    assert refused.code == 11
    assert "changes the schema when it starts" in refused.err


@pytest.mark.long
def test_R38_R45_a_value_that_nobody_sent_is_accepted_by_a_person_or_nobody_contracts(shop: Shop) -> None:
    shop.sql("ALTER TABLE customers ADD COLUMN city text")
    texts = ("INSERT INTO customers (name, city) VALUES ($1, $2) RETURNING id",)
    shop.shape("v2", texts, (("Ada", "London"),))
    assert shop.run("deploy", "v2", "--output", "quiet").code == 0
    file = shop.town.folder / "crossfade.yaml"
    file.write_text(file.read_text().replace("for: 14d", "for: 1s"))  # v1 knows of no city
    shop.change("0045_city", "COMMENT ON COLUMN customers.city IS 'where';",
                "ALTER TABLE customers ALTER COLUMN city SET NOT NULL;")  # fmt: skip

    proved = shop.run("migrate", "prove", "0045_city")
    assert proved.code == 0, proved
    expanded = shop.run("migrate", "expand", "0045_city")
    assert expanded.code == 0, expanded
    assert "0045_city against v2: proved " in expanded.err

    refused = shop.run("migrate", "contract", "0045_city", "--accept-blocking", "a small table")
    assert refused.code == 11
    assert "where $2 = NULL, which nobody was seen sending" in refused.err
    told = shop.run("migrate", "prove", "0045_city")
    (line,) = [one for one in told.out.splitlines() if one.startswith("  - {statement: ")]
    written = line.replace("who: …, reason: …", "who: ana, reason: the form asks for it")
    (shop.town.folder / "db" / "0045_city.yaml").write_text(f"accept:\n{written}\n")

    statement, counterexample = written.split('"')[1::2]
    accepted = f"{statement} {counterexample} by ana (the form asks for it)"
    assert f"accept {accepted}: valid, for contract against v2" in shop.run("migrate", "status").out
    sql = shop.town.folder / "db" / "0045_city.contract.sql"
    text = sql.read_text()
    sql.write_text(f"{text} -- mended")
    assert f"accept {accepted}: unknown" in shop.run("migrate", "status").out
    sql.write_text(text)
    assert shop.run("migrate", "prove", "0045_city").code in {0, 4}  # it keeps others waiting
    taken = shop.run("migrate", "contract", "0045_city", "--accept-blocking", "a small table")
    assert taken.code == 0, taken
    over = shop.run("migrate", "prove", "0045_city")
    assert (over.code, "CF9316 0045_city has run to its end" in over.err) == (11, True)
    said = "1 possible counterexample accepted by ana (the form asks for it)"
    (note,) = shop.rows("SELECT note FROM crossfade.ledger WHERE part = 'contract' AND number = 0")
    assert note == f"blocking accepted: a small table; v2: {said}"
    back = shop.run("can-rollback", "v2")
    assert back.code == 0, back
    assert said in back.out
    status = shop.run("migrate", "status")
    assert f"accept {accepted}: used, the contract of 0045_city ran on it" in status.out
    (shop.town.folder / "db" / "0045_city.yaml").unlink()
    assert shop.run("can-rollback", "v2").code == 11


@pytest.mark.long
def test_R38_a_session_of_a_version_that_is_gone_keeps_the_contract_waiting(shop: Shop) -> None:
    file = shop.town.folder / "crossfade.yaml"
    file.write_text(file.read_text().replace("for: 14d", "for: 1s"))
    shop.change("0042_full_name", "ALTER TABLE customers ADD COLUMN full_name text;",
                "-- crossfade: no-transaction\nALTER TABLE customers DROP COLUMN name;\n"
                "ALTER TABLE customers ALTER COLUMN full_name SET NOT NULL;")  # fmt: skip
    assert shop.run("migrate", "expand", "0042_full_name").code == 0
    shop.sql("INSERT INTO customers (name) VALUES ('Ada')")
    shop.shape("v2", ("SELECT id, full_name FROM customers WHERE id = $1",))
    assert shop.run("deploy", "v2", "--output", "quiet").code == 0

    with connect(shop.url, application_name="shop/v1"):
        refused = shop.run("migrate", "contract", "0042_full_name")
        status = shop.run("migrate", "status")
    assert "v1 may not come back, and 1 session of it is open since 20" in status.out
    assert refused.code == 11
    assert "v1 needs the old shape (SELECT id, name FROM customers" in refused.err
    assert "1 session of it is open since 20" in refused.err
    assert "from this machine: it opens when they are closed" in refused.err

    contract = ("migrate", "contract", "0042_full_name", "--accept-blocking", "one row")
    with connect(shop.url, application_name="shop/v2"):  # the one that serves
        half = shop.run(*contract)
        assert "may not come back" not in shop.run("migrate", "status").out
    assert "CF9277" not in half.err
    assert half.code != 0, half
    again = shop.run("migrate", "prove", "0042_full_name")
    assert "CF9316 0042_full_name has run in part" in again.err, again
    shop.sql("UPDATE customers SET full_name = 'Ada'")
    taken = shop.run(*contract)  # what it was proved on is half gone, and the proof holds
    assert taken.code == 0, taken
