"""`migrate lint` of a folder: what an earlier file has made is known later, and is no longer new (R37)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.cli.migrate import migrate
from crossfade.migrations.lint.check import read_on, schema_of
from crossfade.migrations.lint.folder import read_folder


def rules(files: Mapping[str, str], schema: str = "") -> dict[str, list[str]]:
    """The rules met in each file, without the word on time-outs."""
    known = schema_of(schema, "schema.sql") if schema else None
    return {
        name: [one.rule for one in reading.findings if one.rule not in {"no-lock-timeout", "several-locks"}]
        for name, reading in read_folder(files, schema=known).items()
    }


MADE = "CREATE TABLE t (id int PRIMARY KEY, name varchar(50) NOT NULL, city varchar(20));"


class TestALaterFile:
    @pytest.mark.parametrize(
        ("sql", "alone"),
        [
            ("ALTER TABLE t ALTER name TYPE varchar(60);", "change-type"),
            ("ALTER TABLE t ALTER name SET NOT NULL;", "set-not-null"),
            ("ALTER TABLE t ALTER name TYPE text;", "maybe-rewrite"),
        ],
    )
    def test_R37_it_knows_what_an_earlier_one_made(self, sql: str, alone: str) -> None:
        assert rules({"0002_b.sql": sql}) == {"0002_b.sql": [alone]}
        assert rules({"0001_a.sql": MADE, "0002_b.sql": sql})["0002_b.sql"] == []

    def test_R37_a_table_of_an_earlier_file_may_hold_rows(self) -> None:
        sql = "CREATE INDEX i ON t (name); ALTER TABLE t ALTER city SET NOT NULL;"
        assert rules({"0001_a.sql": MADE + sql})["0001_a.sql"] == []
        assert rules({"0001_a.sql": MADE, "0002_b.sql": sql})["0002_b.sql"] == [
            "create-index",
            "set-not-null",
        ]

    def test_R37_what_an_earlier_one_made_is_used_by_versions(self) -> None:
        files = {"0001_a.sql": "CREATE VIEW v AS SELECT 1;", "0002_b.sql": "DROP VIEW v;"}
        assert rules(files)["0002_b.sql"] == ["drop-object"]

    def test_R37_a_check_of_an_earlier_file_proves_not_null(self) -> None:
        files = {
            "1_a.sql": "ALTER TABLE t ADD CONSTRAINT there CHECK (c IS NOT NULL) NOT VALID;",
            "2_b.sql": "ALTER TABLE t VALIDATE CONSTRAINT there;",
            "3_c.sql": "ALTER TABLE t ALTER c SET NOT NULL;",
        }
        assert rules(files)["3_c.sql"] == []
        assert rules({**files, "2_b.sql": "SELECT 1;"})["3_c.sql"] == ["set-not-null"]

    def test_R37_the_schema_is_the_ground(self) -> None:
        files = {
            "1_a.sql": "ALTER TABLE t ALTER city TYPE varchar(30);",
            "2_b.sql": "ALTER TABLE t ALTER city TYPE varchar(25);",
        }
        assert rules(files, MADE) == {"1_a.sql": [], "2_b.sql": ["change-type"]}

    def test_R37_what_an_earlier_one_took_away_is_not_known_any_more(self) -> None:
        rename = "ALTER TABLE t RENAME city TO town;"
        again = "ALTER TABLE t ADD COLUMN city int;"
        sql = "ALTER TABLE t ALTER city TYPE varchar(30);"
        files = {"1_a.sql": MADE, "2_b.sql": rename, "3_c.sql": again, "4_d.sql": sql}
        assert rules(files)["4_d.sql"] == ["change-type"]

    @pytest.mark.parametrize(
        "dropped",
        ["ALTER TABLE t DROP CONSTRAINT t_name_not_null;", "ALTER TABLE t ALTER name DROP NOT NULL;"],
    )
    def test_R37_a_rule_that_was_dropped_proves_nothing(self, dropped: str) -> None:
        files = {"1_a.sql": MADE, "2_b.sql": dropped, "3_c.sql": "ALTER TABLE t ALTER name SET NOT NULL;"}
        assert rules(files)["3_c.sql"] == ["set-not-null"]

    @pytest.mark.parametrize("dropped", ["ALTER TABLE t DROP CONSTRAINT t_pkey;", "DROP INDEX u;"])
    def test_R37_a_key_that_was_dropped_names_no_row(self, dropped: str) -> None:
        made = "CREATE TABLE t (id int, CONSTRAINT t_pkey PRIMARY KEY (id));"
        indexed = "CREATE TABLE t (id int); CREATE UNIQUE INDEX u ON t (id);"
        files = {
            "1_a.sql": indexed if "INDEX" in dropped else made,
            "2_b.sql": dropped,
            "3_c.sql": "UPDATE t SET id = 1 WHERE id = 7;",
        }
        assert rules(files)["3_c.sql"] == ["whole-table-dml"]
        assert rules({**files, "2_b.sql": "SELECT 1;"})["3_c.sql"] == []


class TestAContract:
    """It runs a release or more later: nobody knows which expands have run by then."""

    def test_R37_a_later_expand_does_not_count_on_it(self) -> None:
        files = {
            "1_a.sql": MADE,
            "1_a.contract.sql": "ALTER TABLE t ALTER city TYPE varchar(40);",
            "2_b.sql": "ALTER TABLE t ALTER city TYPE varchar(30);",
        }
        assert rules(files)["2_b.sql"] == ["change-type"]
        assert rules({**files, "1_a.contract.sql": "SELECT 1;"})["2_b.sql"] == []

    def test_R37_whatever_letters_it_names_the_table_in(self) -> None:
        files = {
            "1_a.sql": MADE,
            "1_a.contract.sql": "ALTER TABLE T ALTER City TYPE varchar(40);",
            "2_b.sql": "ALTER TABLE t ALTER city TYPE varchar(30);",
        }
        assert rules(files)["2_b.sql"] == ["change-type"]

    def test_R37_what_it_may_have_taken_away_is_not_counted_on(self) -> None:
        files = {
            "1_a.sql": MADE,
            "1_a.contract.sql": "ALTER TABLE t ALTER name DROP NOT NULL;",
            "2_b.sql": "ALTER TABLE t ALTER name SET NOT NULL;",
        }
        assert rules(files)["2_b.sql"] == ["set-not-null"]

    def test_R37_it_knows_its_own_expand_and_what_no_later_one_changes(self) -> None:
        files = {
            "1_a.sql": MADE,
            "1_a.contract.sql": "ALTER TABLE t ALTER name TYPE varchar(60);",
            "2_b.sql": "ALTER TABLE t ADD COLUMN more int;",
        }
        assert rules(files)["1_a.contract.sql"] == []
        widened = {**files, "2_b.sql": "ALTER TABLE t ALTER name TYPE varchar(99);"}
        assert rules(widened)["1_a.contract.sql"] == ["change-type"]

    def test_R37_a_later_expand_may_not_have_run_when_it_does(self) -> None:
        files = {
            "1_a.contract.sql": "ALTER TABLE t ALTER name TYPE varchar(60);",
            "2_b.sql": MADE,
        }
        assert rules(files)["1_a.contract.sql"] == ["change-type"]

    def test_R37_of_a_table_of_many_contracts_nothing_is_known_behind_them(self) -> None:
        files = {"0_a.sql": MADE}
        for at in range(1, 9):
            files |= {f"{at}_b.sql": "SELECT 1;", f"{at}_b.contract.sql": "ALTER TABLE t DROP more;"}
        files["9_c.sql"] = "ALTER TABLE t ALTER name TYPE varchar(60);"
        assert rules(files)["9_c.sql"] == ["change-type"]
        few = {name: sql for name, sql in files.items() if name[0] not in "4567"}
        assert rules(few)["9_c.sql"] == []


class TestAnAbort:
    def test_R37_it_breaks_no_version_that_is_there_and_tells_nobody_anything(self) -> None:
        files = {
            "1_a.sql": MADE,
            "1_a.abort.sql": "DROP TABLE t;",
            "2_b.sql": "ALTER TABLE t ALTER name TYPE varchar(60);",
        }
        assert rules(files) == {"1_a.sql": [], "1_a.abort.sql": ["data-loss"], "2_b.sql": []}

    def test_R37_a_way_down_of_another_tool_tells_nobody_anything(self) -> None:
        files = {
            "1_a.down.sql": "DROP TABLE t;",
            "1_a.up.sql": MADE,
            "2_b.down.sql": "ALTER TABLE t ALTER name TYPE varchar(50);",
            "2_b.up.sql": "ALTER TABLE t ALTER name TYPE varchar(60);",
            "3_c.up.sql": "ALTER TABLE t ALTER name TYPE varchar(55);",
        }
        found = rules(files)
        assert found["2_b.up.sql"] == []
        assert found["2_b.down.sql"] == ["change-type"]
        assert found["3_c.up.sql"] == ["change-type"]


class TestOrder:
    def test_R37_it_is_the_runners_and_not_that_of_the_letters(self) -> None:
        files = {"10_b.sql": "ALTER TABLE t ALTER name TYPE varchar(60);", "9_a.sql": MADE}
        assert list(read_folder(files)) == ["9_a.sql", "10_b.sql"]
        assert rules(files)["10_b.sql"] == []

    def test_R37_a_change_is_expanded_before_it_is_contracted_or_aborted(self) -> None:
        files = dict.fromkeys(("1_a.abort.sql", "1_a.contract.sql", "1_a.sql", "1_b.sql"), "SELECT 1;")
        assert list(read_folder(files)) == ["1_a.sql", "1_a.contract.sql", "1_a.abort.sql", "1_b.sql"]


class TestWhatCannotBeRead:
    """Behind it, what was known of what it may have changed is not known any more."""

    SQL = "ALTER TABLE t ALTER name TYPE varchar(60);"

    @pytest.mark.parametrize(
        ("between", "found"),
        [
            ("DO $$ BEGIN ALTER TABLE t ALTER name TYPE text; END $$;", ["change-type"]),
            ("DO $$ BEGIN ALTER TABLE other ADD c int; END $$;", []),
            ("DO $$ BEGIN EXECUTE 'ALTER TABLE ' || 't ALTER name TYPE text'; END $$;", ["change-type"]),
            ("SELECT my_own_function();", ["change-type"]),
            ("CALL p();", ["change-type"]),
            ("SELECT 'never closed;", ["change-type"]),
            ("SELECT 1;", []),
        ],
    )
    def test_R37_a_file_that_may_do_anything(self, between: str, found: list[str]) -> None:
        assert rules({"1_a.sql": MADE, "2_b.sql": between, "3_c.sql": self.SQL})["3_c.sql"] == found


class TestTheVerb:
    """A folder is one history; files that are named one by one are one where they lie in one folder."""

    SQL = "SET lock_timeout = '1s'; ALTER TABLE t ALTER name TYPE varchar(60);"

    def run(self, *paths: Path) -> int:
        done = CliRunner().invoke(migrate, ["lint", *map(str, paths)], standalone_mode=False)
        assert isinstance(done.return_value, int), done.output
        return done.return_value

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("PATH", "")
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "10_later.sql").write_text(self.SQL)
        (tmp_path / "a" / "9_made.sql").write_text(MADE)
        return tmp_path

    def test_R37_a_folder(self, folder: Path) -> None:
        assert self.run(folder / "a") == 0
        assert self.run(folder / "a" / "10_later.sql") == 4

    def test_R37_files_in_whatever_order_they_are_named(self, folder: Path) -> None:
        assert self.run(folder / "a" / "10_later.sql", folder / "a" / "9_made.sql") == 0

    def test_R37_two_folders_are_two_databases(self, folder: Path) -> None:
        assert self.run(folder / "a", folder / "b") == 4


@pytest.mark.parametrize(("tables", "most"), [(None, 12), (1, 40)])
def test_R37_a_long_folder_is_read_in_no_time(tables: int | None, most: int) -> None:
    """
    Four times as many changes, each with a contract: sixteen times as long would be quadratic.

    Where all are about one table, that is allowed; sixty-four times, each against each other two, is not.
    """

    def seconds(changes: int) -> float:
        table = changes if tables is None else tables
        files = {f"{at}_a.sql": f"CREATE TABLE t{at % table} (id int);" for at in range(changes)}
        files |= {f"{at}_a.contract.sql": f"ALTER TABLE t{at % table} DROP id;" for at in range(changes)}
        began = time.process_time()
        read_folder(files)
        return time.process_time() - began

    seconds(10)
    assert seconds(160) < most * min(seconds(40) for _ in range(3))


OPS = (
    "SELECT 1;",
    "ALTER TABLE t ALTER name TYPE varchar(60);",
    "ALTER TABLE t ALTER name TYPE varchar(55);",
    "ALTER TABLE t ALTER name DROP NOT NULL;",
    "ALTER TABLE t ALTER name SET NOT NULL;",
    "ALTER TABLE t DROP name;",
    "ALTER TABLE t ADD name varchar(70);",
    "ALTER TABLE t RENAME name TO city;",
    "DROP TABLE t;",
    MADE.replace("t (", "T ("),
    "ALTER TABLE t ADD CONSTRAINT c CHECK (name IS NOT NULL) NOT VALID;",
    "ALTER TABLE t VALIDATE CONSTRAINT c;",
    "DO $$ BEGIN ALTER TABLE t ALTER name TYPE text; END $$;",
)


def orders(changes: int) -> Iterator[list[str]]:
    """Every way in which these may run: expands in their order, each contract behind its expand, or never."""
    for when in itertools.product(*(range(at, changes + 1) for at in range(changes))):
        for turn in itertools.permutations(range(changes)):
            ran: list[str] = []
            for at in range(changes):
                ran.append(f"{at}_a.sql")
                ran += [f"{one}_a.contract.sql" for one in turn if when[one] == at]
            yield ran


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(OPS), min_size=4, max_size=4))
def test_R37_what_is_called_quick_is_quick_whenever_the_contracts_run(ops: list[str]) -> None:
    """Two changes with a contract each, on a table that is there: all orders are tried."""
    names = ["0_a.sql", "0_a.contract.sql", "1_a.sql", "1_a.contract.sql"]
    files = dict(zip(names, ops, strict=True))
    ground = schema_of(MADE, "schema.sql")
    told = read_folder(files, schema=ground)
    for order in orders(2):
        known = ground.copy()
        for name in order:
            ran = read_on(files[name], name, known, contract="contract" in name)
            known.next_file()
            errors = {one.rule for one in ran.findings if one.level == "error"}
            assert errors <= {one.rule for one in told[name].findings}, (order, name)
