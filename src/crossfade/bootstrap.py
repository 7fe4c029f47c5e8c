"""
The one place that wires: a state becomes a house with a store, a platform, signals, a controller.

Nothing else constructs adapters. Heavy imports stand inside the functions that need them,
so that a verb pays only for what it uses.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from crossfade import whereabouts
from crossfade.clocks import clock_of, keep_twins_time
from crossfade.engine.ports import Store
from crossfade.engine.records import Entry, Row
from crossfade.errors import AccessError, CrossfadeError, PlatformError, UsageError
from crossfade.learned import StoreMemory
from crossfade.release.plan import Plan
from crossfade.release.state import Outcome
from crossfade.release.values import Event, EventType, Known, Truth, Unknown
from crossfade.release.way_back import way_back
from crossfade.sites import Sites, refuse_lonely_state
from crossfade.spec import AlbPlatform, Spec
from crossfade.whereabouts import State

if TYPE_CHECKING:
    from crossfade.cli.render.status import Row as StatusRow
    from crossfade.engine.hooks import HookRunner
    from crossfade.engine.loop import Controller
    from crossfade.engine.opening import Wish
    from crossfade.engine.tick import Ports
    from crossfade.platforms.local import LocalPlatform
    from crossfade.preconditions.database import DatabaseSide
    from crossfade.release.plan import Footing
    from crossfade.release.policy import Record
    from crossfade.signals import ReleaseSignals

LEFT_BY = 5
"""So many ended releases may still have something of theirs on the seat: each clears what it finds there."""

LAST_DEMO = Path(tempfile.gettempdir()) / f"crossfade-last-demo-{os.getuid()}"


class House:
    """One state, wired; `beside` is where the service's file lies, where the state is off this machine."""

    def __init__(self, state: State, beside: Path | None = None, spec: Spec | None = None) -> None:
        self.state, self.spec = state, spec
        self.folder = whereabouts.folder_of(state, beside or Path.cwd())
        self.clock = clock_of(self.folder, whereabouts.twin_of(state))
        self.sites = Sites(self.folder, self.clock)

    @classmethod
    def of(cls, spec: Spec) -> House:
        """The house of a file; on a twin it keeps the twin's time."""
        folder = whereabouts.folder_of(spec.state, spec.folder)
        if spec.aws is not None and spec.aws.endpoint is not None and isinstance(spec.platform, AlbPlatform):
            keep_twins_time(folder, spec.aws.endpoint)
        return cls(spec.state, spec.folder, spec)

    @property
    def begun(self) -> bool:
        """Whether there may be a journal: what only looks does not make one."""
        return whereabouts.begun(self.state)

    @cached_property
    def store(self) -> Store:
        """The journal."""
        return whereabouts.open_store(self.state, self.folder, self.clock)

    @property
    def platform(self) -> LocalPlatform:
        """This machine, for what only it can do."""
        return self.sites.local

    @cached_property
    def _memory(self) -> StoreMemory:
        return StoreMemory(self.store)

    def signals_of(self, plan: Plan) -> ReleaseSignals:
        """Counts, health and alarms of a release as verdicts, remembered in the store."""
        return self.sites.signals_of(plan, self._memory)

    def controller(self, service: str | None = None) -> Controller:
        """Of every release of this folder; where the state is elsewhere, of this service alone."""
        from crossfade.engine.loop import Controller

        only = service if self.store.elsewhere else None
        return Controller(self.store, self.ports, self.clock, service=only)

    def watchdog_of(self, service: str) -> Controller:
        """Of one service alone, named so that the journal tells who took over."""
        from crossfade.engine.loop import Controller, new_owner
        from crossfade.engine.watchdog import ACTOR

        return Controller(self.store, self.ports, self.clock, f"{ACTOR}:{new_owner()}", service=service)

    def has_dead_man(self, plan: Plan) -> bool:
        """Whether the platform of this release takes it back by itself when nobody drives it."""
        return self.sites.of_plan(plan).capabilities().dead_man

    def again(self) -> House:
        """The same once more, with lines of its own to the store and to the platform."""
        return House(self.state, self.folder.parent, self.spec)

    @cached_property
    def hooks(self) -> HookRunner:
        """Runs hooks; `close` ends those that still run, so that whoever goes on runs them again."""
        from crossfade.dataplane import EDGES_MS
        from crossfade.engine.hooks import HookRunner
        from crossfade.signals.warming import Warming

        def mirror(of: Plan, share: float) -> None:
            self.platform.set_mirror(of.service, share)

        aside, ways = self.platform.aside, self.sites.ways
        warm_up = Warming(pace=self.clock, edges_ms=EDGES_MS, aside=aside, ways=ways, mirror=mirror)
        return HookRunner(self.store, self.clock, self.sites.environment, warm_up)

    def ports(self, plan: Plan) -> Ports:
        """What one release's ticks reach the outside through."""
        from crossfade.engine.tick import Ports

        return Ports(platform=self.sites.of_plan(plan), signals=self.signals_of(plan), hooks=self.hooks)

    def database_of(self, spec: Spec) -> DatabaseSide | None:
        """The database side of a service, where it says that it has one."""
        if spec.database is None:
            return None
        from crossfade.preconditions.database import DatabaseSide

        return DatabaseSide(spec, spec.database, self.store, self.clock.now)

    def footing(self, plan: Plan) -> Footing | None:
        """What the database says now about going back to this release's stable; None where it has no say."""
        if self.spec is None or self.spec.service != plan.service:
            return plan.footing
        side = self.database_of(self.spec)
        return side.footing(plan) if side is not None else None

    def open(self, spec: Spec, text: str, wish: Wish) -> Plan | None:
        """
        Open a release of this revision; None where the service runs it already.

        Raises `HeldError` while another release is active, `RefusedError` with every objection;
        then nothing has moved.
        """
        from crossfade.engine.opening import refuse_or_events, refused
        from crossfade.errors import RefusedError

        refuse_lonely_state(spec, self.state)
        self.store.prove_writable()
        if unfit := self.sites.preflight(spec):
            raise refused(unfit)
        platform = self.sites.of_spec(spec)
        platform.settle_in(spec)
        past = self.store.releases(spec.service)
        plan = self.compiled(spec, text, wish.actor, past)
        if plan is None:
            return None
        side = self.database_of(spec)
        if side is not None:
            plan = replace(plan, footing=side.footing(plan))
        now = self.clock.now()
        truth = platform.observe(plan).truth
        try:
            events = refuse_or_events(
                plan,
                truth,
                alarms=self.signals_of(plan).before(plan, now),
                record=_record(plan, past, self._first(spec)),
                wish=wish,
                spec=spec,
                now=now,
                preconditions=side.objections(plan) if side is not None else (),
            )
        except RefusedError as refusal:
            self.store.record_refused(
                plan,
                Event(
                    type=EventType.RELEASE_REFUSED,
                    ts=now,
                    actor=wish.actor,
                    reason=refusal.why,
                    message=f"{refusal.id} {refusal.what}",
                ),
            )
            raise
        if side is not None:
            with contextlib.suppress(CrossfadeError):  # what was waived is not known now either
                side.keep(plan)
        self.store.open_release(plan, events, now)
        return plan

    def compiled(self, spec: Spec, text: str, releaser: str, past: Sequence[Row]) -> Plan | None:
        """The release of this revision, complete; None where the service runs it already. Only reads."""
        from crossfade.engine.opening import compile_plan, new_id

        platform = self.sites.of_spec(spec)
        stable, candidate = platform.serving(spec.service), platform.prepare(spec, text)
        if stable is not None and stable.identity == candidate.identity:
            return None
        if stable is not None and stable.text == candidate.text:
            candidate = replace(candidate, text=f"{candidate.text}+{candidate.identity[:7]}")
        plan = compile_plan(
            spec,
            release=new_id(),
            stable=stable,
            candidate=candidate,
            inherits=tuple(row.id for row in past if row.outcome is not None),
            releaser=releaser,
        )
        left = self.sites.left(spec, [row.plan for row in past if row.outcome is not None][:LEFT_BY])
        can = platform.capabilities()
        plan = replace(plan, artifact={**plan.artifact, **left}, gone=can.gone, again=can.again)
        return replace(plan, break_glass=platform.break_glass(plan))

    def record(self, spec: Spec, plan: Plan) -> Record:
        """What the journal knows of the past that speaks for or against opening this plan."""
        return _record(plan, self.store.releases(spec.service), self._first(spec))

    def _first(self, spec: Spec) -> Mapping[str, str]:
        """How the last release of each service that goes before this one ended."""
        rows = (row for name in spec.after for row in self.store.releases(name, limit=1))
        return {row.service: row.outcome.value for row in rows if row.outcome is not None}

    def way_back_line(self, plan: Plan) -> str:
        """The one line, from truth now; an ended release needs none, and nothing is started to look."""
        state, truth = self.store.row(plan.release).state, self.truth(plan)
        return way_back(plan, state, truth, footing=self.footing(plan)).line()

    def truth(self, plan: Plan) -> Truth:
        """What is seen of a release now; an ended one is not looked at."""
        if self.store.row(plan.release).outcome is None:
            return self.sites.of_plan(plan).observe(plan).truth
        over = Unknown("the release has ended")
        return Truth(
            pair=over,
            seat=over,
            weights=over,
            seen=over,
            stable=over,
            candidate=over,
            primary=over,
            test=over,
        )

    def is_driven(self, service: str) -> bool:
        """Whether a controller that could drive this service is alive."""
        return bool(self.store.drivers(service))

    def active(self, service: str | None) -> Row | None:
        """The release that is not over, of this service or of the only one there is."""
        if service is not None:
            return self.store.active(service)
        running = (self.store.active(name) for name in self.store.services())
        return next((row for row in running if row is not None), None)

    def find(self, release: str | None, service: str | None, *, ended: bool = False) -> Row:
        """
        The release meant: by id or its end, else the active one, else (with `ended`) the last one.

        Raises `UsageError` where there is none, or more than one.
        """
        if release is not None:
            found: list[Row] = []
            for limit in (10, 1000):  # nearly always it is one of the last, and each costs a look at its plan
                rows = self.store.releases(service, limit=limit)
                found = [row for row in rows if row.id == release or release.upper() in row.id]
                if found:
                    break
            if len(found) == 1:
                return found[0]
            what = "no release" if not found else f"{len(found)} releases"
            raise UsageError(
                "CF7003", f"{what} matches {release}", f"in {self.store.name}", "crossfade history"
            )
        running = (self.store.active(name) for name in self.services(service))
        active = [row for row in running if row is not None]
        if len(active) > 1:
            names = ", ".join(f"{row.id} ({row.service})" for row in active)
            raise UsageError("CF7004", "several releases are active", names, "name one of them")
        if active:
            return active[0]
        if ended and (last := self.store.releases(service, limit=1)):
            return last[0]
        raise UsageError("CF7005", "no release is active", f"in {self.store.name}", "crossfade history")

    def services(self, service: str | None) -> tuple[str, ...]:
        """Names known here; the one asked for first."""
        return (service,) if service is not None else self.store.services()

    def standing(self, service: str) -> StatusRow:
        """How this service stands, from truth now."""
        from crossfade.cli.render.status import Row as StatusRow
        from crossfade.release import waits_for

        rows = self.store.releases(service, limit=1)
        serving = None
        with contextlib.suppress(PlatformError, AccessError):  # what the journal knows is shown all the same
            serving = (self.sites.of_plan(rows[0].plan) if rows else self.platform).serving(service)
        base = StatusRow(service=service, now=self.clock.now(), serving=serving.text if serving else None)
        if not rows:
            return base
        row = rows[0]
        truth = self.truth(row.plan)
        weights = truth.weights
        note = self.store.notes(row.id)
        gates = note.get("gates")
        return replace(
            base,
            plan=row.plan,
            entries=self.store.entries(release=row.id),
            weight=weights.value.high if isinstance(weights, Known) else None,
            gates=gates if isinstance(gates, Mapping) and row.outcome is None else {},
            waits_for=_waits(note) or waits_for(row.plan, row.state, truth) if row.outcome is None else (),
            way_back=way_back(row.plan, row.state, truth, footing=self.footing(row.plan)).line(),
            driven_by=self._driver(row) if row.outcome is None else None,
        )

    def _driver(self, row: Row) -> str:
        drivers = self.store.drivers(row.service)
        if not drivers and row.state.only_closed(row.plan):
            return "nobody, nothing is left to try: crossfade close --reason TEXT"
        if not drivers:
            return "nobody: crossfade resume --reason TEXT, or crossfade abort --reason TEXT"
        return f"process {drivers[0].pid} on {drivers[0].host}"

    def past(self, service: str | None, limit: int) -> tuple[tuple[Plan, tuple[Entry, ...]], ...]:
        """Releases, newest first, each with its journal."""
        rows = self.store.releases(service, limit=limit)
        return tuple((row.plan, self.store.entries(release=row.id)) for row in rows)

    def previous(self, service: str) -> str | None:
        """The revision that was stable before the last success."""
        for limit in (10, 1000):
            for row in self.store.releases(service, limit=limit):
                if row.outcome is Outcome.SUCCEEDED:
                    return row.plan.stable
        return None


def _waits(note: Mapping[str, object]) -> tuple[str, ...]:
    """What the last tick waited for, verdicts included."""
    said = note.get("waits_for")
    return tuple(str(one) for one in said) if isinstance(said, list) else ()


def _record(plan: Plan, past: Sequence[Row], first: Mapping[str, str]) -> Record:
    """How releases of the very same build ended before, newest first; a text may mean another build."""
    from crossfade.release.policy import Record

    mine = plan.artifact.get("identity")
    endings = [row.outcome.value for row in past if row.outcome and row.plan.artifact.get("identity") == mine]
    return Record(endings={plan.candidate: endings[0]} if endings else {}, first=first)


def find_house(file: Path, state: State | None) -> tuple[House, str | None]:
    """
    The house meant by a file or a state, and the service that the file names where it can be read.

    A file that cannot be read must not stop a way back (R48): then it is the default
    folder beside it, if that exists.
    """
    from crossfade.spec.load import load_spec

    beside = file.resolve().parent
    if state is not None:
        return House(state, beside), None
    try:
        spec = load_spec(file)
    except UsageError:
        if not (beside / whereabouts.BESIDE).is_dir():
            raise
        return House(beside / whereabouts.BESIDE), None
    return House.of(spec), spec.service


def state_folder(file: Path, state: State | None) -> Path:
    """The folder of this machine that a file or a state means."""
    return find_house(file, state)[0].folder


def last_demo() -> Path:
    """Where the last demo's state is; raises `UsageError` where it is gone."""
    folder = LAST_DEMO.resolve()
    if not (folder / "journal.db").exists():
        raise UsageError("CF7006", "no demo is kept", "it was removed at exit", "crossfade demo --keep")
    return folder
