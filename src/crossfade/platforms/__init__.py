"""
Where releases happen, one adapter a platform: facts in, safe writes out.

`local` runs processes on this machine behind our own Envoy, `alb` moves weights on an Application
Load Balancer of AWS. Each adapter implements
`crossfade.release.ports.Platform` and `Ground`, remembers nothing between two looks, and
passes `tests/contract/test_platform.py`.
"""

from crossfade.platforms.capabilities import Capabilities
from crossfade.platforms.local import LocalPlatform
from crossfade.platforms.local_counts import LocalCounts

__all__ = ["Capabilities", "LocalCounts", "LocalPlatform"]
