"""
Rows of the old shape made fit for the new one, while both versions serve.

`trigger.py` keeps old and new columns in step from now on, `run.py` fills what was written before,
`verify.py` counts what does not hold. These two walk their table by a key, in short transactions
(`sql.py`), at a pace that follows from what a batch took (`pace.py`), and step back for others (`pauses.py`).
A backfill keeps its place in the database (`cursor.py`). NOTHING HERE KNOWS OF RELEASES.
"""

from crossfade.migrations.backfill.before_contract import confirm
from crossfade.migrations.backfill.clock import Pulse
from crossfade.migrations.backfill.cursor import forget
from crossfade.migrations.backfill.live import Live, live
from crossfade.migrations.backfill.run import Outcome, backfill
from crossfade.migrations.backfill.standbys import Standby
from crossfade.migrations.backfill.trigger import in_place, install, leave_behind, remove
from crossfade.migrations.backfill.verify import Verified, verify

__all__ = [
    "Live", "Outcome", "Pulse", "Standby", "Verified", "backfill", "confirm", "forget", "in_place", "install",
    "leave_behind", "live", "remove", "verify",
]  # fmt: skip
