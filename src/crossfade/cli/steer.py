"""Verbs that steer: each puts one command into a release's inbox, with who and why."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossfade.cli.options import actor, file_option, output_option, reason_option, state_option, state_type
from crossfade.errors import RefusedError, UsageError
from crossfade.release.values import Verb

if TYPE_CHECKING:
    from crossfade.bootstrap import House
    from crossfade.release.plan import Plan
    from crossfade.whereabouts import State

ANSWER_S = 20.0
"""A tick holds its lease for at most 10 s, and after 15 s a driver counts as frozen: then nobody listens."""

id_argument = click.argument("release", required=False)


def _steered(release: str | None, file: Path, state: State | None) -> tuple[House, Plan]:
    from crossfade.bootstrap import find_house

    house, service = find_house(file, state)
    row = house.find(release, service)
    return house, row.plan


def _send(house: House, plan: Plan, verb: Verb, reason: str) -> bool:
    """Send, and wait until it was heard; False where nobody listens. Raises where the release declines it."""
    from crossfade.cli.following import ask

    row = house.store.row(plan.release)
    command = ask(house, plan.release, verb, reason, step=row.state.step(plan).name)
    end = time.monotonic() + ANSWER_S
    while house.is_driven(plan.service) and time.monotonic() < end:
        answer = house.store.command_result(command)
        if answer is not None and answer.heard_at is not None:
            if not answer.accepted:
                raise RefusedError("CF7101", f"{verb.value.replace('_', ' ')}: no", answer.why, answer.fix)
            click.echo(f"{verb.value.replace('_', ' ')}: accepted by {plan.release}", err=True)
            return True
        time.sleep(max(0.02, house.store.pace))
    return False


def _told(house: House, plan: Plan, verb: Verb, reason: str) -> None:
    """Send; where nobody listens the command is kept, and it is said who is needed."""
    if not _send(house, plan, verb, reason):
        click.echo(
            f"{verb.value.replace('_', ' ')}: kept for {plan.release}, but nobody drives it now: "
            f"crossfade resume {plan.release} --reason TEXT",
            err=True,
        )


def _simple(name: str, verb: Verb, help_text: str) -> click.Command:
    @click.command(name=name, help=help_text)
    @id_argument
    @reason_option
    @state_option
    @file_option
    def command(release: str | None, reason: str, state: State | None, file: Path) -> int:
        house, plan = _steered(release, file, state)
        if verb is Verb.PROMOTE_FULL:
            click.echo(house.way_back_line(plan), err=True)
        _told(house, plan, verb, reason)
        return 0

    return command


approve = _simple("approve", Verb.APPROVE, "Pass a step that waits for a person.")
pause = _simple(
    "pause", Verb.PAUSE, "Stop the next advance; gates go on being judged, a failure still turns back."
)


@click.command(help="Go to full traffic without bakes and approvals; an override, kept with who and why.")
@click.option("--full", is_flag=True, help="Said out loud: there is no other way to promote by hand.")
@id_argument
@reason_option
@state_option
@file_option
def promote(release: str | None, full: bool, reason: str, state: State | None, file: Path) -> int:
    """Without --full this is refused: a release promotes itself when its gates have passed."""
    if not full:
        raise UsageError(
            "CF7102",
            "promote without --full",
            "a release promotes itself when its gates pass",
            "promote --full --reason TEXT",
        )
    house, plan = _steered(release, file, state)
    click.echo(house.way_back_line(plan), err=True)
    _told(house, plan, Verb.PROMOTE_FULL, reason)
    return 0


@click.command(help="Un-pause a release; adopt it and drive it to its end if its controller died.")
@id_argument
@reason_option
@state_option
@output_option
@file_option
def resume(release: str | None, reason: str, state: State | None, output: str, file: Path) -> int:
    """Follows to the end when it adopts."""
    from crossfade.cli.following import drive

    house, plan = _steered(release, file, state)
    if _send(house, plan, Verb.RESUME, reason):
        return 0
    click.echo(f"adopting {plan.release}: its controller is gone", err=True)
    return drive(house, plan, output=output)


def _back(release: str | None, reason: str, state: State | None, output: str, file: Path) -> int:
    from crossfade.cli.following import drive, watch
    from crossfade.release.state import Outcome

    house, plan = _steered(release, file, state)
    click.echo(house.way_back_line(plan), err=True)
    if _send(house, plan, Verb.ABORT, reason):
        code = watch(house, plan, output=output, until=lambda _: False, from_start=False)
    else:
        click.echo(f"no controller answers: driving {plan.release} here", err=True)
        code = drive(house, plan, output=output)
    back = house.store.row(plan.release).state.outcome is Outcome.ROLLED_BACK
    return 0 if back else code


@click.command(help="All traffic back to stable, now; exit 0 when it is back.")
@id_argument
@reason_option
@state_option
@output_option
@file_option
def abort(release: str | None, reason: str, state: State | None, output: str, file: Path) -> int:
    """Drives the release itself when its controller is gone."""
    return _back(release, reason, state, output, file)


@click.command(
    help="Abort a running release; after its end, release the previous revision again (in minutes)."
)
@id_argument
@reason_option
@state_option
@output_option
@file_option
def rollback(release: str | None, reason: str, state: State | None, output: str, file: Path) -> int:
    """A release like any other, to the revision that was stable before."""
    from crossfade.bootstrap import find_house
    from crossfade.cli.following import drive
    from crossfade.engine.opening import Wish
    from crossfade.release.policy import Waivers
    from crossfade.spec.load import load_spec

    house, service = find_house(file, state)
    if release is not None or house.active(service) is not None:
        return _back(release, reason, state, output, file)
    spec = load_spec(file)
    before = house.previous(spec.service)
    if before is None:
        raise RefusedError(
            "CF7103",
            "nothing to roll back to",
            f"{spec.service} has no earlier revision",
            "crossfade history",
        )
    gone = house.sites.of_spec(spec).capabilities().gone
    click.echo(f"the release has ended and {before} is {gone}: releasing it again, in minutes", err=True)
    plan = house.open(spec, before, Wish(actor=actor(), waivers=Waivers(reason=reason, retry=True)))
    if plan is None:
        click.echo(f"{before} serves already: nothing to do", err=True)
        return 0
    return drive(house, plan, output=output, on_interrupt=spec.on_interrupt)


@click.command(help="End a stuck release by your word: it is not proved that exactly one version serves.")
@id_argument
@reason_option
@state_option
@file_option
def close(release: str | None, reason: str, state: State | None, file: Path) -> int:
    """Exit 0 when it was closed; the journal keeps whose word it was."""
    from crossfade.cli.following import drive

    house, plan = _steered(release, file, state)
    if _send(house, plan, Verb.CLOSE, reason):
        return 0
    drive(house, plan, output="quiet", until=lambda _: True)
    return 0 if house.store.row(plan.release).state.outcome is not None else 11


@click.command(hidden=True)
@click.argument("release")
@click.option("--state", type=state_type, required=True)
@click.option("--beside", type=click.Path(path_type=Path), required=True)
def drive(release: str, state: State, beside: Path) -> int:
    """Drive a release that another process opened, without a terminal."""
    from crossfade.bootstrap import House
    from crossfade.cli.following import drive as drive_here
    from crossfade.spec import OnInterrupt

    house = House(state, beside)
    # Whoever ends a background driver means the driver: the release is left as it is, for `resume`.
    return drive_here(house, house.store.row(release).plan, output="plain", on_interrupt=OnInterrupt.HOLD)
