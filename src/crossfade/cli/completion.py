"""`completion SHELL`: the script a shell sources."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(help='Print the completion script: eval "$(crossfade completion bash)".')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Click's own script for this shell."""
    maker = get_completion_class(shell)
    root = ctx.find_root()
    if maker is not None:
        click.echo(maker(root.command, {}, "crossfade", "_CROSSFADE_COMPLETE").source())
