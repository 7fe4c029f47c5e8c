"""
The three kinds of day that a twin can have. The numbers are what the field reports, where it does
(throttles are AWS's own); the others are GUESSES OF THE RIGHT SIZE, so a rehearsal proves order, never time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crossfade.twin.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    name: str
    faults: tuple[Fault, ...]


PRESETS: Final = {
    one.name: one
    for one in (
        Preset(name="instant", faults=()),
        Preset(
            name="typical",
            faults=(
                Fault(kind="limits"),
                Fault(kind="latency", delay=(0.02, 0.12)),
                Fault(kind="propagation", delay=(2.0, 10.0)),
                Fault(kind="publish_delay", delay=(90.0, 90.0)),
                Fault(kind="stale", probability=0.05, delay=(0.0, 2.0)),
                Fault(kind="fail_before", probability=0.005, status=503, code="ServiceUnavailable"),
                Fault(kind="fail_after", probability=0.004),
                Fault(kind="drop_after", probability=0.001),
            ),
        ),
        Preset(
            name="bad-day",
            faults=(
                Fault(kind="limits", others=0.5),
                Fault(kind="latency", delay=(0.05, 1.0)),
                Fault(kind="propagation", delay=(60.0, 120.0)),
                Fault(kind="publish_delay", delay=(240.0, 240.0)),
                Fault(kind="stale", probability=0.30, delay=(0.0, 15.0)),
                Fault(kind="fail_before", probability=0.05, status=503, code="ServiceUnavailable"),
                Fault(kind="fail_after", probability=0.04),
                Fault(kind="drop_after", probability=0.01),
                Fault(kind="chaos", delay=(300.0, 900.0)),
            ),
        ),
    )
}
