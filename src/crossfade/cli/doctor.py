"""`doctor`: whether a release could run from here, now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossfade.cli.options import file_option, json_option

if TYPE_CHECKING:
    from crossfade.spec import Spec


@click.command(help="Look at everything a release needs: identity, rights, groups, rules, gates, state.")
@click.option(
    "--probe", is_flag=True, help="Try it out on throw-away resources; price first, then a question."
)
@click.option("--yes", is_flag=True, help="--probe: do not ask.")
@click.option("--clean", is_flag=True, help="--probe: take away what a killed probe has left.")
@click.option(
    "--compare",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OTHER.json",
    help="--probe: the last trace beside another; nothing is made.",
)
@click.option(
    "--trace",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="--probe: where the trace is. [default: crossfade-probe.json beside the file]",
)
@click.option(
    "--subnets", metavar="A,B", help="--probe: in two zones. [default: those of the default network]"
)
@click.option("--cidr", default="0.0.0.0/0", show_default=True, help="--probe: who may reach its front.")
@click.option("--internal", is_flag=True, help="--probe: reachable from inside the network only.")
@json_option
@file_option
def doctor(
    probe: bool,
    yes: bool,
    clean: bool,
    compare: Path | None,
    trace: Path | None,
    subnets: str | None,
    cidr: str,
    internal: bool,
    as_json: bool,
    file: Path,
) -> int:
    """Exit 0 nothing is in the way, 3 credentials or a permission, 11 something else is."""
    from crossfade.spec.load import load_spec

    if probe or clean or compare is not None:
        from crossfade.cli import doctor_probe

        asked = doctor_probe.Asked(
            yes=yes, clean=clean, compare=compare, trace=trace, subnets=subnets, cidr=cidr, internal=internal
        )
        return doctor_probe.run(load_spec(file), asked, as_json=as_json)
    return _examined(load_spec(file), as_json=as_json)


def _examined(spec: Spec, *, as_json: bool) -> int:
    from crossfade.cli.render.doctor import data, lines
    from crossfade.doctor import exit_code
    from crossfade.doctor.examine import examine

    checks = tuple(examine(spec))
    code = exit_code(checks)
    if as_json:
        click.echo(json.dumps(data(spec.service, checks, code)))
    else:
        click.echo("\n".join(lines(_title(spec), checks)))
    return code


def _title(spec: Spec) -> str:
    from crossfade.spec import AlbPlatform

    kind = "alb" if isinstance(spec.platform, AlbPlatform) else "local"
    return f"{spec.service} on {kind}"
