"""What follows from the words of a version and of a migration, before anything runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.migrations.odd import odd
from crossfade.migrations.pools import shape
from crossfade.migrations.question import Version
from crossfade.migrations.roles import speaks_of_roles, takes_on
from crossfade.migrations.script import Asked, read_script, read_statements


def version(sql: str, *transactions: tuple[Asked, ...]) -> Version:
    return Version(name="v1", statements=read_statements(sql, "v1"), transactions=transactions)


class TestSettings:
    def test_R37_by_hand_a_local_setting_holds_for_the_session(self) -> None:
        told = version("SET LOCAL search_path = a; SELECT 1; SET x.y = 'b'").settings

        assert told == ("SET search_path = a", "SET x.y = 'b'")

    def test_R37_where_transactions_were_recorded_a_local_setting_is_theirs(self) -> None:
        told = version("SET LOCAL search_path = a", (Asked(text="SELECT 1"),)).settings

        assert told == ("SET LOCAL search_path = a",)

    @pytest.mark.parametrize(
        "sql", ["SET ROLE a", "SET LOCAL ROLE a", "SET SESSION ROLE a", "SET SESSION AUTHORIZATION a"]
    )
    def test_R37_a_role_is_taken_on_and_no_setting(self, sql: str) -> None:
        assert [takes_on(one) for one in read_statements(sql, "v1")] == [True]
        assert version(sql).settings == ()


@pytest.mark.parametrize(
    ("sql", "speaks"),
    [
        ("GRANT reader TO app", True),
        ("REVOKE reader FROM app", True),
        ("ALTER ROLE app SET search_path = a", True),
        ("GRANT SELECT ON t TO app", False),
        ("ALTER TABLE t ADD COLUMN x int", False),
    ],
)
def test_R37_what_all_databases_share_is_told_from_the_rest(sql: str, speaks: bool) -> None:
    assert speaks_of_roles(read_script(sql, "m")) is speaks


class TestOdd:
    @given(st.sampled_from(["text", "integer", "jsonb", "json", "uuid", "date", "inet", "bytea"]))
    def test_R37_the_same_type_again_is_tried_with_nothing(self, name: str) -> None:
        assert odd(shape(name), shape(name)) == ()

    @given(st.integers(1, 200), st.integers(0, 200))
    def test_R37_a_text_that_may_be_longer_is_tried_with_nothing(self, length: int, more: int) -> None:
        short, wide = (shape("character varying", size + 4) for size in (length, length + more))

        assert odd(short, wide) == odd(short, shape("text")) == ()

    @given(st.integers(1, 200), st.integers(1, 200))
    def test_R37_a_text_that_gets_shorter_is_tried_with_one_too_long(self, length: int, less: int) -> None:
        wide, short = (shape("character varying", size + 4) for size in (length + less, length))

        assert {len(one) for one in odd(wide, short)} == {length + 1}

    def test_R37_a_text_that_becomes_a_label_is_tried_in_other_cases(self) -> None:
        assert "SAD" in odd(shape("text"), shape("mood", labels=("glad", "sad")))
