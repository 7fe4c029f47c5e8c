"""
Which rules are in force: what was asked for, but later, as in a fleet of load balancer nodes.

A listener that is new or gone is so at once. A change of rules waits for its own delay, and never overtakes
an earlier one of its listener. Pure: time is an argument, in twin seconds. NOT THREAD-SAFE.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from crossfade.twin.balancer.model import Rule


@dataclass(slots=True)
class _Course:
    rules: tuple[Rule, ...]
    coming: deque[tuple[float, tuple[Rule, ...]]] = field(default_factory=deque)

    def last(self) -> tuple[float, tuple[Rule, ...]]:
        return self.coming[-1] if self.coming else (0.0, self.rules)


class Routing:
    """The rules of every listener, by its ARN."""

    def __init__(self) -> None:
        self._courses: dict[str, _Course] = {}

    def want(
        self, listeners: Iterable[tuple[str, tuple[Rule, ...]]], now: float, delay: Callable[[], float]
    ) -> None:
        """From now on these rules are asked for; `delay` is drawn for each listener whose rules changed."""
        wanted = dict(listeners)
        for arn in set(self._courses) - set(wanted):
            del self._courses[arn]
        for arn, rules in wanted.items():
            course = self._courses.setdefault(arn, _Course(rules))
            before, newest = course.last()
            if rules != newest:
                course.coming.append((max(before, now + delay()), rules))
        self.elapse(now)

    def copy(self) -> Routing:
        """The same, to come back to."""
        same = Routing()
        same._courses = {arn: replace(c, coming=deque(c.coming)) for arn, c in self._courses.items()}
        return same

    def elapse(self, now: float) -> bool:
        """What is due comes into force; True when anything did."""
        changed = False
        for course in self._courses.values():
            while course.coming and course.coming[0][0] <= now:
                course.rules = course.coming.popleft()[1]
                changed = True
        return changed

    def next_change(self) -> float | None:
        """When the next rules come into force."""
        return min((c.coming[0][0] for c in self._courses.values() if c.coming), default=None)

    def in_force(self, listener: str) -> tuple[Rule, ...]:
        """The rules that a listener has now."""
        return self._courses[listener].rules

    def coming(self, listener: str) -> tuple[tuple[Rule, ...], ...]:
        """The rules that a listener will have, in their order."""
        return tuple(rules for _, rules in self._courses[listener].coming)
