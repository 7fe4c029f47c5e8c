"""
`doctor --probe`: a small release on throw-away resources, to see how AWS, or its twin, really behaves.

WHAT SERVES. An `ip` target has to answer, and neither an instance nor a function is worth starting for
that (a function costs a role that stays). So two load balancers are made: `back` has a listener that
answers `blue` and one that answers `green`, both fixed; `front` shares between two groups whose targets
are the addresses of `back`'s own nodes. Rules of fixed answers alone could not be weighted.

Read `steps.py` first (what is done), then `making.py` (what is made, and taken away again), `ledger.py`
(what a killed probe leaves behind), `tape.py` (the trace), `compare.py` (two traces).

LIMITS: it says how one small load balancer behaved on one day. Nobody has run it on AWS itself yet.
"""

from crossfade.doctor.probe.compare import compare, differences
from crossfade.doctor.probe.ledger import FILE, Ledger
from crossfade.doctor.probe.run import Wish, clean, probe
from crossfade.doctor.probe.steps import Pace

__all__ = ["FILE", "Ledger", "Pace", "Wish", "clean", "compare", "differences", "probe"]
