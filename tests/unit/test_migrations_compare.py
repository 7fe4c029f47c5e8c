"""Two runs of a statement are the same to the version that sent it, or they are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.migrations.answers import Failure, Field
from crossfade.migrations.compare import Context, Effect, Mask, Outcome, Row, compare, mask_of

INTEGER, BIGINT, TEXT, BOOLEAN, JSON, JSONB = 23, 20, 25, 16, 114, 3802
TYPES = {
    INTEGER: ("N", "integer"),
    BIGINT: ("N", "bigint"),
    TEXT: ("S", "text"),
    BOOLEAN: ("B", "boolean"),
    JSON: ("U", "json"),
    JSONB: ("U", "jsonb"),
}
PLAIN = Context(before=TYPES, after=TYPES)
KEY = ("public", "t")


def rows(*values: str | None, name: str = "x", type_: int = TEXT) -> Outcome:
    return Outcome(
        fields=(Field(name, type_, -1, 1, 1),), rows=tuple((one,) for one in values), affected=len(values)
    )


def wrote(*values: str | None, removed: int = 0) -> Outcome:
    effect = Effect(columns=("x",), added=tuple((one,) for one in values), removed=removed)
    return Outcome(affected=len(values), effects={KEY: effect})


def wrong(before: Outcome, after: Outcome, *, context: Context = PLAIN, mask: Mask | None = None) -> str:
    return compare(before, after, mask or Mask(), context).wrong


class TestResults:
    def test_an_error_is_wrong(self) -> None:
        failed = Outcome(failure=Failure(sqlstate="42703", message="no column"))

        assert wrong(rows("a"), failed) == "error"

    def test_other_rows_are_wrong(self) -> None:
        assert wrong(rows("a"), rows("b")) == "rows"
        assert wrong(rows("a", "a"), rows("a")) == "rows"
        assert wrong(rows("a"), rows(None)) == "rows"

    def test_their_order_is_not(self) -> None:
        assert not wrong(rows("a", "b"), rows("b", "a"))

    def test_a_column_gone_is_wrong(self) -> None:
        assert wrong(rows("a"), rows("a", name="y")) == "columns"

    def test_a_column_more_is_a_need(self) -> None:
        before = rows("a")
        after = replace(before, fields=(*before.fields, Field("y", TEXT, -1, 1, 2)), rows=(("a", "b"),))

        assert compare(before, after, Mask(), PLAIN).more_columns
        assert not wrong(before, after)

    def test_a_type_of_another_kind_is_wrong_though_the_text_is_the_same(self) -> None:
        assert wrong(rows("1", type_=INTEGER), rows("1", type_=TEXT)) == "columns"

    def test_a_wider_type_of_the_same_kind_is_a_need(self) -> None:
        told = compare(rows("1", type_=INTEGER), rows("1", type_=BIGINT), Mask(), PLAIN)

        assert (told.wrong, told.types_changed) == ("", True)

    @pytest.mark.parametrize(
        ("before", "after", "type_"),
        [("1.00", "1.0000", INTEGER), ('{"a": 1, "b": 2}', '{"b":2,"a":1}', JSON)],
    )
    def test_numbers_and_documents_are_compared_by_what_they_mean(
        self, before: str, after: str, type_: int
    ) -> None:
        assert not wrong(rows(before, type_=type_), rows(after, type_=type_))

    def test_a_filled_gap_is_wrong_only_where_nothing_was_filled(self) -> None:
        filled = replace(PLAIN, filled=True)

        assert wrong(rows(None, "a"), rows("b", "a")) == "rows"
        assert not wrong(rows(None, "a"), rows("b", "a"), context=filled)
        assert wrong(rows(None, "a"), rows("b", "c"), context=filled) == "rows"


class TestMasks:
    def test_what_differs_twice_on_one_shape_is_no_difference(self) -> None:
        mask = mask_of(rows("1"), rows("2"))

        assert not wrong(rows("1"), rows("3"), mask=mask)

    def test_but_null_in_its_place_is(self) -> None:
        mask = mask_of(rows("1"), rows("2"))

        assert wrong(rows("1"), rows(None), mask=mask) == "rows"

    @given(st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=6))
    def test_a_run_is_the_same_as_itself(self, values: list[str | None]) -> None:
        one = rows(*values)

        assert mask_of(one, one) == Mask()
        assert not wrong(one, one)


class TestEffects:
    def test_another_row_written_is_wrong(self) -> None:
        assert wrong(wrote("a"), wrote("b")) == "effect"

    def test_nothing_written_is_wrong(self) -> None:
        assert wrong(wrote("a"), replace(wrote(), affected=1)) == "effect"

    def test_another_default_is_a_need(self) -> None:
        told = compare(wrote("a"), wrote("b"), Mask(), replace(PLAIN, defaults=frozenset({(KEY, "x")})))

        assert (told.wrong, told.default_changed) == ("", True)

    def test_a_default_that_changed_and_did_not_matter_is_none(self) -> None:
        told = compare(wrote("a"), wrote("a"), Mask(), replace(PLAIN, defaults=frozenset({(KEY, "x")})))

        assert (told.wrong, told.default_changed) == ("", False)


def changed(came: tuple[Row, ...], went: tuple[Row, ...] = ()) -> Outcome:
    """Of a table with a column that the statement is about, and another."""
    effect = Effect(columns=("x", "other"), added=came, removed=len(went), taken=went)
    return Outcome(affected=1, effects={KEY: effect})


class TestWhatAStatementLeavesAlone:
    def test_R37_a_value_that_an_update_only_carries_along_is_not_what_it_writes(self) -> None:
        before = changed((("new", "team"),), (("old", "team"),))
        after = changed((("new", "business"),), (("old", "business"),))

        assert not wrong(before, after)

    def test_R37_a_value_that_it_changes_on_one_side_only_is(self) -> None:
        before = changed((("new", "team"),), (("old", "team"),))

        assert wrong(before, changed((("new", "business"),), (("old", "team"),))) == "effect"
        assert wrong(changed((("new", "team"),)), changed((("new", "business"),))) == "effect"

    def test_R37_what_a_trigger_writes_where_nobody_looks_is_no_difference(self) -> None:
        unseen = replace(PLAIN, unseen=frozenset({(KEY, "other")}))
        nothing, touched = changed(()), changed((("x", "now"),), (("x", "then"),))

        assert wrong(nothing, touched) == "effect"
        assert not wrong(nothing, touched, context=unseen)
        assert not wrong(changed((("x", None),)), changed((("x", "filled"),)), context=unseen)

    def test_R37_where_nobody_looks_but_the_old_write_left_something_it_is(self) -> None:
        unseen = replace(PLAIN, unseen=frozenset({(KEY, "other")}))

        assert wrong(changed((("x", "kept"),)), changed((("x", None),)), context=unseen) == "effect"

    def test_R37_a_value_given_back_is_compared_in_the_type_that_its_column_had(self) -> None:
        finer = replace(PLAIN, retyped={(1, 1): (KEY, "x")})
        written = changed((("3000", None),)).effects
        back, now_back = (replace(rows(one), effects=written) for one in ("3000", "2999.99"))

        assert wrong(back, now_back) == "rows"
        assert not wrong(back, now_back, context=finer)
        assert wrong(rows("3000"), rows("2999.99"), context=finer) == "rows"  # read, not written
