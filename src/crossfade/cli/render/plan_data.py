"""
A plan as one JSON object with stable keys, and as Markdown for a pull request.

In the object weights are percent, durations seconds, and what is not known is null.
"""

from __future__ import annotations

from collections.abc import Iterator

from crossfade.cli.render import fields, words
from crossfade.cli.render import plan_words as told
from crossfade.cli.render.markdown import code, escape
from crossfade.cli.render.plan_words import Planned
from crossfade.cli.render.what_if import what_ifs
from crossfade.cli.what_gates_see import Sees, Sight
from crossfade.release.ahead import Extra, Stop, Times
from crossfade.release.decide import whom
from crossfade.release.plan import Plan
from crossfade.release.way_back import WayBack


def nothing(service: str, revision: str) -> dict[str, object]:
    """The service runs this revision already."""
    return {"v": fields.VERSION, "would": "nothing", "service": service, "candidate": revision}


def record(planned: Planned) -> dict[str, object]:
    """All of it."""
    plan, ahead = planned.plan, planned.ahead
    return {
        "v": fields.VERSION,
        "would": "refused" if planned.objections else "release",
        "service": plan.service,
        "stable": plan.stable,
        "stable_identity": plan.artifact.get("stable_identity"),
        "candidate": plan.candidate,
        "identity": plan.artifact.get("identity"),
        "strategy": plan.strategy,
        "platform": planned.platform,
        "instances": ahead.instances,
        "no_gates": planned.no_gates or None,
        "objections": [
            {"id": one.id, "what": one.what, "why": one.why, "fix": one.fix} for one in planned.objections
        ],
        "steps": [_step(plan, stop) for stop in ahead.stops],
        "traffic": {
            "requests_per_s": planned.traffic.per_s,
            "source": planned.traffic.source,
            "over_s": planned.traffic.over_s,
            "why": planned.traffic.why or None,
            "stable_errors": planned.traffic.errors,
        },
        "detection": [_sight(sight) for sight in planned.sights],
        "detection_missing": planned.sightless or None,
        "blind": [
            {"step": sight.step, "gate": sight.gate, "needs_s": sight.missing_s, "fix": told.fix(sight)}
            for sight in planned.blind
        ],
        "duration_s": {
            **_times(ahead.lasts),
            "at_this_traffic": None if planned.usual is None else planned.usual.earliest.total_seconds(),
        },
        "extra_instance_minutes": _extra(ahead.extra),
        "people": [
            {
                "step": stop.step.name,
                "who": words.clean(whom(plan)),
                "within_s": plan.limits.hold.total_seconds(),
            }
            for stop in ahead.stops
            if stop.step.approval
        ],
        "way_back": {
            "now": planned.way_back,
            "phases": [
                {"from_step": first.step.name, "to_step": last.step.name, **_way(way)}
                for first, last, way in ahead.phases()
            ],
            "after": _way(ahead.afterwards),
            "rehearsed": planned.drill,
            "break_glass": plan.break_glass or None,
        },
        "what_if": [
            {"id": one.id, "when": one.when, "then": one.then, "exit_code": one.exit_code}
            for one in what_ifs(plan, planned.on_interrupt)
        ],
    }


def _step(plan: Plan, stop: Stop) -> dict[str, object]:
    step = stop.step
    return {
        "step": step.name,
        "kind": step.kind.value,
        "weight": step.world.weight / 10,
        "bake_s": step.bake.total_seconds(),
        "max_bake_s": max(step.bake, step.max_bake).total_seconds(),
        "within_s": step.within.total_seconds(),
        "gates": list(step.gates),
        "hooks": [told.hook(plan, key) for key in step.hooks],
        "approval": words.clean(whom(plan)) if step.approval else None,
        "instances": {
            "stable": stop.old,
            "candidate": stop.new,
            "most": stop.moving,
            "most_going_back": stop.returning,
        },
        "begins_s": _times(stop.begins),
        "ends_s": _times(stop.ends),
        "extra_instance_minutes": _extra(stop.extra),
        "way_back": _way(stop.way_back),
    }


def _times(times: Times) -> dict[str, object]:
    return {"earliest": times.earliest.total_seconds(), "longest": times.longest.total_seconds()}


def _extra(extra: Extra) -> dict[str, object]:
    return {"earliest": extra.earliest, "longest": extra.longest}


def _way(way: WayBack) -> dict[str, object]:
    return {"can": way.can.value, "to": way.to, "how_fast": way.how_fast, "why": way.why}


def _sight(sight: Sight) -> dict[str, object]:
    return {
        "step": sight.step,
        "weight": sight.weight / 10,
        "gate": sight.gate,
        "must_see": sight.must_see,
        "at": list(sight.at) or None,
        "needs_s": sight.alone_s,
        "needs_with_earlier_s": sight.missing_s,
        "needs_requests": sight.requests,
        "bake_s": sight.bake_s,
        "max_bake_s": sight.max_bake_s,
        "baseline": "past" if sight.past else "live",
        "sees": sight.sees.value,
    }


# --- Markdown ------------------------------------------------------------------------------------


def markdown(planned: Planned) -> str:
    """For a comment; without a last line end."""
    parts = (_head(planned), _refusals(planned), _steps(planned), _sights(planned), _facts(planned))
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part)))


def _head(planned: Planned) -> Iterator[str]:
    word = "REFUSED" if planned.objections else "RISK" if planned.blind else "PLAN"
    yield f"## {word} {escape(told.title(planned))}"
    yield ""
    yield f"{escape(told.kind(planned))}; nothing was changed."
    if planned.no_gates:
        yield f"No gate in force: {escape(planned.no_gates)}"


def _refusals(planned: Planned) -> Iterator[str]:
    for one in planned.objections:
        yield f"- **{one.id} {escape(one.what)}**: {escape(one.why)}. Fix: {escape(one.fix)}"


def _steps(planned: Planned) -> Iterator[str]:
    yield "| step | weight | bake (max) | old + new | most at once | done after | goes on when |"
    yield "| --- | ---: | --- | ---: | ---: | --- | --- |"
    for stop in planned.ahead.stops:
        cells = (
            escape(stop.step.name),
            words.weight(stop.step.world.weight),
            told.bake(stop.step),
            f"{stop.old} + {stop.new}",
            str(stop.moving),
            told.span(stop.ends),
            escape(told.holds(planned.plan, stop)),
        )
        yield f"| {' | '.join(cells)} |"


def _sights(planned: Planned) -> Iterator[str]:
    if planned.plan.stable is None or planned.no_gates:
        return
    if not planned.sights:
        yield f"What the gates can see: not shown, {escape(planned.sightless)}."
        return
    yield f"What the gates can see 9 times in 10, at {escape(told.traffic(planned))}:"
    yield ""
    yield "| step | gate | must see | takes | bake | max | |"
    yield "| --- | --- | --- | ---: | ---: | ---: | --- |"
    for sight in planned.sights:
        said = told.judgement(sight)
        cells = (
            escape(sight.step),
            escape(sight.gate),
            told.must_see(sight, planned.traffic.errors),
            told.needs(sight.alone_s),
            words.duration(sight.bake_s),
            words.duration(sight.max_bake_s),
            f"**{said}**" if sight.sees is Sees.BLIND else said,
        )
        yield f"| {' | '.join(cells)} |"
    for sight in planned.blind:
        yield ""
        yield f"**Risk**: {escape(told.risk(sight))}. Fix: {escape(told.fix(sight))}."


def _facts(planned: Planned) -> Iterator[str]:
    yield f"- **Takes**: {told.takes(planned)}"
    if planned.plan.stable is not None:
        yield f"- **Costs**: {told.costs(planned)}"
    for asked in told.people(planned):
        # Its one command stands between backticks, which obey nothing.
        yield f"- **People**: {escape(asked).replace(chr(92) + '`', '`')}"
    yield f"- **Way back**: {escape(planned.way_back)}"
    for label, said in told.ways(planned):
        yield f"  - {escape(label)}: {escape(said)}"
    if planned.plan.break_glass:
        yield f"- **Undo without crossfade**: {code(planned.plan.break_glass)}"
    yield ""
    yield "<details><summary>If something goes wrong</summary>"
    yield ""
    for one in what_ifs(planned.plan, planned.on_interrupt):
        number = "" if one.exit_code is None else f" (exit {one.exit_code})"
        yield f"- {escape(one.when)}: {escape(one.then)}{number}"
    yield ""
    yield "</details>"
