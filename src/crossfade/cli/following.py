"""
Following one release to its end: driving it in this process, or watching while another drives.

Whoever follows sees the same journal through the same renderer. The first interrupt asks
the release to turn back (or leaves it, by `on_interrupt: hold`); a second within five
seconds hands it to a background driver. Traffic is never left without somebody who looks.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from crossfade.bootstrap import House
from crossfade.cli.options import actor
from crossfade.cli.screens import Screen, open_screen
from crossfade.dataplane import meant_down
from crossfade.engine.emergency import ACTOR as EMERGENCY
from crossfade.engine.opening import new_id
from crossfade.engine.records import Entry
from crossfade.errors import CrossfadeError
from crossfade.release.plan import Kind, Plan
from crossfade.release.state import Outcome, State, phase
from crossfade.release.values import Cause, Command, EventType, Verb
from crossfade.spec import OnInterrupt
from crossfade.whereabouts import name_of

POLL_S = 0.1
SECOND_S = 5.0
WAITING_S = 2.0
"""A release that waits for a person is reported as waiting once it has done so for this long."""


def exit_code(state: State) -> int:
    """The documented exit code of how a release stands."""
    match state.outcome:
        case Outcome.SUCCEEDED:
            return 0
        case Outcome.ROLLED_BACK:
            if state.asked is not None and state.asked.actor == EMERGENCY:
                return 4
            return {Cause.PERSON: 5, Cause.SUPERSEDED: 8}.get(state.cause or Cause.GATE, 4)
        case Outcome.CLOSED:
            return 6
        case None:
            if state.stuck:
                return 6
            return 7 if state.paused is not None or state.hold is not None else 9


class Interrupts:
    """SIGINT and SIGTERM while this process drives a release."""

    def __init__(self, house: House, plan: Plan, policy: OnInterrupt, stop: threading.Event) -> None:
        self._house, self._plan, self._stop = house, plan, stop
        self.policy = policy
        self._first: float | None = None
        self.stopped = False
        """The platform itself was stopped on purpose: nothing is left to drive."""
        self.asked_back = False
        self.detached = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Handle both signals in here; then as before, but whoever was interrupted once is not cut short."""
        before = {number: signal.signal(number, self._caught) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if self._first is None else signal.SIG_IGN)

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        again = self._first is not None and time.monotonic() - self._first <= SECOND_S
        if again or self.policy is OnInterrupt.HOLD:
            self.detached = True
            self._stop.set()
            return
        if self._first is None:
            self.asked_back = True
            name = signal.Signals(number).name
            # A handler must not wait for a lock that the interrupted code holds.
            threading.Thread(target=self._ask, args=(name,), daemon=True).start()
        self._first = time.monotonic()

    def _ask(self, name: str) -> None:
        try:
            ask(self._house, self._plan.release, Verb.ABORT, f"interrupted by {name}")
        except CrossfadeError as error:
            print(*error.lines(), sep="\n", file=sys.stderr)
            return
        print("turning back; again within 5 s to leave it to the background", file=sys.stderr)


def ask(house: House, release: str, verb: Verb, reason: str, step: str | None = None) -> str:
    """Put a command into the release's inbox; its id."""
    command = Command(id=new_id(), verb=verb, actor=actor(), reason=reason, step=step)
    house.store.send(release, command, house.clock.now())
    return command.id


def drive(
    house: House,
    plan: Plan,
    *,
    output: str = "auto",
    on_interrupt: OnInterrupt = OnInterrupt.ROLLBACK,
    until: Callable[[State], bool] | None = None,
) -> int:
    """Drive this release here until it ends (or `until` holds); the exit code."""
    stop = threading.Event()
    interrupts = Interrupts(house, plan, on_interrupt, stop)
    with open_screen(output, plan) as screen, interrupts.caught():

        def entry(item: Entry) -> None:
            if item.release != plan.release:
                return
            screen.entry(item)
            if interrupts.asked_back and item.event.type is EventType.ROLLBACK_VERIFIED:
                stop.set()
            now = house.store.row(plan.release).state
            if until is not None and until(now):
                stop.set()
            if now.only_closed(plan):
                stop.set()

        def note(release: str, payload: Mapping[str, object]) -> None:
            if release == plan.release:
                screen.note(payload)
            if meant_down(house.folder):
                interrupts.stopped = True
                stop.set()

        try:
            house.controller(plan.service).run(until=plan.release, on_entry=entry, on_note=note, stop=stop)
        finally:
            house.hooks.close()
        state = house.store.row(plan.release).state
        if state.only_closed(plan):
            screen.ended(state)
            screen.say(f"nothing turns back here: crossfade close {plan.release} --reason TEXT, then deploy")
            return exit_code(state)
        if state.outcome is None and not (until is not None and until(state)):
            return _left(house, plan, state, interrupts, screen)
        if state.outcome is None:
            hand_over(house, plan.release)
        screen.ended(state)
    return 0 if until is not None and state.outcome is None else exit_code(state)


def _left(house: House, plan: Plan, state: State, interrupts: Interrupts, screen: Screen) -> int:
    """This process stops driving; somebody else goes on unless the user said hold."""
    chosen = interrupts.detached and interrupts.policy is OnInterrupt.HOLD and not interrupts.asked_back
    hold = interrupts.stopped or chosen
    if not hold:
        hand_over(house, plan.release)
    if interrupts.asked_back and all_home(plan, state) and not hold:
        screen.say(f"all traffic is on {plan.stable}; clearing goes on in the background: crossfade status")
        return 5
    where = "nobody drives it now: crossfade resume, or abort" if hold else "it goes on in the background"
    if interrupts.stopped:
        screen.say(
            "the platform was stopped by `crossfade local down --force`; crossfade local up starts it again"
        )
    screen.say(f"detached at {phase(plan, state)}; {where}; crossfade watch {plan.release}")
    return 130


def all_home(plan: Plan, state: State) -> bool:
    """Whether all traffic was seen on stable again, though the candidate may not be cleared yet."""
    step = state.step(plan)
    return step.kind is Kind.CLEARING or (step.kind is Kind.ROLLING_BACK and state.reached is not None)


def hand_over(house: House, release: str) -> None:
    """A background process that drives this release to its end; it outlives us."""
    logs, beside = house.folder / "logs", house.folder.resolve().parent
    logs.mkdir(parents=True, exist_ok=True)
    state = ["--state", name_of(house.state), "--beside", str(beside)]
    with (logs / f"driver-{release}.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "crossfade", "drive", release, *state],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def watch(
    house: House,
    plan: Plan,
    *,
    output: str = "auto",
    until: Callable[[State], bool],
    timeout_s: float | None = None,
    from_start: bool = True,
) -> int:
    """Show a release that is driven elsewhere, to its end, until `until` holds, or to the time-out (9)."""
    end = None if timeout_s is None else time.monotonic() + timeout_s
    seen = 0 if from_start else house.store.last_seq(plan.service)
    with open_screen(output, plan) as screen:
        while True:
            for item in house.store.entries(release=plan.release, after=seen):
                seen = item.seq
                screen.entry(item)
            note = house.store.notes(plan.release)
            if note:
                screen.note(note)
            state = house.store.row(plan.release).state
            if state.outcome is not None or until(state):
                screen.ended(state)
                return exit_code(state) if state.outcome is not None else _until_code(state)
            if state.only_closed(plan):
                screen.ended(state)
                return exit_code(state)
            if end is not None and time.monotonic() >= end:
                screen.say("the watch timed out; the release still runs")
                return 9
            if not house.is_driven(plan.service):
                screen.say(f"no controller is alive: crossfade resume {plan.release} --reason TEXT, or abort")
                return 9
            time.sleep(max(POLL_S, house.store.pace))


def _until_code(state: State) -> int:
    """A state that was waited for has come: 0, unless it is one that has a code of its own."""
    code = exit_code(state)
    return 0 if code == 9 else code
