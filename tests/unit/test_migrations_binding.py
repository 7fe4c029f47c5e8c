"""A parameter is bound to the column that it stands beside."""

from __future__ import annotations

import pytest
from migrations_shapes import catalog, relation

from crossfade.migrations.binding import bind
from crossfade.migrations.lexer import meaningful

CATALOG = catalog(
    relation(1, "users", "id", "email", "name", "age"), relation(2, "orders", "id", "user_id", "total")
)
SEEN = dict[int, tuple[list[str], list[str]]]


def bound(sql: str) -> SEEN:
    """By parameter, the columns it is written to and those it is compared with."""
    tables = {1: "users", 2: "orders"}

    def names(columns: object) -> list[str]:
        assert isinstance(columns, dict)
        return [f"{tables[one.relation]}.{one.name}" for one in columns.values()]

    return {
        at: (names(one.assigned), names(one.compared))
        for at, one in bind(meaningful(sql), CATALOG).params.items()
    }


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM users WHERE email = $1", {1: ([], ["users.email"])}),
        ("SELECT * FROM users WHERE $1 = email", {1: ([], ["users.email"])}),
        ("SELECT 1 FROM users u WHERE lower(u.email) = lower($1)", {1: ([], ["users.email"])}),
        ("SELECT 1 FROM users WHERE id IN ($1, $2)", {1: ([], ["users.id"]), 2: ([], ["users.id"])}),
        ("SELECT 1 FROM users WHERE id = ANY($1)", {1: ([], ["users.id"])}),
        (
            "SELECT 1 FROM users WHERE age BETWEEN $1 AND $2",
            {1: ([], ["users.age"]), 2: ([], ["users.age"])},
        ),
        (
            "SELECT 1 FROM users WHERE (id, email) > ($1, $2)",
            {1: ([], ["users.id"]), 2: ([], ["users.email"])},
        ),
        (
            "SELECT 1 FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = $1 AND o.id = $2",
            {1: ([], ["users.id"]), 2: ([], ["orders.id"])},
        ),
        (
            "INSERT INTO users (email, name) VALUES ($1, coalesce($2, 'x')), ($3, $4)",
            {
                1: (["users.email"], []),
                2: (["users.name"], []),
                3: (["users.email"], []),
                4: (["users.name"], []),
            },
        ),
        ("INSERT INTO users VALUES ($1, $2)", {1: (["users.id"], []), 2: (["users.email"], [])}),
        (
            "INSERT INTO orders (user_id, total) SELECT id, $2 FROM users WHERE email = $1",
            {1: ([], ["users.email"]), 2: (["orders.total"], [])},
        ),
        (
            "UPDATE users SET name = $1, (age, email) = ($2, $3) WHERE id = $4",
            {
                1: (["users.name"], []),
                2: (["users.age"], []),
                3: (["users.email"], []),
                4: ([], ["users.id"]),
            },
        ),
        (
            "INSERT INTO users (email) VALUES ($1) ON CONFLICT (email) DO UPDATE SET name = $2",
            {1: (["users.email"], []), 2: (["users.name"], [])},
        ),
        (
            "MERGE INTO users u USING orders o ON u.id = o.user_id WHEN MATCHED THEN UPDATE SET name = $1",
            {1: (["users.name"], [])},
        ),
        ("SELECT f($1)", {1: ([], [])}),
    ],
)
def test_a_parameter_knows_its_column(sql: str, expected: SEEN) -> None:
    assert expected == bound(sql)


def test_a_limit_counts_and_compares_with_nothing() -> None:
    found = bind(meaningful("SELECT 1 FROM users WHERE id = $1 LIMIT $2 OFFSET $3"), CATALOG).params

    assert [found[at].counts for at in (1, 2, 3)] == [False, True, True]


def test_a_name_that_is_no_table_binds_nothing() -> None:
    assert bound("WITH users2 AS (SELECT 1 AS id) SELECT * FROM users2 WHERE id = $1") == {1: ([], [])}
