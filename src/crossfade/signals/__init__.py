"""
Where verdicts come from: counts, alarms and health of the present step, read and judged.

`judged.py` is the place to start reading: `ReleaseSignals` implements the port `Signals`.
What it needs from outside (`source.py`) are tiny protocols: a source of counts, the health
of instances, a memory of what was judged, and the pace of the clock. The statistics are
in `crossfade.judge`.
"""

from crossfade.signals.alarms import Alarms, Answer
from crossfade.signals.judged import ReleaseSignals
from crossfade.signals.recorded import Recorded, recorded
from crossfade.signals.source import Arm, CountsSource, InstanceHealth, Memory, Pace, Slot, Slots

__all__ = [
    "Alarms",
    "Answer",
    "Arm",
    "CountsSource",
    "InstanceHealth",
    "Memory",
    "Pace",
    "Recorded",
    "ReleaseSignals",
    "Slot",
    "Slots",
    "recorded",
]
