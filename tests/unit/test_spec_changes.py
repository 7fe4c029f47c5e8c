"""The folder of schema changes: what lies there becomes values, and every mistake has its place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.counted import as_counted
from crossfade.spec.change_models import Backfill, CommandPart, DualWrite, Pair, PauseOn, SqlPart
from crossfade.spec.changes import read_changes
from crossfade.spec.findings import SpecError

WHOLE = """
dual_write: {table: customers, pairs: [{old: name, new: full_name, down: "left(NEW.full_name, 60)"}]}
backfill:
  table: customers
  set: {full_name: name}
  where: "full_name IS NULL"
  key: [id]
  target: 100ms
  pause_on: {lag: 5s, flag: "SELECT false"}
invariant: "full_name IS NOT DISTINCT FROM name"
not_before: 7d
"""


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def mistakes(folder: Path) -> list[tuple[str, str, int, int]]:
    with pytest.raises(SpecError) as caught:
        read_changes(folder)
    return [(one.id, Path(one.file).name, one.line, one.column) for one in caught.value.findings]


class TestReading:
    def test_an_empty_folder_holds_no_change(self, tmp_path: Path) -> None:
        assert read_changes(tmp_path) == ()

    def test_a_change_is_its_files_up_to_the_first_dot(self, tmp_path: Path) -> None:
        written(tmp_path, a1__sql="SELECT 1", a1__contract__sql="SELECT 2", a1__abort__sql="SELECT 3")
        (one,) = read_changes(tmp_path)

        assert one.name == "a1"
        assert one.expand == SqlPart(file=tmp_path / "a1.sql", text="SELECT 1")
        assert one.contract == SqlPart(file=tmp_path / "a1.contract.sql", text="SELECT 2")
        assert one.abort == SqlPart(file=tmp_path / "a1.abort.sql", text="SELECT 3")

    def test_the_rest_of_a_change_stands_in_yaml(self, tmp_path: Path) -> None:
        written(tmp_path, a__expand__sql="SELECT 1", a__yaml=WHOLE)
        (one,) = read_changes(tmp_path)

        assert one.dual_write == DualWrite(
            table="customers",
            pairs=(Pair(old="name", new="full_name", up='NEW."name"', down="left(NEW.full_name, 60)"),),
        )
        assert one.backfill == Backfill(
            table="customers",
            set=(("full_name", "name"),),
            where="full_name IS NULL",
            key=("id",),
            rows=1000,
            target=timedelta(milliseconds=100),
            pause_on=PauseOn(lag=timedelta(seconds=5), autovacuum=True, flag="SELECT false"),
        )
        assert (one.invariant, one.table) == ("full_name IS NOT DISTINCT FROM name", "customers")
        assert one.not_before == timedelta(days=7)

    def test_a_command_may_stand_for_the_sql(self, tmp_path: Path) -> None:
        written(tmp_path, a__yaml='expand: {command: "alembic upgrade a"}')
        (one,) = read_changes(tmp_path)

        assert one.expand == CommandPart(file=tmp_path / "a.yaml", command="alembic upgrade a")
        assert one.contract is None

    def test_what_is_neither_sql_nor_yaml_is_somebody_elses(self, tmp_path: Path) -> None:
        written(tmp_path, README__md="words", a__sql="SELECT 1")
        (tmp_path / "old.sql").mkdir()

        assert [one.name for one in read_changes(tmp_path)] == ["a"]

    def test_changes_come_in_the_order_that_people_count_in(self, tmp_path: Path) -> None:
        for name in ("10_b", "9_a", "V2_x", "0011_c"):
            (tmp_path / f"{name}.sql").write_text("SELECT 1")

        assert [one.name for one in read_changes(tmp_path)] == ["9_a", "10_b", "0011_c", "V2_x"]

    @given(st.lists(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True)))
    def test_any_two_names_have_an_order(self, names: list[str]) -> None:
        assert sorted(sorted(names, key=as_counted, reverse=True), key=as_counted) == sorted(
            names, key=as_counted
        )


class TestMistakes:
    @pytest.mark.parametrize(
        ("files", "found"),
        [
            ({"a__down__sql": "x"}, [("CF9261", "a.down.sql", 0, 0)]),
            ({"_a__sql": "x"}, [("CF9261", "_a.sql", 0, 0)]),
            ({"a__more__yaml": "not_before: 1d"}, [("CF9261", "a.more.yaml", 0, 0)]),
            ({"a__sql": "x", "a__expand__sql": "x"}, [("CF9262", "a.sql", 0, 0)]),
            ({"a__yaml": "not_before: 1d", "a__yml": "not_before: 1d"}, [("CF9262", "a.yml", 0, 0)]),
            ({"a__sql": "x", "a__yaml": "\nexpand: {command: x}"}, [("CF9262", "a.yaml", 2, 1)]),
            ({"a__yaml": "backfil: {}"}, [("CF1101", "a.yaml", 1, 1)]),
            ({"a__yaml": "backfill: {rows: 10}"}, [("CF9263", "a.yaml", 1, 1), ("CF9263", "a.yaml", 1, 1)]),
            ({"a__yaml": "not_before: 7"}, [("CF1106", "a.yaml", 1, 13)]),
            ({"a__yaml": "invariant: a = b"}, [("CF9263", "a.yaml", 1, 12)]),
            ({"a__yaml": 'invariant: " "'}, [("CF9263", "a.yaml", 1, 12)]),
            ({"a__yaml": "dual_write: {table: t, pairs: [{old: a}]}"}, [("CF9263", "a.yaml", 1, 32)]),
            ({"a__yaml": "expand: {}"}, [("CF9263", "a.yaml", 1, 1)]),
            ({"a__yaml": "backfill: {table: t, set: {n: 0}}"}, [("CF1105", "a.yaml", 1, 31)]),
            ({"a__yaml": "backfill: {table: t, set: {n: x}, rows: 0}"}, [("CF1113", "a.yaml", 1, 41)]),
            ({"a__yaml": ""}, [("CF1007", "a.yaml", 1, 1)]),
        ],
    )
    def test_each_has_its_id_and_place(
        self, tmp_path: Path, files: dict[str, str], found: list[tuple[str, str, int, int]]
    ) -> None:
        assert mistakes(written(tmp_path, **files)) == found

    def test_all_files_are_told_at_once(self, tmp_path: Path) -> None:
        written(tmp_path, a__down__sql="x", b__yaml="nonsense: 1", c__sql="x", c__expand__sql="x")

        assert sorted(one[0] for one in mistakes(tmp_path)) == ["CF1101", "CF9261", "CF9262"]

    def test_a_select_may_be_an_invariant_of_any_table(self, tmp_path: Path) -> None:
        written(tmp_path, a__yaml="invariant: SELECT id FROM t WHERE a <> b")

        assert read_changes(tmp_path)[0].checks_rows is False

    def test_a_folder_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        assert mistakes(tmp_path / "none") == [("CF9260", "none", 0, 0)]

    def test_what_is_not_utf_8_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "a.sql").write_bytes(b"SELECT '\xff'")

        assert mistakes(tmp_path) == [("CF9260", "a.sql", 0, 0)]
