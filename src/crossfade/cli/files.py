"""Verbs about the file itself: `init`, `lint`, `schema`. Nothing here touches a platform."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from crossfade.cli.options import file_option, json_option
from crossfade.errors import UsageError


@click.command(help="Check FILES (default: crossfade.yaml); exit 0 clean, 2 with every mistake listed.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--resolved", is_flag=True, help="Print every setting, each with its source.")
@json_option
def lint(files: tuple[Path, ...], resolved: bool, as_json: bool) -> int:
    """Load each file and say everything that is wrong with it."""
    from crossfade.spec.findings import Finding, SpecError
    from crossfade.spec.load import load_spec
    from crossfade.spec.resolved import resolved as resolved_text

    findings: list[Finding] = []
    for path in files or (Path("crossfade.yaml"),):
        try:
            spec = load_spec(path)
        except SpecError as error:
            findings += error.findings
            continue
        if resolved:
            click.echo(resolved_text(spec), nl=False)
        elif not as_json:
            click.echo(f"{path}: clean", err=True)
    if as_json:
        shown = [
            {
                "id": found.id,
                "file": found.file,
                "line": found.line,
                "column": found.column,
                "what": found.what,
                "why": found.why,
                "fix": found.fix,
                "key": found.key_path,
            }
            for found in findings
        ]
        click.echo(json.dumps({"findings": shown}))
    else:
        for found in findings:
            for line in found.lines():
                click.echo(line, err=True)
    return 2 if findings else 0


@click.command(help="Print the JSON schema of crossfade.yaml.")
def schema() -> int:
    """The schema that editors read."""
    from crossfade.spec.minimal import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
    return 0


@click.command(help="Write crossfade.yaml and its schema into this folder.")
@click.option("--service", help="Name of the service; default: this folder's name.")
@click.option("--command", help="What starts one instance; {port} and {revision} are filled in.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port your users come to.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@file_option
def init(service: str | None, command: str | None, port: int | None, force: bool, file: Path) -> int:
    """Ask for what cannot be known, write the rest as commented defaults."""
    from crossfade.spec.load import load_spec
    from crossfade.spec.minimal import SCHEMA_FILE, json_schema, write_minimal

    if file.exists() and not force:
        raise UsageError(
            "CF1900", f"{file} exists already", "init never overwrites by itself", "crossfade init --force"
        )
    service = service or _service_name(file)
    command = command or _asked("command that starts one instance (with {port})", "--command")
    port = port if port is not None else int(_asked("port your users come to", "--port"))
    before = file.read_bytes() if file.exists() else None
    file.write_text(write_minimal(service, command, port))
    try:
        load_spec(file)
    except UsageError:
        if before is None:
            file.unlink()
        else:
            file.write_bytes(before)
        raise
    (file.parent / SCHEMA_FILE).write_text(json.dumps(json_schema(), indent=2) + "\n")
    click.echo(f"wrote {file} and {SCHEMA_FILE}", err=True)
    verbs = "crossfade lint --resolved; crossfade plan REVISION; crossfade deploy REVISION"
    click.echo(f"next: {verbs}  ({shlex.quote(service)})", err=True)
    return 0


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
