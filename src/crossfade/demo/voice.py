"""How the demo speaks: a line for each thing worth seeing, at its minute and second."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from crossfade import __version__
from crossfade.cli.render.words import duration
from crossfade.engine.records import Entry
from crossfade.release.plan import Plan
from crossfade.release.state import Outcome, State
from crossfade.release.values import EventType

if TYPE_CHECKING:
    from crossfade.bootstrap import House
    from crossfade.demo.measure import Measured
    from crossfade.demo.stage import Stage

BAR = 20
NEXT = """\
Why?         crossfade explain --demo
Your app     crossfade demo --app './serve --port {port} --version {revision}'
Your service crossfade init && crossfade plan REVISION && crossfade deploy REVISION"""


class Voice:
    """Speaks to one stream; with `--json` that is stderr, and stdout is left to the receipt."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._start = time.monotonic()
        self._evidence: list[int] = []

    def line(self, text: str = "", *, at: bool = False) -> None:
        seconds = int(time.monotonic() - self._start)
        stamp = f"   {seconds // 60}:{seconds % 60:02d}  " if at else ""
        print(f"{stamp}{text}", file=self._out, flush=True)

    def opening(self, folder: Path, port: int, rate: float, stage: Stage, *, keep: bool) -> None:
        self.line(
            f"crossfade {__version__} · Envoy on 127.0.0.1:{port} · {rate:g} req/s · "
            f"clock x{stage.compression:g} · {stage.words}"
        )
        after = "kept" if keep else "removed at exit, --keep keeps them"
        self.line(f"files {folder}: crossfade.yaml .crossfade/journal.db .crossfade/logs/   {after}")
        self.line()
        for text in (folder / "crossfade.yaml").read_text().splitlines():
            if text and not text.startswith("#"):
                self.line(f"    {text}")
        self.line()

    def chapter(self, number: int, title: str, what: str) -> None:
        self.line()
        self.line(f"{number}  {title:<17} {what}")
        self._evidence = []

    def event(self, item: Entry, plan: Plan, house: House) -> None:
        event = item.event
        weight = f"{(event.weight or 0) / 10:g} %"
        match event.type:
            case EventType.CANDIDATE_READY:
                self.line(f"{plan.candidate} healthy, no user has seen it", at=True)
            case EventType.HOOK_PASSED:
                self.line(f"smoke test passed on the test listener ({event.message})", at=True)
            case EventType.WEIGHT_VERIFIED if event.step != "keeping":
                bake = next(step.bake for step in plan.on if step.name == event.step)
                here = bake / house.clock.factor
                filled = "#" * round(BAR * (event.weight or 0) / 1000)
                self.line(
                    f"{weight:>5}  {filled:-<{BAR}}  bake {duration(bake)} ({duration(here)} here)", at=True
                )
                self._evidence = []
            case EventType.GATE_PASSED if event.step and event.step.endswith("%"):
                said = (
                    (event.message or "").removeprefix(f"{event.gate}:").removeprefix(str(event.gate)).strip()
                )
                self.line(f"       {event.gate:<10} {said}", at=True)
            case EventType.BAKE_EXTENDED:
                self.line(f"       bake extended: {event.message}", at=True)
            case EventType.PROMOTE_VERIFIED:
                self.line(f"promoted; {plan.stable} stays warm; {house.way_back_line(plan)}", at=True)
            case EventType.RETIRE_VERIFIED:
                self.line(f"{plan.stable} silent, drained, stopped", at=True)
            case EventType.GATE_FAILED:
                self._finish_evidence()
                self.line(f"STOP   {event.gate}: {event.message}", at=True)
            case EventType.ROLLBACK_STARTED if event.gate is None:
                self.line(f"STOP   {event.message}", at=True)
            case EventType.ROLLBACK_VERIFIED:
                self.line(f"back on {plan.stable}, seen in traffic; {house.way_back_line(plan)}", at=True)
            case EventType.RELEASE_STUCK:
                self.line(f"STUCK  {event.message}", at=True)
            case _:
                return

    def note(self, payload: object, plan: Plan) -> None:
        """Evidence on its way to the bound, kept for one line at the verdict."""
        del plan
        if not isinstance(payload, Mapping):
            return
        gates = payload.get("gates")
        for numbers in (gates or {}).values() if isinstance(gates, Mapping) else ():
            if isinstance(numbers, Mapping):
                share = _share(numbers)
                if share is not None and (not self._evidence or share > self._evidence[-1] + 9):
                    self._evidence.append(share)

    def _finish_evidence(self) -> None:
        if len(self._evidence) > 1:
            self.line(
                "       evidence " + " -> ".join(f"{share} %" for share in self._evidence[-5:]), at=True
            )

    def ended(self, state: State, plan: Plan) -> None:
        match state.outcome:
            case Outcome.SUCCEEDED:
                self.line(f"OK  {plan.candidate} succeeded", at=True)
            case Outcome.ROLLED_BACK:
                self.line(f"OK  {plan.candidate} rolled back by itself, nobody paged", at=True)
            case _:
                self.line(f"{plan.candidate} ended {state.outcome}", at=True)

    def receipt(self, measured: Measured, factor: float) -> None:
        self.line()
        self.line("3  Receipt                                   here       at real pace")
        for one in measured.releases:
            if one.detect_s is None:
                continue
            for label, seconds, scaled in (
                ("first bad request -> verdict", one.detect_s, True),
                ("  of it warm-up", one.warm_up_s, True),
                ("  of it evidence", one.evidence_s, True),
                ("  of it tick", one.tick_s, True),
                (f"verdict -> last request on {one.revision}", one.restore_s, False),
            ):
                real = (seconds or 0.0) * (factor if scaled else 1.0)
                self.line(f"   {label:<41} {duration(seconds or 0.0):<10} {duration(real)}")
        lost = (
            f"   {measured.requests:,} requests · lost by the release {measured.failed_by_release_machinery}"
            f" · reset {measured.dropped_connections} · failed by the app {measured.failed_by_bad_app}"
        )
        self.line(lost)
        for one in measured.releases:
            self.line(
                f"   {one.revision} {one.outcome.replace('_', ' ')}: saw {one.exposed:,} requests "
                f"({one.exposed_share:.1%} of those during its release)"
            )
        if measured.client_late_ms_p99 > 50:
            self.line(
                f"   this machine is busy: requests left up to {measured.client_late_ms_p99} ms late, "
                "latencies are the machine's too"
            )
        self.line()
        self.line(NEXT)


def _share(numbers: Mapping[str, object]) -> int | None:
    evidence, bound = numbers.get("evidence"), numbers.get("bound")
    if not isinstance(evidence, int | float) or not isinstance(bound, int | float) or evidence <= 0:
        return None
    return max(0, min(100, round(100 * log(max(evidence, 1.0)) / log(bound))))
