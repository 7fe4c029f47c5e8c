"""
A journal read once for people: where the release stands, what turned it, who overrode what.

Everything here stands in the journal or follows from it by subtraction of times; where
the journal is silent the answer is None. `explain`, `history` and `markdown` tell it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from crossfade.cli.render import fields, words
from crossfade.release.plan import Kind, Plan
from crossfade.release.state import ENTERS, REACHES, Outcome, State, fold, opened, phase
from crossfade.release.values import NOTHING, Cause, Event, EventType, Share, Verb

_REACHED = frozenset(REACHES.values())
_GATES = frozenset(
    {
        EventType.GATE_PASSED,
        EventType.GATE_FAILED,
        EventType.GATE_WAITING,
        EventType.GATE_NO_DATA,
        EventType.GATE_INCONCLUSIVE,
        EventType.BAKE_EXTENDED,
    }
)
_ENDS = frozenset({EventType.RELEASE_SUCCEEDED, EventType.RELEASE_ROLLED_BACK, EventType.RELEASE_CLOSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What a journal says about its release."""

    plan: Plan
    events: tuple[Event, ...]
    state: State | None
    """None where nothing was opened: the journal is empty, or the release was refused."""
    opened: Event | None
    refused: Event | None
    turned: Event | None
    """`rollback.started`, with the cause."""
    fault: Event | None
    """The gate or hook that failed at the step where the release turned back."""
    reached: Event | None
    """The fact by which the step where it turned back, or stands, was reached."""
    entered: Event | None
    """The intent by which that step was entered."""
    home: Event | None
    """The fact since which all traffic is on stable; none before it, nor while another hand disturbs it."""
    ended: Event | None
    stuck: Event | None
    """The page, where nothing has come after it that ends it."""
    most: Share
    """The most traffic that was asked for the candidate."""

    @property
    def outcome(self) -> Outcome | None:
        return None if self.state is None else self.state.outcome

    @property
    def cause(self) -> Cause | None:
        return None if self.turned is None else self.turned.cause

    @property
    def word(self) -> str:
        """The phase as people see it."""
        if self.refused is not None:
            return "refused"
        return "not opened" if self.state is None else phase(self.plan, self.state)

    @property
    def stable(self) -> str:
        return words.clean(self.plan.stable or "nothing")

    @property
    def candidate(self) -> str:
        return words.clean(self.plan.candidate)

    @property
    def title(self) -> str:
        """`shop v2 -> v3`."""
        return f"{words.clean(self.plan.service)} {self.stable} -> {self.candidate}"

    @property
    def took(self) -> timedelta | None:
        """From opening to end, or to the last event."""
        return self.events[-1].ts - self.opened.ts if self.opened is not None else None


def read(plan: Plan, entries: Sequence[fields.EntryLike]) -> Story:
    """The story of this journal, which may be empty or unfinished."""
    events = tuple(entry.event for entry in entries)
    state = _state(plan, events)
    turned = last(events, {EventType.ROLLBACK_STARTED})
    upto = events if turned is None else events[: events.index(turned)]
    faults = (
        {EventType.GATE_FAILED}
        if turned is not None and turned.cause is Cause.GATE
        else {EventType.HOOK_FAILED}
    )
    fault = last(upto, faults) if turned is not None and turned.cause in (Cause.GATE, Cause.HOOK) else None
    return Story(
        plan=plan,
        events=events,
        state=state,
        opened=last(events, {EventType.RELEASE_OPENED}),
        refused=last(events, {EventType.RELEASE_REFUSED}),
        turned=turned,
        fault=fault,
        reached=_reached(upto),
        entered=last(upto, frozenset(ENTERS)),
        home=_home(events[len(upto) :]),
        ended=last(events, _ENDS),
        stuck=last(events, {EventType.RELEASE_STUCK}) if state is not None and state.stuck else None,
        most=max((event.weight or NOTHING for event in events if event.type in _MOVES), default=NOTHING),
    )


_MOVES = frozenset({EventType.WEIGHT_REQUESTED, EventType.PROMOTE_REQUESTED})


def last(events: Sequence[Event], types: frozenset[EventType] | set[EventType]) -> Event | None:
    """The last event of one of these types."""
    return next((event for event in reversed(events) if event.type in types), None)


def gates(story: Story, step: str | None = None) -> Mapping[str, Event]:
    """The last word of each gate, at one step or at any, in the plan's order."""
    said = {
        event.gate: event
        for event in story.events
        if event.type in _GATES and event.gate is not None and step in (None, event.step)
    }
    order = [gate.name for gate in story.plan.gates]
    known = {name: said[name] for name in order if name in said}
    return known | {name: event for name, event in said.items() if name not in known}


def overrides(story: Story) -> tuple[Event, ...]:
    """What people did against the rules' advice, each with who and why (R41, R44)."""
    return tuple(
        event
        for event in story.events
        if event.type is EventType.COMMAND_RECEIVED
        and (event.verb == "deploy" or (event.verb == Verb.PROMOTE_FULL.value and event.message is None))
    )


def orders(story: Story) -> tuple[Event, ...]:
    """Every command of a person in the journal, declined ones too."""
    return tuple(event for event in story.events if event.type is EventType.COMMAND_RECEIVED)


def told(event: Event) -> str:
    """A command in one line: what, by whom, why; and why not, where it was declined."""
    what = "deploy --despite " + (event.key or "") if event.verb == "deploy" else (event.verb or "a command")
    if event.verb == "deploy" and event.key == "retry":
        what = "deploy --retry"
    if event.verb == Verb.PROMOTE_FULL.value:
        what = "promote --full"
    why = f': "{words.clean(event.reason)}"' if event.reason else ""
    declined = (
        f" (declined: {words.clean(event.message)})" if event.message and event.verb != "deploy" else ""
    )
    return f"{words.clean(what)} by {words.clean(event.actor or 'nobody named')}{why}{declined}"


def waits(story: Story) -> tuple[str, ...]:
    """
    What an unfinished release waits for, as far as the journal tells; truth is asked by `status`.

    When a thing began is told by its event; the state's own marks move with time in which nobody looked.
    """
    state = story.state
    if state is None or state.outcome is not None:
        return ()
    step = state.step(story.plan)
    said: list[str] = []
    if state.paused is not None:
        paused = next(
            (e for e in reversed(orders(story)) if e.verb == Verb.PAUSE.value and not e.message), None
        )
        said.append(f"a person, who paused it{_at(paused)}: crossfade resume")
    if state.hold is not None:
        held = last(story.events, {EventType.HOLD_STARTED})
        said.append(words.clean(held.message if held and held.message else state.hold.value))
    if state.blind_since is not None:
        blind = last(story.events, {EventType.GATE_NO_DATA})
        gate = words.clean(blind.gate) if blind and blind.gate else "a gate"
        said.append(f"data for gate {gate}, which lost it{_at(blind)}")
    if state.reached is None:
        said.append(f"{step.name} to be reached, due {words.clock(state.since + step.within)}")
        return tuple(said)
    for run in state.hooks:
        if run.key in step.hooks and not run.settled:
            begun = next(
                (e for e in story.events if e.type is EventType.HOOK_STARTED and e.key == run.key), None
            )
            said.append(f"hook {fields.hook_name(story.plan, run.key)}, started{_at(begun)}")
    if not said and step.bake:
        end = words.clock(state.reached + step.bake)
        over = f"{words.duration(step.bake)} of bake, over at {end} at the earliest"
        said.append(over if not step.gates else f"{over}, under {', '.join(step.gates)}")
    return tuple(said)


def _at(event: Event | None) -> str:
    return "" if event is None else f" at {words.clock(event.ts)}"


def standing(story: Story) -> str | None:
    """The step the release stands on, or stood on when it turned back."""
    if story.turned is not None:
        return story.turned.step
    return None if story.state is None else story.state.step(story.plan).name


def between(first: Event | None, then: Event | None) -> timedelta | None:
    """The time between two events, where both are there and in this order (a clock may have gone back)."""
    if first is None or then is None or then.ts < first.ts:
        return None
    return then.ts - first.ts


def since(story: Story) -> datetime | None:
    """Since when the release stands where it stands."""
    if story.ended is not None:
        return story.ended.ts
    return None if story.state is None else story.state.since


def _reached(events: Sequence[Event]) -> Event | None:
    """The fact of the present step's world; none where the step was entered and not reached."""
    for event in reversed(events):
        if event.type in _REACHED:
            return event
        if event.type in ENTERS and ENTERS[event.type] is not Kind.KEEPING:
            return None
    return None


def _home(back: Sequence[Event]) -> Event | None:
    """The first proof of home that no foreign hand has undone since."""
    found: Event | None = None
    for event in back:
        if event.type is EventType.WORLD_CHANGED:
            found = None
        elif event.type in (EventType.ROLLBACK_VERIFIED, EventType.CLEAR_VERIFIED):
            found = found or event
    return found


def _state(plan: Plan, events: Sequence[Event]) -> State | None:
    if not events or last(events, {EventType.RELEASE_OPENED}) is None:
        return None
    return fold(plan, opened(events[0].ts), events)
