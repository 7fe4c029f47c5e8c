"""
Files for other tools, as text made of a resolved spec: nothing is read, written or asked here.

`github_actions.py` writes a workflow, `patience.py` says how long a release may take at
most, `seal.py` signs a file so that a later render knows whether a hand has changed it.
The verb that prints or writes them is `cli/render_verb.py`.
"""

from crossfade.render.github_actions import RUNNER, workflow
from crossfade.render.patience import Patience, patience
from crossfade.render.seal import Hand, hand_of, sealed

__all__ = ["RUNNER", "Hand", "Patience", "hand_of", "patience", "sealed", "workflow"]
