"""`local up | status | logs | down`: the embedded platform's supervisor of one state folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossfade.cli.options import file_option, json_option, state_option

if TYPE_CHECKING:
    from crossfade.whereabouts import State


@click.group(help="The embedded platform: one supervisor per state folder owns Envoy and the apps.")
def local() -> None:
    """Verbs of the embedded platform."""


@local.command(help="Start the supervisor if it is not there; what it served before, it serves again.")
@state_option
@file_option
def up(state: State | None, file: Path) -> int:
    """Adopts Envoy and apps that a dead supervisor left running."""
    from crossfade.bootstrap import state_folder
    from crossfade.dataplane import ensure_supervisor

    folder = state_folder(file, state)
    client = ensure_supervisor(folder)
    services = client.services()
    click.echo(f"up: {folder}, {len(services)} service(s)", err=True)
    return 0


@local.command(help="What serves here: listeners, weights, instances.")
@json_option
@state_option
@file_option
def status(as_json: bool, state: State | None, file: Path) -> int:
    """As the data plane itself says, not as any file says."""
    from crossfade.bootstrap import state_folder
    from crossfade.dataplane import connect

    folder = state_folder(file, state)
    client = connect(folder)
    if client is None:
        click.echo(json.dumps({"up": False}) if as_json else f"down: no supervisor in {folder}")
        return 0
    seen = {name: client.observe(name) for name in client.services()}
    if as_json:
        click.echo(json.dumps({"up": True, "services": {name: asdict(one) for name, one in seen.items()}}))
        return 0
    for name, one in seen.items():
        click.echo(
            f"{name}  127.0.0.1:{one.listener_port}  test 127.0.0.1:{one.test_port}  Envoy {one.envoy.pid}"
        )
        for group in one.service.groups:
            weight = (one.routes or {}).get(group, 0) / 10
            fault = "  injected fault" if group in one.service.fault else ""
            mine = [instance for instance in one.instances if instance.group == group]
            revision = mine[0].revision if mine else "empty"
            click.echo(f"  {group:5}  {weight:5.1f} %  {revision}{fault}")
            for instance in mine:
                restarts = (
                    f"  restarts {instance.restarts} ({instance.last_exit})" if instance.restarts else ""
                )
                click.echo(f"         {instance.state:9}  pid {instance.pid}  port {instance.port}{restarts}")
            if cut := one.cut.get(group, 0):
                click.echo(f"         open when a drain was over, and closed then: {cut}")
    return 0


@local.command(help="The last lines of each instance's output.")
@click.option("--lines", default=20, show_default=True)
@state_option
@file_option
def logs(lines: int, state: State | None, file: Path) -> int:
    """By service, group and instance."""
    from crossfade.bootstrap import state_folder
    from crossfade.dataplane import GROUPS, connect

    client = connect(state_folder(file, state))
    if client is None:
        click.echo("down: nothing runs", err=True)
        return 0
    for name in client.services():
        for group in GROUPS:
            for instance, text in client.logs(name, group, lines=lines).items():
                click.echo(f"== {name} {group} {instance}")
                click.echo("\n".join(text))
    return 0


@local.command(help="Stop the supervisor, Envoy and every app of this state folder.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also while a release runs.")
@state_option
@file_option
def down(yes: bool, force: bool, state: State | None, file: Path) -> int:
    """Ends serving: asked for, and refused to guess without a terminal."""
    import sys

    from crossfade.bootstrap import find_house
    from crossfade.dataplane import down as stop_all
    from crossfade.errors import HeldError, UsageError

    house, _ = find_house(file, state)
    folder, active = house.folder, house.active(None) if house.begun else None
    if active is not None and not force:
        raise HeldError(
            "CF7302",
            f"release {active.id} of {active.service} is not over",
            "stopping what serves would take its traffic and its way back",
            f"crossfade abort {active.id} --reason TEXT, or local down --force",
        )
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                "CF7301", "local down stops serving", "nobody is there to ask", "crossfade local down --yes"
            )
        click.confirm(f"stop everything that {folder} serves?", abort=True, err=True)
    stop_all(folder)
    click.echo(f"down: {folder}", err=True)
    return 0
