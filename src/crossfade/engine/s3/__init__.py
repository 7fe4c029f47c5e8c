"""
The store in a bucket, for runners that are thrown away and machines that share no disk.

Read `store` first, then `document` (what is written), `shelf` (how), `objects` (where).
"""

from crossfade.engine.s3.objects import ACTIONS, Found, Objects, S3Objects, SecondError, StoreDeniedError
from crossfade.engine.s3.store import MARGIN, S3Store

__all__ = ["ACTIONS", "MARGIN", "Found", "Objects", "S3Objects", "S3Store", "SecondError", "StoreDeniedError"]
