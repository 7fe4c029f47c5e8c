"""
Copies of the ELBv2 state of a region: to answer a stale read from, and to undo what cannot be served.

A copy is a backend of moto's own kind, so every Describe works on it. Only what actions change in place
is copied; what they replace as a whole (action lists, conditions, attributes) is shared.
"""

from __future__ import annotations

import copy
import threading
from collections import deque
from typing import Any, Final

_REMEMBERED_S: Final = 300.0
_MOST: Final = 100
"""Of a region with 300 services a picture is about 1 MB; of many changes in a row the oldest go first."""


def picture(backend: Any) -> Any:
    """What the state is now; later actions do not change it."""
    made = copy.copy(backend)
    made.target_groups = {arn: _group(one) for arn, one in backend.target_groups.items()}
    made.load_balancers = {arn: _balancer(one) for arn, one in backend.load_balancers.items()}
    made.tagging_service = copy.copy(backend.tagging_service)
    made.tagging_service.tags = {arn: dict(tags) for arn, tags in backend.tagging_service.tags.items()}
    return made


def restore(backend: Any, to: Any) -> None:
    """Makes the state what it was; the picture is used up."""
    backend.target_groups = to.target_groups
    backend.load_balancers = to.load_balancers
    backend.tagging_service = to.tagging_service


class Past:
    """What each region's state was, as far back as a stale read may look. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pictures: dict[tuple[str, str], deque[tuple[float, Any]]] = {}

    def keep(self, place: tuple[str, str], until: float, what: Any) -> None:
        """A picture of what was true until that moment, when an action changed it."""
        with self._lock:
            kept = self._pictures.setdefault(place, deque(maxlen=_MOST))
            kept.append((until, what))
            while kept and kept[0][0] < until - _REMEMBERED_S:
                kept.popleft()

    def at(self, place: tuple[str, str], moment: float) -> Any | None:
        """What was true at a moment; None = what is true now."""
        with self._lock:
            return next((what for until, what in self._pictures.get(place, ()) if until > moment), None)


def _group(one: Any) -> Any:
    made = copy.copy(one)
    made.attributes = dict(one.attributes)
    made.targets = dict(one.targets)
    if hasattr(one, "matcher"):
        made.matcher = dict(one.matcher)
    return made


def _balancer(one: Any) -> Any:
    made = copy.copy(one)
    made.attrs = dict(one.attrs)
    made.listeners = {arn: _listener(each) for arn, each in one.listeners.items()}
    return made


def _listener(one: Any) -> Any:
    made = copy.copy(one)
    made.certificates = list(one.certificates)
    made.attributes = dict(one.attributes)
    for name in ("_non_default_rules", "_default_rule"):
        setattr(made, name, {key: copy.copy(rule) for key, rule in getattr(one, name).items()})
    return made
