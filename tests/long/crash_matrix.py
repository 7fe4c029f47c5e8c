"""
R33 with real processes: kill -9 of the controller, before and after every write, and at random instants.

    python tests/long/crash_matrix.py [--short] [--random 60] [--lanes 3]

Each kill happens in a release of its own, good or bad, under traffic that never stops; then
another controller goes on. It must end as undisturbed releases of its kind do, with the same
trace, nobody lost, one version serving and nothing left. Prints each kill point, then the
verdict; exit 0 = all of it held.

The `crossfade` command itself, with its own lease of 10 s, is killed at random instants too
(`--product`). LIMITS: two kinds of release on one platform; a kill leaves the machine running.
"""

from __future__ import annotations

import argparse
import itertools
import queue
import random
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from controller import release_of
from rig import LOOSE, Receipt, Settings, Shop, stoppable

from crossfade.engine.loop import trace

Trace = tuple[tuple[str, str | None, int | None], ...]

RATE = 120.0
LONGEST_S = 90.0
"""One controller's life. A release takes about 12 s; a busy machine is not a fault."""
AWAY_S = 3.0
"""Longer than lease + 1 s: nobody looked, and the engine says so (`Gap`)."""
SHORT_S = 62.0
"""No kill is begun later than this in the short form."""

KINDS = {
    "good": (
        "good",
        "{canary: {steps: [{weight: 20%, bake: 140s}, {weight: 60%, bake: 20s}], keep_old: 20s}}",
    ),
    "bad": (
        "one-path",
        "{canary: {steps: [{weight: 20%, bake: 400s}, {weight: 60%, bake: 20s}], keep_old: 20s}}",
    ),
}
"""Kind to (behaviour of the build, strategy): the bad one's bake is long enough for any verdict."""

USUAL_S = {"good": 13.0, "bad": 8.0}
"""About how long an undisturbed release takes here: random instants are drawn from it."""

ENDED = (0, 4)
"""Exit codes of `crossfade deploy` and `crossfade drive` after a release was promoted or turned back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One release, and how its controllers die."""

    kind: str
    place: str | None = None
    after_s: tuple[float, ...] = ()
    """Random instants: real seconds into the life of the first controller, the second, …"""
    away_s: float = 0.0
    """Real seconds without any controller after a death."""
    product: bool = False
    """Driven by `crossfade deploy` and `crossfade drive`."""

    def name(self) -> str:
        if self.place is not None:
            return self.place
        if not self.after_s:
            return "undisturbed"
        at = ", ".join(f"{after:.2f} s" for after in self.after_s)
        return f"after {at}{' (the crossfade command)' if self.product else ''}"


@dataclass(slots=True, kw_only=True)
class Lived:
    """What became of it."""

    job: Job
    trace: Trace = ()
    kills: int = 0
    wrong: list[str] = field(default_factory=list)
    places: tuple[str, ...] = ()
    seconds: float = 0.0


class Lane:
    """One shop and the releases that happen in it, one after the other."""

    def __init__(self, shop: Shop, stop: threading.Event) -> None:
        self._shop, self._stop = shop, stop

    def live(self, job: Job) -> Lived:
        shop, begun = self._shop, time.monotonic()
        shop.between()
        behaviour, strategy = KINDS[job.kind]
        shop.configure(strategy)
        revision = shop.build(behaviour)
        lived = Lived(job=job)
        deaths = iter((*job.after_s, None))
        for life in itertools.count():
            child = shop.start(self._command(job, revision, life), f"{revision}.log")
            after = next(deaths, None)
            code = shop.wait(child, LONGEST_S if after is None else after, self._stop)
            if code is None and after is not None and not self._stop.is_set():
                code = -9 if shop.kill(child) else child.returncode
            if self._stop.is_set():
                return lived
            if code is None:
                shop.kill(child)
                lived.wrong.append(f"no end after {LONGEST_S:g} s")
                break
            if code == -9:
                lived.kills += 1
                self._stop.wait(job.away_s)
            elif code in (ENDED if job.product else (0,)):
                break
            else:
                lived.wrong.append(f"a controller ended with exit code {code}: {self._last_line(revision)}")
                break
        lived.seconds = time.monotonic() - begun
        self._look(lived, revision)
        return lived

    def _command(self, job: Job, revision: str, life: int) -> list[str]:
        if job.product:
            row = release_of(self._shop.house.store, revision)
            if row is None:
                told = ["deploy", revision, "--output", "plain", "--file", str(self._shop.file)]
            else:
                told = ["drive", row.plan.release, "--state", str(self._shop.state)]
                told += ["--beside", str(self._shop.folder)]
            return [sys.executable, "-m", "crossfade", *told]
        script = Path(__file__).with_name("controller.py")
        command = [sys.executable, str(script), str(self._shop.folder), revision]
        command += ["--log", str(self._shop.folder / f"{revision}.places.{life}")]
        return command + (["--die", job.place] if job.place is not None and life == 0 else [])

    def _look(self, lived: Lived, revision: str) -> None:
        shop, job = self._shop, lived.job
        row = release_of(shop.house.store, revision)
        if row is None:
            lived.wrong.append("no release was opened")
            return
        wanted = "succeeded" if job.kind == "good" else "rolled_back"
        ended = "not over" if row.outcome is None else row.outcome.value
        if ended != wanted:
            lived.wrong.append(f"it is {ended} instead of {wanted}")
        if ended == "succeeded":
            shop.serving = revision
        lived.wrong += shop.wrong()
        lived.trace = trace(shop.house.store.entries(release=row.id))
        log = shop.folder / f"{revision}.places.0"
        lived.places = tuple(log.read_text().splitlines()) if log.exists() else ()

    def _last_line(self, revision: str) -> str:
        return ((self._shop.folder / f"{revision}.log").read_text().splitlines() or [""])[-1][:200]


class Matrix:
    """All jobs over all lanes, and what is said about them."""

    def __init__(self, lanes: int, stop: threading.Event, *, limit_s: float | None) -> None:
        self._lanes, self.stop = lanes, stop
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._until = None if limit_s is None else time.monotonic() + limit_s
        self.reference: dict[str, Trace] = {}
        self.places: dict[str, list[str]] = {kind: [] for kind in KINDS}
        self.lived: list[Lived] = []
        self.receipts: list[Receipt] = []
        self.trouble: list[str] = []
        self.skipped = 0

    def run(self, again: int, plan: object) -> None:
        """Undisturbed releases in every lane first; then `plan(places)` says what is killed."""
        assert callable(plan)
        barrier = threading.Barrier(self._lanes, action=lambda: self._agree(plan))
        threads = [threading.Thread(target=self._lane, args=(again, barrier)) for _ in range(self._lanes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _agree(self, plan: object) -> None:
        """Called once, when every lane has seen undisturbed releases: they must be alike."""
        assert callable(plan)
        for lived in self.lived:
            kind = lived.job.kind
            self.reference.setdefault(kind, lived.trace)
            self.places[kind] += [place for place in lived.places if place not in self.places[kind]]
        for job in plan(self.places):
            self._jobs.put(job)

    def _lane(self, again: int, barrier: threading.Barrier) -> None:
        shop = Shop(Settings(rate=RATE, latency=LOOSE, false_stops="5%"))
        try:
            with shop:
                lane = Lane(shop, self.stop)
                for kind in list(KINDS) * again:
                    self._keep(lane.live(Job(kind=kind)))
                barrier.wait(4 * LONGEST_S)
                self._work(lane)
                receipt, broken = shop.finish(), shop.house.store.verify()
                with self._lock:
                    self.receipts.append(receipt)
                    self.trouble += [f"the journal: {text}" for text in broken]
                    if receipt.unmatched:
                        self.trouble.append(f"requests that no app knows: {receipt.unmatched}")
        except BaseException as error:  # noqa: BLE001 - told by the main thread, with the others stopped
            barrier.abort()
            if not self.stop.is_set():
                with self._lock:
                    self.trouble.append(f"a lane broke: {error!r}")
        if shop.left_behind:
            with self._lock:
                self.trouble.append(f"processes were left behind: {shop.left_behind}")

    def _work(self, lane: Lane) -> None:
        while not self.stop.is_set():
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if self._until is not None and time.monotonic() > self._until:
                with self._lock:
                    self.skipped += 1
                continue
            self._keep(lane.live(job))

    def _keep(self, lived: Lived) -> None:
        if self.stop.is_set():
            return
        with self._lock:
            self.lived.append(lived)
        if lived.job.name() != "undisturbed":
            print(self.line(lived), flush=True)

    def same(self, lived: Lived) -> bool:
        return lived.trace == self.reference.get(lived.job.kind)

    def line(self, lived: Lived) -> str:
        said = "same" if self.same(lived) else "DIFFERENT"
        job, kills = lived.job, "not met" if not lived.kills else f"{lived.kills} killed"
        head = f"{job.kind:<4}  {said:<9}  {kills:<8}  {lived.seconds:5.1f} s  {job.name()}"
        head += f"; away {job.away_s:g} s" if job.away_s else ""
        rest = [] if self.same(lived) else _differs(self.reference.get(job.kind, ()), lived.trace)
        return "\n".join((head, *(f"        {text}" for text in (*rest, *lived.wrong))))

    def verdict(self) -> bool:
        """Prints it; True where all held."""
        killed = [lived for lived in self.lived if lived.job.name() != "undisturbed"]
        calm = [lived for lived in self.lived if lived.job.name() == "undisturbed"]
        kills = sum(lived.kills for lived in killed)
        differs = [lived for lived in self.lived if not self.same(lived)]
        wrong = [lived for lived in self.lived if lived.wrong]
        print()
        for lived in calm:
            if lived in differs or lived in wrong:
                print(self.line(lived))
        met = sum(1 for lived in killed if lived.kills)
        print(f"undisturbed   {len(calm)} releases, the measure of the others")
        print(f"killed        {kills} controllers in {met} of {len(killed)} releases")
        print(f"not begun     {self.skipped} kills, for time")
        print(f"trace         {len(differs)} different of {len(self.lived)}")
        print(f"end           {len(wrong)} releases did not end as they must")
        for receipt in self.receipts:
            print(f"users         {receipt.line()}")
        for text in self.trouble:
            print(f"TROUBLE       {text}")
        clean = len(self.receipts) == self._lanes and all(receipt.clean for receipt in self.receipts)
        held = bool(met) and not differs and not wrong and clean and not self.trouble
        print(f"R33           {'held' if held else 'DID NOT HOLD'}")
        return held


def _differs(wanted: Trace, got: Trace) -> list[str]:
    """The first place where two traces part."""
    for at, (one, other) in enumerate(itertools.zip_longest(wanted, got)):
        if one != other:
            return [f"at {at}: {_say(other)} instead of {_say(one)}"]
    return []


def _say(entry: tuple[str, str | None, int | None] | None) -> str:
    return "nothing" if entry is None else " ".join(str(part) for part in entry if part is not None)


def _kills(places: dict[str, list[str]], randoms: int, product: int, rng: random.Random) -> Iterable[Job]:
    """Every place, every third of them with nobody there for a while; then pairs of random instants."""
    jobs = [
        Job(kind=kind, place=place, away_s=AWAY_S if number % 3 == 0 else 0.0)
        for kind, found in places.items()
        for number, place in enumerate(found)
    ]
    for number in range(randoms // 2):
        kind = list(KINDS)[number % 2]
        first = rng.uniform(0.2, USUAL_S[kind])
        second = rng.uniform(0.2, max(0.5, USUAL_S[kind] - first))
        jobs.append(Job(kind=kind, after_s=(first, second), away_s=AWAY_S if number % 3 == 0 else 0.0))
    for number in range(product):
        kind = list(KINDS)[number % 2]
        jobs.append(Job(kind=kind, after_s=(rng.uniform(1.0, USUAL_S[kind]),), product=True))
    return jobs


def _sample(jobs: Iterable[Job], rng: random.Random) -> list[Job]:
    """In an order of chance, so that whatever the time allows is a sample; random instants included."""
    mixed = list(jobs)
    rng.shuffle(mixed)
    return mixed


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="kill -9 of the controller everywhere (R33)")
    parser.add_argument("--short", action="store_true", help="a sample that ends within 100 s")
    parser.add_argument("--random", type=int, default=60, help="random instants, half good, half bad")
    parser.add_argument("--product", type=int, default=6, help="random kills of the crossfade command")
    parser.add_argument("--lanes", type=int, default=3, help="shops at the same time")
    parser.add_argument("--seed", type=int, default=33)
    told = parser.parse_args(arguments)
    begun, rng = time.monotonic(), random.Random(told.seed)
    with stoppable() as stop:
        matrix = Matrix(told.lanes, stop, limit_s=SHORT_S if told.short else None)
        matrix.run(
            1 if told.short else 2,
            lambda places: _sample(_kills(places, told.random, told.product, rng), rng),
        )
        if stop.is_set():
            return 130
        held = matrix.verdict()
    print(f"took          {time.monotonic() - begun:.0f} s, {told.lanes} shops at {RATE:g} requests/s each")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
