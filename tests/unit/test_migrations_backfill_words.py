"""What a person reads while a backfill runs, whole; and the same for programs."""

from __future__ import annotations

import json

from crossfade.cli.render.backfill import (
    as_lines,
    as_object,
    outcome_lines,
    outcome_object,
    verified_lines,
    verified_object,
)
from crossfade.migrations.backfill import Outcome, Verified
from crossfade.migrations.backfill.cursor import Cursor
from crossfade.migrations.backfill.telling import (
    Began,
    Moved,
    Passed,
    Told,
    TriedAgain,
    Waiting,
    WentOn,
    at_least,
)

TOLD: tuple[Told, ...] = (
    Began(
        change="0042_full_name", table="customers", key=("shop", "id"), rows=1_000_000, seen=412_000, turn=2,
        again=True, fires=("audited",),
    ),
    Moved(
        seen=420_000, rows=1_000_000, changed=419_000, skipped=0, batch=3600, took_s=0.2014, rate=18_300.4,
        turn=2,
    ),
    Moved(seen=5, rows=0, changed=5, skipped=0, batch=5, took_s=0.001, rate=0),
    Moved(seen=5000, rows=None, changed=5, skipped=0, batch=500, took_s=0.1, rate=1000),
    Waiting(why="replica r1 is 7.2 s behind, more than 5 s", for_s=0.0),
    Waiting(why="replica r1 is 9.9 s behind, more than 5 s", for_s=30.4),
    WentOn(waited_s=42.4),
    TriedAgain(why="a lock did not come in time", tries=2),
    Passed(turn=2, seen=1_000_000, changed=990_000, skipped=2),
)  # fmt: skip
SCREEN = """\
0042_full_name: customers by (shop, id), about 1,000,000 rows
  goes on after 412,000 rows of pass 2
  each row that is filled fires your trigger audited
  420,000 of 1,000,000 (42 %), 18,300 rows/s, 32 s left, batch of 3,600 in 201 ms
  5 of 0, 0 rows/s, batch of 5 in 1 ms
  5,000 rows, 1,000 rows/s, batch of 500 in 100 ms
  waits: replica r1 is 7.2 s behind, more than 5 s
  waits: replica r1 is 9.9 s behind, more than 5 s (for 30 s now)
  goes on after 42 s
  again, smaller: a lock did not come in time
  pass 2: 1,000,000 rows looked at, 990,000 changed, 2 held by others"""


def test_every_event_has_its_lines() -> None:
    assert "\n".join(line for one in TOLD for line in as_lines(one)) == SCREEN


def test_every_event_is_an_object_with_its_change() -> None:
    told = [json.loads(json.dumps(as_object("0042_full_name", one))) for one in TOLD]

    assert [one["event"] for one in told] == [
        "began", "moved", "moved", "moved", "waiting", "waiting", "went_on", "tried_again", "passed",
    ]  # fmt: skip
    assert {one["change"] for one in told} == {"0042_full_name"}
    assert (told[1]["share"], told[2]["left_s"]) == (0.42, None)


def outcome(state: str) -> Outcome:
    cursor = Cursor(digest="", changed_in_all=990_000, turn=3)
    return Outcome(state=state, changed=12_000, cursor=cursor, seconds=75.2)


def test_an_end_says_what_to_type_next() -> None:
    done, stopped, unsettled = (
        outcome_lines("x", outcome(state), verify_next=True) for state in ("done", "stopped", "unsettled")
    )

    assert done == ("x: done, 12,000 rows changed in 1 min 15 s", "next  crossfade migrate verify x")
    assert stopped[1] == "next  crossfade migrate backfill x"
    assert "the old version goes on writing" in unsettled[0]
    assert outcome_lines("x", outcome("done"), verify_next=False) == done[:1]


def test_the_last_object_has_the_figures() -> None:
    told = outcome_object("x", outcome("unsettled"))

    assert (told["event"], told["changed"], told["changed_in_all"], told["passes"]) == (
        "unsettled", 12_000, 990_000, 3,
    )  # fmt: skip


def test_a_verification_says_the_count_and_the_keys() -> None:
    found = Verified(
        offending=1200, seen=1_000_000, sample=(("7", "1"),), keys=("shop", "id"), find="SELECT\n  1"
    )

    assert verified_lines("x", found) == (
        "x: 1,200 of 1,000,000 rows offend",
        "  (shop, id) = (7, 1)",
        "find  SELECT 1",
    )
    assert verified_object("x", found)["event"] == "offending"


def test_a_verification_that_was_stopped_is_none() -> None:
    found = Verified(offending=0, seen=500, stopped=True)

    assert verified_lines("x", found) == ("x: stopped after 500 rows; nothing is verified",)
    assert (found.holds, verified_object("x", found)["event"]) == (False, "stopped")


def test_a_query_of_its_own_has_no_count_of_rows() -> None:
    assert verified_lines("x", Verified(offending=0, seen=None, seconds=0.25)) == (
        "x: verified, 0 rows offend, in 0.2 s",
    )


def test_a_table_that_nothing_has_counted_is_not_said_to_be_empty() -> None:
    began = Began(change="x", table="customers", key=("id",), rows=None)
    assert as_lines(began) == ("x: customers by (id), rows not yet counted",)
    assert at_least(None, 5000) is None
    assert at_least(100, 5000) == 5000
