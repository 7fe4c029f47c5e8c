"""Verbs that only look: `status`, `watch`, `history`, `explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossfade.cli.options import file_option, json_option, output_option, state_option
from crossfade.cli.steer import id_argument
from crossfade.errors import UsageError

if TYPE_CHECKING:
    from crossfade.whereabouts import State

UNTIL = (
    "baking",
    "paused",
    "awaiting approval",
    "inconclusive",
    "keeping",
    "promoted",
    "rolling back",
    "stuck",
)


@click.command(help="What is released here, how it stands, and whether it can go back.")
@json_option
@state_option
@file_option
def status(as_json: bool, state: State | None, file: Path) -> int:
    """One block a service; computed from truth now, not from what was last written."""
    from crossfade.bootstrap import find_house
    from crossfade.cli.render import status as render

    house, service = find_house(file, state)
    rows = [house.standing(name) for name in house.services(service)]
    if as_json:
        click.echo(json.dumps({"services": [render.record(row) for row in rows]}))
    else:
        click.echo(render.text(rows))
    return 0


@click.command(help="Follow a release that is driven elsewhere; exits with its code when it ends.")
@id_argument
@click.option("--until", help=f"Return at one of these states: {', '.join(UNTIL)}.")
@click.option("--timeout", type=float, help="Seconds to watch at most (then exit 9).")
@state_option
@output_option
@file_option
def watch(
    release: str | None,
    until: str | None,
    timeout: float | None,
    state: State | None,
    output: str,
    file: Path,
) -> int:
    """Ctrl-C stops watching, never the release."""
    from crossfade.bootstrap import find_house
    from crossfade.cli import following
    from crossfade.release.state import phase

    wanted = {word.strip() for word in (until or "").split(",") if word.strip()}
    if wanted - set(UNTIL):
        raise UsageError(
            "CF7201", f"--until {', '.join(sorted(wanted - set(UNTIL)))}", "no such state", ", ".join(UNTIL)
        )
    house, service = find_house(file, state)
    plan = house.find(release, service, ended=True).plan
    if "promoted" in wanted:
        wanted |= {"keeping", "retiring"}
    return following.watch(
        house, plan, output=output, until=lambda now: phase(plan, now) in wanted, timeout_s=timeout
    )


@click.command(help="The releases of this state folder, newest first.")
@click.option("--verify", is_flag=True, help="Prove the journal whole: no entry changed, none missing.")
@click.option("--limit", default=20, show_default=True)
@json_option
@state_option
@file_option
def history(verify: bool, limit: int, as_json: bool, state: State | None, file: Path) -> int:
    """With --verify: exit 0 whole, 1 tampered with."""
    from crossfade.bootstrap import find_house
    from crossfade.cli.render import history as render

    house, service = find_house(file, state)
    if verify:
        problems = house.store.verify()
        if as_json:
            click.echo(json.dumps({"whole": not problems, "problems": list(problems)}))
        else:
            click.echo("\n".join(problems) if problems else "the journal is whole")
            if strays := house.store.strays():
                click.echo(f"beside it, by writers that died or came second: {', '.join(strays)}", err=True)
        return 1 if problems else 0
    rows = [render.row(plan, entries) for plan, entries in house.past(service, limit)]
    click.echo(
        json.dumps({"releases": [render.record(row) for row in rows]}) if as_json else render.text(rows)
    )
    return 0


@click.command(
    help="Why a release ended as it did, in words and numbers; or what an error id (CF2107) means."
)
@id_argument
@click.option("--demo", is_flag=True, help="The last demo that was kept, or that ran last.")
@json_option
@state_option
@file_option
def explain(release: str | None, demo: bool, as_json: bool, state: State | None, file: Path) -> int:
    """From stored evidence: nothing is measured again."""
    from crossfade.bootstrap import House, find_house, last_demo
    from crossfade.cli.render import explain as render

    if release is not None and release.upper().startswith("CF") and release[2:].isdigit():
        return _explain_id(release.upper())
    if demo:
        house, service = House(last_demo()), None
    else:
        house, service = find_house(file, state)
    row = house.find(release, service, ended=True)
    entries = house.store.entries(release=row.plan.release)
    if as_json:
        shown = render.record(row.plan, entries, way_back_line=house.way_back_line(row.plan))
        click.echo(json.dumps(shown))
        return 0
    click.echo(
        render.text(
            row.plan,
            entries,
            way_back_line=house.way_back_line(row.plan),
            time_compression=house.clock.factor,
        )
    )
    return 0


def _explain_id(error_id: str) -> int:
    from crossfade.ids import explanation

    text = explanation(error_id)
    if text is None:
        raise UsageError(
            "CF7202", f"no error has the id {error_id}", "ids are never reused", "crossfade explain RELEASE"
        )
    click.echo(text)
    return 0
