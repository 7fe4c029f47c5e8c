"""What a look at the local data plane leaves for the writes of the same tick; `local.py` uses it up."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.dataplane import Observed, Service
from crossfade.release.values import Fact, Seat, Truth


@dataclass(slots=True, kw_only=True)
class Fence:
    """
    The document that was looked at. It moves with our own writes, each of which proved by
    compare-and-set that nobody else wrote in between; used within one tick only.
    """

    generation: int
    service: Service
    seat: Fact[Seat]
    strays: bool = False
    """Envoy's rules have other weights than the document: another hand was at its files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalLook:
    truth: Truth
    fence: object


def strays(observed: Observed) -> bool:
    """Whether Envoy deals out traffic otherwise than the document says, on any rule (R07)."""
    return observed.routes != observed.service.weights or bool(observed.others)
