"""Which recorded transactions are kept to be run again, and with what in them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.migrations.record.gather import gather
from crossfade.migrations.record.log import entries, heard

NAMES = frozenset({"t", "u"})
SETTING = "SELECT set_config('app.tenant', 'acme', true)"
Told = list[list[str]]


def kept(*sent: str, session: str = "1") -> Told:
    lines = [
        json.dumps(
            {"session_id": session, "dbname": "d", "error_severity": "LOG", "message": f"statement: {one}"}
        )
        for one in sent
    ]
    found = gather(heard(entries(lines), ours=""), NAMES)
    return [[one.text for one in steps] for steps in found.sequences.kept()]


class TestWhatRestsOnTheSession:
    @pytest.mark.parametrize(
        "state",
        [
            SETTING,
            "SET LOCAL a.b = 'x'",
            "SET app.tenant TO 'x'",
            "SET ROLE poor",
            "SET search_path = b",
        ],
    )
    def test_a_setting_is_kept_with_what_comes_behind_it(self, state: str) -> None:
        told = ["BEGIN", state, "SELECT a FROM t", "COMMIT"]

        assert kept(*told) == [told[1:]]

    @pytest.mark.parametrize("state", ["SET TIME ZONE 'UTC'", "SELECT set_config('TimeZone', 'UTC', false)"])
    def test_what_every_client_sets_is_none(self, state: str) -> None:
        assert kept("BEGIN", state, "SELECT a FROM t", "COMMIT") == []

    def test_a_setting_of_the_session_stands_before_each_later_statement(self) -> None:
        setting = "SET app.tenant = 'x'"

        assert kept(setting, "SELECT a FROM t", "BEGIN", "SELECT b FROM t", "SELECT c FROM u", "COMMIT") == [
            [setting, "SELECT a FROM t"],
            [setting, "SELECT b FROM t", "SELECT c FROM u", "COMMIT"],
        ]

    def test_a_temp_table_is_known_by_its_name(self) -> None:
        told = ["CREATE TEMP TABLE IF NOT EXISTS x (a int)", "INSERT INTO x VALUES (1)",
                "INSERT INTO t SELECT a FROM x", "ROLLBACK"]  # fmt: skip

        assert kept("BEGIN", *told, "SELECT * FROM elsewhere") == [told]

    def test_a_cursor_and_savepoints_stay_where_they_are(self) -> None:
        told = [SETTING, "SAVEPOINT a", "DECLARE c CURSOR FOR SELECT a FROM t", "FETCH 1 FROM c",
                "ROLLBACK TO SAVEPOINT a", "COMMIT"]  # fmt: skip

        assert kept("BEGIN", *told) == [told]


class TestWhatIsNotKept:
    @pytest.mark.parametrize(
        "spoils", ["CREATE TABLE v ()", "TRUNCATE t", "ALTER TABLE t ADD b int", "DO $$ BEGIN END $$"]
    )
    def test_set_up_is_no_transaction_of_the_version(self, spoils: str) -> None:
        assert kept("BEGIN", SETTING, spoils, "SELECT a FROM t", "COMMIT") == []

    def test_what_speaks_of_passwords(self) -> None:
        telling = "SELECT dblink_connect('host=h password=s3cret'), a FROM t"

        assert kept("BEGIN", SETTING, telling, "SELECT a FROM t", "COMMIT") == []

    def test_a_transaction_of_statements_that_others_showed_already(self) -> None:
        long = ["SELECT a FROM t", "SELECT b FROM t", "SELECT c FROM t", "COMMIT"]

        assert kept("BEGIN", *long, "BEGIN", *long[:2], "COMMIT") == [long]

    @given(st.lists(st.lists(st.integers(0, 30), max_size=120), max_size=40))
    def test_every_statement_of_a_transaction_is_shown_and_none_too_often(
        self, transactions: list[list[int]]
    ) -> None:
        sent = [
            text
            for numbers in transactions
            for text in ("BEGIN", *(f"SELECT a{number} FROM t" for number in numbers), "COMMIT")
        ]
        found = kept(*sent)
        shown = {text for steps in found for text in steps[:-1]}
        several = [
            {f"SELECT a{number} FROM t" for number in one} for one in transactions if len(set(one)) > 1
        ]

        assert shown == set().union(*several)
        assert all(steps.count(text) <= 3 for steps in found for text in steps)
