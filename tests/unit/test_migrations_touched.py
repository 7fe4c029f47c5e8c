"""What a migration touched: too much is only slow, too little would be a proof of nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from migrations_shapes import catalog, column, relation

from crossfade.migrations.catalog import Catalog, Relation, Rule
from crossfade.migrations.touched import touched

USERS, ORDERS, LINES = (
    relation(1, "users", "id"),
    relation(2, "orders", "id", "user_id"),
    relation(3, "lines", "id"),
)


def key(child: int, parent: int) -> Rule:
    return Rule(
        relation=child,
        name="fk",
        kind="f",
        columns=(1,),
        target=parent,
        target_columns=(1,),
        definition="FOREIGN KEY",
        expr=None,
        validated=True,
    )


BEFORE = catalog(USERS, replace(ORDERS, rules=(key(2, 1),)), replace(LINES, rules=(key(3, 2),)))


def relations(after: Catalog, rows: frozenset[int] = frozenset()) -> set[int] | None:
    found = touched(BEFORE, after, rows)
    return None if found is None else set(found.relations)


def changed(*others: Relation, other: dict[str, str] | None = None) -> Catalog:
    every = dict(BEFORE.relations) | {one.oid: one for one in others}
    return replace(BEFORE, relations=every, other=other or {})


def test_nothing_changed_is_nothing_touched() -> None:
    assert relations(BEFORE) == set()


def test_a_changed_table_is_touched_and_what_it_refers_to() -> None:
    wider = replace(BEFORE.relations[3], columns=(*LINES.columns, column(3, 9, "x")))

    assert relations(changed(wider)) == {1, 2, 3}


def test_a_file_written_anew_is_no_change() -> None:
    assert relations(changed(replace(USERS, node=99))) == set()


def test_rows_that_changed_touch_their_table() -> None:
    assert relations(BEFORE, frozenset({1})) == {1}


def test_a_function_touches_by_its_name_and_where_it_is_spoken_of() -> None:
    speaking = replace(USERS, columns=(replace(USERS.columns[0], default="public.next_code()"),))
    before = replace(BEFORE, relations={**BEFORE.relations, 1: speaking})
    after = replace(before, other={"function:public.next_code()": "1|SELECT 1"})
    found = touched(before, after, frozenset())

    assert found is not None
    assert (set(found.names), set(found.relations)) == ({"next_code"}, {1})


@pytest.mark.parametrize("other", ["operator:1", "cast:1", "member:1:2", "setting:0:1", "extension:citext"])
def test_what_may_reach_far_touches_everything(other: str) -> None:
    assert relations(changed(other={other: "x"})) is None


def test_a_new_schema_touches_nothing_a_changed_one_everything() -> None:
    assert relations(changed(other={"schema:logs": "1|"})) == set()
    with_schema = replace(BEFORE, other={"schema:public": "1|a"})
    assert touched(with_schema, replace(with_schema, other={"schema:public": "1|b"}), frozenset()) is None
