"""
`ReleaseSignals`: verdicts about the step a release stands on, from counts, health and alarms.

A look goes: read the closed slots that are new, frame them (`framing.py`), store and judge
each frame (`recorded.py`), and say for each gate what that means (`saying.py`). Where stable
takes no traffic any more, its arm is its own past (`past.py`). Gates that need no counts are
`unhealthy.py`, `alarms.py` and `measured.py`. What was judged lives in `Memory`; the rest is re-read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from crossfade.errors import CrossfadeError
from crossfade.release.plan import Plan, PlannedGate, Step
from crossfade.release.state import Road, State
from crossfade.release.values import ALL, NOTHING, Instant, Say, Verdict
from crossfade.signals import past, saying
from crossfade.signals.alarms import Alarms, Ref
from crossfade.signals.cloudwatch_own import is_of_a_side
from crossfade.signals.framing import begins, frames, width
from crossfade.signals.measured import Limits, Measured, metric_now, metric_verdict, no_account
from crossfade.signals.recorded import Ledger, Piece
from crossfade.signals.source import CountsSource, InstanceHealth, Measures, Memory, Pace, Slots
from crossfade.signals.unhealthy import health_verdict

HISTORY: Final = timedelta(minutes=15)
"""How much of stable's time before the release tells the judge what is normal."""

BESIDE: Final = ("unhealthy", "alarms", "metrics", "kpi", "source", "aws")
"""Parts of `judging` that are not the judge's."""

SILENT_FRAMES: Final = 3
"""A readable source that closes nothing new for more than so many intervals has no data."""


class ReleaseSignals:
    """Implements the port `Signals`. One object serves many releases, one after the other in a tick."""

    def __init__(
        self,
        *,
        counts: CountsSource,
        health: InstanceHealth,
        memory: Memory,
        pace: Pace,
        alarms: Alarms | None = None,
        measures: Measures | None = None,
    ) -> None:
        """`measures` None: nobody can be asked for single metrics."""
        self._measures = measures
        self._counts = counts
        self._health = health
        self._memory = memory
        self._pace = pace
        self._alarms = alarms or Alarms()
        self._ledgers: dict[str, Ledger] = {}

    @property
    def counts(self) -> CountsSource:
        """Who counts."""
        return self._counts

    def verdicts(self, plan: Plan, state: State, now: Instant) -> Sequence[Verdict]:
        """One verdict a gate of the present step; what cannot be read says so (R24). Never raises."""
        if state.outcome is not None or state.road is Road.BACK:
            self._ledgers.pop(plan.release, None)
            return ()
        self._alarms.begin()
        self._counts.watch(plan)
        step = state.step(plan)
        gates = [gate for gate in plan.gates if gate.name in step.gates]
        unhealthy, alarms, metrics = (_settings(plan, kind) for kind in ("unhealthy", "alarms", "metrics"))
        judged = [
            gate
            for gate in gates
            if gate.traffic and gate.name not in metrics and step.world.weight > NOTHING
        ]
        found: list[Verdict] = []
        if judged:
            found += _answered(judged, state, step, lambda: self._judged(plan, state, step, judged, now))
        for gate in gates:
            if gate.name in unhealthy:
                say = self._unhealthy(plan, state, gate.name, unhealthy[gate.name], now)
            elif gate.name in alarms:
                say = self._alarm(plan, state, gate.name, alarms[gate.name], now)
            elif gate.name in metrics and step.world.weight > NOTHING:
                say = self._metric(plan, state, gate.name, metrics[gate.name], now)
            else:
                continue
            found += _answered([gate], state, step, say)
        return tuple(found)

    def before(self, plan: Plan, now: Instant) -> Mapping[str, Say]:
        """What each gate that can speak before traffic says now (R18)."""
        self._alarms.begin()
        said = {name: self._alarms.gate(refs, now).say for name, refs in _settings(plan, "alarms").items()}
        metrics = _settings(plan, "metrics").items()
        return said | {
            name: self._metric_now(plan, name, asked, now)
            for name, asked in metrics
            if not is_of_a_side(asked)
        }

    # --- counts ----------------------------------------------------------------------------

    def _judged(
        self, plan: Plan, state: State, step: Step, gates: Sequence[PlannedGate], now: Instant
    ) -> Sequence[Verdict]:
        ledger = self._ledger(plan.release)
        window = saying.Window(state=state, step=step, gates=gates, stable=plan.stable or "stable")
        if ledger.failed and ledger.said is not None:
            return saying.judged(window, ledger.said, timedelta(0), _seen(ledger, ()))
        if state.reached is None:
            return saying.same(window, Say.NOT_YET, f"settling: {step.name} is not reached yet")
        begin = begins(self._pace.real(state.reached))
        edges = ledger.edges if ledger.stream is not None else self._counts.edges_ms(plan)
        slots = self._counts.slots(plan, max(begin, ledger.next), edges)
        if slots.problem:
            return saying.same(window, Say.NO_DATA, f"the counts cannot be read: {slots.problem}")
        if ledger.stream is None:
            trouble = self._open(ledger, plan, state, begin, edges)
            if trouble:
                return saying.same(window, Say.NO_DATA, trouble)
        self._push(ledger, state, step, slots, begin)
        return self._say(ledger, window, slots, begin, now)

    def _ledger(self, release: str) -> Ledger:
        if release not in self._ledgers:
            self._ledgers[release] = Ledger.read(release, self._memory)
        return self._ledgers[release]

    def _open(self, ledger: Ledger, plan: Plan, state: State, begin: int, edges: Sequence[float]) -> str:
        """The judge, with stable's time up to the step's first write as history; or why not."""
        factor = self._pace.factor
        ends = int(self._pace.real(state.since))
        first = ends - int(HISTORY.total_seconds() / factor)
        before = self._counts.slots(plan, first, edges)
        if before.problem:
            return f"the counts before the release cannot be read: {before.problem}"
        header = {
            **{key: value for key, value in plan.judging.items() if key not in BESIDE},
            "edges_ms": list(edges),
            "history": [
                past.history_entry(frame, begin, factor)
                for frame in frames(before, first, factor, len(edges) + 1)
                if frame.end <= ends and frame.stable is not None and frame.stable["requests"]
            ],
        }
        ledger.open(header, begin, self._counts.name(plan))
        return ""

    def _push(self, ledger: Ledger, state: State, step: Step, slots: Slots, begin: int) -> None:
        """Every complete frame of this window that was never judged."""
        factor = self._pace.factor
        about: dict[str, Any] = {"step": _label(state, step), "weight": step.world.weight / ALL}
        if step.bake:
            about["bake_s"] = step.bake.total_seconds()
        for frame in frames(slots, max(begin, ledger.next), factor, len(ledger.edges) + 1):
            base = past.baseline(ledger) if step.world.weight == ALL else None
            if base is None or frame.bad:
                ledger.push(frame, factor, about)
                continue
            arm = replace(frame, stable=base.arm, stable_instances=base.instances)
            ledger.push(arm, factor, {**about, "weight": base.weight, "baseline": "past"})

    def _say(
        self, ledger: Ledger, window: saying.Window, slots: Slots, begin: int, now: Instant
    ) -> Sequence[Verdict]:
        late = SILENT_FRAMES * width(self._pace.factor, slots.slot_s) + slots.closes_s
        waited = self._pace.real(now) - max(begin, slots.watermark)
        label = _label(window.state, window.step)
        mine = [piece for piece in ledger.pieces if piece.step == label and piece.start >= begin]
        if ledger.failed or (mine and not ledger.bad and waited <= late):
            said = ledger.said
            assert said is not None  # noqa: S101  # something was pushed
            covers = timedelta(seconds=ledger.covers(label, begin))
            return saying.judged(window, said, covers, _seen(ledger, mine))
        if waited > late:
            return saying.same(window, Say.NO_DATA, f"no new counts for {waited:.0f} s")
        if mine:
            return saying.same(window, Say.NO_DATA, ledger.bad)
        return saying.same(window, Say.NOT_YET, "settling: the first counts of this step are not closed yet")

    # --- states ----------------------------------------------------------------------------

    def _unhealthy(
        self, plan: Plan, state: State, gate: str, asked: Any, now: Instant
    ) -> Callable[[], Sequence[Verdict]]:
        def say() -> Sequence[Verdict]:
            step = state.step(plan)
            # What an idle process uses says nothing about requests: memory is watched under traffic.
            watched = asked.get("memory_bytes") if step.world.weight > NOTHING else None
            found = health_verdict(
                self._ledger(plan.release),
                self._health.instances(plan),
                state,
                now,
                most=int(asked["max"]),
                hold_for_s=float(asked["hold_for_s"]),
                memory_bytes=watched,
                warm_up_s=float(plan.judging.get("warm_up_s", 0.0)),  # type: ignore[arg-type]  # plain JSON
            )
            return (replace(found, gate=gate, step=step.name),)

        return say

    def _alarm(
        self, plan: Plan, state: State, gate: str, refs: Sequence[Ref], now: Instant
    ) -> Callable[[], Sequence[Verdict]]:
        def say() -> Sequence[Verdict]:
            found, since = self._alarms.gate(refs, now), state.reached or state.since
            return (
                Verdict(
                    gate=gate,
                    say=found.say,
                    step=state.step(plan).name,
                    since=since,
                    covers=max(found.at - since, timedelta(0)) if state.reached else timedelta(0),
                    text=found.text,
                    numbers={"alarms": dict(found.states)},
                ),
            )

        return say

    def _metric(
        self, plan: Plan, state: State, gate: str, asked: Any, now: Instant
    ) -> Callable[[], Sequence[Verdict]]:
        def say() -> Sequence[Verdict]:
            points = self._asked_for(plan, gate, state.reached or state.since)
            found = metric_verdict(points, Limits.of(asked), _metric_name(asked), state, now)
            return (replace(found, gate=gate, step=state.step(plan).name),)

        return say

    def _metric_now(self, plan: Plan, gate: str, asked: Any, now: Instant) -> Say:
        try:
            return metric_now(self._asked_for(plan, gate, now - HISTORY), Limits.of(asked))
        except CrossfadeError:
            return Say.NO_DATA

    def _asked_for(self, plan: Plan, gate: str, since: Instant) -> Measured:
        if self._measures is None:
            raise no_account(gate)
        return self._measures.measured(plan, gate, since)


def _metric_name(asked: Any) -> str:
    return f"{asked['stat']} of {asked['metric']}"


def _answered(
    gates: Sequence[PlannedGate], state: State, step: Step, ask: Callable[[], Sequence[Verdict]]
) -> Sequence[Verdict]:
    """An answer in any case: a gate that cannot be asked has no data, and says why."""
    try:
        return ask()
    except Exception as error:  # noqa: BLE001  # the port promises an answer, whatever happens
        window = saying.Window(state=state, step=step, gates=gates, stable="stable")
        why = getattr(error, "what", "") or f"{type(error).__name__}: {error}"
        return saying.same(window, Say.NO_DATA, f"it could not be asked: {why}")


def _seen(ledger: Ledger, pieces: Sequence[Piece]) -> saying.Seen:
    names = sorted({name for piece in pieces for name in piece.aside})
    return saying.Seen(
        source=ledger.source,
        past_s=past.seconds(ledger),
        aside={name: sum(piece.aside.get(name, 0.0) for piece in pieces) for name in names},
    )


def _settings(plan: Plan, kind: str) -> Mapping[str, Any]:
    found = plan.judging.get(kind)
    return found if isinstance(found, Mapping) else {}


def _label(state: State, step: Step) -> str:
    """A step's window as the judge knows it: after a foreign hand it is a new one."""
    return f"{step.name}#{state.drifts}" if state.drifts else step.name
