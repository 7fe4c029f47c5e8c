"""
Identical builds and slow ones through the real tick: how many healthy ones are stopped, how fast bad ones?

    python tests/long/judged.py [--good 200] [--bad 50] [--shops 3]

Not the pure judge: real processes, Envoy's own counts, scrape, watermark, warm-up, the engine's
loop, all by `crossfade deploy` in a release of its own each time, at the default false stops of
1 % and with latency judged at 1.25x. Exit 0 = at most 2 % of the identical releases were
stopped and every slow one was.
"""

from __future__ import annotations

import argparse
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from rig import FACTOR, SERVICE, Settings, Shop, quantile, stoppable

from crossfade.release.values import EventType

RATE = 150.0
LONGEST_S = 120.0
MOST_STOPPED = 0.02
CLOSE = "{against: stable, at_most: 1.25x, at: [p50, p95, p99], must_see: 10x}"
STRATEGIES = {
    "good": "{canary: {steps: [{weight: 20%, bake: 160s}, {weight: 50%, bake: 40s}], keep_old: 20s}}",
    "slow": "{canary: {steps: [{weight: 20%, bake: 900s}, {weight: 50%, bake: 40s}], keep_old: 20s}}",
}
"""Half a minute of real time is enough for any verdict; identical builds need not wait for it."""


@dataclass(slots=True, kw_only=True)
class Told:
    """What all shops have to say together; each adds to it under the lock."""

    outcomes: Counter[str] = field(default_factory=Counter)
    detected: list[float] = field(default_factory=list)
    """Real seconds from the first weight on a slow build to the verdict."""
    stopped: int = 0
    missed: int = 0
    users: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def lane(builds: queue.SimpleQueue[str], told: Told, stop: threading.Event) -> None:
    """One shop, until no build is left."""
    try:
        with Shop(Settings(rate=RATE, latency=CLOSE)) as shop:
            while not stop.is_set() and not builds.empty():
                release(shop, builds.get(), told, stop)
            receipt = shop.finish()
            with told.lock:
                told.users.append(receipt.line())
                if not receipt.clean:
                    told.trouble.append(f"not clean: {receipt.line()}")
    except BaseException as error:  # noqa: BLE001 - told by the main thread
        told.trouble.append(f"broke: {error!r}")


def release(shop: Shop, behaviour: str, told: Told, stop: threading.Event) -> None:
    shop.between()
    shop.configure(STRATEGIES[behaviour])
    revision = shop.build(behaviour)
    code = shop.deploy(revision, LONGEST_S, stop)
    if stop.is_set():
        return
    row = shop.house.store.releases(SERVICE, limit=1)[0]
    cause = f" ({row.state.cause.value})" if row.state.cause is not None else ""
    outcome = f"{'not over' if row.outcome is None else row.outcome.value}{cause}"
    at: dict[EventType, float] = {}
    blame = ""
    for entry in shop.house.store.entries(release=row.id):
        at.setdefault(entry.event.type, shop.house.clock.real(entry.event.ts))
        if entry.event.type is EventType.GATE_FAILED:
            blame = entry.event.gate or ""
    with told.lock:
        told.outcomes[f"{behaviour}: {outcome}, exit {code}{f', {blame}' if blame else ''}"] += 1
        if behaviour == "good":
            told.stopped += code != 0
        elif code == 4 and EventType.ROLLBACK_STARTED in at:
            told.detected.append(at[EventType.ROLLBACK_STARTED] - at[EventType.WEIGHT_VERIFIED])
        else:
            told.missed += 1
        print(f"{revision:<5} {behaviour:<5} {outcome} {blame}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="healthy and slow releases through the real tick")
    parser.add_argument("--good", type=int, default=200)
    parser.add_argument("--bad", type=int, default=50)
    parser.add_argument("--shops", type=int, default=3)
    asked = parser.parse_args(arguments)
    begun, told = time.monotonic(), Told()
    builds: queue.SimpleQueue[str] = queue.SimpleQueue()
    every = max(1, asked.good // max(1, asked.bad))
    for number in range(max(asked.good, asked.bad)):
        if number < asked.good:
            builds.put("good")
        if number % every == 0 and number // every < asked.bad:
            builds.put("slow")
    with stoppable() as stop:
        threads = [threading.Thread(target=lane, args=(builds, told, stop)) for _ in range(asked.shops)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stopped = stop.is_set()
    print()
    for outcome, count in sorted(told.outcomes.items()):
        print(f"{count:4}  {outcome}")
    for text in (*told.users, *[f"TROUBLE {text}" for text in told.trouble]):
        print(f"      {text}")
    print(f"identical releases stopped: {told.stopped} of {asked.good}")
    detected = told.detected
    print(
        f"slow ones stopped: {len(detected)} of {asked.bad}; first weight -> verdict, real seconds at "
        f"{RATE:g} requests/s: p50 {quantile(detected, 0.5):.1f}, p90 {quantile(detected, 0.9):.1f}"
    )
    print(f"took {time.monotonic() - begun:.0f} s, clock x{FACTOR:g}")
    if stopped:
        print("interrupted: these are the releases that ended before")
        return 130
    return int(bool(told.trouble) or told.missed > 0 or told.stopped > MOST_STOPPED * asked.good)


if __name__ == "__main__":
    sys.exit(main())
