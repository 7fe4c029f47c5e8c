"""
Values by type: plain ones first, then those at the edges. Pure; text as PostgreSQL reads it.

`values_of` is a short list to vary with, `fresh` an endless supply of different ones for columns that must
not repeat. Whether a value is legal in a column is for the server to say (`legal.py`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from crossfade.migrations.catalog import Column

WIDE: Final = 600  # characters of a long text where nothing limits it
_TEXTS: Final = (
    "alpha", "bravo", "", "Alpha", " ", "a@example.com", "2024-05-06", "12345", "https://example.com/a",
    "+14155550123", "a-b", "ab", "ABC", "DE", "x", "a_b", "é", "{}", "00000000-0000-4000-8000-000000000001",
)  # fmt: skip
_INTEGERS: Final = ("1", "2", "0", "-1", "3", "10", "100")
_PLAIN: Final[Mapping[str, tuple[str, ...]]] = {
    "smallint": (*_INTEGERS, "32767", "-32768"),
    "integer": (*_INTEGERS, "40000", "2147483647", "-2147483648"),
    "bigint": (*_INTEGERS, "40000", "3000000000", "9223372036854775807", "-9223372036854775808"),
    "numeric": ("1", "2.50", "0", "-1", "3", "10", "0.125", "12345678901234567890.123456"),
    "real": ("1", "2.5", "0", "-1", "3", "1e30"),
    "double precision": ("1", "2.5", "0", "-1", "3", "0.1", "1e200"),
    "money": ("1", "2.50", "0", "-1"),
    "text": _TEXTS,
    "character varying": _TEXTS,
    "character": _TEXTS,
    "name": ("alpha", "bravo", "Alpha", ""),
    '"char"': ("a", "b"),
    "boolean": ("t", "f"),
    "date": ("2024-05-06", "2024-05-07", "1900-01-01", "2999-12-31", "2024-02-29"),
    "timestamp without time zone": (
        "2024-05-06 07:08:09", "2024-05-07 00:00:00", "1900-01-01 00:00:00", "2999-12-31 23:59:59.999999",
    ),
    "timestamp with time zone": (
        "2024-05-06 07:08:09+00", "2024-05-07 00:00:00+00", "1900-01-01 00:00:00+00",
        "2999-12-31 23:59:59.999999+00",
    ),
    "time without time zone": ("07:08:09", "00:00:00", "23:59:59.999999"),
    "time with time zone": ("07:08:09+00", "00:00:00+00"),
    "interval": ("1 day", "01:00:00", "00:00:00", "-1 day", "1 year"),
    "uuid": ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"),
    "json": ('{"a": 1}', "{}", "[]", "null", '"x"', '{"a": {"b": [1]}}'),
    "jsonb": ('{"a": 1}', "{}", "[]", "null", '"x"', '{"a": {"b": [1]}}'),
    "bytea": ("\\x01", "\\x", "\\x00ff"),
    "inet": ("10.0.0.1", "10.0.0.0/8", "::1"),
    "cidr": ("10.0.0.0/8", "10.1.0.0/16"),
    "macaddr": ("08:00:2b:01:02:03", "08:00:2b:01:02:04"),
    "bit": ("1", "0"),
    "bit varying": ("1", "0", "101"),
    "xml": ("<a/>", "<b>1</b>"),
    "tsvector": ("'alpha'", "'bravo'"),
    "tsquery": ("'alpha'", "'bravo'"),
    "point": ("(1,2)", "(0,0)"),
    "oid": ("1", "2"),
    "regclass": ("pg_class",),
    "int4range": ("[1,5)", "[5,9)", "empty", "[2,)"),
    "int8range": ("[1,5)", "[5,9)", "empty", "[2,)"),
    "numrange": ("[1,5)", "[5,9)", "empty"),
    "daterange": ("[2024-05-06,2024-05-08)", "[2024-05-08,2024-05-09)", "empty"),
    "tsrange": ('["2024-05-06 00:00:00","2024-05-07 00:00:00")', "empty"),
    "tstzrange": ('["2024-05-06 00:00:00+00","2024-05-07 00:00:00+00")', "empty"),
    "pg_lsn": ("0/1",),
    "ltree": ("a.b", "a"),
    "hstore": ("a=>1",),
    "citext": _TEXTS,
}  # fmt: skip
_INTEGER_MAX: Final = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
_DAY: Final = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
_STRINGS: Final = frozenset({"text", "character varying", "character", "name", "citext"})


@dataclass(frozen=True, slots=True)
class Shape:
    """A type as pools need it: name, length, labels of an enum, what its array holds."""

    name: str
    mod: int = -1
    labels: tuple[str, ...] = ()
    element: Shape | None = None

    @property
    def is_string(self) -> bool:
        return self.name in _STRINGS

    @property
    def length(self) -> int | None:
        """Of a string the most characters, where limited."""
        if self.name in {"character varying", "character"} and self.mod > 4:
            return self.mod - 4
        return {"name": 63}.get(self.name)


def shape_of(column: Column, labels: Mapping[int, tuple[str, ...]]) -> Shape:
    """The shape of a column's type, below its domain."""
    return shape(column.base_name, column.base_mod, labels.get(column.base, ()))


def shape(name: str, mod: int = -1, labels: tuple[str, ...] = ()) -> Shape:
    if name.endswith("[]"):
        return Shape(name, mod, (), shape(name[:-2], mod, labels))
    return Shape(name.removeprefix("pg_catalog."), mod, labels)


def values_of(kind: Shape) -> tuple[str, ...]:
    """A short list of different values, plain first."""
    if kind.element:
        inner = values_of(kind.element)
        listed = [array_of(inner[:1]), array_of(inner[:2]), array_of(()), array_of(inner[-2:])]
        return tuple(dict.fromkeys(listed))
    if kind.labels:
        return kind.labels
    if kind.name == "vector":
        width = kind.mod if kind.mod > 0 else 3
        return tuple(f"[{','.join([digit] * width)}]" for digit in "102")
    found = _PLAIN.get(kind.name, ())
    if kind.is_string:
        return tuple(
            dict.fromkeys(one for one in (*found[:4], *_lengths(kind), *found[4:]) if _fits(one, kind))
        )
    if kind.name == "numeric" and kind.mod > 4:
        return _numerics(kind.mod)
    if kind.name == "bit" and kind.mod > 1:
        return ("1" * kind.mod, "0" * kind.mod)
    return found


def _lengths(kind: Shape) -> tuple[str, ...]:
    """The longest there may be, which trips over any narrower limit, and one of middle length."""
    longest = kind.length or WIDE
    return tuple("x" * one for one in (longest, 11) if one <= longest)


def _fits(text: str, kind: Shape) -> bool:
    return kind.length is None or len(text) <= kind.length


def scale_of(mod: int) -> int | None:
    """Of a numeric the digits after the point, where they are limited."""
    return (((mod - 4) & 0x7FF) ^ 0x400) - 0x400 if mod >= 4 else None


def _numerics(mod: int) -> tuple[str, ...]:
    precision, scale = ((mod - 4) >> 16) & 0xFFFF, (mod - 4) & 0x7FF
    whole = precision - scale
    largest = "9" * max(whole, 0) + ("." + "9" * scale if scale else "")
    small = ["1", "2", "3", "10"] if whole > 1 else ["1"] if whole == 1 else []
    part = ["0." + "0" * (scale - 1) + "1", "0." + "5" * scale] if scale else []
    return tuple(dict.fromkeys([*small, *part, "0", *(f"-{one}" for one in small[:1]), largest]))


def _in_array(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def array_of(values: Iterable[str | None]) -> str:
    """An array's text."""
    return "{" + ",".join("NULL" if one is None else _in_array(one) for one in values) + "}"


FORMS: Final = 12
"""How many forms `fresh` knows: a column with rules gets the first one that they let through."""

_TEXT_FORMS: Final = (
    "fresh{0}", "fresh{0}@example.com", "1{0:04}", "1{0:09}", "FRESH{0}", "https://example.com/{0}",
    "+1415555{0:04}", "fresh-{0}", "/fresh/{0}", "00000000-0000-4000-9000-{0:012}",
    "2031-01-01 {0}", "F{0:03}",
)  # fmt: skip
_STARTS: Final = (1000, 100, 20, 5, 100_000, -100, -100_000)


def fresh(kind: Shape, number: int, form: int = 0) -> str | None:
    """The number-th of an endless row of values, unlike those of `values_of`; None where a type has few."""
    if kind.is_string:
        text = _TEXT_FORMS[form].format(number)
        return text if _fits(text, kind) else _short(number, kind.length or 1)
    if form:
        numeric = kind.name in {*_INTEGER_MAX, "numeric", "real", "double precision"}
        return str(_STARTS[form] + number) if numeric and form < len(_STARTS) else None
    if kind.name == "numeric" and kind.mod > 4 and ((kind.mod - 4) >> 16) - ((kind.mod - 4) & 0x7FF) < 4:
        return None
    make = _ENDLESS.get(kind.name)
    return make(number) if make else None


def _moment(number: int) -> dt.datetime:
    return _DAY + dt.timedelta(days=number, seconds=number)


def _number(number: int) -> str:
    return str(1000 + number)


_ENDLESS: Final[Mapping[str, Callable[[int], str]]] = {
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric", "real", "double precision"), _number),
    **dict.fromkeys(("oid", "money"), _number),
    **dict.fromkeys(("int4range", "int8range", "numrange"), lambda n: f"[{1000 + 10 * n},{1005 + 10 * n})"),
    **dict.fromkeys(("json", "jsonb"), lambda n: f'{{"fresh": {n}}}'),
    "uuid": lambda n: f"00000000-0000-4000-9000-{n:012x}",
    "date": lambda n: f"{_moment(n):%Y-%m-%d}",
    "timestamp without time zone": lambda n: f"{_moment(n):%Y-%m-%d %H:%M:%S}",
    "timestamp with time zone": lambda n: f"{_moment(n):%Y-%m-%d %H:%M:%S+00}",
    "bytea": lambda n: f"\\x{n:08x}",
    "inet": lambda n: f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}",
    "interval": lambda n: f"{n + 2} hours",
    "daterange": lambda n: f"[{_moment(n):%Y-%m-%d},{_moment(n + 1):%Y-%m-%d})",
    "tsrange": lambda n: f'["{_moment(n):%Y-%m-%d 01:00:00}","{_moment(n):%Y-%m-%d 02:00:00}")',
    "tstzrange": lambda n: f'["{_moment(n):%Y-%m-%d 01:00:00+00}","{_moment(n):%Y-%m-%d 02:00:00+00}")',
}


def _short(number: int, length: int) -> str:
    letters, text = "abcdefghijklmnopqrstuvwxyz0123456789", ""
    while number >= 0 and len(text) < length:
        text = letters[number % 36] + text
        number = number // 36 - 1
    return text.rjust(length, "q")


def beside(number: str) -> tuple[str, ...]:
    """A number and its neighbours: what a limit lets through and what it does not."""
    try:
        value = Decimal(number)
    except InvalidOperation:
        return ()
    near = (value, value + 1, value - 1, -value, -value - 1)
    return tuple(dict.fromkeys(format(one, "f") for one in near))


def around(text: str, kind: Shape) -> tuple[str, ...]:
    """Candidates from a literal that a sentence has, in the light of a type."""
    if kind.labels:
        return (text,) if text in kind.labels else ()
    if kind.is_string:
        return tuple(one for one in (text, text.upper(), text.lower()) if _fits(one, kind))
    if kind.name in {*_INTEGER_MAX, "numeric", "real", "double precision", "money"}:
        return beside(text)
    if kind.name in {"json", "jsonb"}:
        return (text, json.dumps({text: "a"}), json.dumps({text: 1}), json.dumps([text]))
    return (text,)
