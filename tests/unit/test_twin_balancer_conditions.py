"""Conditions of rules as header matchers: wildcards, case, ranges, as a load balancer compares them."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crossfade.twin.balancer.conditions import SOURCE_HEADER, matchers
from crossfade.twin.balancer.model import Condition

TEXT = st.text(alphabet="ab.&=+Z-", max_size=6)
GLOB = st.text(alphabet="ab.+Z-*?", max_size=6)


def matcher(kind: Any, *values: str, header: str = "") -> dict[str, Any]:
    found = matchers([Condition(kind=kind, values=values, header=header)])
    assert found is not None
    return found[0]


def holds(kind: Any, values: tuple[str, ...], text: str) -> bool:
    pattern = matcher(kind, *values, header="x")["string_match"]["safe_regex"]["regex"]
    return re.fullmatch(pattern, text, re.DOTALL) is not None


@lru_cache
def like(glob: str, text: str) -> bool:
    """Another way to compare: letter by letter."""
    if not glob:
        return not text
    if glob[0] == "*":
        return like(glob[1:], text) or (bool(text) and like(glob, text[1:]))
    return bool(text) and glob[0] in ("?", text[0]) and like(glob[1:], text[1:])


class TestHost:
    def test_case_and_port_do_not_matter(self) -> None:
        assert holds("host-header", ("*.Example.com",), "shop.example.COM:8080")
        assert not holds("host-header", ("*.example.com",), "example.com")
        assert not holds("host-header", ("a.example.com",), "aXexample.com")

    @given(st.lists(GLOB, min_size=1, max_size=3), TEXT)
    def test_any_of_the_values_may_match(self, globs: list[str], text: str) -> None:
        expected = any(like(glob.lower(), text.lower()) for glob in globs)

        assert holds("host-header", tuple(globs), text) == expected


class TestPath:
    @given(GLOB, TEXT, st.sampled_from(["", "?", "?a=b&c", "?x?y"]))
    def test_a_path_is_compared_with_case_and_without_its_query(
        self, glob: str, text: str, query: str
    ) -> None:
        assert holds("path-pattern", (glob,), text + query) == like(glob, text)

    def test_a_question_mark_is_one_letter_and_never_the_begin_of_a_query(self) -> None:
        assert holds("path-pattern", ("/img?",), "/img1")
        assert not holds("path-pattern", ("/img?",), "/img?")
        assert not holds("path-pattern", ("/img",), "/IMG")


class TestHeader:
    def test_a_header_is_looked_at_by_its_name_and_compared_without_case(self) -> None:
        found = matcher("http-header", "*Chrome*", header="User-Agent")

        assert found["name"] == "User-Agent"
        assert holds("http-header", ("*Chrome*",), "mozilla chrome/1")
        assert not holds("http-header", ("Chrome",), "mozilla chrome/1")

    @given(GLOB, TEXT)
    def test_wildcards_stand_for_letters(self, glob: str, text: str) -> None:
        assert holds("http-header", (glob,), text) == like(glob.lower(), text.lower())


class TestMethod:
    def test_a_method_is_exact(self) -> None:
        assert holds("http-request-method", ("GET", "HEAD"), "HEAD")
        assert not holds("http-request-method", ("GET",), "get")
        assert not holds("http-request-method", ("*",), "GET")


class TestQuery:
    def test_a_pair_is_found_wherever_it_stands(self) -> None:
        for text in ("/?v=2", "/?a=b&V=2&c=d", "/p?x&v=2"):
            assert holds("query-string", ("v=2",), text), text
        for text in ("/", "/v=2", "/?v=22", "/?av=2", "/?a=v=2"):
            assert not holds("query-string", ("v=2",), text), text

    def test_a_value_is_found_under_any_key(self) -> None:
        assert holds("query-string", ("beta",), "/?a=1&mode=Beta")
        assert not holds("query-string", ("beta",), "/?beta=1")

    def test_a_backslash_makes_a_wildcard_a_letter(self) -> None:
        assert holds("query-string", (r"q=\*",), "/?q=*")
        assert not holds("query-string", (r"q=\*",), "/?q=1")
        assert holds("query-string", (r"q=a\?*",), "/?q=a?bc")

    @given(GLOB.filter(bool), st.lists(st.tuples(TEXT, TEXT), max_size=3))
    def test_a_wildcard_never_reaches_into_the_next_pair(
        self, glob: str, pairs: list[tuple[str, str]]
    ) -> None:
        clean = [(k.translate(str.maketrans("", "", "&=")), v.replace("&", "")) for k, v in pairs]
        text = "/?" + "&".join(f"{key}={value}" for key, value in clean)
        expected = any(k.lower() == "k" and like(glob.lower(), v.lower()) for k, v in [*clean, ("k", "a")])

        assert holds("query-string", (f"k={glob}",), f"{text}&k=a") == expected


class TestSource:
    @given(
        st.integers(0, 2**32 - 1),
        st.integers(0, 32),
        st.integers(0, 2**32 - 1),
    )
    def test_an_address_is_in_a_range_or_not(self, base: int, length: int, other: int) -> None:
        network = ipaddress.ip_network((base, length), strict=False)
        for address in (ipaddress.ip_address(base), ipaddress.ip_address(other)):
            assert holds("source-ip", (str(network),), str(address)) == (address in network)

    def test_it_looks_at_what_the_listener_stamped(self) -> None:
        assert matcher("source-ip", "10.0.0.0/8")["name"] == SOURCE_HEADER

    def test_a_range_of_ipv6_alone_holds_for_nobody(self) -> None:
        assert matchers([Condition(kind="source-ip", values=("2001:db8::/32",))]) is None


def test_all_conditions_of_a_rule_must_hold() -> None:
    found = matchers(
        [
            Condition(kind="path-pattern", values=("/a*",)),
            Condition(kind="http-header", values=("1",), header="x-a"),
            Condition(kind="http-header", values=("*2",), header="x-a"),
        ]
    )

    assert found is not None
    assert [one["name"] for one in found] == [":path", "x-a", "x-a"]
