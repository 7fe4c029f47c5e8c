"""
Files for other tools, as text made of a resolved spec: nothing is read, written or asked here.

`github_actions.py` writes a workflow, `iam.py` the policy of what a release calls, `alarms.py` alarms of
CloudFormation with the limits that `alarm_limits.py` finds in the past. `flow.py` writes YAML,
`patience.py` says how long a release may take at most, `seal.py` signs a file so that a later render knows
whether a hand has changed it.
The verbs that print or write them are `cli/render_….py`.
"""

from crossfade.render.github_actions import RUNNER, workflow
from crossfade.render.patience import Patience, patience
from crossfade.render.seal import Hand, hand_of, sealed

__all__ = ["RUNNER", "Hand", "Patience", "hand_of", "patience", "sealed", "workflow"]
