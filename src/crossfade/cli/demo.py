"""`demo`: needs no account, no server, no root; stops everything it started, whatever happens."""

from __future__ import annotations

import json
import sys

import click


@click.command(
    help="A good release, a bad one and the receipt, on real Envoy and real processes, in under 90 s."
)
@click.option("--json", "as_json", is_flag=True, help="The receipt as one JSON object on stdout, last line.")
@click.option(
    "--app", metavar="CMD", help="Release your own HTTP program; {port} and {revision} are filled in."
)
@click.option(
    "--scenario",
    type=click.Choice(["story", "identical", "shared-slowdown"]),
    default="story",
    show_default=True,
    help="identical: the same build again; shared-slowdown: both versions slow in mid-bake.",
)
@click.option(
    "--bad",
    type=click.Choice(["slow", "erroring", "crash-loop", "hanging", "one-path"]),
    default="slow",
    show_default=True,
    help="What is wrong with v3.",
)
@click.option(
    "--rate", type=click.FloatRange(20, 400), default=300.0, show_default=True, help="Requests a second."
)
@click.option(
    "--twin", is_flag=True, help="On a laptop AWS: behind a load balancer, judged by CloudWatch; minutes."
)
@click.option("--keep", is_flag=True, help="Keep the folder.")
def demo(as_json: bool, app: str | None, scenario: str, bad: str, rate: float, twin: bool, keep: bool) -> int:
    """Exit 0 when the good one was promoted, the bad one caught, and nothing lost."""
    from crossfade.demo.story import Demo, Scenario, Wanted
    from crossfade.demo.voice import Voice

    if twin and app is not None:
        raise click.UsageError("--twin releases the demo's own shop; --app is for this machine")
    wanted = Wanted(scenario=Scenario(scenario), app=app, keep=keep, rate=rate, bad=bad, twin=twin)
    voice = Voice(sys.stderr if as_json else sys.stdout)
    try:
        measured = Demo(wanted, voice).run()
    except KeyboardInterrupt:
        click.echo("\nstopped: Envoy, the apps and the traffic are gone", err=True)
        return 130
    if as_json:
        click.echo(json.dumps(measured.record()))
    good, *bad_ones = measured.releases
    caught = all(one.outcome == "rolled_back" for one in bad_ones)
    whole = measured.failed_by_release_machinery == 0 and measured.dropped_connections == 0
    return 0 if good.outcome == "succeeded" and caught and whole else 1
