"""A kept proof is taken where it is of exactly what would be proved now, and of nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.migrations.running.conduct import Asked
from crossfade.migrations.script import read_script
from crossfade.migrations.shape import Sent, Shape
from crossfade.preconditions.answers import Live
from crossfade.preconditions.proving import Case, statements_of
from crossfade.preconditions.records import Part
from crossfade.preconditions.same_ground import ago, ground_of
from crossfade.spec.change_models import DualWrite, Pair

DDL = "CREATE TABLE t (a int); CREATE INDEX i ON t (a)"
NINE = datetime(2026, 11, 28, 9, tzinfo=UTC)
PAIR = Pair(old="a", new="b", up="NEW.a", down="NEW.b")
DUAL = DualWrite(table="t", pairs=(PAIR,))


def of(
    ddl: str = DDL, migration: str = "ALTER TABLE t ADD b int", dual: DualWrite | None = None, **more: Any
) -> str:
    live = Live(statements=statements_of(ddl, "schema"), counted=more.pop("counted", ()), version=180001)
    case = Case(
        part=Part(change="1", part="expand", sha256="a" * 64), script=read_script(migration, "1"),
        schema=live.statements, schema_name="schema", new=None, role=None,
    )  # fmt: skip
    return ground_of(replace(case, **more), live, dual)


def test_blanks_comments_and_our_ledger_s_schema_change_nothing() -> None:
    assert of(f"-- dumped at noon\n{DDL.replace(' ', '  ')}") == of()
    assert of(f"CREATE SCHEMA crossfade; {DDL}") == of()


@pytest.mark.parametrize(
    "other",
    [
        {"ddl": f"{DDL}; CREATE SCHEMA shop"},
        {"ddl": DDL.replace("a int", "a bigint")},
        {"ddl": DDL.replace("INDEX i", "INDEX I2")},
        {"migration": "ALTER TABLE t ADD b int NOT NULL"},
        {"migration": "-- crossfade: no-transaction\nALTER TABLE t ADD b int"},
        {"dual": DUAL},
        {"counted": ("INSERT INTO alembic_version VALUES ('1')",)},
        {"role": "app"},
        {"new": Shape(statements=(Sent(text="SELECT a FROM t"),), source="tests")},
    ],
)
def test_R37_whatever_a_proof_depends_on_makes_another_ground(other: dict[str, Any]) -> None:
    assert of(**other) != of()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "just now"), (59, "just now"), (720, "12 min ago"), (7200, "2 h ago"), (200_000, "2 d ago")],
)
def test_how_old_a_proof_is(seconds: int, said: str) -> None:
    assert ago("2026-11-28T09:00:00Z", NINE + timedelta(seconds=seconds)) == said


@given(st.text())
def test_a_time_that_is_none_is_no_error(at: str) -> None:
    assert ago(at, NINE)


def test_R38_the_ledger_keeps_every_word_that_was_given() -> None:
    asked = Asked(despite_versions="nobody wants v1", accepted="v2: 1 accepted by ana (so)")
    assert asked.kept("blocking accepted: small") == (
        "blocking accepted: small; despite versions: nobody wants v1; v2: 1 accepted by ana (so)"
    )
    assert Asked().kept("") == ""
