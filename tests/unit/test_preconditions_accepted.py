"""A counterexample with values that nobody was seen sending: named, and accepted by a person or nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.engine.drawer import FolderDrawer
from crossfade.migrations.beyond import Values, beyond
from crossfade.preconditions.accepting import Possible, possible_of, weigh
from crossfade.preconditions.records import Part, Proved, Records, Version
from crossfade.preconditions.say import footing
from crossfade.spec.change_models import Accept
from crossfade.spec.changes import read_changes
from crossfade.spec.findings import SpecError

PART = Part(change="0042_name", part="contract", sha256="a" * 64)
FOUND = Possible(
    statement="5d0f3c1e5d0f3c1e", counterexample="9c0e9c0e9c0e9c0e",
    said="INSERT INTO customers (name) VALUES ($1)", beyond=("$1 = NULL",),
)  # fmt: skip
NO = Proved(
    change=PART.change, part=PART.part, sha256=PART.sha256, shape="d1", revision="v41", safe=False,
    phase="contract", statements=2, executed=1, failing="INSERT (23502)", possible=(FOUND,),
)  # fmt: skip
ANA = Accept(
    statement=FOUND.statement, counterexample=FOUND.counterexample, who="ana", reason="the form asks for it"
)
VALUE = st.one_of(st.none(), st.text(max_size=5), st.integers(-99, 99).map(str))
SAMPLES = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.tuples(*[VALUE] * width), min_size=1, max_size=8)
)


class TestBeyond:
    @pytest.mark.parametrize(
        ("samples", "values", "said"),
        [
            ([("Ada",)], (None,), ("$1 = NULL",)),
            ([("Ada",), (None,)], (None,), ()),
            ([("Ada",)], ("",), ("$1 is empty",)),
            ([("Ada",)], ("Grace",), ("$1 is longer than any recorded (5 characters, not 3)",)),
            ([("Grace",)], ("Ada",), ()),
            ([("7", "x"), ("9", "y")], ("8", None), ("$2 = NULL",)),
            ([("7",), ("9",)], ("10",), ("$1 is above any recorded (10)",)),
            ([("7",), ("9",)], ("-1",), ("$1 is below any recorded (-1)",)),
            ([("7",), ("9",)], ("NaN",), ("$1 is longer than any recorded (3 characters, not 1)",)),
            ([(None,)], ("Ada",), ("$1 is not NULL",)),
            ([], (None,), ()),
        ],
    )
    def test_R45_what_was_never_recorded_is_named(
        self, samples: Sequence[Values], values: Values, said: tuple[str, ...]
    ) -> None:
        assert beyond(samples, [values]) == said

    @given(SAMPLES)
    def test_R45_what_was_recorded_is_never_beyond(self, samples: list[Values]) -> None:
        assert all(beyond(samples, [one]) == () for one in samples)

    @given(SAMPLES, st.data())
    def test_a_number_between_two_recorded_ones_is_not_beyond(
        self, samples: list[Values], data: st.DataObject
    ) -> None:
        low, high = sorted((data.draw(st.integers(-99, 99)), data.draw(st.integers(-99, 99))))
        between = str(data.draw(st.integers(low, high)))
        assert beyond([(str(low),), (str(high),)], [(between,)]) == ()
        assert Decimal(low) <= Decimal(between) <= Decimal(high)


class TestWeighed:
    def test_R38_nobody_s_word_is_no_word(self) -> None:
        found = weigh(NO, ())
        assert found.holds is None
        assert found.why == (
            "INSERT INTO customers (name) VALUES ($1) where $1 = NULL, which nobody was seen sending "
            '(possible, statement: "5d0f3c1e5d0f3c1e", counterexample: "9c0e9c0e9c0e9c0e")'
        )

    def test_R45_an_accepted_one_is_a_yes_that_names_who_and_why(self) -> None:
        found = weigh(NO, (ANA,))
        assert found.holds is True
        assert found.why == "1 possible counterexample accepted by ana (the form asks for it)"

    def test_R38_a_word_on_another_proof_is_void_and_said_to_be(self) -> None:
        found = weigh(NO, (replace(ANA, counterexample="0" * 16),))
        assert found.holds is None
        assert "what ana accepted was of another proof and is void" in found.why

    def test_R38_what_was_seen_is_accepted_by_nobody(self) -> None:
        seen = replace(NO, possible=())
        assert weigh(seen, (ANA,)).holds is False
        assert weigh(seen, (ANA,)).why == "INSERT (23502)"

    def test_R38_one_of_two_is_not_enough(self) -> None:
        other = replace(FOUND, counterexample="1" * 16, said="UPDATE t SET a = $1")
        found = weigh(replace(NO, possible=(FOUND, other)), (ANA,))
        assert found.holds is None
        assert "UPDATE t" in found.why
        assert "INSERT" not in found.why

    def test_R37_an_undecided_statement_beside_it_is_not_accepted_away(self) -> None:
        found = weigh(replace(NO, undecided="1 of its statements could not be executed"), (ANA,))
        assert (found.holds, "could not be executed" in found.why) == (None, True)

    def test_R45_the_line_says_it(self) -> None:
        version = Version(revision="v41", shape="d1", statements=2)
        said = footing("v41", version, [PART], lambda *_: NO, lambda _: (ANA,))
        assert said.holds is True
        assert said.why == (
            "migration 0042_name proved against 2 of v41's statements, "
            "1 possible counterexample accepted by ana (the form asks for it)"
        )
        without = footing("v41", version, [PART], lambda *_: NO)
        assert without.holds is None
        assert without.why.startswith("after contract of 0042_name v41 may fail: INSERT")

    def test_it_is_void_when_migration_statements_or_value_change(self) -> None:
        text, null = "INSERT INTO t VALUES ($1)", ("$1 = NULL",)
        made = possible_of(PART, "d1", text, null, "error")
        others = [
            possible_of(replace(PART, sha256="b" * 64), "d1", text, null, "error"),
            possible_of(PART, "d2", text, null, "error"),
            possible_of(PART, "d1", "INSERT INTO t VALUES ($2)", null, "error"),
            possible_of(PART, "d1", text, ("$1 is empty",), "error"),
        ]
        assert made.counterexample not in {one.counterexample for one in others}
        again = possible_of(PART, "d1", "INSERT  INTO t\nVALUES ($1)", ("$1 = NULL",), "error")
        assert (again.statement, again.counterexample) == (made.statement, made.counterexample)

    def test_it_is_kept_with_the_proof(self, tmp_path: Path) -> None:
        records = Records(FolderDrawer(tmp_path), "shop")
        records.keep_proof(NO)
        assert records.proved(PART, "d1") == NO


class TestWritten:
    def of(self, folder: Path, accept: str) -> tuple[Accept, ...]:
        (folder / "0042_name.contract.sql").write_text("ALTER TABLE t ALTER a SET NOT NULL")
        (folder / "0042_name.yaml").write_text(f"accept: {accept}\n")
        return read_changes(folder)[0].accept

    def test_it_stands_beside_the_change(self, tmp_path: Path) -> None:
        written = f"[{{statement: {FOUND.statement}, counterexample: {FOUND.counterexample}, who: ana, "
        assert self.of(tmp_path, written + "reason: the form asks for it}]") == (ANA,)

    @pytest.mark.parametrize("gone", ["statement", "counterexample", "who", "reason"])
    def test_nothing_of_it_may_be_missing(self, tmp_path: Path, gone: str) -> None:
        whole = {
            "statement": "5d0f3c1e5d0f3c1e",
            "counterexample": "9c0e9c0e9c0e9c0e",
            "who": "ana",
            "reason": "so",
        }
        written = ", ".join(f"{key}: {value}" for key, value in whole.items() if key != gone)
        with pytest.raises(SpecError) as error:
            self.of(tmp_path, f"[{{{written}}}]")
        assert f"`{gone}` is missing" in str(error.value)
