"""The one error of the twin's load balancers."""

from __future__ import annotations

from crossfade.errors import PlatformError


class BalancerError(PlatformError):
    """Envoy does not do what the load balancers were asked to do; `why` has its own words."""

    def __init__(self, why: str) -> None:
        super().__init__("CF4320", "the twin's load balancers could not be changed", why=why)

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"
