"""Verbs about the file itself: `lint`, `schema`. Nothing here touches a platform."""

from __future__ import annotations

import json
from pathlib import Path

import click

from crossfade.cli.options import json_option


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
