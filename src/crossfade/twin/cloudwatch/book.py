"""
The alarms of the twin, looked at as the clock goes.

`tick(now)` makes up for every look that was due since the last one, in order, each with what had been
published by then: a clock that jumps ten minutes leaves the same history as one that ran. Metric alarms
are looked at each minute (high-resolution ones every 10 s); composite ones when a child has moved.
"""

from __future__ import annotations

import heapq
import json
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from crossfade.twin.cloudwatch import composite, reasons, watch
from crossfade.twin.cloudwatch.alarms import CompositeAlarm, Definition, MetricAlarm
from crossfade.twin.cloudwatch.api import ApiError, Caller
from crossfade.twin.cloudwatch.judging import State
from crossfade.twin.cloudwatch.standing import Past, Standing, configured
from crossfade.twin.cloudwatch.store import DAY, HOUR, Store

HISTORY_KEPT: Final = 14 * DAY
HISTORY_SIZE: Final = 20_000
CATCH_UP: Final = 3 * HOUR  # looks older than this are left out after a jump


class Book:
    """All alarms and their history. Guarded by the store's lock, held by whoever calls."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.alarms: dict[str, Standing] = {}
        self.past: deque[Past] = deque(maxlen=HISTORY_SIZE)
        self._due: list[tuple[float, str]] = []

    def put(
        self, definition: Definition, caller: Caller, now: float, *, enabled: bool, tags: Mapping[str, str]
    ) -> None:
        """A new alarm starts as INSUFFICIENT_DATA; an update overwrites all but state and tags."""
        self._check(definition, now)
        old = self.alarms.get(definition.name)
        if old is not None and type(old.definition) is not type(definition):
            kind = "metric" if isinstance(old.definition, MetricAlarm) else "composite"
            raise ApiError("ValidationError", f"An alarm {definition.name} of another kind ({kind}) exists.")
        if old is None:
            arn = f"arn:aws:cloudwatch:{caller.region}:{caller.account}:alarm:{definition.name}"
            old = self.alarms[definition.name] = Standing(
                definition=definition,
                arn=arn,
                configured_at=now,
                updated_at=now,
                transitioned_at=now,
                tags=dict(tags),
            )
            self.past.append(configured(old, "created", now))
        else:
            old.definition, old.configured_at, old.failed = definition, now, None
            self.past.append(configured(old, "updated", now))
        old.actions_enabled = enabled
        self._schedule(old, now)

    def _check(self, definition: Definition, now: float) -> None:
        if isinstance(definition, MetricAlarm):
            watch.check(definition, now)
            return
        gone = [name for name in composite.children(definition.rule) if name not in self.alarms]
        gone = [name for name in gone if name != definition.name]
        if gone:
            raise ApiError(
                "ValidationError",
                f"Could not save the composite alarm as alarms [{', '.join(gone)}] in the alarm rule do not "
                "exist",
            )

    def _schedule(self, standing: Standing, now: float) -> None:
        """One look in the queue for each alarm: one that was there before is dropped when its turn comes."""
        self._due = [entry for entry in self._due if entry[1] != standing.name]
        heapq.heapify(self._due)
        heapq.heappush(self._due, (standing.due_after(now), standing.name))

    @property
    def next_due(self) -> float | None:
        """When an alarm is looked at next."""
        return self._due[0][0] if self._due else None

    def tick(self, now: float) -> None:
        """Every look that is due by `now`."""
        while self._due and self._due[0][0] <= now:
            at, name = heapq.heappop(self._due)
            standing = self.alarms.get(name)
            if standing is None:
                continue
            if isinstance(standing.definition, CompositeAlarm):
                self._evaluate_rule(standing, at, None)
                continue
            heapq.heappush(self._due, (standing.due_after(max(at, now - CATCH_UP)), name))
            if at >= now - CATCH_UP:
                self._store.settle(at)
                self._look(standing, standing.definition, at)
        while self.past and self.past[0].at < now - HISTORY_KEPT:
            self.past.popleft()

    def _look(self, standing: Standing, alarm: MetricAlarm, at: float) -> None:
        try:
            judged, seen = watch.look(self._store, alarm, at)
        except ApiError as error:
            standing.failed = error.message
            return
        standing.failed = None
        if judged.state is None or watch.too_few(alarm, judged, seen):
            return
        if judged.state != standing.state:
            reason = reasons.sentence(judged.state, judged, alarm.settings, seen)
            self.move(standing, judged.state, at, reason, reasons.data(judged, alarm.settings, seen))

    def move(self, standing: Standing, state: State, at: float, reason: str, data: str | None) -> None:
        """A state set, by an evaluation or by hand; parents are looked at when it is another one."""
        before, remembered = standing.state, standing.remembered()
        standing.state, standing.reason, standing.reason_data = state, reason, data
        standing.updated_at = at
        if state == before:
            return
        standing.transitioned_at = at
        history = {"version": "1.0", "oldState": remembered, "newState": standing.remembered()}
        self.past.append(
            Past(
                alarm=standing.name,
                kind=standing.kind,
                at=at,
                item="StateUpdate",
                summary=f"Alarm updated from {before} to {state}",
                data=json.dumps(history),
            )
        )
        for parent in self.parents(standing.name):
            self._evaluate_rule(parent, at, standing)

    def parents(self, name: str) -> list[Standing]:
        """Composite alarms whose rule names this one."""
        return [
            standing
            for standing in self.alarms.values()
            if isinstance(standing.definition, CompositeAlarm)
            and name in composite.children(standing.definition.rule)
        ]

    def _evaluate_rule(self, standing: Standing, at: float, cause: Standing | None) -> None:
        definition = standing.definition
        if not isinstance(definition, CompositeAlarm) or self._circular(standing.name):
            return
        truth = composite.holds(definition.rule, self._state_of)
        state: State = "ALARM" if truth else "OK"
        if state == standing.state:
            return
        if cause is None:
            created = standing.state == "INSUFFICIENT_DATA"
            reason = reasons.of_rule(standing.arn, state, created=created)
        else:
            reason = reasons.of_child(cause.arn, cause.state, at)
        self.move(standing, state, at, reason, self._triggering(definition, cause))

    def _triggering(self, definition: CompositeAlarm, cause: Standing | None) -> str:
        children = [self.alarms[name] for name in composite.children(definition.rule) if name in self.alarms]
        wanted = cause.state if cause else "ALARM"
        moved = [child for child in children if child.state == wanted]
        moved.sort(key=lambda child: child.transitioned_at, reverse=True)
        return reasons.triggering([(child.arn, child.state, child.transitioned_at) for child in moved])

    def _state_of(self, name: str) -> State | None:
        standing = self.alarms.get(name)
        return standing.state if standing else None

    def _circular(self, name: str) -> bool:
        """Whether its evaluation would come back to it: CloudWatch then evaluates it no more."""
        seen: set[str] = set()
        ahead = [name]
        while ahead:
            standing = self.alarms.get(ahead.pop())
            if standing is None or not isinstance(standing.definition, CompositeAlarm):
                continue
            for child in composite.children(standing.definition.rule):
                if child == name:
                    return True
                if child not in seen:
                    seen.add(child)
                    ahead.append(child)
        return False

    def delete(self, names: Iterable[str], now: float) -> None:
        """Names that do not exist are passed over; one that a composite alarm needs stays, and so do all."""
        wanted = [self.alarms[name] for name in dict.fromkeys(names) if name in self.alarms]
        if len([one for one in wanted if one.kind == "CompositeAlarm"]) > 1:
            raise ApiError("ValidationError", "At most one composite alarm can be deleted by one call.")
        doomed = {standing.name for standing in wanted}
        needed = [
            one.name
            for one in wanted
            if any(p.name not in doomed or p is one for p in self.parents(one.name))
        ]
        if needed:
            them = "it" if len(needed) == 1 else "them"
            raise ApiError(
                "ValidationError",
                f"Cannot delete {','.join(needed)} as there are composite alarm(s) depending on {them}.",
            )
        for standing in wanted:
            del self.alarms[standing.name]
            self.past.append(configured(standing, "deleted", now))

    def reset(self) -> None:
        """Forget every alarm, and its history."""
        self.alarms.clear()
        self.past.clear()
        self._due.clear()
