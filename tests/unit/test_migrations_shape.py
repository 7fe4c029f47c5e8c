"""`shape.json`: what a version sends, kept; the same statements have the same digest."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.errors import RefusedError
from crossfade.migrations.lexer import UnreadableError, words
from crossfade.migrations.shape import NotTaken, Sent, Shape, Step, read_shape


def readable(text: str) -> bool:
    try:
        return bool(list(words(text)))
    except UnreadableError:
        return False


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
sent = st.builds(
    Sent,
    text=texts.filter(readable),
    samples=st.lists(st.lists(st.none() | texts, max_size=3).map(tuple), max_size=3).map(tuple),
    seen=st.integers(1, 10**6),
)
step = st.builds(
    Step, text=texts, values=st.lists(st.none() | texts, max_size=3).map(tuple), of=st.just("") | texts
)
shapes = st.builds(
    Shape,
    statements=st.lists(sent, max_size=4).map(tuple),
    source=texts,
    recorded=texts,
    service=st.none() | texts,
    revision=st.none() | texts,
    server=texts,
    app_role=st.none() | texts,
    schema=texts,
    transactions=st.lists(st.lists(texts, max_size=3).map(tuple), max_size=2).map(tuple),
    replays=st.lists(st.lists(step, max_size=3).map(tuple), max_size=2).map(tuple),
    not_taken=st.lists(st.builds(NotTaken, text=texts, why=texts), max_size=2).map(tuple),
)
ONE = Shape(
    statements=(Sent(text="SELECT name FROM c WHERE id = $1", samples=(("7",), (None,)), seen=12),),
    source="pytest -q",
    service="shop",
    revision="v41",
)


@given(shapes)
def test_what_is_written_is_read_back(shape: Shape) -> None:
    assert read_shape(shape.as_json(), "shape.json") == shape


@given(shapes, texts)
def test_the_digest_is_of_the_statements_and_of_nothing_else(shape: Shape, other: str) -> None:
    assert replace(shape, recorded=other, source=other, server=other).digest == shape.digest
    assert replace(shape, statements=shape.statements[::-1]).digest == shape.digest
    more = (*shape.statements, Sent(text="SELECT 'one more'"))
    assert replace(shape, statements=more).digest != shape.digest


def test_a_statement_is_the_same_whatever_its_blanks_and_comments() -> None:
    told = Sent(text="SELECT a\n  FROM t -- of ours\n WHERE b = $1")
    assert told.id == Sent(text="SELECT a FROM t WHERE b = $1").id
    assert told.id != Sent(text="SELECT a FROM t WHERE c = $1").id
    assert told.id != Sent(text="SELECT 'a  b'").id != Sent(text="SELECT 'a b'").id


def test_its_statements_go_to_a_proof_with_the_values_they_were_sent_with() -> None:
    (statement,) = ONE.as_statements("shape.json")
    assert statement.text == "SELECT name FROM c WHERE id = $1"
    assert statement.samples == (("7",), (None,))


def _changed(**more: Any) -> str:
    return json.dumps({**json.loads(ONE.as_json()), **more})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "CF9220"),
        ("SELECT 1;", "CF9220"),
        (ONE.as_json()[:200], "CF9220"),
        ("[]", "CF9220"),
        (_changed(statements=[{"text": 1}]), "CF9220"),
        (_changed(statements=[{"text": "SELECT $1", "samples": [[1]]}]), "CF9220"),
        (_changed(statements="SELECT 1"), "CF9220"),
        (_changed(format="crossfade.shape/2"), "CF9221"),
        (_changed(statements=[{"text": "SELECT 2"}]), "CF9222"),
        (_changed(digest=None), "CF9222"),
        (_changed(service="other"), "CF9223"),
    ],
)
def test_what_is_no_shape_of_this_service_is_refused(text: str, error: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read_shape(text, "shape.json", service="shop")
    assert refused.value.id == error
    assert "shape.json" in refused.value.what


def test_the_digest_is_of_the_transactions_that_are_run_again_too() -> None:
    again = replace(ONE, replays=((Step(text="SELECT 1", values=("a",)),),))
    other = replace(ONE, replays=((Step(text="SELECT 1", values=("b",)),),))
    assert len({ONE.digest, again.digest, other.digest}) == 3


@pytest.mark.parametrize(
    "step", [{"text": 1}, {}, {"text": "a", "values": [1]}, {"text": "a", "of": None}, 7]
)
def test_a_step_that_is_none_is_refused(step: object) -> None:
    document = json.loads(ONE.as_json()) | {"replays": [[step]]}
    with pytest.raises(RefusedError) as refused:
        read_shape(json.dumps(document), "shape.json")
    assert refused.value.id == "CF9220"
