"""`render alarms`: what was normal is asked of CloudWatch, then CloudFormation is printed or written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossfade import __version__
from crossfade.cli.options import file_option
from crossfade.errors import UsageError

if TYPE_CHECKING:
    from crossfade.aws import Where
    from crossfade.render.alarm_limits import Past, Window
    from crossfade.render.alarms import Pair, Watched
    from crossfade.spec import Spec

USUAL = ":usual:"
HOUR_S = 3600
MOST_DAYS = 15
"""CloudWatch keeps points of a minute for so long."""

Asker = Callable[["Watched"], "Past | None"]


@click.command(name="alarms", help="CloudFormation of alarms that mean this service whichever colour serves.")
@click.option(
    "--days",
    type=click.IntRange(0, MOST_DAYS),
    default=14,
    show_default=True,
    help="Limits are derived from so many days of CloudWatch; 0 asks nothing and takes labelled defaults.",
)
@click.option(
    "--write",
    is_flag=False,
    flag_value=USUAL,
    metavar="[PATH]",
    help="Write it; without a path to alarms.yaml.",
)
@click.option("--format", "kind", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
@click.option("--force", is_flag=True, help="Also over a file that was changed by hand.")
@file_option
def alarms(days: int, write: str | None, kind: str, force: bool, file: Path) -> int:
    """Exit 0 printed or written, 2 refused, 3 not allowed to read metrics."""
    from crossfade.cli.render_verb import put
    from crossfade.render.flow import as_yaml
    from crossfade.render.seal import sealed
    from crossfade.spec.load import load_spec

    spec = load_spec(file)
    pair = pair_of(spec)
    made = all_alarms(pair, _asker(spec, days), say=lambda line: click.echo(line, err=True))
    text = json.dumps(made, indent=2) + "\n" if kind == "json" else as_yaml(made)
    if kind == "yaml":
        text = sealed(text, verb="alarms", version=__version__)
    target = spec.folder / f"alarms.{kind}" if write in {None, USUAL} else Path(str(write))
    if write is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"{put(target, text, force=force)} {target}", err=True)
    _next(spec, made, target)
    return 0


def pair_of(spec: Spec) -> Pair:
    """The pair as CloudWatch names it. Raises `UsageError` CF8005 for a service that has none."""
    from crossfade.render.alarms import Pair
    from crossfade.spec import AlbPlatform
    from crossfade.spec.arns import parse

    if not isinstance(spec.platform, AlbPlatform):
        raise UsageError(
            "CF8005",
            f"{spec.service} has no target groups to watch",
            "its platform is `local`: nothing of it is on AWS",
            "crossfade init --from alb:ARN writes a crossfade.yaml of what is",
        )
    rule, blue, green = (
        parse(one) for one in (spec.platform.rules[0], spec.platform.blue, spec.platform.green)
    )
    if rule is None or blue is None or green is None:
        raise TypeError("the spec has proved that these are ARNs")
    return Pair(service=spec.service, balancer=rule.balancer, blue=blue.group, green=green.group)


def all_alarms(pair: Pair, past_of: Asker, *, say: Callable[[str], None]) -> dict[str, Any]:
    """The template, with limits from what `past_of` tells of each alarm's own figure."""
    from crossfade.render import alarms as made

    failed, balancer = made.failed(pair), made.balancer_failed(pair)
    at = made.limit_of(failed, past_of(failed))
    balancers = made.limit_of(balancer, past_of(balancer))
    window, enough, past = _p99_window(pair, past_of)
    slowest = made.limit_of(made.p99(pair, window), past)
    for name, limit, unit in (("5xx", at, "%"), ("balancer-5xx", balancers, "%"), ("p99", slowest, "s")):
        say(f"{pair.service}-{name}  above {limit.value:g} {unit}: {limit.because}")
    every = [
        made.failed_alarm(pair, at),
        made.balancer_alarm(pair, balancers),
        made.p99_alarm(pair, slowest, window, enough),
        made.unhealthy(pair, "blue"),
        made.unhealthy(pair, "green"),
    ]
    return made.template(every, pair.service)


def _p99_window(pair: Pair, past_of: Asker) -> tuple[Window, float | None, Past | None]:
    """As long as it takes for enough requests, the part of the past that had them, and its p99."""
    from crossfade.render import alarms as made
    from crossfade.render.alarm_limits import WINDOWS, window_for

    past = past_of(made.p99(pair, WINDOWS[0]))
    if past is None:
        return WINDOWS[0], None, None
    window, enough = window_for(past.requests, made.P99_FLOOR)
    return window, enough, past if window == WINDOWS[0] else past_of(made.p99(pair, window))


def _asker(spec: Spec, days: int) -> Asker:
    """Asks CloudWatch once per figure; with no days it asks nothing."""
    from crossfade.aws import Door, Where
    from crossfade.aws.figures import DAY_S, figures
    from crossfade.render.alarm_limits import Past

    if days == 0 or spec.aws is None:
        return lambda _: None
    where = Where(account=spec.aws.account, region=spec.aws.region, endpoint=spec.aws.endpoint)
    door = Door(where)
    door.prove()
    until = float(int(_epoch(where)) // HOUR_S * HOUR_S)

    def past_of(watched: Watched) -> Past:
        since = until - days * DAY_S
        read: Mapping[str, Mapping[int, float]] = figures(
            door.client("cloudwatch"), watched.of_the_past, since, until
        )
        return Past(since=since, until=until, value=read["watched"], requests=read["requests"])

    return past_of


def _epoch(where: Where) -> float:
    """AWS's time; a twin has its own, which may run ahead."""
    from crossfade.aws.twin import twin_time

    now = time.time()
    if where.endpoint is None:
        return now
    its = twin_time(where.endpoint)
    return its.twin + (now - its.real) * its.factor


def _next(spec: Spec, made: Mapping[str, Any], target: Path) -> None:
    names = ", ".join(one["Properties"]["AlarmName"] for one in made["Resources"].values())
    stack = f"aws cloudformation deploy --stack-name {spec.service}-alarms --template-file {target.name}"
    click.echo(f"next: {stack} --parameter-overrides Topic=ARN", err=True)
    click.echo(f"      then in crossfade.yaml: gates: {{paging: {{alarms: [{names}]}}}}", err=True)
