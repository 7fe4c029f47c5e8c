"""
The seat as tags of one target group, read and written. Pure.

    crossfade:service   the service that the group belongs to; on both groups
    crossfade:release   holder of the candidate's seat, its colour, when it took it
    crossfade:primary   the colour that the platform trusts
    crossfade:blue, crossfade:green   identity and revision that the group carries
    crossfade:weight    a colour, its share as last asked for in thousandths, and when
    crossfade:test      whether the test route was last opened or closed, and when

All but the first stand on the blue group, the ledger: a write of several is one call on one resource,
so no reader ever meets half of it. Values keep to the letters that AWS allows in a tag; any other
letter is written as `=` and its bytes in hexadecimal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from crossfade.platforms.alb.model import BLUE, COLOURS, Tags
from crossfade.release.values import ALL, Share

PREFIX: Final = "crossfade:"
SERVICE: Final = PREFIX + "service"
RELEASE: Final = PREFIX + "release"
PRIMARY: Final = PREFIX + "primary"
WEIGHT: Final = PREFIX + "weight"
TEST: Final = PREFIX + "test"

MOST: Final = 256
"""Letters of a tag's value."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9+\-._:/@]", re.ASCII)
_SHARE: Final = re.compile(r"(blue|green) (1000|[0-9]{1,3})@([0-9]+(?:\.[0-9]+)?)", re.ASCII)
_ROUTE: Final = re.compile(r"(open|closed)@([0-9]+(?:\.[0-9]+)?)", re.ASCII)
_SEAT: Final = re.compile(r"(\S+) (blue|green) ([0-9]+(?:\.[0-9]+)?)", re.ASCII)
_BUILD: Final = re.compile(r"([0-9a-f]{64}) (\S+)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Who took the candidate's seat, and when."""

    release: str
    colour: str
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A colour's share as last asked for; the other one has the rest."""

    colour: str
    weight: int
    at: float

    def of(self, colour: str) -> Share:
        """What was asked for either colour."""
        return Share(self.weight if colour == self.colour else ALL - self.weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What a group carries."""

    identity: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The tags, understood. What another hand has garbled is in `garbled` and is read as absent."""

    services: Mapping[str, str]
    held: Held | None = None
    primary: str | None = None
    builds: Mapping[str, Build] = field(default_factory=dict)
    asked: Asked | None = None
    test_open: bool = False
    tested_at: float = 0.0
    garbled: tuple[str, ...] = ()

    @property
    def asked_at(self) -> float:
        return 0.0 if self.asked is None else self.asked.at


def ledger(tags: Tags) -> Ledger:
    """What the tags of both groups say."""
    mine = tags.get(BLUE, {})
    garbled: list[str] = []

    def found(key: str, form: re.Pattern[str]) -> re.Match[str] | None:
        text = mine.get(key)
        if text is None:
            return None
        match = form.fullmatch(text)
        if match is None:
            garbled.append(f"{key}={text}")
        return match

    seat, share, route = found(RELEASE, _SEAT), found(WEIGHT, _SHARE), found(TEST, _ROUTE)
    builds = {colour: found(PREFIX + colour, _BUILD) for colour in COLOURS}
    primary = mine.get(PRIMARY)
    if primary is not None and primary not in COLOURS:
        garbled.append(f"{PRIMARY}={primary}")
        primary = None
    return Ledger(
        services={colour: tags[colour][SERVICE] for colour in COLOURS if SERVICE in tags.get(colour, {})},
        held=seat and Held(release=seat[1], colour=seat[2], since=float(seat[3])),
        primary=primary,
        builds={
            colour: Build(identity=build[1], revision=plain(build[2]))
            for colour, build in builds.items()
            if build is not None
        },
        asked=share and Asked(colour=share[1], weight=int(share[2]), at=float(share[3])),
        test_open=route is not None and route[1] == "open",
        tested_at=float(route[2]) if route is not None else 0.0,
        garbled=tuple(garbled),
    )


def seat(release: str, colour: str, now: float) -> dict[str, str]:
    return {RELEASE: f"{release} {colour} {now:.3f}"}


def build(colour: str, made: Build) -> dict[str, str]:
    return {PREFIX + colour: f"{made.identity} {tagged(made.revision)}"}


def weight(colour: str, share: int, now: float) -> dict[str, str]:
    return {WEIGHT: f"{colour} {share}@{now:.3f}"}


def test(now: float, *, is_open: bool) -> dict[str, str]:
    return {TEST: f"{'open' if is_open else 'closed'}@{now:.3f}"}


def tagged(text: str) -> str:
    """Any text in the letters of a tag."""
    return "".join(
        letter if _PLAIN.fullmatch(letter) else "".join(f"={byte:02X}" for byte in letter.encode())
        for letter in text
    )


def plain(text: str) -> str:
    """The text again; what is no text of ours is left as it stands."""
    try:
        return re.sub(
            r"(?:=[0-9A-F]{2})+", lambda found: bytes.fromhex(found[0].replace("=", "")).decode(), text
        )
    except UnicodeDecodeError:
        return text


def ours(tags: Tags) -> dict[str, dict[str, str]]:
    """Only what we write: anybody may tag a group with other things."""
    return {
        colour: {key: text for key, text in sorted(found.items()) if key.startswith(PREFIX)}
        for colour, found in sorted(tags.items())
    }
