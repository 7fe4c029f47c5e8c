"""Options that several verbs share, each defined once."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from crossfade.whereabouts import State

F = TypeVar("F", bound=Callable[..., Any])

file_option = click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("crossfade.yaml"),
    show_default=True,
    help="The service's configuration.",
)


class StateType(click.ParamType["State"]):
    """A folder, or `s3://…` with its account and region."""

    name = "FOLDER|URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> State:
        """What the text means; a folder need not exist yet, a file is none."""
        from crossfade.whereabouts import state_named

        named = state_named(str(value))
        if isinstance(named, Path) and named.exists() and not named.is_dir():
            self.fail(f"{value!r} is a file", param, ctx)
        return named


state_type = StateType()
state_option = click.option(
    "--state", type=state_type, help="The state: a folder, or s3://bucket/prefix?account=…&region=…"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print data as JSON.")
reason_option = click.option("--reason", required=True, help="Why; kept in the journal.")
output_option = click.option(
    "--output",
    type=click.Choice(["auto", "tty", "plain", "json", "quiet"]),
    default="auto",
    show_default=True,
    envvar="CROSSFADE_OUTPUT",
    help="How progress is shown.",
)


def actor() -> str:
    """Who asks: the person, and where CI says so the person behind the job."""
    for name in ("CROSSFADE_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
