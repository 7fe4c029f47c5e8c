"""
Many releases the way users make them, under traffic that never stops: nobody lost, and how fast is back.

    python tests/long/soak.py [--short]

`crossfade deploy` releases good and bad builds, canary and blue-green, each strategy in a shop
of its own at 300 requests/s. Prints what became of every request, the outcomes, the time from
verdict to 0 % at the data plane, and how many instances ran in each step. Exit 0 = no request
lost or reset, every good build released, every bad one rolled back.

A watcher reads journal and data plane beside the release; what it says about Envoy's routes is
an upper bound, by the pace of its own looks.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from rig import FACTOR, SERVICE, Settings, Shop, quantile, stoppable

from crossfade.bootstrap import House
from crossfade.engine.records import Entry, Row
from crossfade.errors import CrossfadeError
from crossfade.release.values import EventType

RATE = 300.0
INSTANCES = 3
LONGEST_S = 120.0
LOOK_S = 0.1
NEAR_S = 0.004
"""Pace of looking from the verdict on, until Envoy's routes are at 0."""
SHORT_S = 60.0
"""No release is begun later than this in the short form."""

RUNGS = (10, 17, 24, 31, 38, 45, 52, 59, 66, 73, 80, 90)
"""Weights of a good canary, percent; promotion to 100 % follows."""

STEPS = ", ".join(
    f"{{weight: {weight}%, bake: {'120s' if weight == RUNGS[0] else '20s'}}}" for weight in RUNGS
)
STRATEGIES = {
    ("canary", "good"): f"{{canary: {{steps: [{STEPS}], keep_old: 20s}}}}",
    ("canary", "bad"): "{canary: {steps: [{weight: 25%, bake: 600s}], keep_old: 20s}}",
    ("blue_green", "good"): "{blue_green: {bake: 160s, keep_old: 20s}}",
    ("blue_green", "bad"): "{blue_green: {bake: 600s, keep_old: 20s}}",
}
SHORT_CANARY = "{canary: {steps: [{weight: 10%, bake: 120s}, {weight: 50%, bake: 20s}], keep_old: 20s}}"

MOVES = frozenset({"weight.requested", "promote.requested", "rollback.started"})
"""Events that move the weight; promotion does only where the last rung was below 100 %."""


@dataclass(slots=True, kw_only=True)
class Back:
    """One way back, real epoch seconds."""

    revision: str
    behaviour: str
    verdict: float
    routes_zero: float | None = None
    last_sent: float | None = None


@dataclass(slots=True, kw_only=True)
class Told:
    """What one strategy's shop has to say."""

    strategy: str
    outcomes: Counter[str] = field(default_factory=Counter)
    changes: int = 0
    backs: list[Back] = field(default_factory=list)
    sizes: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)
    """(kind, step) to (instances of old, of new) that ran, one pair a look."""
    trouble: list[str] = field(default_factory=list)
    users: str = ""


class Watcher(threading.Thread):
    """Looks at one shop's journal and data plane for as long as one release lasts."""

    def __init__(self, shop: Shop, revision: str, kind: str, told: Told) -> None:
        super().__init__(daemon=True, name=f"watch {revision}")
        self._shop, self._revision, self._kind, self._told = shop, revision, kind, told
        self._house = House(shop.state)
        self._over = threading.Event()
        self.zero: float | None = None

    def run(self) -> None:
        looked = 0.0
        while not self._over.is_set():
            row = self._row()
            back = row is not None and row.state.road.value == "back" and self.zero is None
            if row is not None and (back or time.monotonic() - looked >= LOOK_S):
                looked = time.monotonic()
                self._look(row)
            self._over.wait(NEAR_S)

    def _row(self) -> Row | None:
        found = self._house.store.active(SERVICE)
        return found if found is not None and found.plan.candidate == self._revision else None

    def _look(self, row: Row) -> None:
        try:
            seen = self._house.platform.seen(SERVICE)
        except CrossfadeError:
            return
        group = next(
            (n for n, g in seen.service.groups.items() if g is not None and g.revision == self._revision),
            None,
        )
        at_zero = seen.routes is not None and (group is None or seen.routes[group] == 0)
        if row.state.road.value == "back" and self.zero is None and at_zero:
            self.zero = time.time()
        new = sum(one.revision == self._revision for one in seen.instances)
        pair = (len(seen.instances) - new, new)
        step = row.state.step(row.plan).name
        self._told.sizes.setdefault((self._kind, step), []).append(pair)

    def close(self) -> None:
        self._over.set()
        self.join(10)
        self._house.store.close()


class Season:
    """One strategy's releases, one after the other, in one shop."""

    def __init__(self, strategy: str, builds: Sequence[str], stop: threading.Event, *, short: bool) -> None:
        self.told = Told(strategy=strategy)
        self._builds, self._stop, self._short = builds, stop, short
        self._begun = time.monotonic()

    def run(self) -> None:
        shop = Shop(Settings(rate=RATE, instances=INSTANCES, slow_ms=300))
        try:
            with shop:
                for behaviour in self._builds:
                    late = self._short and time.monotonic() - self._begun > SHORT_S
                    if self._stop.is_set() or late:
                        break
                    self._release(shop, behaviour)
                if self._stop.is_set():
                    return
                receipt = shop.finish()
                self.told.users = receipt.line()
                if not receipt.clean:
                    self.told.trouble.append(f"not clean: {receipt.line()} {receipt.unmatched}")
                self._last_sent(shop)
                self.told.trouble += [f"the journal: {text}" for text in shop.house.store.verify()]
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            self.told.trouble.append(f"broke: {error!r}")
        if shop.left_behind:
            self.told.trouble.append(f"processes were left behind: {shop.left_behind}")

    def _release(self, shop: Shop, behaviour: str) -> None:
        told, kind = self.told, "good" if behaviour == "good" else "bad"
        shop.between()
        short = self._short and (told.strategy, kind) == ("canary", "good")
        shop.configure(SHORT_CANARY if short else STRATEGIES[told.strategy, kind])
        revision = shop.build(behaviour)
        watcher = Watcher(shop, revision, kind, told)
        watcher.start()
        try:
            code = shop.deploy(revision, LONGEST_S, self._stop)
        finally:
            watcher.close()
        if self._stop.is_set():
            return
        row = shop.house.store.releases(SERVICE, limit=1)[0]
        outcome = "not over" if row.outcome is None else row.outcome.value
        cause = f" ({row.state.cause.value})" if row.state.cause is not None else ""
        told.outcomes[f"{kind} ({behaviour}): {outcome}{cause}, exit {code}"] += 1
        if code != {"good": 0, "bad": 4}[kind]:
            told.trouble.append(f"{revision} ({behaviour}) ended {outcome}{cause} with exit code {code}")
        told.trouble += [f"after {revision}: {text}" for text in shop.wrong()]
        entries = shop.house.store.entries(release=row.id)
        told.changes += changes(entries)
        verdict = next((one for one in entries if one.event.type is EventType.ROLLBACK_STARTED), None)
        if verdict is not None:
            at = shop.house.clock.real(verdict.event.ts)
            told.backs.append(
                Back(revision=revision, behaviour=behaviour, verdict=at, routes_zero=watcher.zero)
            )
        print(f"{told.strategy:<10} {revision:<4} {behaviour:<9} {outcome}{cause}", flush=True)

    def _last_sent(self, shop: Shop) -> None:
        last: dict[str, float] = {}
        for one in shop.sent():
            last[one["revision"]] = max(last.get(one["revision"], 0.0), one["wall"])
        for back in self.told.backs:
            back.last_sent = last.get(back.revision)


def changes(entries: Sequence[Entry]) -> int:
    """How often this release moved the weight."""
    weights = [0]
    for entry in entries:
        if entry.event.type.value in MOVES:
            home = entry.event.type is EventType.ROLLBACK_STARTED
            weights.append(0 if home else entry.event.weight or 0)
    return sum(before != after for before, after in itertools.pairwise(weights))


def _spans(pairs: Sequence[tuple[int, int]], side: int) -> str:
    values = [pair[side] for pair in pairs]
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)}-{max(values)}"


def report(seasons: Sequence[Told]) -> bool:
    """Prints it all; True where it held."""
    print()
    for told in seasons:
        print(f"{told.strategy}: {told.changes} weight changes")
        for outcome, count in sorted(told.outcomes.items()):
            print(f"   {count:3}  {outcome}")
        print(f"   users  {told.users}")
        print("   instances that ran   old    new   looks")
        for (kind, step), pairs in told.sizes.items():
            print(f"   {kind:<5}{step:<15} {_spans(pairs, 0):>4} {_spans(pairs, 1):>6} {len(pairs):>7}")
    backs = [back for told in seasons for back in told.backs]
    sent = [max(0.0, back.last_sent - back.verdict) * 1000 for back in backs if back.last_sent is not None]
    zero = [(back.routes_zero - back.verdict) * 1000 for back in backs if back.routes_zero is not None]
    for title, values in (
        ("last request sent that reached it", sent),
        ("Envoy's routes at 0, as looked", zero),
    ):
        spread = f"p50 {quantile(values, 0.5):6.1f} ms   p99 {quantile(values, 0.99):6.1f} ms"
        print(f"verdict -> {title:<34} {spread}   most {max(values, default=0.0):6.1f} ms   of {len(values)}")
    for told in seasons:
        for text in told.trouble:
            print(f"TROUBLE  {told.strategy}: {text}")
    total = sum(told.changes for told in seasons)
    held = not any(told.trouble for told in seasons) and bool(backs)
    print(f"{total} weight changes, {sum(sum(t.outcomes.values()) for t in seasons)} releases: ", end="")
    print("nobody lost, all as it must be" if held else "IT DID NOT HOLD")
    return held


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="many releases under traffic")
    parser.add_argument(
        "--short", action="store_true", help="2 good and 2 bad of each strategy, within 100 s"
    )
    parser.add_argument(
        "--good", type=int, default=0, help="good canaries (else 14) and blue-greens (else 10)"
    )
    parser.add_argument("--seed", type=int, default=7)
    told = parser.parse_args(arguments)
    begun, rng = time.monotonic(), random.Random(told.seed)
    good = (2, 2) if told.short else (told.good or 14, told.good or 10)
    bad = (2, 2) if told.short else (10, 12)
    with stoppable() as stop:
        seasons = []
        for strategy, goods, bads in zip(("canary", "blue_green"), good, bad, strict=True):
            builds = ["good"] * goods + ["slow", "erroring"] * (bads // 2)
            rng.shuffle(builds)
            seasons.append(Season(strategy, builds, stop, short=told.short))
        threads = [threading.Thread(target=season.run) for season in seasons]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if stop.is_set():
            return 130
        held = report([season.told for season in seasons])
    print(
        f"took {time.monotonic() - begun:.0f} s, clock x{FACTOR:g}, {RATE:g} requests/s in each of two shops"
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
