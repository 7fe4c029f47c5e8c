"""`render iam`: the least that a release of this service needs on AWS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossfade.cli.options import file_option
from crossfade.errors import UsageError

if TYPE_CHECKING:
    from crossfade.aws import Call
    from crossfade.spec import Spec

USUAL = ":usual:"


@click.command(name="iam", help="The least-privilege policy for releases of this service, as JSON.")
@click.option(
    "--write",
    is_flag=False,
    flag_value=USUAL,
    metavar="[PATH]",
    help="Write it; without a path to policy.json.",
)
@click.option(
    "--probe", is_flag=True, help="For `doctor --probe` instead, which makes things and deletes them."
)
@click.option("--force", is_flag=True, help="Also over a file that says something else.")
@file_option
def iam(write: str | None, probe: bool, force: bool, file: Path) -> int:
    """Exit 0 printed or written, 2 refused."""
    from crossfade import needs
    from crossfade.cli.render_verb import put
    from crossfade.render import iam as made
    from crossfade.spec.load import load_spec

    spec = load_spec(file)
    every = _of_a_probe(spec) if probe else needs.calls(spec)
    # Whoever assumes the role needs this, not the role itself.
    assumed = [call for call in every if call.permission == "sts:AssumeRole"]
    calls = [call for call in every if call not in assumed]
    if not calls:
        raise UsageError(
            "CF8006",
            f"{spec.service} calls nothing on AWS",
            "it names no account"
            if probe
            else "its platform is `local` and its state a folder of this machine",
            "crossfade init --from alb:ARN writes a crossfade.yaml of a service on AWS",
        )
    policy = made.policy(calls, needs.region(spec))
    text = made.text(policy)
    if write is None:
        click.echo(text, nl=False)
    else:
        target = spec.folder / "policy.json" if write == USUAL else Path(write)
        click.echo(f"{put(target, text, force=force)} {target}", err=True)
    for role in (arn for call in assumed for arn in call.on):
        click.echo(f"for {role}; whoever runs crossfade needs sts:AssumeRole on it, and its trust", err=True)
    if (size := made.size(policy)) > made.MOST:
        click.echo(
            f"{size} characters; a managed policy takes {made.MOST}, a role's inline one 10,240", err=True
        )
    return 0


def _of_a_probe(spec: Spec) -> tuple[Call, ...]:
    from crossfade.doctor.probe.declared import calls

    return () if spec.aws is None else calls(spec.aws.account, spec.aws.region)
