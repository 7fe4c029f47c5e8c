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
@json_option
@file_option
def doctor(as_json: bool, file: Path) -> int:
    """Exit 0 nothing is in the way, 3 credentials or a permission, 11 something else is."""
    from crossfade.cli.render.doctor import data, lines
    from crossfade.doctor import exit_code
    from crossfade.doctor.examine import examine
    from crossfade.spec.load import load_spec

    spec = load_spec(file)
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
