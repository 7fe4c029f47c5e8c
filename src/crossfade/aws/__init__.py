"""
The one door to AWS: pinned to an account, a region and, for a twin, an endpoint on this machine.

Platforms, signals and the S3 store take their clients from here, so none of them can speak to
another account than the one that `crossfade.yaml` names.
"""

from crossfade.aws.door import Door, Identity, Where
from crossfade.aws.failures import calling
from crossfade.aws.permissions import ANY, Call, Condition

__all__ = ["ANY", "Call", "Condition", "Door", "Identity", "Where", "calling"]
