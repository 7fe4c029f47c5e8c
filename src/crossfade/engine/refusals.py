"""What every store says when it does not do as asked: the same words, wherever it keeps its rows."""

from __future__ import annotations

from crossfade.engine.records import Claim, LostLeaseError
from crossfade.errors import HeldError, UsageError
from crossfade.release.values import Instant


def held(service: str, holder: str, since: Instant) -> HeldError:
    """Another release of the service is active (R22)."""
    return HeldError(
        "CF5022",
        f"release {holder} holds {service}",
        f"active since {since:%Y-%m-%dT%H:%M:%SZ}; one at a time (R22)",
        f"crossfade watch {holder}, or deploy with --wait or --supersede",
    )


def unknown(release: str, where: str, *, several: bool) -> UsageError:
    """No release of this name, or more than one."""
    what = f"more than one release begins with {release}" if several else f"there is no release {release}"
    return UsageError("CF5007", what, f"looked in {where}", "crossfade history")


def lost(claim: Claim) -> LostLeaseError:
    """Another has moved on, or the lease ran out (R23)."""
    return LostLeaseError(
        "CF5023",
        f"release {claim.release} is no longer ours to write",
        f"the lease until {claim.until:%H:%M:%S} ran out or another controller has moved on (R23)",
        "nothing to do: whoever holds it goes on",
    )
