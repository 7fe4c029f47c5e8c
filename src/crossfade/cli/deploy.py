"""`deploy REVISION`: open a release and follow it to its end."""

from __future__ import annotations

from pathlib import Path

import click

from crossfade.cli.options import actor, file_option, output_option
from crossfade.cli.turn import Queue, make_room, opened
from crossfade.errors import UsageError


@click.command(help="Release REVISION and follow it to its end.")
@click.argument("revision")
@click.option(
    "--wait",
    is_flag=True,
    help="Stand in line behind a running release of this service, or of one that goes first.",
)
@click.option("--supersede", is_flag=True, help="Turn the running release back first, then open this one.")
@click.option(
    "--despite",
    multiple=True,
    metavar="NAME",
    help="Open although gate NAME fails now, or before service NAME; needs --reason.",
)
@click.option("--retry", is_flag=True, help="Open although this revision was rolled back; needs --reason.")
@click.option("--reason", default="", help="Why; kept in the journal.")
@click.option("--until", type=click.Choice(["promoted"]), help="Return once promoted; the rest goes on.")
@click.option("--detach", is_flag=True, help="Open it, leave it to a background driver, return (130).")
@output_option
@file_option
def deploy(
    revision: str,
    wait: bool,
    supersede: bool,
    despite: tuple[str, ...],
    retry: bool,
    reason: str,
    until: str | None,
    detach: bool,
    output: str,
    file: Path,
) -> int:
    """Exit codes: 0 succeeded, 4 rolled back, 5 stopped by a person, 6 stuck, 8 held, 11 refused."""
    from crossfade.bootstrap import House
    from crossfade.cli.following import drive, hand_over
    from crossfade.engine.opening import Wish
    from crossfade.release.plan import Kind
    from crossfade.release.policy import Waivers
    from crossfade.spec.load import load_spec

    if wait and supersede:
        raise UsageError(
            "CF7001", "--wait and --supersede together", "one queues, the other does not", "choose one"
        )
    if (despite or retry or supersede) and not reason.strip():
        raise UsageError(
            "CF7002", "--reason is missing", "the journal keeps who overrode what, and why", "--reason TEXT"
        )
    spec = load_spec(file)
    house = House.of(spec)
    if place := house.sites.place(spec):
        click.echo(place, err=True)
    wish = Wish(actor=actor(), waivers=Waivers(reason=reason, despite=despite, retry=retry))
    make_room(house, spec.service, supersede=supersede, reason=reason)
    after = tuple(name for name in spec.after if name not in despite)
    queue = Queue.FRONT if supersede else Queue.LINE if wait else Queue.NOW
    plan = opened(house, spec.service, after, revision, queue, lambda: house.open(spec, revision, wish))
    if plan is None:
        click.echo(f"{revision} is what {spec.service} runs already: nothing to do", err=True)
        return 0
    click.echo(house.way_back_line(plan), err=True)
    if plan.break_glass:
        click.echo(f"undo without crossfade: {plan.break_glass}", err=True)
    if detach:
        hand_over(house, plan.release)
        click.echo(f"{plan.release} goes on in the background: crossfade watch {plan.release}", err=True)
        return 130
    promoted = (
        (lambda state: state.step(plan).kind is Kind.KEEPING and bool(state.reached)) if until else None
    )
    code = drive(house, plan, output=output, on_interrupt=spec.on_interrupt, until=promoted)
    click.echo(f"why, in words and numbers: crossfade explain {plan.release}", err=True)
    return code
