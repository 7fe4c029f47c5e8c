"""From what was seen to what is said: the phase is the 2x2, and a need stands for one thing seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.cli.render.proof import as_object, as_text
from crossfade.migrations.locks import Blocked, Step, Work
from crossfade.migrations.verdict import NEEDS, Counterexample, Seen, Unproved, judge

QUIET = Seen(server="PostgreSQL 18.4")


def example(**changed: object) -> Counterexample:
    one = Counterexample(
        statement="SELECT city FROM customers WHERE email = $1",
        source="old.sql",
        values=("a@example.com",),
        before="1 row: (Paris)",
        after='error 42703: column "city" does not exist',
        kind="observed",
        wrong="error",
    )
    return replace(one, **changed)  # type: ignore[arg-type] # a test's own shorthand


def step(*work: Work) -> Step:
    return Step(
        line=3,
        statement="ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()",
        held={},
        taken={},
        work=work,
        lock_timeout=True,
        transaction=True,
    )


class TestPhase:
    def test_nothing_wrong_is_an_expand(self) -> None:
        said = judge(QUIET)

        assert (said.rollback_safe, said.phase, said.needs, said.exit_code) == (True, "expand", (), 0)

    def test_R38_old_fails_and_new_runs_before_is_a_contract(self) -> None:
        said = judge(replace(QUIET, old_wrong=(example(),)))

        assert (said.rollback_safe, said.phase, said.needs, said.exit_code) == (
            False,
            "contract",
            ("contract_gate",),
            4,
        )

    def test_R37_both_fail_is_unsafe(self) -> None:
        said = judge(replace(QUIET, old_wrong=(example(),), new_fails_before=(example(),)))

        assert (said.rollback_safe, said.phase, said.needs) == (False, "unsafe", ())

    def test_rows_alone_are_data(self) -> None:
        assert judge(replace(QUIET, wrote=True, schema_changed=False)).phase == "data"
        assert judge(replace(QUIET, wrote=True)).phase == "expand"

    def test_a_migration_that_fails_is_unsafe_and_says_only_why(self) -> None:
        said = judge(replace(QUIET, migration_fails="line 1: error 25001", refused_in_transaction=True))

        assert (said.phase, said.needs) == ("unsafe", ("migration_fails", "no_transaction"))

    def test_new_that_fails_before_does_not_matter_while_old_runs_after(self) -> None:
        assert judge(replace(QUIET, new_fails_before=(example(),))).phase == "expand"


class TestUndecided:
    UNPROVED = Unproved(statement="SELECT 1", source="new", why="no values were found")

    def test_what_was_not_executed_never_counts_as_proved(self) -> None:
        said = judge(replace(QUIET, unproved=(self.UNPROVED,)))

        assert (said.rollback_safe, said.phase, said.exit_code) == (None, None, 11)

    def test_a_counterexample_decides_all_the_same(self) -> None:
        said = judge(replace(QUIET, unproved=(self.UNPROVED,), old_wrong=(example(),)))

        assert (said.rollback_safe, said.exit_code) == (False, 4)

    def test_a_statement_of_the_new_version_leaves_the_old_one_decided(self) -> None:
        said = judge(replace(QUIET, unproved=(replace(self.UNPROVED, by_new=True),)))

        assert (said.rollback_safe, said.exit_code) == (True, 0)


class TestNeeds:
    @pytest.mark.parametrize(
        ("seen", "need"),
        [
            (replace(QUIET, lost=("column t.x",)), "data_loss"),
            (replace(QUIET, data_failure="error 23502"), "data_check"),
            (replace(QUIET, untimed=("ALTER TABLE",)), "lock_timeout"),
            (replace(QUIET, outside=True), "no_transaction"),
            (replace(QUIET, concurrent=True), "invalid_index_check"),
            (replace(QUIET, invalid_left=("i",)), "invalid_index_left"),
            (replace(QUIET, reconnect=True), "reconnect"),
            (replace(QUIET, types_changed=True), "type_changed"),
            (replace(QUIET, more_columns=True), "old_tolerates_new_columns"),
            (replace(QUIET, default_changed=True), "old_insert_default_changes"),
            (replace(QUIET, loosened=frozenset({"old_tolerates_null"})), "old_tolerates_null"),
            (replace(QUIET, new_fails_after=(example(),)), "new_version_fails"),
            (replace(QUIET, steps=(step(Work(table="t", kind="update")),), blocked=(Blocked(),)), "batch"),
        ],
    )
    def test_each_stands_for_one_thing_seen(self, seen: Seen, need: str) -> None:
        assert judge(seen).needs == (need,)

    def test_what_the_old_version_must_bear_is_not_asked_once_it_is_gone(self) -> None:
        seen = replace(
            QUIET, old_wrong=(example(),), types_changed=True, loosened=frozenset({"old_tolerates_null"})
        )

        assert judge(seen).needs == ("contract_gate",)

    def test_split_is_asked_where_apart_fewer_wait(self) -> None:
        both, writers = Blocked(reads=True, writes=True), Blocked(writes=True)
        seen = replace(QUIET, steps=(step(),), blocked=(both,))

        assert judge(replace(seen, apart=(writers,))).needs == ("split",)
        assert judge(replace(seen, apart=(both,))).needs == ()

    @given(
        st.builds(
            Seen,
            server=st.just("x"),
            migration_fails=st.sampled_from(["", "error"]),
            together_only=st.booleans(),
            refused_in_transaction=st.booleans(),
            outside=st.booleans(),
            schema_changed=st.booleans(),
            wrote=st.booleans(),
            lost=st.sampled_from([(), ("t",)]),
            old_wrong=st.sampled_from([(), (example(),)]),
            new_fails_before=st.sampled_from([(), (example(),)]),
            reconnect=st.booleans(),
            unproved=st.sampled_from([(), (TestUndecided.UNPROVED,)]),
        )
    )
    def test_a_verdict_is_always_whole(self, seen: Seen) -> None:
        said = judge(seen)

        assert set(said.needs) <= set(NEEDS)
        assert (said.rollback_safe is None) == (said.phase is None)
        assert said.rollback_safe is not True or (said.exit_code != 11 and not said.counterexamples)
        assert said.exit_code == 0 or said.rollback_safe is not True or said.needs
        assert as_object(said)["rollback_safe"] is said.rollback_safe
        assert as_text(said)


class TestText:
    def test_a_blocked_migration_says_what_fails_with_which_values(self) -> None:
        said = judge(
            replace(QUIET, old_wrong=(example(),), lost=("column customers.city",), proved=7), seconds=0.42
        )

        assert (
            as_text(said)
            == """\
BLOCKED  contract: the old version fails after it, the new one runs before it

Fails after the migration
  SELECT city FROM customers WHERE email = $1
    with    $1 = 'a@example.com'
    before  1 row: (Paris)
    after   error 42703: column "city" does not exist
    observed: it fails whatever the values are

Needs
  contract_gate              Release the new version first; run this when nobody can go back to the old one.
                             (error 42703: column "city" does not exist)
  data_loss                  What it removes is gone for good: keep a copy, or leave it for later.
                             (column customers.city)

7 statements fare the same; PostgreSQL 18.4, 0.4 s"""
        )

    def test_one_that_blocks_says_whom_and_what_to_do_instead(self) -> None:
        rewrite = step(Work(table="orders", kind="rewrite"))
        found = Blocked(reads=True, writes=True, tables=("orders",), why="rewrite of orders")

        assert (
            as_text(judge(replace(QUIET, steps=(rewrite,), blocked=(found,), proved=8), seconds=0.3))
            == """\
BLOCKED  expand: the old version runs on after it
         readers and writers are kept waiting, the longer the more rows there are

Keeps others waiting
  line 3: ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()
    readers and writers of orders wait for the rewrite of orders
    instead: add a new column beside it, write both, fill it in batches, switch, drop the old one later

8 statements fare the same; PostgreSQL 18.4, 0.3 s"""
        )


def test_the_headline_says_why_it_is_blocked_where_of_the_old_version_nobody_knows() -> None:
    seen = replace(QUIET, unproved=(TestUndecided.UNPROVED,), new_fails_after=(example(),))

    assert as_text(judge(seen)).startswith("BLOCKED  the new version fails after it;")
