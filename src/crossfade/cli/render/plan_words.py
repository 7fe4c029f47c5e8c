"""How a plan is said: what the verb found out, and the words that the screen and Markdown share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from crossfade.cli.render import words
from crossfade.cli.render.status import NEVER
from crossfade.cli.what_gates_see import Sees, Sight, Traffic
from crossfade.release.ahead import Ahead, Stop, Times
from crossfade.release.decide import whom
from crossfade.release.plan import Kind, Plan, Proof, Step
from crossfade.release.policy import Objection
from crossfade.release.way_back import Can, WayBack
from crossfade.signals.reach import reach
from crossfade.spec import OnInterrupt


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """All that is shown."""

    plan: Plan
    ahead: Ahead
    platform: str
    on_interrupt: OnInterrupt
    traffic: Traffic
    sights: Sequence[Sight]
    sightless: str
    """Why there are no sights; empty where there are."""
    usual: Times | None
    """How long it takes at this traffic, bakes until the gates have seen enough; None: not known."""
    way_back: str
    """The one line, from truth now."""
    objections: Sequence[Objection] = ()
    no_gates: str = ""
    """The reason written beside `gates: none`."""
    drill: str = NEVER

    @property
    def blind(self) -> tuple[Sight, ...]:
        """Bakes that could never pass: even at their longest they cannot see what their gate must see."""
        return tuple(sight for sight in self.sights if sight.sees is Sees.BLIND)


def title(planned: Planned) -> str:
    plan = planned.plan
    stable = words.clean(plan.stable or "nothing")
    return f"{words.clean(plan.service)}  {stable} -> {words.clean(plan.candidate)}"


def kind(planned: Planned) -> str:
    plan, needs = planned.plan, planned.ahead.instances
    first = "first release, " if plan.stable is None else ""
    count = "1 instance" if needs == 1 else f"{needs} instances"
    return f"{first}{plan.strategy.replace('_', '-')} on {planned.platform}, {count}"


def long(time: timedelta) -> str:
    """A length of time; none at all is `0 s`."""
    return words.duration(time) if time else "0 s"


def span(times: Times) -> str:
    if times.earliest == times.longest:
        return long(times.earliest)
    return f"{long(times.earliest)} .. {long(times.longest)}"


def bake(step: Step) -> str:
    if not step.bake:
        return "-"
    longer = f" ({words.duration(step.max_bake)})" if step.max_bake > step.bake else ""
    return words.duration(step.bake) + longer


def holds(plan: Plan, stop: Stop) -> str:
    """What has to hold before this step is left."""
    step = stop.step
    if step.kind is Kind.PROVISIONING:
        return f"{stop.new} healthy within {words.duration(step.within)}"
    if step.kind is Kind.RETIRING:
        return f"{words.clean(plan.stable or '')} silent, drained, {plan.gone}"
    gates = [name for name in step.gates if not _observes(plan, name)]
    said = [hook(plan, key) for key in step.hooks]
    if gates:
        said.append(_gates(plan, step, gates))
    if step.approval:
        said.append(f"approval by {words.clean(whom(plan))}")
    return "; ".join(said) or "all traffic is on it"


def _gates(plan: Plan, step: Step, gates: Sequence[str]) -> str:
    if step.proof is Proof.PASSED:
        return f"{', '.join(gates)} pass" if len(gates) > 1 else f"{gates[0]} passes"
    whole = len(gates) > 1 and len(gates) == sum(not gate.observe for gate in plan.gates)
    return "no gate fails" if whole else f"{' and '.join(gates)} not failing"


def hook(plan: Plan, key: str) -> str:
    match plan.hooks.get(key):
        case {"http": path}:
            return f"GET {words.clean(path)}"
        case {"command": command}:
            return words.clean(command, clip=60)
        case {"warm_up": {"for_s": float() | int() as seconds}}:
            return f"warm-up {words.duration(float(seconds))}"
        case _:
            return words.clean(key)


def traffic(planned: Planned) -> str:
    found = planned.traffic
    if found.per_s is None:
        return f"traffic not known: {found.why}"
    where = (
        "as given" if found.source == "given" else f"measured over the last {words.duration(found.over_s)}"
    )
    return f"{words.count(found.per_s)} requests/s, {where}"


def counted(planned: Planned) -> str:
    """Who counts, and how soon that can stop a release; empty for our own proxy's log, which is at once."""
    source: Any = planned.plan.judging.get("source")
    if not source or source["kind"] == "access_log":
        return ""
    found = reach(source)
    return f"{found.text}. {found.advice}".rstrip(". ")


def must_see(sight: Sight, errors: float | None) -> str:
    if sight.gate == "latency":
        return f"{words.times(sight.must_see)} at {' '.join(words.quantile(at) or '' for at in sight.at)}"
    if sight.gate != "errors":
        return f"{percent(sight.must_see)} more failing"
    before = 0.001 if errors is None else errors
    return f"{percent(before)} -> {percent(before + sight.must_see)}"


def percent(share: float) -> str:
    """A share as percent, in as few digits as it takes."""
    return f"{share * 100:.2g} %" if share < 0.1 else f"{share * 100:.0f} %"


def needs(seconds: float | None) -> str:
    return "never" if seconds is None else words.duration(math.ceil(seconds))


def judgement(sight: Sight) -> str:
    match sight.sees:
        case Sees.YES:
            return "ok"
        case Sees.CARRIED:
            return "ok, with the bakes before"
        case Sees.EXTENDED:
            return "ok, the bake is extended"
        case Sees.BLIND:
            return "BLIND"


def fix(sight: Sight) -> str:
    """What makes a blind bake see."""
    ways = []
    if sight.missing_s is not None:
        minutes = timedelta(minutes=math.ceil(sight.missing_s / 60))
        ways.append(f"max_bake: {words.duration(minutes)}")
    if sight.even_s is not None and sight.even_s <= sight.max_bake_s:
        ways.append(f"weight 50 % (takes {needs(sight.even_s)})")
    return " or ".join([*ways, f"a larger must_see for {sight.gate}", "more traffic"])


def risk(sight: Sight) -> str:
    """Why a blind bake is one."""
    return (
        f"{sight.gate} is blind at {words.weight(sight.weight)}: it needs {needs(sight.missing_s)}, "
        f"the bake is at most {words.duration(sight.max_bake_s)}; it ends as inconclusive"
    )


def takes(planned: Planned) -> str:
    times = planned.ahead.lasts
    said = f"{long(times.earliest)} at the earliest, {long(times.longest)} with every limit used up"
    if planned.usual is not None and planned.usual.earliest != times.earliest:
        rate = words.count(planned.traffic.per_s or 0.0)
        said += f"; about {long(planned.usual.earliest)} at {rate} requests/s"
    return said


def costs(planned: Planned) -> str:
    extra = planned.ahead.extra
    return (
        f"{words.count(round(extra.earliest, 1))} instance-minutes beyond the {planned.ahead.instances} "
        f"that run anyway, at most {words.count(round(extra.longest, 1))}"
    )


def people(planned: Planned) -> Iterator[str]:
    plan = planned.plan
    hold = words.duration(plan.limits.hold)
    for stop in planned.ahead.stops:
        if stop.step.approval:
            yield (
                f"at {stop.step.name}, {span(stop.ends)} after the start: {words.clean(whom(plan))} says "
                f"`crossfade approve --reason TEXT`, within {hold}"
            )
    if planned.blind and plan.limits.inconclusive_holds:
        yield f"at {planned.blind[0].step}, because it is blind: it waits for a person, for {hold} at most"


def phase(first: Stop, last: Stop) -> str:
    return first.step.name if first is last else f"{first.step.name} .. {last.step.name}"


def back(way: WayBack) -> str:
    """How fast and why, without the drill, which is said once."""
    why = words.clean(way.why).replace(f"; {NEVER}", "").replace(" is healthy now, ", " is left, ")
    match way.can:
        case Can.YES:
            return f"{way.how_fast}: {why}"
        case Can.NO:
            return f"no: {why}"
        case Can.UNKNOWN:
            return f"unknown: {why}"


def ways(planned: Planned) -> Iterator[tuple[str, str]]:
    """The way back of each stretch, and what comes with it."""
    plan, ahead = planned.plan, planned.ahead
    if plan.stable is None:
        return
    for first, last, way in ahead.phases():
        yield phase(first, last), back(way)
    yield "after the end", back(ahead.afterwards)
    most, on = (max(getattr(stop, name) for stop in ahead.stops) for name in ("returning", "moving"))
    if most > on:
        yield "room", f"up to {most} instances run at once on a way back, {on} on the way on"
    hooks = ", ".join(hook(plan, key) for key in plan.back[0].hooks)
    if hooks:
        yield "hooks", f"{hooks} on the way back"


def _observes(plan: Plan, name: str) -> bool:
    return any(gate.name == name and gate.observe for gate in plan.gates)
