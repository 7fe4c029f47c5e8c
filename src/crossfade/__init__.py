"""
Crossfade: zero-downtime releases with a rollback that actually works.

The rooms and who may import whom: docs/design.md.
"""

__version__ = "0.1.0"
