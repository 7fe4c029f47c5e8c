"""
All five strategies under traffic that never stops: good, slow, erroring, crashing, aborted in every phase.

    python tests/long/rollouts.py [--short] [--only rolling] [--lanes 2]

Every release is a `crossfade deploy` of its own in a shop of four instances. Prints, per strategy,
each outcome, the time from verdict to 0 %, and the capacity at every step beside what the plan
promises (`capacity.py`). Exit 0 = every outcome as it must be, one version serving after each,
no request lost or reset of at least 100,000, capacity as promised and never below the need (R03).

An abort is meant for one phase; where the journal says that it was heard in another, the release
must end well all the same, and the phase is tried again.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from capacity import Capacity, Watcher, stays
from phases import Case, Hand, cases, heard
from rig import FACTOR, SERVICE, Settings, Shop, quantile, stoppable

from crossfade.demo.receipt import End
from crossfade.engine.records import Entry, Row
from crossfade.release.values import ALL, EventType

RATE = 150.0
INSTANCES = 4
LONGEST_S = 150.0
ENOUGH = 100_000
TRIES = 4
LATENCY = "{against: stable, at_most: 2x, at: [p95], must_see: 20x}"
"""One gate for good and slow builds: p95 x 3 is far above it, a busy machine far below."""

BAKE = "20s"
LONG = "900s"
"""Of the first weight of a bad build: long enough for any verdict."""

STRATEGIES = {
    "canary": "{{canary: {{steps: [{{weight: 20%, bake: {0}}}, {{weight: 50%, bake: {1}}}, "
    "{{weight: 75%, bake: {1}}}], keep_old: 40s}}}}",
    "canary, 5 % held back": "{{canary: {{steps: [{{weight: 50%, bake: {0}}}], "
    "hold_back: 5%, keep_old: 40s}}}}",
    "blue_green": "{{blue_green: {{bake: {0}, keep_old: 40s}}}}",
    "blue_green, 5 % held back": "{{blue_green: {{bake: {0}, hold_back: 5%, keep_old: 40s}}}}",
    "linear": "{{linear: {{step: 40%, every: {0}, keep_old: 40s}}}}",
    "rolling": "{{rolling: {{surge: 1, bake: {0}, keep_old: 40s}}}}",
    "rolling, 1 may be missing": "{{rolling: {{surge: 1, unavailable: 1, bake: {0}, keep_old: 40s}}}}",
    "hybrid": "{{hybrid: {{steps: [{{weight: 20%, bake: {0}}}, {{weight: 60%, bake: {1}}}], "
    "keep_old: 40s}}}}",
}
SURGE = {"rolling": 1, "rolling, 1 may be missing": 1}


@dataclass(slots=True, kw_only=True)
class Back:
    """One way back; real seconds since the verdict."""

    revision: str
    case: Case
    verdict: float
    verified: float
    over: float
    lowest: int
    """Thousandths of the traffic that met capacity at the worst look."""
    routes: float | None = None
    last: float | None = None
    """When the last request reached the new version, by that version's own log; None: none ever did."""


@dataclass(slots=True, kw_only=True)
class Told:
    """What one strategy's shop has to say."""

    strategy: str
    capacity: Capacity
    outcomes: list[tuple[Case, str, float, Back | None]] = field(default_factory=list)
    """(case, outcome and cause, real seconds of the release, its way back)"""
    backs: list[Back] = field(default_factory=list)
    missed: int = 0
    """Aborts that were heard in another phase than they were meant for."""
    fell: set[str] = field(default_factory=set)
    """How processes of builds that do not crash ended although they were wanted."""
    requests: int = 0
    users: str = ""
    trouble: list[str] = field(default_factory=list)


class Season:
    """One strategy's releases, one after the other, in one shop."""

    def __init__(self, strategy: str, stop: threading.Event, *, short: bool, again: int) -> None:
        self.told = Told(strategy=strategy, capacity=Capacity(instances=INSTANCES, surge=SURGE.get(strategy)))
        self._stop, self._short, self._again = stop, short, again
        self._ends: dict[int, End] = {}
        self._routed: dict[str, int] = {}

    def run(self) -> None:
        told, shop = self.told, Shop(Settings(rate=RATE, instances=INSTANCES, latency=LATENCY))
        try:
            with shop:
                shop.configure(self._text("good"))
                for case in tuple(cases(shop, told.strategy, short=self._short)) * self._again:
                    self._until_met(shop, case)
                if self._stop.is_set():
                    return
                self._settle(shop)
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            told.trouble.append(f"broke: {error!r}")
        if shop.left_behind:
            told.trouble.append(f"processes were left behind: {shop.left_behind}")

    def _text(self, behaviour: str) -> str:
        return STRATEGIES[self.told.strategy].format(BAKE if behaviour == "good" else LONG, BAKE)

    def _until_met(self, shop: Shop, case: Case) -> None:
        for _ in range(TRIES):
            if self._stop.is_set() or self._release(shop, case):
                return
            self.told.missed += 1
        self.told.trouble.append(f"{case.name()}: not met in {TRIES} tries")

    def _release(self, shop: Shop, case: Case) -> bool:
        """One release, looked at and judged; False where the abort was heard in another phase."""
        told, begun = self.told, time.monotonic()
        shop.between()
        shop.configure(self._text(case.behaviour))
        revision = shop.build(case.behaviour)
        watcher, hand = Watcher(shop, revision), Hand(shop, revision, case) if case.step else None
        watcher.start()
        if hand is not None:
            hand.start()
        try:
            code = shop.deploy(revision, LONGEST_S, self._stop)
        finally:
            watcher.close()
            if hand is not None:
                hand.close()
        if self._stop.is_set():
            return True
        if code is None:
            raise TimeoutError(f"{revision}, {case.name()}: no end after {LONGEST_S:g} s")
        row = shop.house.store.releases(SERVICE, limit=1)[0]
        entries = shop.house.store.entries(release=row.id)
        met = hand is None or heard(row, entries, hand.sent, case)
        cause = cause_of(entries)
        outcome = "not over" if row.outcome is None else row.outcome.value
        said = f"{outcome}{f' ({cause})' if cause else ''}"
        seconds = time.monotonic() - begun
        if met:
            right = outcome == case.wanted[0] and cause in case.wanted[1] and code == case.wanted[2]
        else:
            right = (outcome, code) in {("succeeded", 0), ("rolled_back", 5)}
        if not right:
            told.trouble.append(f"{revision}, {case.name()}: {said}, exit code {code}")
        told.trouble += [f"after {revision}, {case.name()}: {text}" for text in shop.wrong(10.0)]
        back = self._look(shop, case, row, entries, watcher)
        if back is not None:
            told.backs.append(back)
        if met:
            told.outcomes.append((case, said, seconds, back))
        print(
            f"{told.strategy:<26} {revision:<4} {case.name():<34} {said}{'' if met else ', heard elsewhere'}",
            flush=True,
        )
        return met

    def _look(
        self, shop: Shop, case: Case, row: Row, entries: Sequence[Entry], watcher: Watcher
    ) -> Back | None:
        crashes = case.behaviour == "crash-loop"
        if crashes:
            # Nobody but itself ends a process of this build before it is cleared, and then it has no weight.
            self._ends |= dict.fromkeys(watcher.pids.values(), "exited")
            self._routed |= {
                str(one["q"]): watcher.pids[one["i"]]
                for one in shop.proxied()
                if one.get("i") in watcher.pids
            }
        else:
            self.told.fell |= watcher.fell
        lived = stays(shop.house, row.plan, entries)
        lowest = self.told.capacity.hold(row.plan, lived, watcher.looks, crashes=crashes)
        at = {entry.event.type: shop.house.clock.real(entry.event.ts) for entry in entries}
        verdict, verified = at.get(EventType.ROLLBACK_STARTED), at.get(EventType.ROLLBACK_VERIFIED)
        if verdict is None or verified is None:
            return None
        return Back(
            revision=row.plan.candidate,
            case=case,
            verdict=verdict,
            verified=verified - verdict,
            over=at[EventType.RELEASE_ROLLED_BACK] - verdict,
            lowest=lowest,
            routes=None if watcher.zero is None else watcher.zero - verdict,
        )

    def _settle(self, shop: Shop) -> None:
        """What only the users' and the apps' files can tell."""
        ahead = time.time() - time.monotonic()  # the apps' lines are in monotonic seconds of this machine
        last: dict[str, float] = {}
        with shop.app_log.open() as lines:
            for one in (json.loads(line) for line in lines if line.endswith("}\n")):
                last[one["revision"]] = max(last.get(one["revision"], 0.0), one["start"] + ahead)
        for back in self.told.backs:
            if back.revision in last:
                back.last = max(0.0, last[back.revision] - back.verdict)
        receipt = shop.finish(self._ends, self._routed)
        self.told.users, self.told.requests = receipt.line(), receipt.requests
        if receipt.requests == 0 or receipt.lost or receipt.dropped:
            unheard = set(receipt.unmatched) - set(self._routed)
            lost = [one for one in shop.proxied() if one.get("q") in unheard]
            said = Counter(f"{one.get('c')} {one.get('r')} {one.get('x')}" for one in lost)
            self.told.trouble.append(f"not clean: {receipt.line()}; Envoy says of some: {dict(said)}")
        self.told.trouble += [f"the journal: {text}" for text in shop.house.store.verify()]


def cause_of(entries: Sequence[Entry]) -> str:
    """Why it turned back, with the gate where it was one; empty where it did not."""
    for event in (entry.event for entry in entries):
        if event.type is EventType.ROLLBACK_STARTED and event.cause is not None:
            return f"{event.cause.value} {event.gate or ''}".strip()
    return ""


def _spread(title: str, values: Sequence[float]) -> str:
    if not values:
        return f"   {title:<46} never"
    p50, p90 = quantile(values, 0.5), quantile(values, 0.9)
    return (
        f"   {title:<46} p50 {p50:6.3f} s   p90 {p90:6.3f} s   most {max(values):6.3f} s   of {len(values)}"
    )


def report(seasons: Sequence[Told], *, short: bool) -> bool:
    """Prints it all; True where it held."""
    for told in seasons:
        print(f"\n=== {told.strategy}")
        for case, said, seconds, back in told.outcomes:
            rest = "" if back is None else _back(back)
            print(f"   {case.name():<34} {said:<28} {seconds:5.1f} s  {rest}")
        reached = [back for back in told.backs if back.last is not None]
        print("   verdict ->")
        print(
            _spread(
                "last request in the bad version's own log", [b.last for b in reached if b.last is not None]
            )
        )
        print(_spread("Envoy's routes at 0, as looked", [b.routes for b in reached if b.routes is not None]))
        print(_spread("rollback.verified: 0 %, proved by its silence", [b.verified for b in reached]))
        print(_spread("release.rolled_back: cleared", [b.over for b in reached]))
        lowest = min((b.lowest for b in told.backs if b.case.behaviour != "crash-loop"), default=ALL)
        print(f"   on the way back at least {lowest / 10:g} % of the traffic met capacity")
        for text in sorted(told.fell):
            print(f"   a process ended that was wanted: {text}")
        for line in told.capacity.lines():
            print(f"   {line}")
        print(f"   users: {told.users}; aborts heard in another phase and tried again: {told.missed}")
    total = sum(told.requests for told in seasons)
    trouble = [f"{t.strategy}: {text}" for t in seasons for text in (*t.trouble, *t.capacity.wrong)]
    if total < ENOUGH and not short:
        trouble.append(f"{total:,} requests are too few to speak of: see --again")
    print()
    for text in trouble:
        print(f"TROUBLE  {text}")
    releases = sum(len(told.outcomes) + told.missed for told in seasons)
    print(f"{releases} releases, {total:,} requests: {'IT DID NOT HOLD' if trouble else 'all as it must be'}")
    return not trouble


def _back(back: Back) -> str:
    last = "never reached" if back.last is None else f"last request {back.last * 1000:4.0f} ms"
    routes = "" if back.routes is None else f", routes 0 {back.routes * 1000:5.0f} ms"
    return (
        f"{last}{routes}, verified {back.verified:5.2f} s, cleared {back.over:5.2f} s, "
        f"at least {back.lowest / 10:g} % carried"
    )


def lane(seasons: queue.SimpleQueue[Season], stop: threading.Event) -> None:
    """One shop after the other, until no strategy is left."""
    while not stop.is_set():
        try:
            seasons.get_nowait().run()
        except queue.Empty:
            return


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="all strategies, in every phase, under traffic")
    parser.add_argument("--short", action="store_true", help="rolling: good, erroring, an abort; about 90 s")
    parser.add_argument("--only", action="append", default=[], choices=list(STRATEGIES), metavar="STRATEGY")
    parser.add_argument("--again", type=int, default=1, help="everything so many times")
    parser.add_argument("--lanes", type=int, default=2, help="shops at the same time")
    asked = parser.parse_args(arguments)
    begun = time.monotonic()
    names = ["rolling"] if asked.short else asked.only or list(STRATEGIES)
    waiting: queue.SimpleQueue[Season] = queue.SimpleQueue()
    with stoppable() as stop:
        seasons = [Season(name, stop, short=asked.short, again=asked.again) for name in names]
        for season in seasons:
            waiting.put(season)
        threads = [threading.Thread(target=lane, args=(waiting, stop)) for _ in range(asked.lanes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        held = report([season.told for season in seasons], short=asked.short or bool(asked.only))
    print(f"took {time.monotonic() - begun:.0f} s, clock x{FACTOR:g}, {RATE:g} requests/s in each shop")
    return 130 if stop.is_set() else 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
