"""`plan REVISION`: what `deploy` would do, step by step; it looks and changes nothing."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossfade.cli.options import actor, file_option

if TYPE_CHECKING:
    from crossfade.bootstrap import House
    from crossfade.cli.render.plan_words import Planned
    from crossfade.cli.what_gates_see import Traffic
    from crossfade.foresight import Foresight
    from crossfade.release.policy import Objection
    from crossfade.spec import Spec

NOTHING, CHANGES, REFUSED = 0, 10, 11
MOST_PER_S = 10_000_000.0


class Rate(click.ParamType[float]):
    """`50/s`: requests a second; a number alone could be per minute."""

    name = "N/s"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?/s", str(value))
        if found is None or not 0 < float(found[1]) <= MOST_PER_S:
            self.fail(f"{value!r} is no rate; write requests per second like 50/s", param, ctx)
        return float(found[1])


@click.command(help="What a deploy of REVISION would do, step by step. Nothing is changed.")
@click.argument("revision")
@click.option(
    "--output",
    type=click.Choice(["text", "json", "md"]),
    default="text",
    show_default=True,
    help="For people, for programs, for a pull request.",
)
@click.option(
    "--exit-code", is_flag=True, help="Exit 10 if a release would happen, 11 if it would be refused."
)
@click.option("--traffic", type=Rate(), help="Requests to expect, like 50/s; default: those of the last 15m.")
@file_option
def plan(revision: str, output: str, exit_code: bool, traffic: float | None, file: Path) -> int:
    """Exit 0; with --exit-code 0 nothing to do, 10 a release would happen, 11 it would be refused."""
    from crossfade.bootstrap import House
    from crossfade.cli.render import plan as screen
    from crossfade.cli.render import plan_data as data
    from crossfade.foresight import foresee
    from crossfade.spec.load import load_spec

    spec = load_spec(file)
    house = House.of(spec)
    seen = foresee(house, spec, revision, actor())
    if seen is None:
        if output == "json":
            click.echo(json.dumps(data.nothing(spec.service, revision)))
        else:
            click.echo(f"{revision} is what {spec.service} runs already: nothing to do")
        return NOTHING
    planned = _planned(house, spec, seen, traffic)
    match output:
        case "json":
            click.echo(json.dumps(data.record(planned), allow_nan=False))
        case "md":
            click.echo(data.markdown(planned))
        case _:
            click.echo(screen.text(planned))
    code = REFUSED if planned.objections else CHANGES
    return code if exit_code else NOTHING


def _planned(house: House, spec: Spec, seen: Foresight, given: float | None) -> Planned:
    from crossfade.cli.render.plan_words import Planned
    from crossfade.cli.what_gates_see import Sees, bakes_of, sights_of
    from crossfade.release.ahead import look_ahead
    from crossfade.release.state import opened
    from crossfade.release.way_back import way_back
    from crossfade.spec import AlbPlatform, NoGates

    needed = seen.plan.instances
    ahead = look_ahead(seen.plan, needed)
    traffic = _traffic(house, seen, given)
    sights, sightless = sights_of(seen.plan, ahead, traffic)
    sees_all = bool(sights) and all(sight.sees is not Sees.BLIND for sight in sights)
    return Planned(
        plan=seen.plan,
        ahead=ahead,
        platform="alb" if isinstance(spec.platform, AlbPlatform) else "local",
        on_interrupt=spec.on_interrupt,
        traffic=traffic,
        sights=sights,
        sightless=sightless,
        usual=look_ahead(seen.plan, needed, least=bakes_of(sights)).lasts if sees_all else None,
        way_back=way_back(seen.plan, opened(house.clock.now()), seen.truth).line(),
        objections=(*_held(house, spec), *seen.objections),
        no_gates=spec.gates.reason if isinstance(spec.gates, NoGates) else "",
    )


def _traffic(house: House, seen: Foresight, given: float | None) -> Traffic:
    from dataclasses import replace

    from crossfade.cli.what_gates_see import LOOK_BACK, Traffic, traffic_of
    from crossfade.errors import CrossfadeError

    factor = house.clock.factor
    begin = time.time() - LOOK_BACK.total_seconds() / factor
    try:
        edges = seen.counts.edges_ms(seen.plan)
    except CrossfadeError as error:
        found = Traffic(per_s=None, source="unknown", why=error.what)
    else:
        slots = seen.counts.slots(seen.plan, begin, edges)
        found = traffic_of(slots, edges, begin=begin, factor=factor)
    return found if given is None else replace(found, per_s=given, source="given", why="")


def _held(house: House, spec: Spec) -> tuple[Objection, ...]:
    """Who holds the service now, or goes first; nobody where there is no journal yet."""
    from crossfade.cli.turn import blocker
    from crossfade.release.policy import Objection

    if not house.begun:
        return ()
    error = blocker(house, spec.service, spec.after)
    return () if error is None else (Objection(id=error.id, what=error.what, why=error.why, fix=error.fix),)
