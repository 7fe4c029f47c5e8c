"""A value that nobody was seen sending, found by a real proof; what was sent outweighs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crossfade.migrations.script import read_script
from crossfade.migrations.shape import Sent, Shape
from crossfade.preconditions.accepting import weigh
from crossfade.preconditions.proving import Case, Prover, statements_of
from crossfade.preconditions.records import Part, Proved
from crossfade.spec.change_models import Accept

pytestmark = pytest.mark.real

SCHEMA = statements_of("CREATE TABLE customers (id serial PRIMARY KEY, name text, age int)", "schema")
PART = Part(change="0042_name", part="contract", sha256="a" * 64)
INSERT = "INSERT INTO customers (name) VALUES ($1) RETURNING id"


@pytest.fixture(scope="module")
def prover() -> Iterator[Prover]:
    with Prover(None, "2026-11-28T09:00:00Z") as made:
        yield made


def proved(prover: Prover, migration: str, *samples: tuple[str | None, ...], text: str = INSERT) -> Proved:
    case = Case(
        part=PART, script=read_script(migration, "contract"), schema=SCHEMA, schema_name="schema", new=None,
        role=None,
    )  # fmt: skip
    shape = Shape(statements=(Sent(text=text, samples=samples),), source="tests", revision="v41")
    return prover.prove(case, "v41", shape)[0]


NOT_NULL = "ALTER TABLE customers ALTER COLUMN name SET NOT NULL"


def test_R38_a_null_that_nobody_sent_is_possible_and_can_be_accepted(prover: Prover) -> None:
    found = proved(prover, NOT_NULL, ("Ada",), ("Grace",))
    (one,) = found.possible
    assert one.beyond == ("$1 = NULL",)
    assert weigh(found, ()).holds is None
    word = Accept(statement=one.statement, counterexample=one.counterexample, who="ana", reason="a form")
    assert weigh(found, (word,)).holds is True
    again = proved(prover, NOT_NULL, ("Ada",), ("Grace",))
    assert again.possible == found.possible
    recorded_anew = proved(prover, NOT_NULL, ("Ada",), ("Grace",), ("Edith",))
    assert weigh(recorded_anew, (word,)).holds is None


def test_R38_a_null_that_was_sent_is_a_no(prover: Prover) -> None:
    found = proved(prover, NOT_NULL, ("Ada",), (None,))
    assert found.possible == ()
    assert weigh(found, ()).holds is False


def test_R38_without_a_recorded_value_nobody_can_tell_what_is_usual(prover: Prover) -> None:
    found = proved(prover, NOT_NULL)
    assert (found.safe, found.possible) == (False, ())


def test_R38_a_value_of_the_recorded_kind_outweighs_one_beyond_it(prover: Prover) -> None:
    """NULL fails, and so does a short text that a test sent: found though NULL fails first."""
    both = f"{NOT_NULL}; ALTER TABLE customers ADD CHECK (length(name) > 4) NOT VALID"
    found = proved(prover, both, ("Grace",), ("Ada",))
    assert found.possible == ()
    assert weigh(found, ()).holds is False


def test_R38_a_column_that_is_gone_fails_whatever_the_values_are(prover: Prover) -> None:
    gone = "ALTER TABLE customers DROP COLUMN name"
    found = proved(prover, gone, ("Ada",))
    assert (found.safe, found.possible) == (False, ())


def test_R38_what_is_beyond_and_harmless_explains_no_failure(prover: Prover) -> None:
    """Every made-up age is beyond the one recorded; what fails is a name of the usual kind."""
    two = "INSERT INTO customers (name, age) VALUES ($1, $2)"
    refused = "ALTER TABLE customers ADD CHECK (name = 'Grace') NOT VALID"
    found = proved(prover, refused, ("Grace", "1"), text=two)
    assert found.safe is False
    assert found.possible == ()


def test_R38_where_no_recorded_value_could_be_tried_nothing_is_accepted(prover: Prover) -> None:
    shop = "ALTER TABLE customers ADD UNIQUE (age)"
    found = proved(prover, f"{shop}; {NOT_NULL}", ("Ada", "no number"),
                   text="INSERT INTO customers (name, age) VALUES ($1, $2)")  # fmt: skip
    assert found.safe is False
    assert found.possible == ()
