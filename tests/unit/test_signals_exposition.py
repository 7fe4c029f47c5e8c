"""Counters as programs show them: read to the letter or not at all."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.signals.conventions import KNOWN, Given, choose, reading
from crossfade.signals.exposition import Series, names, samples
from crossfade.spec.selectors import Matcher, all_hold, matchers

PROMETHEUS = """\
# HELP http_requests_total Everything that was asked.
# TYPE http_requests_total counter
http_requests_total{method="get",code="200"} 1024 1750000000123
http_requests_total{method="get",code="503"}    6 1750000000123
# A comment nobody asked for, and labels with everything in them:
shop_files{path="D:\\\\shop\\\\a",said="no \\"a\\",\\nsorry"} 2.5e9
shop_plain 12.5
shop_odd{why="nothing to divide"} +Inf -42
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 900
http_request_duration_seconds_bucket{le="+Inf",} 1030
http_request_duration_seconds_sum 53.25
http_request_duration_seconds_count 1030
"""
OPEN = """\
# TYPE http_requests counter
# HELP http_requests All of them.
http_requests_total{code="200"} 17.0 # {trace_id="b4"} 0.25
http_requests_created{code="200"} 1750000000.5
# EOF
"""
NAMES = {
    "http_requests_total",
    "shop_files",
    "shop_plain",
    "shop_odd",
    "http_request_duration_seconds_bucket",
}


def series(name: str, **labels: str) -> Series:
    return Series(name, tuple(sorted(labels.items())))


class TestText:
    def test_a_text_with_all_that_the_format_allows(self) -> None:
        found = samples(PROMETHEUS, NAMES)

        assert found[series("http_requests_total", method="get", code="200")] == 1024
        assert found[series("shop_files", path="D:\\shop\\a", said='no "a",\nsorry')] == 2.5e9
        assert found[series("shop_plain")] == 12.5
        assert found[series("shop_odd", why="nothing to divide")] == math.inf
        assert found[series("http_request_duration_seconds_bucket", le="+Inf")] == 1030

    def test_open_metrics_with_an_exemplar(self) -> None:
        found = samples(OPEN, {"http_requests_total"}, open_metrics=True)

        assert found == {series("http_requests_total", code="200"): 17.0}

    @pytest.mark.parametrize("cut", range(1, len(OPEN) - 1))
    def test_R24_an_open_metrics_text_that_was_cut_off_anywhere_is_no_reading(self, cut: int) -> None:
        with pytest.raises(ValueError, match="cut off"):
            samples(OPEN[:cut], {"http_requests_total"}, open_metrics=True)

    def test_R24_a_text_whose_last_line_does_not_end_is_no_reading(self) -> None:
        with pytest.raises(ValueError, match="cut off"):
            samples(PROMETHEUS[:-3], NAMES)

    @pytest.mark.parametrize(
        "line",
        [
            "a",
            "a ",
            "a one",
            "a 1_000",
            "a 0x10",
            "a infinity",
            "a{",
            "a{} ",
            'a{b="c" 1',
            'a{b="c",,d="e"} 1',
            'a{b="c"d="e"} 1',
            "a{b=c} 1",
            'a{b="c} 1',
            'a{b="\\q"} 1',
            'a{b="c",b="d"} 1',
            'a{1b="c"} 1',
            "a 1 2 3",
            "a 1 noon",
            "a 1\na 2",
        ],
    )
    def test_R24_a_line_that_is_no_sample_makes_the_whole_text_garbled(self, line: str) -> None:
        with pytest.raises(ValueError, match=r"line [12] is garbled"):
            samples(line + "\n", {"a"})

    def test_what_nobody_asked_for_may_be_what_it_likes(self) -> None:
        assert samples('b{"quoted name"} 1\nb ?\n\na 1\n', {"a"}) == {series("a"): 1.0}

    @given(
        st.dictionaries(
            st.from_regex(r"\A[a-zA-Z_][a-zA-Z0-9_]{0,8}\Z"),
            st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12),
            max_size=4,
        ),
        st.floats(allow_nan=False),
        st.sampled_from(["", " ", "\t", "  "]),
        st.booleans(),
    )
    def test_whatever_stands_in_labels_comes_out_as_it_was(
        self, labels: dict[str, str], value: float, blank: str, comma: bool
    ) -> None:
        def escaped(text: str) -> str:
            return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

        inside = ",".join(f'{blank}{name}{blank}={blank}"{escaped(text)}"' for name, text in labels.items())
        braces = f"{blank}{{{inside}{',' if comma and labels else ''}}}" if labels or comma else ""
        shown = {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, repr(value))

        assert samples(f"a{braces} {shown}\n", {"a"}) == {series("a", **labels): value}

    @given(st.text(max_size=200))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        list(names(text))
        for open_metrics in (False, True):
            with contextlib.suppress(ValueError):
                samples(text, {"a", "b"}, open_metrics=open_metrics)


class TestMatchers:
    def test_each_operator(self) -> None:
        found = matchers('{code=~"5..", method!="OPTIONS",path!~"/internal.*", zone=""}')
        labels = {"code": "503", "method": "GET", "path": "/"}

        assert found == (
            Matcher("code", "=~", "5.."),
            Matcher("method", "!=", "OPTIONS"),
            Matcher("path", "!~", "/internal.*"),
            Matcher("zone", "=", ""),
        )
        assert all_hold(found, lambda name: labels.get(name, ""))
        for name, value in (("code", "5030"), ("method", "OPTIONS"), ("path", "/internal/x"), ("zone", "a")):
            assert not all_hold(found, lambda key, n=name, v=value: v if key == n else labels.get(key, ""))  # type: ignore[misc]

    def test_nothing_is_everything(self) -> None:
        assert matchers("") == matchers("{}") == ()

    @pytest.mark.parametrize(
        "text", ["code", 'code="', 'code="a" b="c"', 'code=~"("', 'code=="a"', "5..", ","]
    )
    def test_what_is_no_condition_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"condition|comma|regular"):
            matchers(text)

    @given(
        st.sampled_from(["=", "!=", "=~", "!~"]),
        st.text(st.characters(codec="utf-8"), max_size=10),
    )
    def test_printed_and_read_again_it_is_the_same(self, op: Any, value: str) -> None:
        one = Matcher("code", op, value)
        try:
            found = matchers(str(one))
        except ValueError:
            assert op in ("=~", "!~")  # the value was no pattern
        else:
            assert found == (one,)


class TestConventions:
    @pytest.mark.parametrize("known", KNOWN)
    def test_each_is_found_where_it_is_shown(self, known: Any) -> None:
        (code,) = known.errors
        bucket = Series(f"{known.latency}_bucket", (("le", "+Inf"),))
        shown = [Series(known.requests, ((code.label, "200"),)), bucket]

        assert choose(Given(), shown) == known

    def test_a_name_that_is_given_is_taken_with_the_label_it_has(self) -> None:
        found = choose(Given(requests="mine_total", latency="took_ms"), [series("mine_total", status="200")])

        assert found is not None
        assert (found.requests, found.latency, found.ms) == ("mine_total", "took_ms", 1.0)
        assert all_hold(found.errors, lambda _name: "503")
        assert [one.label for one in found.errors] == ["status"]

    def test_nothing_known_is_nothing(self) -> None:
        assert choose(Given(), [series("go_goroutines")]) is None
        assert choose(Given(requests="mine_total"), [series("http_requests_total", code="200")]) is None

    def test_a_reading_is_the_requests_and_their_buckets(self) -> None:
        found = samples(PROMETHEUS, Given().wanted)
        names = choose(Given(), list(found))
        assert names is not None
        read = reading(found, names)

        assert sum(read.requests.values()) == 1030
        assert len(read.buckets) == 2
        assert read.started is None
