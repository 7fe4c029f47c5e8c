"""`watchdog`: takes over releases whose controller is gone; a process of its own, or a scheduled one."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossfade.cli.options import file_option, json_option, state_option

if TYPE_CHECKING:
    from crossfade.bootstrap import House
    from crossfade.engine.records import Entry
    from crossfade.engine.watchdog import Alone
    from crossfade.whereabouts import State

LOOK_S = 5.0
"""Real seconds between two rounds."""

HEARTBEAT_S = 30.0

BACK, STUCK, RUNS, BROKE, LEFT = 0, 6, 9, 1, 130
WORST_FIRST = (STUCK, BROKE, RUNS, BACK)


class Span(click.ParamType[timedelta]):
    """`90s`, `15m`: a number alone could be either."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        from crossfade.spec.units import duration

        if isinstance(value, timedelta):
            return value
        try:
            return duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(
    help="Turn back releases whose controller is gone, see promoted ones through, drive both to their end."
)
@click.option("--once", is_flag=True, help="One round: what it takes is followed to its end; for a schedule.")
@click.option(
    "--gone-for",
    type=Span(),
    default="60s",
    show_default=True,
    help="So much silence means that a controller is gone; at least 20s.",
)
@click.option(
    "--within",
    type=Span(),
    default="30m",
    show_default=True,
    help="With --once: how long to follow at most.",
)
@json_option
@state_option
@file_option
def watchdog(
    once: bool, gone_for: timedelta, within: timedelta, as_json: bool, state: State | None, file: Path
) -> int:
    """Exit codes with --once: 0 nothing to do, or all traffic is back; 6 stuck; 9 it still runs."""
    from crossfade.bootstrap import find_house

    house, _ = find_house(file, state)
    watch = Watch(house, gone_for, as_json=as_json)
    with watch.interrupted():
        return watch.once(within) if once else watch.for_ever()


@dataclass
class Watch:
    """One watchdog over all services of one state."""

    house: House
    gone: timedelta
    as_json: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    followed: dict[str, threading.Thread] = field(default_factory=dict)
    """By release."""
    codes: dict[str, int] = field(default_factory=dict)
    _spared: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the watch; what it drove is then for the next one."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, lambda *_: self.stop.set()) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def once(self, within: timedelta) -> int:
        """One round, and what it began to its end or to the limit."""
        self.round()
        end = time.monotonic() + within.total_seconds()
        while self._busy() and not self.stop.is_set() and time.monotonic() < end:
            self.stop.wait(0.1)
        if not self.followed and not self.codes:
            self.say("nothing to do: no release here was left alone")
        return self._let_go()

    def for_ever(self) -> int:
        """Round after round until it is interrupted; a state that is away is waited for."""
        from crossfade.engine.records import StoreAwayError
        from crossfade.whereabouts import name_of

        beat, blind = 0.0, ""
        while not self.stop.is_set():
            try:
                watched = self.round()
            except StoreAwayError as error:
                if blind != error.what:
                    print(*error.lines(), sep="\n", file=sys.stderr, flush=True)
                blind, watched = error.what, -1
            else:
                blind = ""
            if time.monotonic() - beat >= HEARTBEAT_S:
                beat = time.monotonic()
                seen = "blind" if watched < 0 else f"running={watched} taken={len(self._busy())}"
                self.say(f"watching {name_of(self.house.state)} {seen}")
            self.stop.wait(LOOK_S)
        code = self._let_go()
        return LEFT if code == RUNS else code

    def round(self) -> int:
        """Takes every release that was left alone; how many run."""
        from crossfade.engine.watchdog import left_alone, take

        if not self.house.begun:
            return 0
        store, running = self.house.store, 0
        for service in store.services():
            row = store.active(service)
            if row is None:
                continue
            running += 1
            alone = left_alone(store, row, self.house.clock, self.gone)
            if alone is None or row.id in self._busy() or self._spares(alone):
                continue
            after = store.last_seq(service)
            if take(store, alone, self.house.clock):
                self._follow(alone, after)
            else:
                self.say("another watchdog took it first", alone)
        return running

    def _spares(self, alone: Alone) -> bool:
        """What its platform takes back by itself is left to it; what only a person ends, to a person."""
        release, row = alone.row.id, alone.row
        if row.state.only_closed(row.plan):
            if self.codes.get(release) != STUCK:
                self.say("STUCK: nothing turns back there; page somebody: crossfade close", alone)
            self.codes[release] = STUCK
            return True
        if not self.house.has_dead_man(alone.row.plan):
            return False
        if release not in self._spared:
            self._spared.add(release)
            self.say("nobody drives it; its platform takes it back by itself", alone)
        return True

    def _follow(self, alone: Alone, after: int) -> None:
        does = "it is promoted, watching it to its end" if alone.goes_on else "turning it back"
        self.say(f"nobody has driven it for {alone.silent.total_seconds():.0f} s: {does}", alone)
        thread = threading.Thread(target=self._drive, args=(alone, after), daemon=True)
        self.followed[alone.row.id] = thread
        thread.start()

    def _drive(self, alone: Alone, after: int) -> None:
        """To the end, through a house of its own: a release that hangs must not hold up another."""
        house, row = self.house.again(), alone.row
        try:
            house.watchdog_of(row.service).run(
                row.id, on_entry=lambda entry: self._told(entry, alone), after=after, stop=self.stop
            )
            self.codes[row.id] = self._code(house, alone)
        except Exception as error:  # noqa: BLE001  # the other releases must get home too
            self.codes[row.id] = BROKE
            self.say(f"broke: {error!r}; it is tried again once it was silent long enough", alone)
        finally:
            house.hooks.close()
            house.store.close()

    def _code(self, house: House, alone: Alone) -> int:
        from crossfade.cli.following import all_home

        state = house.store.row(alone.row.id).state
        if state.stuck:
            self.say("STUCK: not proved that exactly one version serves; page somebody", alone)
            return STUCK
        if state.outcome is None and not all_home(alone.row.plan, state):
            self.say("it is not over: the next watchdog, `crossfade resume` or `abort` goes on", alone)
            return RUNS
        return BACK

    def _busy(self) -> frozenset[str]:
        return frozenset(release for release, thread in self.followed.items() if thread.is_alive())

    def _let_go(self) -> int:
        """Ends what is still driven; the worst of all codes."""
        self.stop.set()
        for thread in self.followed.values():
            thread.join(HEARTBEAT_S)
        return min(self.codes.values(), key=WORST_FIRST.index, default=BACK)

    def _told(self, entry: Entry, alone: Alone) -> None:
        from crossfade.cli.render import ndjson, plain

        line = (ndjson if self.as_json else plain).line(entry, alone.row.plan)
        with self._lock:
            print(line, flush=True)

    def say(self, text: str, alone: Alone | None = None) -> None:
        """One plain line of our own; with --json on stderr, where it is no data."""
        from crossfade.cli.render import words

        whose = f" {alone.row.service} {words.short(alone.row.id)}" if alone is not None else ""
        with self._lock:
            out = sys.stderr if self.as_json else sys.stdout
            print(f"{words.stamp(self.house.clock.now())}{whose} WATCHDOG {text}", file=out, flush=True)
