"""
`doctor`: whether a release could run from here, now, and what stands in its way. Nothing is changed.

`check.py` holds what one check says, `examine.py` runs them in order; each other file looks at one
thing. A check that could not be made says so and is never counted as good (R06).
"""

from crossfade.doctor.check import Check, State, exit_code

__all__ = ["Check", "State", "exit_code"]
