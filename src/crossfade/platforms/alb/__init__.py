"""
Two permanent target groups behind an Application Load Balancer; only weights move.

`platform.py` is the place to start reading. Facts (`facts.py`, `seen.py`) and writes (`writes.py`) are
pure, `gateway.py` alone speaks to AWS, and `docs/decisions` tells why it is safe without transactions.
"""

from crossfade.platforms.alb.platform import AlbPlatform

__all__ = ["AlbPlatform"]
