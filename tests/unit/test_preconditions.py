"""Which versions may come back, what is kept of them, and what follows: all of it pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from heart_run import a_run
from hypothesis import given
from hypothesis import strategies as st

from crossfade.engine.drawer import FolderDrawer
from crossfade.errors import RefusedError
from crossfade.migrations.fits import Fit
from crossfade.migrations.record.log import Heard
from crossfade.migrations.shape import Sent, Shape
from crossfade.migrations.verdict import Unproved
from crossfade.preconditions.heard import script_of_heard, written_out
from crossfade.preconditions.reach import Past, reachable
from crossfade.preconditions.records import Part, Proved, Records, Version
from crossfade.preconditions.say import footing, on_the_schema, since
from crossfade.release.plan import Footing
from crossfade.release.policy import Objection, Record, Waivers, objections
from crossfade.release.values import Verb
from crossfade.release.way_back import Can, by_hand, way_back
from crossfade.spec.database_models import RollbackWindow

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOW = RollbackWindow(releases=2, hold_for=14 * DAY)
EXPAND = Part(change="0042_full_name", part="expand", sha256="a" * 64)
CONTRACT = replace(EXPAND, part="contract", sha256="b" * 64)
V41 = Version(revision="v41", shape="d1", statements=309)
SAFE = Proved(change="0042_full_name", part="expand", sha256="a" * 64, shape="d1", revision="v41", safe=True,
              phase="expand", statements=309, executed=309)  # fmt: skip


def history(*days_ago: int) -> list[Past]:
    """v1, v2, … each replacing the one before so many days ago; newest first."""
    made = [
        Past(stable=f"v{at}" if at else None, candidate=f"v{at + 1}", succeeded=True, ended=NOON - ago * DAY)
        for at, ago in enumerate(days_ago)
    ]
    return made[::-1]


def names(past: Sequence[Past], now: datetime = NOON) -> list[str]:
    return [one.revision for one in reachable(past, WINDOW, now)]


class TestReach:
    def test_what_serves_and_what_was_replaced_within_the_window(self) -> None:
        assert names(history(40, 20, 10, 1)) == ["v4", "v3", "v2"]

    def test_no_more_of_them_than_the_window_says(self) -> None:
        assert names(history(5, 4, 3, 2, 1)) == ["v5", "v4", "v3"]

    def test_what_is_being_released_needs_the_schema_as_what_serves_does(self) -> None:
        active = Past(stable="v2", candidate="v3", succeeded=False, ended=None)
        assert names([active, *history(30, 1)]) == ["v2", "v3", "v1"]

    def test_what_was_rolled_back_never_served(self) -> None:
        back = Past(stable="v2", candidate="v3", succeeded=False, ended=NOON)
        assert names([back, *history(30, 1)]) == ["v2", "v1"]

    def test_a_version_that_serves_again_has_no_end(self) -> None:
        again = Past(stable="v2", candidate="v1", succeeded=True, ended=NOON - DAY)
        found = reachable([again, *history(30, 5)], WINDOW, NOON)
        assert [(one.revision, one.until is None) for one in found] == [("v1", True), ("v2", False)]

    @given(st.lists(st.integers(1, 60), min_size=1, max_size=8).map(lambda days: sorted(days, reverse=True)),
           st.integers(0, 40))  # fmt: skip
    def test_R38_with_time_only_fewer_may_come_back_and_each_leaves_at_its_date(
        self, days: list[int], later: int
    ) -> None:
        past, then = history(*days), NOON + later * DAY
        before, after = reachable(past, WINDOW, NOON), reachable(past, WINDOW, then)
        assert {one.revision for one in after} <= {one.revision for one in before}
        staying = {one.revision for one in before if one.until is None or one.until > then}
        assert {one.revision for one in after} == staying


class TestFooting:
    def said(self, done: Sequence[Part], *proofs: Proved, version: Version | None = V41) -> Footing:
        kept = {(one.part, one.sha256, one.shape): one for one in proofs}
        return footing("v41", version, done, lambda part, shape: kept.get((part.part, part.sha256, shape)))

    def test_R45_a_yes_names_its_proof(self) -> None:
        assert self.said([EXPAND], SAFE) == Footing(
            holds=True, why="migration 0042_full_name proved against 309 of v41's statements"
        )

    def test_nothing_ran_since(self) -> None:
        met = replace(V41, ran=(("0042_full_name", "expand"),))
        assert since(met, [EXPAND, CONTRACT]) == (CONTRACT,)
        assert self.said([EXPAND], version=met).holds is True

    def test_R45_without_a_proof_nobody_knows(self) -> None:
        assert self.said([EXPAND, CONTRACT], SAFE).holds is None
        assert self.said([EXPAND], replace(SAFE, sha256="c" * 64)).holds is None
        assert self.said([EXPAND], replace(SAFE, shape="d2")).holds is None
        assert self.said([], version=None) == Footing(
            holds=None, why="nobody recorded what v41 sends to the database"
        )

    def test_R45_one_no_is_a_no_whatever_else_is_known(self) -> None:
        no = replace(SAFE, part="contract", sha256="b" * 64, safe=False, failing="SELECT name (42703)")
        found = self.said([EXPAND, CONTRACT], no)
        assert found == Footing(
            holds=False, why="after contract of 0042_full_name v41 fails: SELECT name (42703)"
        )

    def test_what_could_not_be_executed_is_no_yes(self) -> None:
        found = self.said(
            [EXPAND], replace(SAFE, safe=None, undecided="3 of its statements could not be executed")
        )
        assert (found.holds, "3 of its statements" in found.why) == (None, True)


class TestWayBack:
    def line(self, ground: Footing | None) -> str:
        run = a_run().at("10 %")
        return way_back(run.plan, run.state, run.world.observe(run.state), footing=ground).line()

    def test_R45_the_database_has_its_say_in_the_one_line(self) -> None:
        yes = self.line(Footing(holds=True, why="migration 0042 proved against 309 of v41's statements"))
        assert yes.startswith("can go back: yes")
        assert yes.endswith("migration 0042 proved against 309 of v41's statements)")
        no = self.line(Footing(holds=False, why="after 0042 v41 fails: SELECT name"))
        assert no == "can go back: no, because after 0042 v41 fails: SELECT name"
        assert self.line(Footing(holds=None, why="not asked")) == "can go back: unknown, because not asked"

    def test_what_is_on_its_way_back_is_not_asked(self) -> None:
        run = a_run().at("10 %")
        run.say(Verb.ABORT)
        run.at("rolling back")
        truth = run.world.observe(run.state)
        said = way_back(run.plan, run.state, truth, footing=Footing(holds=False, why="no"))
        assert said.can is not Can.NO

    def test_by_hand(self) -> None:
        assert by_hand("v41", Footing(holds=True, why="proved")).line() == (
            "can go back: yes, to v41, in minutes (v41 would be released again; proved)"
        )
        assert by_hand("v41", Footing(holds=False, why="it fails")).can is Can.NO
        assert by_hand("v41", Footing(holds=None, why="who knows")).can is Can.UNKNOWN


class TestOpening:
    FOUND = Objection(id="CF9306", what="there would be no way back", why="it fails", fix="mend it")

    def asked(self, waivers: Waivers) -> list[str]:
        run = a_run()
        truth, past, told = run.world.observe(run.state), Record(endings={}), (self.FOUND,)
        found = objections(run.plan, truth, {}, past, waivers, no_gates="none", preconditions=told)
        return [one.id for one in found if one.id.startswith("CF93")]

    def test_R37_the_database_objects_and_a_person_s_word_with_a_reason_is_heard(self) -> None:
        assert self.asked(Waivers()) == ["CF9306"]
        assert self.asked(Waivers(despite=("migrations",))) == ["CF9306"]
        assert self.asked(Waivers(despite=("errors",), reason="because")) == ["CF9306"]
        assert self.asked(Waivers(despite=("migrations",), reason="because")) == []


class TestRecords:
    SHAPE = Shape(statements=(Sent(text="SELECT 1"),), source="tests", service="shop", revision="v41")

    def test_what_is_kept_is_found_again_under_any_name_of_a_revision(self, tmp_path: Path) -> None:
        records = Records(FolderDrawer(tmp_path), "shop")
        for name in ("v41", "../../etc/passwd", "ünïcode + blank/slash"):
            version = replace(V41, revision=name, shape=self.SHAPE.digest, ran=(("0042", "expand"),))
            records.keep_version(version, self.SHAPE)
            assert records.version(name) == version
        assert records.shape(self.SHAPE.digest) == self.SHAPE
        assert records.version("v40") is None
        assert {one.parent.name for one in tmp_path.rglob("*.json")} == {"versions", "shapes"}

    def test_a_proof_is_of_one_text_and_one_shape(self, tmp_path: Path) -> None:
        records = Records(FolderDrawer(tmp_path), "shop")
        records.keep_proof(SAFE)
        assert records.proved(EXPAND, "d1") == SAFE
        assert records.proved(EXPAND, "d2") is None
        assert records.proved(CONTRACT, "d1") is None

    def test_what_was_damaged_is_said(self, tmp_path: Path) -> None:
        records = Records(FolderDrawer(tmp_path), "shop")
        records.keep_version(replace(V41, shape=self.SHAPE.digest), self.SHAPE)
        (file,) = (tmp_path / "kept" / "database" / "shop" / "versions").iterdir()
        file.write_text("{")
        with pytest.raises(RefusedError) as refused:
            records.version("v41")
        assert refused.value.id == "CF9300"


class TestHeardCommands:
    def said(self, *texts: str) -> list[tuple[list[str], bool]]:
        script = script_of_heard(texts)
        return [([one.text for one in unit.statements], unit.transaction) for unit in script.units]

    def test_transactions_are_kept_and_what_only_looks_is_left_out(self) -> None:
        timed, adds, index = (
            "SET LOCAL lock_timeout = '1s'",
            "ALTER TABLE t ADD a int",
            "CREATE INDEX i ON t (a)",
        )
        told = ("SELECT 1", "BEGIN", timed, adds, "COMMIT", index)
        assert self.said(*told) == [([timed, adds], True), ([index], False)]

    def test_a_savepoint_ends_no_transaction_and_what_was_rolled_back_never_was(self) -> None:
        told = ("BEGIN", "ALTER TABLE t ADD a int", "SAVEPOINT s", "ROLLBACK TO SAVEPOINT s", "COMMIT")
        assert self.said(*told) == [(["ALTER TABLE t ADD a int"], True)]
        assert self.said("BEGIN", "DROP TABLE t", "ROLLBACK") == []

    def test_a_with_that_writes_is_a_part(self) -> None:
        writes = "WITH gone AS (DELETE FROM t RETURNING a) SELECT a FROM gone"
        assert self.said("WITH a AS (SELECT 1) SELECT * FROM a", writes) == [([writes], False)]

    def test_values_are_written_out(self) -> None:
        one = Heard(
            session="1", database="d", text="INSERT INTO t VALUES ($2, $1, '$1')", values=("it's", None)
        )
        assert written_out(one) == "INSERT INTO t VALUES (NULL, 'it''s', '$1')"


class TestOnTheSchema:
    def test_R45_what_could_not_be_executed_is_said_with_its_reason(self) -> None:
        why = "not executed on the schema it was written for: error 22P02: no number"
        one = Unproved(statement="SELECT\n  $1::int", source="v41", why=why)
        proved = Footing(holds=True, why="proved")

        found = on_the_schema("v41", proved, Fit(failing=(), ran=4, not_run=(one,)))

        assert found == Footing(
            holds=True,
            why="proved; 4 of its 5 statements ran on the schema as it is, 1 could not be executed, "
            f"as SELECT $1::int ({why})",
        )

    def test_R45_all_that_ran_is_all_of_them(self) -> None:
        found = on_the_schema("v41", Footing(holds=True, why="proved"), Fit(failing=(), ran=5, not_run=()))

        assert found.why == "proved; all of them ran on the schema as it is"
