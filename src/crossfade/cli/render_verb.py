"""`render`: files for other tools, printed, or written where those tools look for them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from crossfade import __version__
from crossfade.cli.options import file_option
from crossfade.cli.render_alarms import alarms
from crossfade.cli.render_iam import iam
from crossfade.errors import UsageError
from crossfade.render.github_actions import RUNNER

USUAL = ":usual:"
"""`--write` without a path."""


@click.group(help="Files for other tools, made of crossfade.yaml.")
def render() -> None:
    """Each file is printed; `--write` puts it in its place."""


render.add_command(iam)
render.add_command(alarms)


@render.command(
    name="github-actions", help="A GitHub Actions workflow that releases this service: printed, or written."
)
@click.option(
    "--write",
    is_flag=False,
    flag_value=USUAL,
    metavar="[PATH]",
    help="Write it; without a path to .github/workflows/crossfade-SERVICE.yml.",
)
@click.option("--force", is_flag=True, help="Also over a file that was changed by hand.")
@click.option(
    "--runner", metavar="LABEL", default=RUNNER, show_default=True, help="Label of the self-hosted runner."
)
@file_option
def github_actions(write: str | None, force: bool, runner: str, file: Path) -> int:
    """Exit 0 printed or written (or nothing to write), 2 refused."""
    from crossfade.render import workflow
    from crossfade.spec.load import load_spec

    spec = load_spec(file)
    root = repository(spec.folder)
    place = (spec.folder / file.name).relative_to(root).as_posix()
    text = workflow(spec, file=place, version=__version__, runner=runner)
    if write is None:
        click.echo(text, nl=False)
        return 0
    usual = root / ".github" / "workflows" / f"crossfade-{spec.service}.yml"
    target = usual if write == USUAL else Path(write)
    said = put(target, text, force=force)
    click.echo(f"{said} {target}", err=True)
    return 0


def repository(folder: Path) -> Path:
    """The root of the checkout that this folder is in; the folder itself where it is in none."""
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)


def put(target: Path, text: str, *, force: bool) -> str:
    """
    Write a sealed file whole or not at all; what was done, in one word.

    Raises `UsageError` where a hand has written there and `force` is not given.
    """
    from crossfade.render import Hand, hand_of

    try:
        before = target.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        before = None
    except OSError as error:
        raise _unwritable(target, error) from error
    if before == text:
        return "unchanged"
    if before is not None and not force and (hand := hand_of(before)) is not Hand.OURS:
        why = "it was changed by hand" if hand is Hand.CHANGED else "it was not made by `crossfade render`"
        raise UsageError("CF8003", f"{target} is kept as it is", why, "--force, or --write to another path")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, text)
    except OSError as error:
        raise _unwritable(target, error) from error
    return "wrote" if before is None else "updated"


def _replace(target: Path, text: str) -> None:
    """By a rename: nobody reads half a file, and a full disk costs nothing."""
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
            out.write(text)
        Path(name).chmod(mode)
        Path(name).replace(target)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _unwritable(target: Path, error: OSError) -> UsageError:
    return UsageError(
        "CF8004", f"{target} cannot be written", error.strerror or str(error), "--write another path"
    )
