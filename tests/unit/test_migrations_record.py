"""What the recorder makes of a log: values out of texts, a thousand texts one statement, set-up left out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.errors import RefusedError
from crossfade.migrations.lexer import Kind, meaningful
from crossfade.migrations.record.files import read_told
from crossfade.migrations.record.gather import Form, Gathered, gather
from crossfade.migrations.record.literals import fold
from crossfade.migrations.record.log import Heard, csv_entries, entries, heard
from crossfade.migrations.record.masked import masked, masked_sql
from crossfade.migrations.wire import literal

NAMES = frozenset({"c", "t"})
sendable = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def entry(message: str, detail: str | None = None, **more: Any) -> str:
    told = {"session_id": "1", "dbname": "shop", "error_severity": "LOG", "message": message}
    return json.dumps(told | ({} if detail is None else {"detail": detail}) | more)


def from_json(lines: list[str]) -> tuple[Heard, ...]:
    return heard(entries(lines), ours="recorder")


def gathered(*lines: str) -> Gathered:
    return gather(heard(entries(lines), ours="recorder"), NAMES)


def forms_of(found: Gathered) -> list[Form]:
    return [form for candidate in found.candidates.values() for form in candidate.forms]


def forms(*lines: str) -> list[Form]:
    return forms_of(gathered(*lines))


def statements(*lines: str) -> list[str]:
    return list(gathered(*lines).candidates)


class TestTheLog:
    def test_both_protocols_are_heard_with_their_values(self) -> None:
        found = from_json(
            [
                entry("statement: SELECT a FROM t"),
                entry("execute <unnamed>: SELECT a FROM t WHERE b = $1", "Parameters: $1 = 'it''s\nok'"),
                entry(
                    "execute _pg3_0: UPDATE t SET a = $1, b = $2", "Parameters: $1 = NULL, $2 = '1, $3 = 4'"
                ),
            ]
        )
        assert [one.values for one in found] == [None, ("it's\nok",), (None, "1, $3 = 4")]
        assert found[1].text == "SELECT a FROM t WHERE b = $1"

    def test_sessions_of_ours_and_lines_of_no_database_are_not_heard(self) -> None:
        mine = entry("statement: SELECT 1", application_name="recorder")
        assert heard(entries([mine, entry("ready", dbname=None)]), ours="recorder") == ()

    def test_an_error_marks_the_statement_of_its_session(self) -> None:
        found = from_json(
            [
                entry("statement: INSERT INTO t VALUES (1)"),
                entry("statement: SELECT a FROM t", session_id="2"),
                entry("duplicate key", error_severity="ERROR", state_code="23505"),
            ]
        )
        assert [one.failed for one in found] == ["23505", None]

    def test_what_failed_before_it_ran_is_not_laid_at_the_door_of_the_statement_before(self) -> None:
        found = from_json(
            [
                entry("execute a: SELECT a FROM t WHERE b = $1", "Parameters: $1 = '1'"),
                entry(
                    "no such column", error_severity="ERROR", state_code="42703", statement="SELECT x FROM t"
                ),
            ]
        )
        assert [one.failed for one in found] == [None]

    def test_a_line_that_is_cut_off_ends_it(self) -> None:
        assert len(heard(entries([entry("statement: SELECT a FROM t"), '{"message": "stat']), ours="")) == 1

    def test_a_csvlog_tells_the_same(self) -> None:
        line = (
            '2026-11-28 09:00:00 UTC,"me","shop",1,"[local]",6a.1,2,"SELECT",2026-11-28 09:00:00 UTC,3/4,0,'
            'LOG,00000,"execute a: SELECT a\nFROM t WHERE b = $1","Parameters: $1 = \'it\'\'s ""it""\'"'
            ',,,,,,,,"app","client backend",,0\n'
        )
        (one,) = heard(csv_entries(line.splitlines(keepends=True)), ours="recorder")
        assert (one.text, one.values, one.session) == (
            "SELECT a\nFROM t WHERE b = $1",
            ('it\'s "it"',),
            "6a.1",
        )
        assert heard(csv_entries(line.splitlines(keepends=True)), ours="app") == ()
        assert heard(csv_entries(line.splitlines(keepends=True)), ours="", others={"shop"}) == ()

    def test_portals_that_go_on_are_the_same_statement(self) -> None:
        assert heard(entries([entry("execute fetch from p: SELECT a FROM t")]), ours="") == ()


class TestLiterals:
    @pytest.mark.parametrize(
        ("text", "folded", "values"),
        [
            ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = $1", ("x",)),
            ("SELECT a FROM t WHERE b IN ('x', 5)", "SELECT a FROM t WHERE b IN ($1, $2::integer)",
             ("x", "5")),
            ("INSERT INTO t VALUES (5000000000, 1.50)", "INSERT INTO t VALUES ($1::bigint, $2::numeric)",
             ("5000000000", "1.50")),
            ("SELECT a FROM t WHERE b LIKE E'a\\nb'", "SELECT a FROM t WHERE b LIKE $1", ("a\nb",)),
            ("SELECT a FROM t LIMIT 5 OFFSET 10", "SELECT a FROM t LIMIT $1::integer OFFSET $2::integer",
             ("5", "10")),
            ("SELECT '1'::int FROM t", "SELECT $1::int FROM t", ("1",)),
            ("SELECT a FROM t ORDER BY 1, b + 2", "SELECT a FROM t ORDER BY 1, b + $1::integer", ("2",)),
            ("SELECT a::varchar(10) FROM t WHERE b = 10",
             "SELECT a::varchar(10) FROM t WHERE b = $1::integer", ("10",)),
            ("SELECT CAST(a AS numeric(10, 2)) FROM t WHERE b = 2",
             "SELECT CAST(a AS numeric(10, 2)) FROM t WHERE b = $1::integer", ("2",)),
            ("SELECT round(a, 2) FROM t", "SELECT round(a, $1::integer) FROM t", ("2",)),
        ],
    )  # fmt: skip
    def test_values_become_parameters(self, text: str, folded: str, values: tuple[str, ...]) -> None:
        found = fold(text)
        assert found is not None
        assert (found.text, found.values) == (folded, values)

    @pytest.mark.parametrize(
        "text",
        [
            "SELECT a FROM t WHERE b > now() - interval '1 day'",
            "SELECT a FROM t WHERE b = date '2026-01-01'",
            "SELECT timestamp(3) '2026-01-01' FROM t",
            "SELECT a FROM t ORDER BY 2 DESC",
            "SELECT a FROM t GROUP BY 1",
            "SELECT a FROM t WHERE b = $1 AND c = 'x'",
            "SELECT B'101', X'1f' FROM t",
            "SELECT 'never closed",
            "SELECT $$a body$$ FROM t",
            "SELECT a -- 'x'\n FROM t /* 5 */",
            "SELECT nextval('s')",
            "SELECT currval('s'), 's'::regclass",
            "SELECT a FROM t WHERE b = current_setting('app.b')",
        ],
    )
    def test_what_is_no_value_stays(self, text: str) -> None:
        assert fold(text) is None

    @given(
        st.lists(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=4
        )
    )
    def test_any_value_comes_out_as_it_went_in(self, values: list[str]) -> None:
        found = fold("INSERT INTO t VALUES (" + ", ".join(map(literal, values)) + ")")
        assert found is not None
        assert found.values == tuple(values)
        assert not any(token.kind is Kind.STRING for token in meaningful(found.text))

    def test_equal_values_may_be_one_parameter(self) -> None:
        text = "SELECT date_trunc('month', a) FROM t GROUP BY date_trunc('month', a)"
        found = fold(text, shared=True)
        assert found is not None
        assert found.text == "SELECT date_trunc($1, a) FROM t GROUP BY date_trunc($1, a)"
        assert found.values == ("month",)


class TestGathering:
    def test_a_thousand_texts_are_one_statement_with_some_samples(self) -> None:
        found = gathered(*(entry(f"statement: SELECT a FROM t WHERE b = {n}") for n in range(1000)))
        (candidate,) = forms_of(found)
        assert candidate.seen == 1000
        assert candidate.samples == [(str(n),) for n in range(8)]

    def test_lists_of_several_lengths_are_one_statement(self) -> None:
        texts = ("SELECT a FROM t WHERE b IN (1) AND c = 9", "SELECT a FROM t WHERE b IN (1, 2, 3) AND c = 9")
        assert len(statements(*(entry(f"statement: {text}") for text in texts))) == 1

    def test_one_parameter_twice_is_not_two_parameters(self) -> None:
        once = entry("execute a: SELECT a FROM t WHERE a = $1 AND b = $1", "Parameters: $1 = '1'")
        twice = entry("execute b: SELECT a FROM t WHERE a = $1 AND b = $2", "Parameters: $1 = '1', $2 = '2'")
        assert len(statements(once, twice)) == 2

    def test_values_that_failed_are_no_samples_but_the_statement_is_the_version_s(self) -> None:
        found = gathered(
            entry("execute a: INSERT INTO t VALUES ($1)", "Parameters: $1 = '1'"),
            entry("duplicate key", error_severity="ERROR", state_code="23505"),
        )
        (candidate,) = forms_of(found)
        assert candidate.samples == []

    def test_cursors_and_prepared_statements_are_the_queries_in_them(self) -> None:
        found = gathered(
            entry('execute x: DECLARE "c1" CURSOR FOR SELECT a FROM t WHERE b > $1', "Parameters: $1 = '0'"),
            entry(
                "statement: execute p(1, 'x', NULL)",
                "prepare: prepare p (int) as SELECT b FROM t WHERE a = $1",
            ),
        )
        assert list(found.candidates) == ["SELECT a FROM t WHERE b > $1", "SELECT b FROM t WHERE a = $1"]
        assert [one.samples for one in forms_of(found)] == [[("0",)], [("1", "x", None)]]

    @pytest.mark.parametrize(
        ("given", "samples"),
        [
            ("-1, 'x'", [("-1", "x")]),
            ("- 1.5, true", [("-1.5", "true")]),
            ("5::int, 'x'", []),
            ("f(1, 2), 'x'", []),
            ("-'x', 1", []),
        ],
    )
    def test_what_is_executed_is_kept_whatever_its_values(
        self, given: str, samples: list[tuple[str, str]]
    ) -> None:
        query = "SELECT a FROM t WHERE b = $1 AND c = $2"
        told = entry(f"statement: EXECUTE p({given})", f"prepare: PREPARE p AS {query}")
        (candidate,) = forms(told)

        assert candidate.originals == [query]
        assert candidate.samples == samples

    def test_values_that_nobody_knows_leave_room_for_those_that_are_known(self) -> None:
        query = "SELECT a FROM t WHERE b = $1"
        found = gathered(
            entry("statement: EXECUTE p(5::int)", f"prepare: PREPARE p AS {query}"),
            entry(f"execute a: {query}", "Parameters: $1 = '1'"),
        )
        (candidate,) = forms_of(found)

        assert (candidate.seen, candidate.samples) == (2, [("1",)])

    def test_what_is_sent_beside_an_execute_is_not_taken_for_it(self) -> None:
        told = entry(
            "statement: SELECT c FROM t; EXECUTE p(1)", "prepare: PREPARE p AS SELECT a FROM t WHERE b = $1"
        )

        assert statements(told) == ["SELECT c FROM t", "SELECT a FROM t WHERE b = $1"]

    @pytest.mark.parametrize(
        "text",
        [
            "SELECT nextval('s')",
            "SELECT pg_catalog.setval('s', c)",
            "COPY t (a, b) FROM STDIN",
            "COPY t TO STDOUT",
            "COPY (SELECT a FROM t WHERE b = 'x') TO STDOUT (FORMAT csv)",
            "LOCK TABLE t IN SHARE MODE",
        ],
    )
    def test_sequences_copies_and_locks_are_the_version_s(self, text: str) -> None:
        assert statements(entry(f"statement: {text}")) == [text]

    def test_constraints_that_are_named_are_heard_and_all_of_them_are_not(self) -> None:
        told = (
            "SET CONSTRAINTS ALL DEFERRED",
            'SET CONSTRAINTS a, "B" DEFERRED',
            "SET CONSTRAINTS b IMMEDIATE",
        )
        assert statements(*(entry(f"statement: {text}") for text in told)) == list(told[1:])

    def test_what_is_left_out_is_named_with_its_reason(self) -> None:
        texts = ("CREATE TABLE x ()", "TRUNCATE t", "COPY t FROM STDIN", "DO $$ $$", "SELECT version()",
                 "COPY t TO '/a/file'",
                 "SET a = 1", "BEGIN", "SELECT 'never closed")  # fmt: skip
        found = gathered(*(entry(f"statement: {text}") for text in texts))
        assert found.candidates == {}
        assert set(found.left_out) == set(texts) - {"SET a = 1", "BEGIN"}

    def test_what_is_of_another_database_is_not_held_for_a_question_to_postgresql(self) -> None:
        (why,) = gathered(entry("statement: INSERT INTO elsewhere (a) VALUES (1)")).left_out.values()

        assert "another database" in why
        assert "PostgreSQL itself" not in why

    def test_questions_that_differ_in_values_are_left_out_as_one(self) -> None:
        told = (f"statement: SELECT set_config('app.tenant', '{number}', false)" for number in range(9))

        assert list(gathered(*map(entry, told)).left_out) == ["SELECT set_config('app.tenant', $1, false)"]

    def test_what_a_framework_asks_about_its_migrations_is_set_up(self) -> None:
        text = 'SELECT "django_migrations"."name" FROM "django_migrations", t'
        found = gathered(entry(f"statement: {text}"))
        assert found.candidates == {}
        assert list(found.left_out) == [text]

    def test_transactions_are_sequences_and_savepoints_do_not_end_them(self) -> None:
        told = ("BEGIN", "SELECT a FROM t", "SAVEPOINT s", "DELETE FROM t", "ROLLBACK TO SAVEPOINT s",
                "UPDATE t SET a = b", "COMMIT", "SELECT b FROM t")  # fmt: skip
        found = gathered(*(entry(f"statement: {text}") for text in told))
        assert found.transactions == [("SELECT a FROM t", "DELETE FROM t", "UPDATE t SET a = b")]


class TestSecrets:
    @pytest.mark.parametrize(
        ("told", "kept"),
        [
            ("env U=postgres://me:s3cret@h:5/db pytest", "env U=postgres://me:***@h:5/db pytest"),
            ("psql 'host=h password=s3cret user=me'", "psql 'host=h password=*** user=me'"),
            ("psql postgresql:///db?password=s3cret&user=me", "psql postgresql:///db?password=***&user=me"),
            ("pytest -k a:b@c", "pytest -k a:b@c"),
            ("curl http://h/a:b@c", "curl http://h/a:b@c"),
        ],
    )
    def test_a_command_is_kept_without_passwords(self, told: str, kept: str) -> None:
        assert masked(told) == kept

    @pytest.mark.parametrize(
        ("told", "kept"),
        [
            ("CREATE ROLE r PASSWORD 's3cret'", "CREATE ROLE r PASSWORD '***'"),
            ("CREATE USER MAPPING FOR r SERVER s OPTIONS (secret 's3cret')",
             "CREATE USER MAPPING FOR r SERVER s OPTIONS (secret '***')"),
            ("CREATE SUBSCRIPTION s CONNECTION $$password=s3cret$$ PUBLICATION p",
             "CREATE SUBSCRIPTION s CONNECTION '***' PUBLICATION p"),
            ("COMMENT ON TABLE t IS 'of words'", "COMMENT ON TABLE t IS 'of words'"),
            ("COMMENT ON TABLE t IS 'never closed, password=s3cret",
             "COMMENT ON TABLE t IS 'never closed, password=***"),
        ],
    )  # fmt: skip
    def test_set_up_is_named_without_passwords(self, told: str, kept: str) -> None:
        assert masked_sql(told) == kept


ROW = st.lists(st.one_of(st.integers(0, 9), sendable), min_size=2, max_size=2)


class TestLengths:
    def told(self, rows: list[list[int | str]]) -> str:
        written = ", ".join(f"({', '.join(literal(str(value)) for value in row)})" for row in rows)
        return entry(f"statement: INSERT INTO t (a, b) VALUES {written}")

    @given(st.lists(st.lists(ROW, min_size=1, max_size=6), min_size=1, max_size=8))
    def test_an_insert_of_many_rows_is_one_statement_short_and_long(
        self, inserts: list[list[list[int | str]]]
    ) -> None:
        found = gathered(*map(self.told, inserts))
        (candidate,) = found.candidates.values()
        counts = [len(rows) for rows in inserts]

        assert candidate.seen == len(inserts)
        assert {len(form.samples[0]) // 2 for form in candidate.forms} == {min(counts), max(counts)}
        for form in candidate.forms:
            of_this_length = [rows for rows in inserts if len(rows) == len(form.samples[0]) // 2]
            assert form.samples[0] == tuple(str(value) for row in of_this_length[0] for value in row)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("VALUES (1, 'x')", "VALUES (1, 'x'), (NULL, 'y'), (5000000000, NULL)"),
            ("SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN (1, 2, 3)"),
            ("SELECT a FROM t WHERE b = ANY (ARRAY['x'])", "SELECT a FROM t WHERE b = ANY (ARRAY['x', 'y'])"),
            ("SELECT a FROM t WHERE (a, b) IN ((1, 2))", "SELECT a FROM t WHERE (a, b) IN ((1, 2), (3, 4))"),
            (
                "SELECT p FROM (VALUES ($1, 0)) AS t (p, at) WHERE p <> $2",
                "SELECT p FROM (VALUES ($1, 0), ($2, 1)) AS t (p, at) WHERE p <> $3",
            ),
        ],
    )
    def test_the_same_in_another_length_counts_as_one(self, one: str, other: str) -> None:
        short, long = (text if "SELECT" in text else f"INSERT INTO t (a, b) {text}" for text in (one, other))
        (candidate,) = gathered(*(entry(f"statement: {text}") for text in (long, short))).candidates.values()

        assert [form.originals for form in candidate.forms] == [[short], [long]]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN (c)"),
            ("SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN (SELECT c FROM t WHERE a = 1)"),
            ("INSERT INTO t (a, b) VALUES (1, 2)", "INSERT INTO t (a, b) VALUES (1, DEFAULT)"),
            ("INSERT INTO t (a) VALUES (1)", "INSERT INTO t (a) VALUES (1) ON CONFLICT DO NOTHING"),
        ],
    )
    def test_another_statement_does_not(self, one: str, other: str) -> None:
        assert len(statements(entry(f"statement: {one}"), entry(f"statement: {other}"))) == 2


class TestFiles:
    def test_a_dump_of_pg_stat_statements_is_read_and_mended(self) -> None:
        dump = 'query,calls\n"SELECT a FROM t WHERE b > now() - interval $1",7\n'
        (one,) = read_told(dump, "dump.csv")
        assert one.text == "SELECT a FROM t WHERE b > now() - $1::interval"
        assert read_told('[{"query": "SELECT a FROM t"}]', "dump.json")[0].text == "SELECT a FROM t"

    @pytest.mark.parametrize(("calls", "seen"), [("7", 12), (" 7 ", 12), ("", 6), ("²", 6)])
    def test_the_calls_of_a_dump_are_how_often_it_was_sent(self, calls: str, seen: int) -> None:
        dump = f'query,calls\n"SELECT a FROM t WHERE b = $1",{calls}\n"SELECT a FROM t WHERE b=$1",5\n'
        (one,) = gather(read_told(dump, "dump.csv"), NAMES).candidates.values()
        assert one.seen == seen

    def test_sql_is_read_statement_by_statement(self) -> None:
        assert [one.text for one in read_told("SELECT 1; SELECT 2;", "old.sql")] == ["SELECT 1", "SELECT 2"]

    @pytest.mark.parametrize(
        ("text", "name"), [("a,b\n1,2\n", "x.csv"), ("", "x.csv"), ("{", "x.json"), ('{"a": 1}', "x.json")]
    )
    def test_what_is_no_dump_is_refused(self, text: str, name: str) -> None:
        with pytest.raises(RefusedError) as refused:
            read_told(text, name)
        assert refused.value.id == "CF9229"
