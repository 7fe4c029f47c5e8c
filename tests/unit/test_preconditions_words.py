"""`migrate status`: how each accepted counterexample stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from crossfade.preconditions.accepting import Possible
from crossfade.preconditions.records import Part, Proved
from crossfade.preconditions.words import Asked, words_of
from crossfade.spec.change_models import Accept

ANA = Accept(statement="5d0f3c1e5d0f3c1e", counterexample="9c0e9c0e9c0e9c0e", who="ana", reason="a form")
CONTRACT = Part(change="0042_name", part="contract", sha256="a" * 64)
MET = Proved(
    change=CONTRACT.change, part=CONTRACT.part, sha256=CONTRACT.sha256, shape="d1", revision="v41",
    safe=False, phase="contract", statements=2, executed=1, failing="INSERT (23502)",
    possible=(
        Possible(statement=ANA.statement, counterexample=ANA.counterexample, said="INSERT", beyond=("$1",)),
    ),
)  # fmt: skip
OTHER = replace(MET, possible=(replace(MET.possible[0], counterexample="0" * 16),))
NOTE = "v41: 1 possible counterexample accepted by ana (a form)"


def asked(proof: Proved | None, *, reachable: bool = True) -> Asked:
    return Asked(part=CONTRACT, revision="v41", reachable=reachable, proof=proof)


@pytest.mark.parametrize(
    ("of", "ran", "state", "why"),
    [
        (asked(MET), {}, "valid", "for contract against v41"),
        (asked(MET), {"expand": "brief"}, "valid", "for contract against v41"),
        (asked(OTHER), {}, "void", "others by now: crossfade migrate prove 0042_name"),
        (asked(replace(MET, possible=())), {}, "void", "others by now"),
        (asked(None), {}, "unknown", "contract against v41 is not proved as it is now"),
        (asked(MET), {"contract": NOTE}, "used", "the contract of 0042_name ran on it"),
        (asked(None), {"contract": NOTE}, "used", "the contract of 0042_name ran on it"),
        (asked(MET), {"contract": "despite: a fire"}, "not needed", "waits for nobody's word"),
        (asked(OTHER), {"contract": NOTE}, "not needed", "no part of the change waits"),
        (asked(MET, reachable=False), {}, "not needed", "contract against v41"),
        (asked(None, reachable=False), {}, "not needed", "no part of the change waits"),
    ],
)
def test_R45_a_word_says_how_it_stands(of: Asked, ran: Mapping[str, str], state: str, why: str) -> None:
    (one,) = words_of("0042_name", [ANA], [of], ran)

    assert (one.state, why in one.why) == (state, True), one.why


def test_R45_one_version_that_is_not_proved_leaves_it_unknown_and_one_that_it_holds_for_is_enough() -> None:
    (open_,) = words_of("0042_name", [ANA], [asked(OTHER), asked(None)], {})
    (held,) = words_of("0042_name", [ANA], [asked(None), asked(MET)], {})

    assert (open_.state, held.state) == ("unknown", "valid")


def test_R45_it_is_said_in_a_line_and_in_an_object() -> None:
    (one,) = words_of("0042_name", [ANA], [asked(MET)], {})

    named = "accept 5d0f3c1e5d0f3c1e 9c0e9c0e9c0e9c0e by ana (a form)"
    assert one.line == f"{named}: valid, for contract against v41"
    assert one.as_json() == {
        "statement": ANA.statement, "counterexample": ANA.counterexample, "who": "ana", "reason": "a form",
        "state": "valid", "why": "for contract against v41",
    }  # fmt: skip
