"""
The heart: what a release is meant to do, what is true outside, and the next safe thing.

Pure: no I/O, no clock, nothing but the standard library and the spec's values.
Read in this order: `values`, `plan`, `state`, `decide` (with `turning`), `reconcile`,
`hear`, `way_back`, `policy`, `ports`. `engine/` carries facts in and effects out.
"""

from crossfade.release.decide import decide, waits_for
from crossfade.release.hear import hear
from crossfade.release.reconcile import reconcile

__all__ = ["decide", "hear", "reconcile", "waits_for"]
