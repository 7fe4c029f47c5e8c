"""SQL is cut where PostgreSQL would cut it, and what a server would not take is refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.errors import RefusedError
from crossfade.migrations.lexer import Kind, meaningful
from crossfade.migrations.script import read_script, read_statements


def texts(sql: str) -> list[str]:
    return [one.text for one in read_statements(sql, "a.sql")]


class TestSplitting:
    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT 'a;b'",
            "SELECT 'it''s; fine'",
            r"SELECT E'it\'s; fine'",
            'SELECT ";" FROM "a;b"',
            "DO $$ BEGIN PERFORM 1; PERFORM 2; END $$",
            "DO $x$ BEGIN PERFORM '$$;'; END $x$",
            "SELECT 1 /* a; /* nested; */ b; */ + 1",
            "SELECT 1 -- a; comment\n + 2",
            "SELECT U&'d\\0061t;a'",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
            "CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO a VALUES (1); INSERT INTO b VALUES (2))",
            "SELECT a[1:2], b::text, c FROM t WHERE x = $1",
        ],
    )
    def test_a_semicolon_that_ends_nothing_splits_nothing(self, sql: str) -> None:
        assert texts(f"{sql};\nSELECT 2;") == [sql, "SELECT 2"]

    def test_empty_statements_and_comments_alone_are_none(self) -> None:
        assert texts(";; -- nothing\n ; /* nothing */") == []

    def test_each_statement_knows_its_line(self) -> None:
        found = read_statements("SELECT 1;\n\n-- x\nSELECT\n2;", "a.sql")

        assert [one.line for one in found] == [1, 4]

    def test_a_standard_string_keeps_its_backslash(self) -> None:
        assert texts(r"SELECT 'C:\'; SELECT 2") == [r"SELECT 'C:\'", "SELECT 2"]

    def test_the_two_lines_that_pg_dump_adds_are_passed_over(self) -> None:
        assert texts("\\restrict abc\nSELECT 1;\n\\unrestrict abc\n") == ["SELECT 1"]

    @given(st.lists(st.sampled_from(["'x;y'", "$$a;b$$", '"q;"', "1", "$1", "-- c;\n", "/*;*/"]), max_size=8))
    def test_what_is_cut_is_put_together_again(self, parts: list[str]) -> None:
        statement = "SELECT " + " , ".join(["0", *parts])

        assert sum(
            len(one.tokens) for one in read_statements(f"{statement};{statement}", "a.sql")
        ) == 2 * len(meaningful(statement))


class TestRefusing:
    @pytest.mark.parametrize(
        ("sql", "said"),
        [
            ("SELECT 1;\n\\i other.sql", r"a.sql:2 \i is a command of psql"),
            ("SELECT :name", "a.sql:1 a variable of psql"),
            ("SELECT :'name'", "a.sql:1 a variable of psql"),
            ("COPY t FROM stdin;\n1\n\\.\n", "a.sql:1 COPY"),
        ],
    )
    def test_what_only_psql_understands_is_named(self, sql: str, said: str) -> None:
        with pytest.raises(RefusedError) as caught:
            read_statements(sql, "a.sql")

        assert (caught.value.id, said in caught.value.what) == ("CF9202", True)

    @pytest.mark.parametrize("sql", ["SELECT 'x", 'SELECT "x', "DO $$ x", "/* x", "SELECT 1; $a$ $b$"])
    def test_a_file_that_ends_in_the_middle_is_not_judged(self, sql: str) -> None:
        with pytest.raises(RefusedError) as caught:
            read_statements(sql, "a.sql")

        assert caught.value.id == "CF9201"

    def test_a_cast_a_slice_and_an_assignment_are_no_variables(self) -> None:
        assert len(texts("SELECT a::text, b[lo:hi], f(x := 1)")) == 1


class TestTransactions:
    def units(self, sql: str) -> list[tuple[bool, list[str]]]:
        return [
            (one.transaction, [it.text for it in one.statements]) for one in read_script(sql, "m.sql").units
        ]

    def test_a_file_is_one_transaction(self) -> None:
        assert self.units("A1; A2") == [(True, ["A1", "A2"])]

    def test_its_own_begin_and_commit_are_kept(self) -> None:
        assert self.units("SET x = 1; BEGIN; A1; A2; COMMIT; A3") == [
            (False, ["SET x = 1"]),
            (True, ["A1", "A2"]),
            (False, ["A3"]),
        ]

    def test_a_commit_without_begin_closes_what_the_framework_opened(self) -> None:
        assert self.units("A1; COMMIT; BEGIN; A2") == [(True, ["A1"]), (True, ["A2"])]

    def test_what_is_rolled_back_is_not_run(self) -> None:
        assert self.units("BEGIN; A1; ROLLBACK; A2") == [(False, ["A2"])]

    def test_a_line_may_say_that_there_is_no_transaction(self) -> None:
        assert self.units("-- crossfade: no-transaction\nA1; A2") == [(False, ["A1"]), (False, ["A2"])]

    def test_of_a_file_with_a_way_down_only_the_way_up_is_run(self) -> None:
        both = "-- +goose Up\nA1;\n-- +goose Down\nA2;\n", "-- migrate:up\nA1;\n-- migrate:down\nA2;\n"

        assert [self.units(one) for one in both] == [[(True, ["A1"])]] * 2

    def test_rollback_to_a_savepoint_ends_no_transaction(self) -> None:
        assert self.units("BEGIN; SAVEPOINT s; A1; ROLLBACK TO s; COMMIT")[0][1][-1] == "ROLLBACK TO s"


def test_a_parameter_is_told_from_a_dollar_quote() -> None:
    assert [one.kind for one in meaningful("$1,$2)")] == [Kind.PARAM, Kind.SIGN, Kind.PARAM, Kind.SIGN]
