"""What a version sends is tried as the question it asks; what asks nothing is left out."""

from __future__ import annotations

import pytest

from crossfade.errors import RefusedError
from crossfade.migrations.asked import asked
from crossfade.migrations.reach import stay_inside
from crossfade.migrations.script import read_script, read_statements


def tried(sql: str) -> list[str]:
    return [one.text for one in asked(read_statements(sql, "old.sql"))]


class TestAsked:
    @pytest.mark.parametrize(
        ("sent", "expected"),
        [
            ("DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT a FROM t", "SELECT a FROM t"),
            ("COPY t (a, b) TO STDOUT WITH (FORMAT csv)", "SELECT a, b FROM t"),
            ("COPY s.t TO STDOUT", "SELECT * FROM s.t"),
            ("COPY (SELECT a FROM t WHERE (b)) TO STDOUT", "SELECT a FROM t WHERE (b)"),
            ('COPY "T" (a, "b, c") FROM STDIN', 'INSERT INTO "T" (a, "b, c") VALUES ($1, $2)'),
            ("PREPARE p (int) AS SELECT a FROM t WHERE a = $1", "SELECT a FROM t WHERE a = $1"),
            ("SELECT pg_catalog.currval('s'), CURRVAL('r')", "SELECT pg_catalog.nextval('s'), nextval('r')"),
            ("SELECT a FROM t", "SELECT a FROM t"),
        ],
    )
    def test_as_the_question_that_it_is(self, sent: str, expected: str) -> None:
        (one,) = asked(read_statements(sent, "old.sql"))

        assert (one.text, one.said) == (expected, sent)

    def test_what_asks_no_table_anything_is_left_out(self) -> None:
        sent = "BEGIN; SET a = 1; LISTEN c; NOTIFY c; SAVEPOINT s; FETCH 1 FROM c; CLOSE c; SHOW a; COMMIT"

        assert tried(sent) == []

    def test_constraints_that_are_named_may_be_gone_and_all_of_them_may_not(self) -> None:
        named = 'SET CONSTRAINTS a, "B" DEFERRED'

        assert tried(f"{named}; SET CONSTRAINTS ALL DEFERRED") == [named]

    @pytest.mark.parametrize(
        ("sent", "anew"),
        [
            ("COPY t (a) TO STDOUT", True),
            ("DECLARE c CURSOR FOR SELECT a FROM t", True),
            ("PREPARE p AS SELECT a FROM t", False),
            ("SELECT currval('s')", False),
            ("SELECT a FROM t", False),
        ],
    )
    def test_what_no_session_keeps_prepared(self, sent: str, *, anew: bool) -> None:
        (one,) = asked(read_statements(sent, "old.sql"))

        assert one.anew is anew

    def test_a_copy_of_all_columns_inwards_stays_what_it_is(self) -> None:
        assert tried("COPY t FROM STDIN") == ["COPY t FROM STDIN"]


class TestFilesOfOtherTools:
    @pytest.mark.parametrize(
        ("up", "down"),
        [
            ("-- +goose Up", "-- +goose Down"),
            ("-- migrate:up transaction:false", "-- migrate:down"),
            ("-- +migrate Up notransaction", "-- +migrate Down"),
            ("-- rambler up", "-- rambler down"),
            ("-- Up Migration", "-- Down Migration"),
        ],
    )
    def test_only_the_way_up_is_run(self, up: str, down: str) -> None:
        script = read_script(f"{up}\nSELECT 1;\n{down}\nSELECT 2;\n", "m.sql")

        assert [one.text for one in script.statements] == ["SELECT 1"]

    @pytest.mark.parametrize(
        "said",
        [
            "-- crossfade: no-transaction",
            "-- no-transaction",
            "-- +goose NO TRANSACTION",
            "-- migrate:up transaction:false",
            "-- +migrate Up notransaction",
            "--changeset me:1 runInTransaction:false",
            "-- atlas:txmode none",
        ],
    )
    def test_a_file_that_says_so_is_no_transaction(self, said: str) -> None:
        assert [one.transaction for one in read_script(f"{said}\nSELECT 1; SELECT 2;", "m.sql").units] == [
            False,
            False,
        ]

    def test_one_that_only_speaks_of_it_is_one(self) -> None:
        script = read_script("-- there is no reason for no-transaction here\nSELECT 1;", "m.sql")

        assert script.units[0].transaction


class TestReach:
    @pytest.mark.parametrize("sql", ["ALTER ROLE x SUPERUSER", "drop database x", "COPY t TO PROGRAM 'x'"])
    def test_what_reaches_beyond_its_database_is_refused(self, sql: str) -> None:
        with pytest.raises(RefusedError, match="reaches beyond"):
            stay_inside(read_statements(sql, "m.sql"), "m.sql")

    @pytest.mark.parametrize("sql", ["CREATE ROLE app", "ALTER USER MAPPING FOR x SERVER y", "DROP TABLE t"])
    def test_what_stays_inside_is_not(self, sql: str) -> None:
        stay_inside(read_statements(sql, "m.sql"), "m.sql")
