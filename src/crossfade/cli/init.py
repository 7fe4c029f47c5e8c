"""`init`: crossfade.yaml, written from answers or from what stands on AWS."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from crossfade.cli.options import file_option
from crossfade.errors import UsageError


@click.command(help="Write crossfade.yaml and its schema into this folder.")
@click.option(
    "--from", "source", metavar="alb:ARN", help="A listener or rule whose service is read, and not changed."
)
@click.option("--service", help="Name of the service; default: what its groups share, or this folder's name.")
@click.option("--command", help="local: what starts one instance; {port} and {revision} are filled in.")
@click.option("--port", type=click.IntRange(0, 65535), help="local: the port your users come to.")
@click.option(
    "--targets", metavar="FILE", help="alb: where a revision's ip:port stand, e.g. targets/{revision}."
)
@click.option(
    "--targets-command", metavar="CMD", help="alb: what prints them instead, e.g. './targets {revision}'."
)
@click.option("--test", metavar="ARN", help="alb: the rule or listener for staff, where there are several.")
@click.option("--endpoint", metavar="URL", help="alb: of a twin, as `crossfade twin up` prints it.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@file_option
def init(
    source: str | None,
    service: str | None,
    command: str | None,
    port: int | None,
    targets: str | None,
    targets_command: str | None,
    test: str | None,
    endpoint: str | None,
    force: bool,
    file: Path,
) -> int:
    """Exit 0 written, 2 refused, 3 not allowed to look, 11 something has to be created first."""
    if file.exists() and not force:
        raise UsageError(
            "CF1900", f"{file} exists already", "init never overwrites by itself", "crossfade init --force"
        )
    if source is None:
        text = _local(service or _service_name(file), command, port)
    else:
        from crossfade.cli.init_from import Asked, from_alb

        asked = Asked(
            service=service or "",
            beside=_service_name(file),
            test=test,
            endpoint=endpoint,
            targets=targets,
            targets_command=targets_command,
        )
        text = from_alb(
            source, asked, lambda: _asked("file with a revision's ip:port, one a line", "--targets")
        )
    _written(file, text)
    return 0


def _local(service: str, command: str | None, port: int | None) -> str:
    from crossfade.spec.minimal import write_minimal

    command = command or _asked("command that starts one instance (with {port})", "--command")
    port = port if port is not None else int(_asked("port your users come to", "--port"))
    return write_minimal(service, command, port)


def _written(file: Path, text: str) -> None:
    """The file is there and loads, or is as it was before."""
    from crossfade.spec.load import load_spec
    from crossfade.spec.minimal import SCHEMA_FILE, json_schema

    before = file.read_bytes() if file.exists() else None
    file.write_text(text)
    try:
        spec = load_spec(file)
    except UsageError:
        if before is None:
            file.unlink()
        else:
            file.write_bytes(before)
        raise
    (file.parent / SCHEMA_FILE).write_text(json.dumps(json_schema(), indent=2) + "\n")
    click.echo(f"wrote {file} and {SCHEMA_FILE}", err=True)
    first = "crossfade lint --resolved" if spec.aws is None else "crossfade doctor"
    verbs = f"{first}; crossfade plan REVISION; crossfade deploy REVISION"
    click.echo(f"next: {verbs}  ({shlex.quote(spec.service)})", err=True)


def _service_name(file: Path) -> str:
    raw = file.resolve().parent.name.lower()
    kept = "".join(char if char.isalnum() and char.isascii() else "-" for char in raw).strip("-")
    return kept if kept[:1].isalpha() else f"service-{kept}".strip("-")


def _asked(question: str, option: str) -> str:
    """An answer from a person; with nobody to ask the option is missing: an error, never a hang."""
    if not sys.stdin.isatty():
        raise UsageError(
            "CF1901", f"{option} is missing", "nobody is there to ask", f"crossfade init {option} …"
        )
    answer: str = click.prompt(question, err=True)
    return answer
