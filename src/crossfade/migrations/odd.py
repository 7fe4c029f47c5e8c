"""
Values that one type holds and another may refuse or fold, by the pair of types. Pure.

What a column ordinarily holds is sown (`pools.py`). A value like these would spoil whole statements there,
and matters only where a column gets another type. Whether a column takes one is for the server to say.
NaN as a numeric is none of them: legal in every amount, and meant in no one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crossfade.migrations.pools import Shape

_FLOATS: Final = ("NaN", "Infinity", "-Infinity", "1e-30")
_MOMENTS: Final = ("infinity", "-infinity", "0044-03-15 BC")
_JSON: Final = ('"\\u0000"', '{"a": 1, "a": 2}', "1e200000", '"\\ud800"')
_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "json": _JSON,
    "numeric": ("Infinity", "1" + "0" * 400, "0." + "0" * 200 + "1"),
    "real": _FLOATS,
    "double precision": (*_FLOATS, "1e-300", "0.1234567890123456"),
    "date": _MOMENTS[:2],
    "timestamp without time zone": _MOMENTS,
    "timestamp with time zone": _MOMENTS,
    "time without time zone": ("24:00:00",),
    "time with time zone": ("24:00:00+00",),
    "interval": ("1 mon", "-1 mons +100 days", "00:00:00.000001"),
    "inet": ("10.0.0.1/8", "::1/64"),
    "bytea": ("\\xff", "\\x00", "\\xc328"),
    "bit varying": ("", "1" * 65),
    "numrange": ("[1.5,2.5]", "(,)"),
    "tstzrange": ("[-infinity,infinity]", "(,)"),
    "tsrange": ("[-infinity,infinity]", "(,)"),
}
"""What a type holds at its far edges."""
_INTEGERS: Final = (
    "2147483648", "32768", "9223372036854775808", "0012", "1.0", " 1 ", "1e3", "+1", "-0", "٣", "-", "",
)  # fmt: skip
_DATES: Final = (
    "2024-02-30",
    "2024-13-01",
    "0000-01-01",
    "01/02/2024",
    "24:00:00",
    "99:99:99",
    "infinity",
    "",
)
_BEFORE: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("smallint", "integer", "bigint", "oid"), _INTEGERS),
    **dict.fromkeys(("numeric", "money"), (*_INTEGERS, "1.005", "NaN", ".", "1,5")),
    **dict.fromkeys(("real", "double precision"), ("1e400", "0.1234567890123456789", ".", "1,5", "٣")),
    **dict.fromkeys(("json", "jsonb"), (*_JSON, "{", "01", "")),
    **dict.fromkeys(("date", "time without time zone", "interval"), _DATES),
    **dict.fromkeys(("timestamp without time zone", "timestamp with time zone"), _DATES),
    "boolean": ("maybe", "2", "01", ""),
    "uuid": ("-" * 36, "g" * 32, "00000000-0000-4000-8000-00000000000g", "A0EEBC999C0B4EF8BB6D6BB9BD380A11"),
    "inet": ("256.1.1.1", "1.2.3", "10.0.0.1/33", "::g", "010.0.0.1"),
    "cidr": ("10.0.0.1/8", "256.0.0.0/8", "10.0.0.0/33"),
    "macaddr": ("08:00:2b:01:02", "gg:00:2b:01:02:03"),
    "xml": ("<a>", "a & b", "<a></b>", "&nbsp;"),
    "bytea": ("a\\b", "\\xg0", "\\x0"),
    "bit": ("2", "1 0"), "bit varying": ("2", "1 0"),
    "tsvector": ("'",), "tsquery": ("a b", "&"),
    "ltree": ("a b", ".a"),
}  # fmt: skip
"""By the type that a text is to become: what looks like it."""


def odd(was: Shape, now: Shape) -> tuple[str, ...]:
    """What is worth trying where a column of one type gets another; nothing where the new one is as wide."""
    if was.name == now.name:
        return _narrower(was, now)
    if was.is_string:
        cased = tuple(one for label in now.labels for one in (f"{label} ", label.swapcase()))
        return (*_BEFORE.get(now.name, ()), *cased, *_narrower(was, now))
    return _OF.get(was.name, ())


def _narrower(was: Shape, now: Shape) -> tuple[str, ...]:
    """A text that only blanks make too long: it is cut without a word. Infinity, by a new limit."""
    if was.is_string and now.length is not None and (was.length or now.length + 1) > now.length:
        return ("x".ljust(now.length + 1), "x" * (now.length + 1), "é" * (now.length + 1))
    if was.name == "numeric" and was.mod != now.mod:
        return ("Infinity",)
    return ()
