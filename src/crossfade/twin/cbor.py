"""
As much of CBOR (RFC 8949) as AWS's RPC protocol uses: enough to read a request and to write an error.

Definite and indefinite lengths, integers, floats, texts, bytes, lists, maps, tags (read through),
true, false, null. What cannot be read yields None: the service itself will say what is wrong.
"""

from __future__ import annotations

import io
import struct
from typing import Any, Final

_BREAK: Final = object()
_SIZES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_SIMPLE: Final = {20: False, 21: True, 22: None, 23: None}
_DEEPEST: Final = 40


def decoded(data: bytes) -> Any:
    """The first value of the bytes; None where they are none."""
    try:
        return _item(io.BytesIO(data), 0)
    except (ValueError, EOFError, struct.error, UnicodeDecodeError):
        return None


def text_map(values: dict[str, str]) -> bytes:
    """A map of texts."""
    return _head(5, len(values)) + b"".join(_text(key) + _text(value) for key, value in values.items())


def _text(value: str) -> bytes:
    raw = value.encode()
    return _head(3, len(raw)) + raw


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    size = next(size for size in (1, 2, 4, 8) if number < 1 << 8 * size)
    info = {1: 24, 2: 25, 4: 26, 8: 27}[size]
    return bytes([major << 5 | info]) + number.to_bytes(size, "big")


def _item(stream: io.BytesIO, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    first = _take(stream, 1)[0]
    major, info = first >> 5, first & 0x1F
    if major == 7:
        return _special(stream, info)
    if info == 31:
        return _endless(stream, major, depth)
    number = info if info < 24 else int.from_bytes(_take(stream, _size(info)), "big")
    match major:
        case 0:
            return number
        case 1:
            return -1 - number
        case 2:
            return _take(stream, number)
        case 3:
            return _take(stream, number).decode()
        case 4:
            return [_item(stream, depth + 1) for _ in range(number)]
        case 5:
            return {_item(stream, depth + 1): _item(stream, depth + 1) for _ in range(number)}
        case _:
            return _item(stream, depth + 1)  # a tag tells what the value means; the value is enough


def _endless(stream: io.BytesIO, major: int, depth: int) -> Any:
    items = []
    while (one := _item(stream, depth + 1)) is not _BREAK:
        items.append(one)
    match major:
        case 2:
            return b"".join(items)
        case 3:
            return "".join(items)
        case 4:
            return items
        case 5:
            return dict(zip(items[::2], items[1::2], strict=True))
        case _:
            raise ValueError("this type has no indefinite length")


def _special(stream: io.BytesIO, info: int) -> Any:
    if info == 31:
        return _BREAK
    if info in _SIMPLE:
        return _SIMPLE[info]
    form = {25: ">e", 26: ">f", 27: ">d"}.get(info)
    if form is None:
        raise ValueError(f"simple value {info}")
    return struct.unpack(form, _take(stream, _size(info)))[0]


def _size(info: int) -> int:
    if info not in _SIZES:
        raise ValueError(f"length {info}")
    return _SIZES[info]


def _take(stream: io.BytesIO, count: int) -> bytes:
    got = stream.read(count)
    if len(got) < count:
        raise EOFError
    return got
