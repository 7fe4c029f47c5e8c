"""Options that several verbs share, each defined once."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

file_option = click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("crossfade.yaml"),
    show_default=True,
    help="The service's configuration.",
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
