"""
Whose turn it is: a deploy goes on when its service is free and those it comes after are through.

Without `--wait` it is refused (exit 8) and told who is in the way; with it, it stands in line.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

import click

from crossfade.cli.options import actor
from crossfade.errors import HeldError

if TYPE_CHECKING:
    from crossfade.bootstrap import House

T = TypeVar("T")

ASK_S = 0.5
"""How often a deploy in line asks whether its turn has come."""

TELL_S = 30.0
"""How often it says that it still waits."""


class Queue(StrEnum):
    """How a deploy takes its turn."""

    NOW = "now"
    """Refused where somebody is in the way."""
    LINE = "line"
    """At the end of the line."""
    FRONT = "front"
    """Before all who stand in line: it supersedes what they wait for."""


def opened(
    house: House, service: str, after: tuple[str, ...], revision: str, queue: Queue, open_it: Callable[[], T]
) -> T:
    """
    What `open_it` gives, when it is this deploy's turn.

    Raises `HeldError` (exit 8) where somebody is in the way and it does not stand in line.
    """
    if queue is Queue.NOW:
        in_the_way = blocker(house, service, after)
        if in_the_way is not None:
            raise in_the_way
        return open_it()
    number = house.store.line.join(service, revision, actor()) if queue is Queue.LINE else 0
    try:
        while True:
            _wait(house, service, after, number)
            # Who is not in the line may still have been faster.
            with contextlib.suppress(HeldError):
                return open_it()
    finally:
        house.store.line.leave(service, number)


def _wait(house: House, service: str, after: tuple[str, ...], number: int) -> None:
    told, until = "", 0.0
    while (in_the_way := blocker(house, service, after, number)) is not None:
        if in_the_way.why != told or time.monotonic() > until:
            told, until = in_the_way.why, time.monotonic() + TELL_S
            click.echo(f"waiting: {told}", err=True)
        time.sleep(ASK_S)


def make_room(house: House, service: str, *, supersede: bool, reason: str) -> None:
    """Supersede what runs, or offer to resume or roll back what nobody drives; nothing where it is free."""
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
    elif not driven and sys.stdin.isatty():
        click.echo(f"{active.id} ({active.plan.candidate}) is unfinished and nobody drives it.", err=True)
        answer = click.prompt(
            "resume it, roll it back, or leave it", type=click.Choice(["resume", "back", "leave"]), err=True
        )
        if answer == "leave":
            raise held(house, service)
        if answer == "back":
            ask(house, active.id, Verb.ABORT, "rolled back before a new deploy")
        drive(house, active.plan)


def blocker(
    house: House, service: str, after: tuple[str, ...], number: int | None = None
) -> HeldError | None:
    """Who is in the way now: of the service itself, of the line, of those that go first."""
    if house.store.active(service) is not None:
        return held(house, service)
    for place in house.store.line.ahead(service, number):
        return HeldError(
            "CF5025",
            f"somebody waits for {service} already",
            f"{place.actor} stands in line with {place.revision} (process {place.pid})",
            "crossfade deploy --wait",
        )
    for first in after:
        holder = house.store.active(first)
        waiting = house.store.line.ahead(first, number)
        if holder is None and not waiting:
            continue
        what = f"{holder.id} ({holder.plan.candidate}) runs" if holder else f"{waiting[0].revision} waits"
        return HeldError(
            "CF5026",
            f"{first} goes first",
            f"{service} is released after {first}, and there {what}",
            f"crossfade deploy --wait, or --despite {first} --reason TEXT",
        )
    return None


def held(house: House, service: str) -> HeldError:
    """Who holds the service, whether anybody drives it, and what can be done (exit 8)."""
    active = house.store.active(service)
    if active is None:
        return HeldError(
            "CF5022", f"{service} was held a moment ago", "another release ended just now", "try again"
        )
    if active.state.only_closed(active.plan):
        hook = active.state.failed_hook(active.plan)
        why = f"release {active.id} ({active.plan.candidate}) serves, and its hook {hook} failed"
        fix = f"crossfade close {active.id} --reason TEXT"
    elif house.is_driven(service):
        why = f"release {active.id} ({active.plan.stable or 'nothing'} -> {active.plan.candidate}) is running"
        fix = "crossfade deploy --wait, or --supersede --reason TEXT"
    else:
        why = f"release {active.id} ({active.plan.candidate}) is unfinished and nobody drives it"
        fix = f"crossfade resume {active.id} --reason TEXT, or crossfade abort {active.id} --reason TEXT"
    return HeldError("CF5022", f"another release holds {service}", why, fix)
