"""How far a change has come follows from the ledger alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.migrations.running.ledger import Chapter, Done, Standing, State, standing
from crossfade.spec.change_models import Backfill, DualWrite, SchemaChange, SqlPart

NOON: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
PART: Final = SqlPart(file=Path("a.sql"), text="SELECT 1")
CHANGE: Final = SchemaChange(name="a", expand=PART, contract=PART)
FILLED: Final = replace(CHANGE, backfill=Backfill(table="t", set=(("n", "0"),), key=()))


def row(part: Chapter, number: int = 0, state: State = "done", minute: int = 0) -> Done:
    at = NOON + timedelta(minutes=minute)
    return Done(
        change="a", part=part, number=number, sha256="", text="", state=state, started=at, finished=at
    )


@pytest.mark.parametrize(
    ("change", "rows", "expected"),
    [
        (CHANGE, [], "planned"),
        (CHANGE, [row("expand", 0, "started")], "expanding"),
        (CHANGE, [row("expand", 0, "started"), row("expand", 1)], "expanding"),
        (CHANGE, [row("expand", 1), row("expand")], "expanded"),
        (replace(CHANGE, dual_write=DualWrite(table="t", pairs=())), [row("expand")], "expanding"),
        (
            replace(CHANGE, dual_write=DualWrite(table="t", pairs=())),
            [row("expand"), row("dual_write")],
            "expanded",
        ),
        (FILLED, [row("expand"), row("backfill", 0, "started")], "backfilling"),
        (FILLED, [row("expand"), row("backfill")], "backfilled"),
        (FILLED, [row("expand"), row("backfill"), row("verify", 0, "failed")], "backfilled"),
        (FILLED, [row("expand"), row("backfill", minute=1), row("verify", minute=2)], "verified"),
        (FILLED, [row("expand"), row("backfill", minute=3), row("verify", minute=2)], "backfilled"),
        (CHANGE, [row("expand"), row("verify")], "verified"),
        (CHANGE, [row("expand"), row("contract", 0, "started")], "contracting"),
        (CHANGE, [row("expand"), row("contract")], "contracted"),
        (CHANGE, [row("expand", 0, "undone"), row("abort")], "aborted"),
        (CHANGE, [row("abort"), row("expand", 0, "started")], "expanding"),
        (CHANGE, [replace(row("expand"), change="b")], "planned"),
    ],
)
def test_a_change_stands_where_its_rows_say(
    change: SchemaChange, rows: list[Done], expected: Standing
) -> None:
    assert standing(change, rows) == expected


ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from(["expand", "dual_write", "backfill", "verify", "contract", "abort"]),
        st.integers(0, 3),
        st.sampled_from(["started", "done", "failed", "undone"]),
        st.integers(0, 9),
    )
)


@given(ROWS)
def test_nothing_is_contracted_but_by_a_contract_that_is_done(rows: list[Done]) -> None:
    latest = {(one.part, one.number): one for one in rows}
    contract = latest.get(("contract", 0))

    assert (standing(FILLED, list(latest.values())) == "contracted") == (
        contract is not None and contract.done
    )


@given(ROWS)
def test_the_order_in_which_rows_are_read_says_nothing(rows: list[Done]) -> None:
    latest = list({(one.part, one.number): one for one in rows}.values())

    assert standing(FILLED, latest) == standing(FILLED, latest[::-1])
