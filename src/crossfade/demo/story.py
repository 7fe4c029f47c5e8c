"""
The story a newcomer sees: a good release, a bad one, the receipt; on real Envoy and real processes.

It is told through the same house that `deploy` uses: nothing here shifts weights or
judges. Time is compressed for bakes, warm-up, judge intervals and keep-old alike, and
every screen and the JSON say so; `deploy` never does that.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from crossfade.bootstrap import LAST_DEMO, House
from crossfade.demo import builds
from crossfade.demo.measure import Measured, measure
from crossfade.demo.stage import Here, Stage
from crossfade.demo.traffic import DEFAULT_PATHS, SLOW_SHARE, Counters, Load, Traffic
from crossfade.demo.voice import Voice
from crossfade.engine.opening import Wish
from crossfade.engine.records import Entry
from crossfade.release.plan import Plan
from crossfade.release.policy import Waivers
from crossfade.release.values import EventType
from crossfade.spec.load import load_spec

COMPRESSION = 5.0
RATE = 300.0
"""Requests a second, as a laptop takes them without noticing."""
HISTORY_S = 4.0
"""Traffic on v1 alone before the first release: the judge learns what normal is."""

MID_BAKE_S = 12.0
"""Real seconds into the first bake at which a shared slowdown begins."""


class Scenario(StrEnum):
    STORY = "story"
    IDENTICAL = "identical"
    SHARED_SLOWDOWN = "shared-slowdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the person asked for."""

    scenario: Scenario = Scenario.STORY
    app: str | None = None
    keep: bool = False
    rate: float = RATE
    compression: float = COMPRESSION
    bad: str = "slow"
    twin: bool = False
    """On a laptop AWS instead of this machine's own platform."""


@dataclass(slots=True)
class Chapter:
    """One release of the story as it was lived."""

    plan: Plan
    began: float
    ended: float = 0.0
    entries: list[Entry] = field(default_factory=list)


class Demo:
    """One telling. `run` leaves nothing behind, whatever interrupts it, unless `keep` was asked."""

    def __init__(self, wanted: Wanted, voice: Voice) -> None:
        self._wanted, self._voice = wanted, voice
        self._folder = Path(tempfile.mkdtemp(prefix="crossfade-demo-"))
        self._stage = _stage(wanted)
        self._chapters: list[Chapter] = []
        self._revisions: dict[str, str] = {}

    def run(self) -> Measured:
        """Tell it; the receipt. Ctrl-C stops everything and is raised on."""
        wanted, stage = self._wanted, self._stage
        with ExitStack() as last:
            last.callback(self._clean_up)
            house = stage.open(self._folder, last)
            self._release(house, "v1", told=False)
            port = stage.port(house)
            self._voice.opening(self._folder, port, wanted.rate, stage, keep=wanted.keep)
            load = Load(
                port=port,
                out=self._folder / "client.jsonl",
                rate=wanted.rate,
                seconds=stage.longest.total_seconds(),
                paths=("/",) if wanted.app else DEFAULT_PATHS,
                slow_share=0.0 if wanted.app else SLOW_SHARE,
                with_parent=True,
            )
            with Traffic(load) as traffic:
                time.sleep(HISTORY_S)
                self._tell(house)
                counters = traffic.stop()
            return self._receipt(house, counters)

    def _tell(self, house: House) -> None:
        match self._wanted.scenario:
            case Scenario.STORY:
                self._voice.chapter(1, "A good release", "shop v1 -> v2")
                self._release(house, "v2")
                self._voice.chapter(2, "A bad release", f"shop v2 -> v3: {builds.badness(self._wanted)}")
                if self._wanted.app:
                    builds.inject(house, "shop")
                self._release(house, "v3")
            case Scenario.IDENTICAL:
                self._voice.chapter(
                    1, "The same build again", "shop v1 -> v2, not a byte differs but the name"
                )
                self._release(house, "v2")
            case Scenario.SHARED_SLOWDOWN:
                self._voice.chapter(
                    1, "A slow neighbour", "shop v1 -> v2; in mid-bake both get three times slower"
                )
                self._release(house, "v2", at_bake=self._slow_down_later)

    def _slow_down_later(self) -> None:
        """In mid-bake, whoever waits for what meanwhile."""

        def slow() -> None:
            (self._folder / builds.SLOW_FLAG).touch()
            self._voice.line("       from here on v1 and v2 are both three times slower", at=True)

        timer = threading.Timer(MID_BAKE_S, slow)
        timer.daemon = True
        timer.start()

    def _release(
        self, house: House, revision: str, *, told: bool = True, at_bake: Callable[[], None] | None = None
    ) -> None:
        self._stage.ready(revision)
        spec = load_spec(self._folder / "crossfade.yaml")
        plan = house.open(spec, revision, Wish(actor="demo", waivers=Waivers()))
        if plan is None:
            raise AssertionError(f"{revision} runs already")
        chapter = Chapter(plan=plan, began=time.monotonic())
        baked = False

        def entry(item: Entry) -> None:
            nonlocal baked
            if item.release != plan.release:
                return
            chapter.entries.append(item)
            if told:
                self._voice.event(item, plan, house)
            if item.event.type in (EventType.CANDIDATE_READY, EventType.WEIGHT_VERIFIED):
                self._remember_instances(house)
            if at_bake is not None and not baked and item.event.type is EventType.BAKE_STARTED:
                baked = True
                at_bake()

        def note(release: str, payload: object) -> None:
            if told and release == plan.release:
                self._voice.note(payload, plan)

        house.controller().run(until=plan.release, on_entry=entry, on_note=note)
        chapter.ended = time.monotonic()
        if told:
            self._chapters.append(chapter)
            self._voice.ended(house.store.row(plan.release).state, plan)

    def _remember_instances(self, house: House) -> None:
        """Which revision each instance is, for the proxy's word on a program of the user's."""
        if self._wanted.app is None:
            return
        for instance in house.platform.seen("shop").instances:
            self._revisions[instance.id] = instance.revision

    def _receipt(self, house: House, counters: Counters) -> Measured:
        measured = measure(
            self._folder,
            house,
            [(one.plan, one.began, one.ended, tuple(one.entries)) for one in self._chapters],
            late_ms=counters.late_ms_p99,
            own_app=self._wanted.app is not None,
            revisions=self._revisions,
        )
        self._voice.receipt(measured, self._stage.compression)
        return measured

    def _clean_up(self) -> None:
        """Keep the journal of the last demo, so that `explain --demo` can answer; remove the rest."""
        state = self._folder / ".crossfade"
        if self._wanted.keep:
            _forget_last()
            LAST_DEMO.symlink_to(state)
            print(f"kept: {self._folder}", file=sys.stderr)
            return
        _forget_last()
        LAST_DEMO.mkdir(mode=0o700, exist_ok=True)  # two demos may end at once
        for kept in ("journal.db", "clock.json"):
            if (state / kept).exists():
                shutil.copy2(state / kept, LAST_DEMO / kept)
        shutil.rmtree(self._folder, ignore_errors=True)


def _stage(wanted: Wanted) -> Stage:
    if not wanted.twin:
        return Here(app=wanted.app, bad=wanted.bad, compression=wanted.compression)
    from crossfade.demo.on_twin import OnTwin  # noqa: PLC0415  # an extra

    return OnTwin(bad=wanted.bad)


def _forget_last() -> None:
    if LAST_DEMO.is_symlink():
        LAST_DEMO.unlink()
    shutil.rmtree(LAST_DEMO, ignore_errors=True)
