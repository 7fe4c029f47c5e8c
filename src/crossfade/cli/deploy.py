"""`deploy REVISION`: open a release and follow it to its end."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossfade.cli.options import actor, file_option, output_option
from crossfade.errors import HeldError, UsageError

if TYPE_CHECKING:
    from crossfade.bootstrap import House

QUEUE_S = 0.5
"""How often a queued deploy asks whether its turn has come."""


@click.command(help="Release REVISION and follow it to its end.")
@click.argument("revision")
@click.option("--wait", is_flag=True, help="Queue behind a running release of this service.")
@click.option("--supersede", is_flag=True, help="Turn the running release back first, then open this one.")
@click.option(
    "--despite", multiple=True, metavar="GATE", help="Open although GATE fails now; needs --reason."
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
    house = House(spec.state)
    wish = Wish(actor=actor(), waivers=Waivers(reason=reason, despite=despite, retry=retry))
    _make_room(house, spec.service, wait=wait, supersede=supersede, reason=reason)
    plan = house.open(spec, revision, wish)
    if plan is None:
        click.echo(f"{revision} is what {spec.service} runs already: nothing to do", err=True)
        return 0
    click.echo(house.way_back_line(plan), err=True)
    if plan.break_glass:
        click.echo(f"undo without crossfade: {plan.break_glass}", err=True)
    if detach:
        hand_over(house.folder, plan.release)
        click.echo(f"{plan.release} goes on in the background: crossfade watch {plan.release}", err=True)
        return 130
    promoted = (lambda state: state.had == 1000 and state.step(plan).kind == "keeping") if until else None
    code = drive(house, plan, output=output, on_interrupt=spec.on_interrupt, until=promoted)
    click.echo(f"why, in words and numbers: crossfade explain {plan.release}", err=True)
    return code


def _make_room(house: House, service: str, *, wait: bool, supersede: bool, reason: str) -> None:
    """Queue, supersede, offer to resume or roll back, or say who holds it; nothing where it is free."""
    from crossfade.cli.following import ask, drive
    from crossfade.release.values import Verb

    active = house.store.active(service)
    if active is None:
        return
    driven = house.is_driven(service)
    if supersede:
        ask(house, active.id, Verb.SUPERSEDE, reason)
        click.echo(f"superseding {active.id}: its traffic goes back to stable first", err=True)
        if not driven:
            drive(house, active.plan, output="quiet")
    if not driven and not supersede and sys.stdin.isatty():
        click.echo(f"{active.id} ({active.plan.candidate}) is unfinished and nobody drives it.", err=True)
        answer = click.prompt(
            "resume it, roll it back, or leave it", type=click.Choice(["resume", "back", "leave"]), err=True
        )
        if answer == "leave":
            raise held(house, service)
        if answer == "back":
            ask(house, active.id, Verb.ABORT, "rolled back before a new deploy")
        drive(house, active.plan)
    if not (wait or supersede) and house.store.active(service) is not None:
        raise held(house, service)
    while (holder := house.store.active(service)) is not None:
        click.echo(f"waiting for {holder.id} ({holder.plan.candidate})", err=True)
        until = time.monotonic() + 30.0
        while house.store.active(service) is not None and time.monotonic() < until:
            time.sleep(QUEUE_S)


def held(house: House, service: str) -> HeldError:
    """Who holds the service, whether anybody drives it, and what can be done (exit 8)."""
    active = house.store.active(service)
    if active is None:
        return HeldError(
            "CF5022", f"{service} was held a moment ago", "another release ended just now", "try again"
        )
    if house.is_driven(service):
        why = f"release {active.id} ({active.plan.stable or 'nothing'} -> {active.plan.candidate}) is running"
        fix = "crossfade deploy --wait, or --supersede --reason TEXT"
    else:
        why = f"release {active.id} ({active.plan.candidate}) is unfinished and nobody drives it"
        fix = f"crossfade resume {active.id} --reason TEXT, or crossfade abort {active.id} --reason TEXT"
    return HeldError("CF5022", f"another release holds {service}", why, fix)
