"""How a statement treats others, what it leaves outside a transaction, and what is said of it: all pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.errors import AccessError, PlatformError, RefusedError
from crossfade.migrations.answers import Failure
from crossfade.migrations.catalog import Relation
from crossfade.migrations.locks import Blocked, Step, Work
from crossfade.migrations.running.blockers import Blocker, Wanted, without_literals
from crossfade.migrations.running.commands import hider
from crossfade.migrations.running.failures import failed
from crossfade.migrations.running.guess import guesses
from crossfade.migrations.running.ledger import Chapter, Done, State
from crossfade.migrations.running.manner import SHORTEST, Limits, Manner, manner_of, patience
from crossfade.migrations.running.outlook import outlook
from crossfade.migrations.running.outside import Effect, effect_of, runs_outside
from crossfade.migrations.script import read_statements
from crossfade.spec.change_models import Backfill, SchemaChange, SqlPart

TABLE: Final = Relation(
    oid=1, schema="public", name="t", kind="r", node=1, tablespace=0, is_partition=False, parent=0,
    bound=None, partition_columns=(),
)  # fmt: skip
EXCLUSIVE: Final = frozenset({"AccessExclusiveLock"})
SHARED: Final = frozenset({"ShareUpdateExclusiveLock"})
NOON: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)


def step(modes: frozenset[str], *work: Work, transaction: bool = True) -> Step:
    return Step(
        line=1, statement="", held={1: modes}, taken={1: modes}, work=work, lock_timeout=False,
        transaction=transaction,
    )  # fmt: skip


class TestManner:
    @pytest.mark.parametrize(
        ("seen", "waiting", "expected"),
        [
            (step(EXCLUSIVE), Blocked(), "brief"),
            (step(EXCLUSIVE, Work(table="t", kind="rewrite")), Blocked(reads=True, writes=True), "blocking"),
            (step(SHARED, Work(table="t", kind="scan")), Blocked(), "online"),
            (step(SHARED, Work(table="t", kind="index build"), transaction=False), Blocked(), "online"),
            (step(SHARED, transaction=False), Blocked(), "online"),
            (step(SHARED, Work(table="t", kind="update", rows_locked=True)), Blocked(writes=True), "rows"),
            (step(frozenset(), Work(table="t", kind="insert")), Blocked(), "rows"),
        ],
    )
    def test_a_watched_statement_has_the_manner_of_its_locks_and_work(
        self, seen: Step, waiting: Blocked, expected: Manner
    ) -> None:
        assert manner_of(seen, waiting, {1: TABLE}, {}).manner == expected

    @pytest.mark.parametrize(
        ("sql", "expected"),
        [
            ("ALTER TABLE t ADD COLUMN n int", "brief"),
            ("ALTER TABLE t ADD COLUMN n int DEFAULT 0 NOT NULL", "brief"),
            ("ALTER TABLE t DROP COLUMN n", "brief"),
            ("ALTER TABLE t ADD CHECK (n > 0) NOT VALID", "brief"),
            ("ALTER TABLE t ADD CHECK (n > 0)", "blocking"),
            ("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (n) REFERENCES o", "blocking"),
            ("ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX i", "brief"),
            ("ALTER TABLE t ALTER n TYPE bigint", "blocking"),
            ("ALTER TABLE t ALTER n SET NOT NULL", "blocking"),
            ("ALTER TABLE t VALIDATE CONSTRAINT c", "online"),
            ("ALTER TABLE t ADD COLUMN id bigserial", "blocking"),
            ("CREATE INDEX i ON t (n)", "blocking"),
            ("CREATE UNIQUE INDEX i ON t (n)", "blocking"),
            ("CREATE INDEX CONCURRENTLY i ON t (n)", "online"),
            ("DROP INDEX CONCURRENTLY i", "online"),
            ("CREATE TABLE o (id int PRIMARY KEY REFERENCES t)", "brief"),
            ("CREATE TABLE o (id int); CREATE INDEX i ON o (id)", "brief"),
            ("VACUUM t", "online"),
            ("VACUUM FULL t", "blocking"),
            ("REINDEX TABLE t", "blocking"),
            ("CLUSTER t", "blocking"),
            ("UPDATE t SET n = 1", "rows"),
            ("UPDATE t SET n = 1 WHERE id = 7", "brief"),
            ("DELETE FROM t", "rows"),
            ("INSERT INTO t SELECT * FROM o", "rows"),
            ("INSERT INTO t VALUES (1)", "brief"),
            ("COMMENT ON TABLE t IS 'SET NOT NULL'", "brief"),
        ],
    )
    def test_by_its_words_a_statement_has_the_manner_that_is_known_of_them(
        self, sql: str, expected: Manner
    ) -> None:
        assert guesses(read_statements(sql, "m"))[-1].manner == expected

    @given(st.integers(0, 10_000), st.sampled_from(["brief", "online", "blocking", "rows"]))
    def test_R39_no_wait_for_a_strong_lock_is_longer_than_the_limit_nor_endless(
        self, waited: int, manner: Manner
    ) -> None:
        limits = Limits()
        patient = patience(manner, limits, timedelta(milliseconds=waited))

        assert patient.lock >= SHORTEST
        assert patient.statement > timedelta()
        if manner != "online":
            assert patient.lock <= max(limits.lock - timedelta(milliseconds=waited), SHORTEST)


class TestOutside:
    @pytest.mark.parametrize(
        ("sql", "expected"),
        [
            ("CREATE INDEX CONCURRENTLY i ON t (n)", Effect(sort="build", of="t", index="i")),
            (
                'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I x" ON ONLY "S".t USING btree (n)',
                Effect(sort="build", of='"S".t', index="I x", if_not_exists=True),
            ),
            ("CREATE INDEX CONCURRENTLY ON t (n)", None),
            ("DROP INDEX CONCURRENTLY IF EXISTS s.i", Effect(sort="drop", of="s.i")),
            ("DROP INDEX CONCURRENTLY i CASCADE", Effect(sort="drop", of="i")),
            ("DROP INDEX CONCURRENTLY i, j", None),
            ("REINDEX INDEX CONCURRENTLY s.i", Effect(sort="rebuild", of="s.i")),
            ("REINDEX (VERBOSE) TABLE CONCURRENTLY t", Effect(sort="rebuild", of="t")),
            ("ALTER TABLE m DETACH PARTITION s.m1 CONCURRENTLY", Effect(sort="detach", of="s.m1")),
            ("VACUUM t", Effect(sort="again")),
            ("ALTER SYSTEM SET x = 1", Effect(sort="again")),
            ("CREATE DATABASE d", None),
            ("CALL p()", None),
        ],
    )
    def test_its_effect_can_be_looked_up_or_it_is_refused(self, sql: str, expected: Effect | None) -> None:
        (statement,) = read_statements(sql, "m")

        assert effect_of(statement) == expected

    @pytest.mark.parametrize(
        ("sql", "expected"),
        [
            ("CREATE INDEX CONCURRENTLY i ON t (n)", True),
            ("REINDEX TABLE CONCURRENTLY t", True),
            ("VACUUM t", True),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", False),
            ("CREATE INDEX i ON t (n)", False),
            ("COMMENT ON TABLE t IS 'concurrently'", False),
        ],
    )
    def test_what_no_transaction_may_hold_is_known(self, sql: str, expected: bool) -> None:
        (statement,) = read_statements(sql, "m")

        assert runs_outside(statement) == expected


class TestWords:
    @pytest.mark.parametrize(
        ("sql", "expected"),
        [
            ("SELECT name FROM t WHERE id = 7", "SELECT name FROM t WHERE id = …"),
            ("select 'secret' -- 'more'", "select …"),
            ("CREATE ROLE r PASSWORD $$x$$", "CREATE ROLE r PASSWORD …"),
            ("SELECT 'never closed", "SELECT …"),
            ("", ""),
        ],
    )
    def test_a_query_is_shown_without_its_literals(self, sql: str, expected: str) -> None:
        assert without_literals(sql) == expected

    @given(st.text("'\"$abc-/* \n", max_size=60), st.integers(10, 60))
    def test_any_text_is_shown_and_shortly(self, sql: str, longest: int) -> None:
        assert len(without_literals(sql, longest)) <= longest + 2

    @given(st.from_regex(r"[a-z]{8,12}", fullmatch=True))
    def test_no_string_of_a_query_is_ever_shown(self, secret: str) -> None:
        assert secret not in without_literals(f"SELECT * FROM t WHERE a = '{secret}' AND b = $x${secret}$x$")

    def test_a_blocker_is_named_by_all_that_helps_to_find_it(self) -> None:
        blocker = Blocker(
            pid=7, application="report", user="app", state="idle in transaction",
            age=timedelta(seconds=75), query="SELECT …",
        )  # fmt: skip

        assert (
            str(blocker) == "pid 7 (report of app), its transaction 75 s old, idle in transaction: SELECT …"
        )
        assert "pg_prepared_xacts" in str(Blocker(pid=0))

    def test_two_modes_conflict_either_way(self) -> None:
        modes = Wanted(relation=1, mode="AccessExclusiveLock").conflicts

        assert len(modes) == 8
        for one in modes:
            for other in modes:
                mine, theirs = (Wanted(relation=1, mode=mode).conflicts for mode in (one, other))
                assert (other in mine) == (one in theirs)

    @pytest.mark.parametrize("dsn", ["postgresql://u:p%40ss@h/d", "host=h password=p@ss dbname=d"])
    def test_a_password_is_hidden_however_it_is_written(self, dsn: str) -> None:
        hide = hider(dsn)

        assert hide(f"connecting to {dsn} with p@ss or p%40ss") == "connecting to *** with *** or ***"

    @pytest.mark.parametrize(
        ("state", "kind"),
        [
            ("42501", AccessError),
            ("53100", PlatformError),
            ("57P01", PlatformError),
            ("08006", PlatformError),
            ("57014", PlatformError),
            ("23514", RefusedError),
            ("42P01", RefusedError),
            ("25001", RefusedError),
        ],
    )
    def test_an_error_is_told_by_its_state(self, state: str, kind: type[Exception]) -> None:
        (statement,) = read_statements("SELECT 'secret'", "m")
        said = Failure(sqlstate=state, message="no", detail="Key (email)=(a@b) is there")
        error = failed("a", "expand", statement, said, "database d, as u")

        assert type(error) is kind
        assert "a@b" not in "".join(error.lines())
        assert "secret" not in "".join(error.lines())


def row(part: Chapter, text: SqlPart | None, number: int = 0, state: State = "done") -> Done:
    return Done(
        change="a", part=part, number=number, sha256=text.sha256 if text else "", text="", state=state,
        started=NOON, finished=NOON,
    )  # fmt: skip


class TestOutlook:
    PART = SqlPart(file=Path("a.sql"), text="SELECT 1")
    CHANGE = SchemaChange(name="a", expand=PART)
    FILLED = replace(
        CHANGE, contract=PART, backfill=Backfill(table="t", set=(("n", "0"),), key=()), invariant="n = 0",
        abort=PART,
    )  # fmt: skip

    @pytest.mark.parametrize(
        ("change", "rows", "state", "next_", "way_back"),
        [
            (CHANGE, [], "planned", "expand a", "nothing to take back"),
            (CHANGE, [row("expand", PART)], "expanded", "", "no a.abort.sql: what it added would remain"),
            (FILLED, [row("expand", PART)], "expanded", "backfill a", "abort a"),
            (FILLED, [row("expand", PART), row("backfill", None)], "backfilled", "verify a", "abort a"),
            (
                FILLED,
                [row("expand", PART), row("backfill", None), row("verify", None)],
                "verified",
                "release, then contract a",
                "abort a",
            ),
            (
                FILLED,
                [row("expand", PART), row("contract", PART)],
                "contracted",
                "",
                "none: what the contract took away is gone",
            ),
        ],
    )
    def test_R45_a_change_says_what_is_next_and_whether_there_is_a_way_back(
        self, change: SchemaChange, rows: list[Done], state: str, next_: str, way_back: str
    ) -> None:
        (one,) = outlook([change], rows)

        assert (one.state, one.next, one.way_back, one.drift) == (state, next_, way_back, "")

    def test_a_file_that_is_not_what_ran_is_told(self) -> None:
        other = SqlPart(file=Path("a.sql"), text="SELECT 2")
        (whole,) = outlook([self.CHANGE], [row("expand", other)])
        (half,) = outlook([self.CHANGE], [row("expand", None, 0, "started"), row("expand", other, 1)])

        assert "not what ran" in whole.drift
        assert "statement 1 of expand" in half.drift
