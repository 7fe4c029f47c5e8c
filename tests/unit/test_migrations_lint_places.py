"""Findings of `migrate lint` stand where they belong, and answers (`allow`) answer what they stand beside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.migrations.lint.check import lint

INDEX = "CREATE INDEX ON t (a);"


def places(sql: str, rule: str) -> list[tuple[int, int]]:
    return [(one.line, one.column) for one in lint(sql, "m.sql") if one.rule == rule]


def rules(sql: str) -> list[str]:
    return [one.rule for one in lint(sql, "m.sql")]


class TestPlaces:
    def test_a_repeated_statement_has_its_own(self) -> None:
        assert places(f"{INDEX}\n\n  {INDEX}", "create-index") == [(1, 1), (3, 3)]

    def test_what_stands_in_a_comment_is_not_the_statement(self) -> None:
        assert places(f"-- {INDEX}\n{INDEX}", "create-index") == [(2, 1)]

    def test_a_clause_has_its_own(self) -> None:
        sql = "SELECT 'é'; ALTER TABLE t\n  ADD COLUMN a int,\n  DROP COLUMN b, DROP c;"
        assert places(sql, "drop-column") == [(3, 3), (3, 18)]

    def test_a_statement_in_a_statement_has_its_own(self) -> None:
        sql = "WITH a AS (\n UPDATE t SET a = b RETURNING a)\nDELETE FROM u;"
        assert places(sql, "whole-table-dml") == [(2, 2), (3, 1)]

    @given(
        st.lists(st.sampled_from(["\n", "  ", "SELECT 1;", "/* ; \n */", f"-- {INDEX}\n", "SELECT '\n';"]))
    )
    def test_whatever_stands_before_it(self, before: list[str]) -> None:
        text = "".join(before)
        line, column = text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1
        assert places(text + INDEX, "create-index") == [(line, column)]


class TestAnswers:
    def test_behind_a_statement_it_is_about_its_own_line(self) -> None:
        answered = f"{INDEX} -- crossfade: allow create-index forty rows"
        assert places(f"{answered}\n{INDEX}", "create-index") == [(2, 1)]
        assert places(f"{INDEX}\n{answered}", "create-index") == [(1, 1)]

    def test_above_a_statement_it_is_about_that_one(self) -> None:
        answer = "-- crossfade: allow create-index forty rows\n"
        assert places(f"{INDEX}\n{answer}{INDEX}\n{INDEX}", "create-index") == [(1, 1), (4, 1)]

    def test_several_stand_above_one_another(self) -> None:
        sql = (
            "-- crossfade: allow drop-column nobody reads it\n\n-- and more\n"
            "-- crossfade: allow data-loss it is empty\n/* crossfade: allow no-lock-timeout at night */\n"
            "ALTER TABLE t\n  DROP COLUMN c;"
        )
        assert rules(sql) == []

    def test_above_a_clause_it_is_about_that_one(self) -> None:
        sql = "ALTER TABLE t\n DROP a,\n-- crossfade: allow drop-column nobody reads it\n DROP b;"
        assert places(sql, "drop-column") == [(2, 2)]

    @pytest.mark.parametrize("wrong", ["create-indx", "Drop_Column", "", "none"])
    def test_a_rule_that_is_none_is_said(self, wrong: str) -> None:
        found = lint(f"-- crossfade: allow {wrong} forty rows\nSELECT 1;", "m.sql")
        assert [(one.rule, one.level, one.line) for one in found] == [("not-readable", "unknown", 1)]

    def test_without_a_reason_it_answers_nothing(self) -> None:
        assert rules(f"{INDEX} -- crossfade: allow create-index") == ["create-index", "not-readable"]

    def test_what_cannot_be_decided_may_be_allowed_too(self) -> None:
        assert rules("SELECT f(); -- crossfade: allow not-readable it only counts") == []

    def test_in_a_string_it_is_none(self) -> None:
        assert "create-index" in rules(f"SELECT '-- crossfade: allow create-index x';\n{INDEX}")


@pytest.mark.parametrize(
    "said",
    ["= 0", "= '0'", "TO 0", "TO '0ms'", "= '0s'", "TO DEFAULT", "= 0.0", "TO ' 0 '"],
)
def test_a_time_out_of_nothing_is_none(said: str) -> None:
    assert "no-lock-timeout" in rules(f"SET lock_timeout {said}; ALTER TABLE t ADD c int")


@pytest.mark.parametrize(
    "said",
    [
        "SET lock_timeout = '2s'; RESET lock_timeout;",
        "SET lock_timeout = '2s'; RESET ALL;",
        "SET lock_timeout = '2s'; DISCARD ALL;",
        "SET lock_timeout = '2s'; SET lock_timeout = 0;",
        "BEGIN; SET LOCAL lock_timeout = '2s'; COMMIT;",
        "SELECT set_config('lock_timeout', '0', false);",
        "SET statement_timeout = '2s';",
        "ALTER ROLE app SET lock_timeout = '2s';",
    ],
)
def test_a_time_out_that_is_over_is_none(said: str) -> None:
    assert "no-lock-timeout" in rules(f"{said} ALTER TABLE t ADD c int")


@pytest.mark.parametrize(
    "said",
    [
        "SET lock_timeout = 2000;",
        "SET SESSION lock_timeout TO '2s';",
        "SET LOCAL lock_timeout = '20ms';",
        "SELECT set_config('lock_timeout', '2s', true);",
        "SELECT pg_catalog.set_config('lock_timeout', '2s', true);",
    ],
)
def test_a_time_out_is_heard(said: str) -> None:
    assert "no-lock-timeout" not in rules(f"{said} ALTER TABLE t ADD c int")
