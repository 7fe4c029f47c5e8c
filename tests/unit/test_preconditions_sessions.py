"""Sessions of a version that nobody counts any more are counted, by a name that PostgreSQL keeps."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from crossfade.preconditions.reach import Reachable
from crossfade.preconditions.sessions import Open, with_sessions
from crossfade.sessions import session_name

NINE = datetime(2026, 11, 28, 9, tzinfo=UTC)
SERVES = Reachable(revision="v42", why="it serves")
MAY = Reachable(revision="v41", why="a person may roll back to it", until=NINE)
KNOWN = ("v40", "v41", "v42")


@given(st.text(min_size=1, max_size=90), st.text(min_size=1, max_size=90))
def test_R38_a_name_is_one_that_postgresql_keeps_whole(service: str, revision: str) -> None:
    said = session_name(service, revision)
    assert len(said.encode()) <= 63
    assert all(" " <= one <= "~" for one in said)


@given(st.sets(st.text(max_size=80), min_size=2, max_size=2))
def test_R38_two_versions_never_share_a_name(revisions: set[str]) -> None:
    one, two = revisions
    assert session_name("shop", one) != session_name("shop", two)


def test_R38_a_session_brings_its_version_back() -> None:
    opened = [Open(name="shop/v40", count=2, since=NINE, addresses="10.0.0.4, 10.0.0.9")]
    found = with_sessions((SERVES, MAY), opened, "shop", KNOWN)
    assert found[:2] == (SERVES, MAY)
    assert found[2] == Reachable(
        revision="v40", ends="when they are closed",
        why="2 sessions of it are open since 2026-11-28 09:00:00 UTC from 10.0.0.4, 10.0.0.9",
    )  # fmt: skip


def test_what_serves_has_sessions_and_that_is_no_news() -> None:
    assert with_sessions((SERVES,), [Open(name="shop/v42", count=9)], "shop", KNOWN) == (SERVES,)


def test_R38_one_that_may_come_back_says_that_it_is_there() -> None:
    (found,) = with_sessions(
        (MAY,), [Open(name="shop/v41", count=1, since=NINE, addresses="::1")], "shop", KNOWN
    )
    assert found.until == NINE
    assert found.why.endswith("; 1 session of it is open since 2026-11-28 09:00:00 UTC from ::1")


def test_R38_a_version_that_nobody_knows_is_there_all_the_same() -> None:
    (found,) = with_sessions((), [Open(name="shop/v7", count=1)], "shop", KNOWN)
    assert found.revision == "v7"
    assert "pg_read_all_stats" in found.why


def test_a_long_name_is_known_again() -> None:
    long = "feature-" + "x" * 80
    (found,) = with_sessions((), [Open(name=session_name("shop", long), count=1)], "shop", (long,))
    assert found.revision == long
