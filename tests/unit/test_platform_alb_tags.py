"""The seat in tags: what is written is read again, and what another hand has garbled is not believed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.platforms.alb import tags
from crossfade.release.values import ALL, NOTHING, Share

REVISIONS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
COLOURS = st.sampled_from(["blue", "green"])
HASH = "a" * 64


@given(text=REVISIONS)
def test_any_name_is_kept_in_letters_that_a_tag_may_have(text: str) -> None:
    kept = tags.tagged(text)

    assert re.fullmatch(r"[A-Za-z0-9+\-=._:/@]*", kept)
    assert tags.plain(kept) == text


@given(
    revision=REVISIONS, colour=COLOURS, share=st.integers(0, 1000), at=st.integers(1, 2**33), on=st.booleans()
)
def test_what_is_written_is_read_again(revision: str, colour: str, share: int, at: int, on: bool) -> None:
    written = {
        tags.SERVICE: "shop",
        tags.PRIMARY: colour,
        **tags.seat("r1", colour, at),
        **tags.build(colour, tags.Build(identity=HASH, revision=revision)),
        **tags.weight(colour, share, at),
        **tags.test(at, is_open=on),
    }

    book = tags.ledger({"blue": written, "green": {tags.SERVICE: "shop"}})

    assert book.held == tags.Held(release="r1", colour=colour, since=at)
    assert book.builds == {colour: tags.Build(identity=HASH, revision=revision)}
    assert book.asked == tags.Asked(colour=colour, weight=share, at=at)
    assert (book.test_open, book.tested_at, book.primary) == (on, at, colour)
    assert book.services == {"blue": "shop", "green": "shop"}
    assert book.garbled == ()


def test_a_share_asked_for_one_colour_is_the_rest_for_the_other() -> None:
    asked = tags.Asked(colour="green", weight=Share(100), at=1.0)

    assert asked.of("green") == 100
    assert asked.of("blue") == 900
    assert tags.Asked(colour="green", weight=ALL, at=1.0).of("blue") == NOTHING


@pytest.mark.parametrize("share", ["1001", "9999", "-1"])
def test_a_share_that_is_none_is_garbled_and_not_a_number_below_nothing(share: str) -> None:
    book = tags.ledger({"blue": {tags.WEIGHT: f"green {share}@17"}, "green": {}})

    assert book.asked is None
    assert len(book.garbled) == 1


@pytest.mark.parametrize("key", [tags.RELEASE, tags.WEIGHT, tags.TEST, "crossfade:blue", tags.PRIMARY])
def test_what_another_hand_has_garbled_is_absent_and_said(key: str) -> None:
    book = tags.ledger({"blue": {key: "whatever"}, "green": {}})

    assert book.garbled == (f"{key}=whatever",)
    assert (book.held, book.primary, book.builds, book.asked) == (None, None, {}, None)


def test_only_our_own_tags_are_fenced() -> None:
    found = {"blue": {"team": "a", tags.SERVICE: "shop"}, "green": {"team": "b"}}

    assert tags.ours(found) == {"blue": {tags.SERVICE: "shop"}, "green": {}}
