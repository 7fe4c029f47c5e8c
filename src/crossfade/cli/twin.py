"""`twin up`: a laptop AWS in this process, until it is told to stop."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

_PRESETS = ("instant", "typical", "bad-day")


@click.group(help="The laptop AWS: its APIs in moto, its load balancers in Envoy, its bad days on demand.")
def twin() -> None:
    """Verbs of the twin."""


@twin.command(help="Start a twin and stay until SIGTERM or Ctrl-C; everything it started ends with it.")
@click.option(
    "--preset",
    type=click.Choice(_PRESETS),
    default="instant",
    show_default=True,
    help="How AWS behaves: throttles, delays, lost answers, stale reads. instant = perfectly.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of the endpoint. [default: any free]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything that is drawn by lot.")
@click.option(
    "--clock",
    "factor",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Twin seconds per real second: shortens health intervals, delays and metric periods alike.",
)
@click.option("--region", default="us-east-1", show_default=True, help="The one it suggests; any is served.")
@click.option("--account", help="The account that it is. [default: moto's, 123456789012]")
@click.option("--json", "as_json", is_flag=True, help="One JSON line when it is ready, and no other output.")
@click.option("--leash", is_flag=True, hidden=True, help="End when standard input is closed.")
def up(
    preset: str,
    port: int,
    seed: int,
    factor: float,
    region: str,
    account: str | None,
    as_json: bool,
    leash: bool,
) -> int:
    """The endpoint takes any credentials; nothing of it leaves this machine."""
    from crossfade.errors import UsageError
    from crossfade.twin.running import up as run
    from crossfade.twin.wanted import Wanted

    if account is not None and not (account.isdecimal() and len(account) == 12):
        raise UsageError("CF4313", f"--account {account} is no AWS account", "it has twelve digits")
    proxied = any(name.lower() in {"http_proxy", "all_proxy"} for name in os.environ)
    wanted = Wanted(preset=preset, seed=seed, factor=factor, port=port, region=region, account=account)
    show = _as_json if as_json else _as_text
    run(wanted, ready=lambda facts: show({**facts, "export": _export(facts, proxied=proxied)}), leash=leash)
    sys.stdout.flush()
    os._exit(0)  # all is cleaned up; taking moto apart object by object would last another second


def _as_json(facts: dict[str, Any]) -> None:
    click.echo(json.dumps(facts))


def _as_text(facts: dict[str, Any]) -> None:
    click.echo(
        f"crossfade twin · preset {facts['preset']} · seed {facts['seed']} · clock x{facts['factor']:g} · "
        f"account {facts['account']}\n"
        f"endpoint {facts['endpoint']}   any credentials, any region; load balancers on 127.0.0.1\n"
    )
    for words in facts["in_force"]:
        click.echo(f"  {words}")
    click.echo(
        "\n"
        f"  {facts['export']}\n\n"
        f"steer it   {facts['endpoint']}/twin   then /ports /clock /faults /actions\n"
        f"not modelled, so not shown by a rehearsal here:"
    )
    for one in facts["not_modelled"]:
        click.echo(f"  - {one}")
    click.echo("Ctrl-C stops it and all that it started.")


def _export(facts: dict[str, Any], *, proxied: bool) -> str:
    past_proxies = " NO_PROXY=127.0.0.1" if proxied else ""
    return (
        f"export AWS_ENDPOINT_URL={facts['endpoint']} AWS_DEFAULT_REGION={facts['region']} "
        f"AWS_ACCESS_KEY_ID=twin AWS_SECRET_ACCESS_KEY=twin{past_proxies}"
    )
