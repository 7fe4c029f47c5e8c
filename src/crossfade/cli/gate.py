"""`gate judge`, `gate replay`: the judge by itself, on counts in a file or on a release's stored ones."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

import click

from crossfade.errors import UsageError


@click.group(help="The judge by itself.")
def gate() -> None:
    """Verbs of the judge."""


@gate.command(help="Judge a stream of counts: a header line, then one JSON object per closed interval.")
@click.option("--counts", type=click.File("r"), required=True, help="JSON lines; - reads standard input.")
def judge(counts: TextIO) -> int:
    """Print one verdict a line; exit 0 unless the last one says fail (4) or the input cannot be judged (2)."""
    from crossfade.judge import BadCountsError, open_stream

    lines = _objects(counts)
    try:
        stream = open_stream(next(lines))
    except StopIteration:
        raise UsageError(
            "CF6001", "no header", "the file is empty", "first line: the header object"
        ) from None
    except BadCountsError as error:
        raise UsageError(
            "CF6002", "the header cannot be used", str(error), "see `crossfade gate judge --help`"
        ) from error
    said = "no_data"
    for number, interval in enumerate(lines, start=2):
        try:
            verdict = stream.push(interval)
        except BadCountsError as error:
            raise UsageError(
                "CF6003", f"line {number} cannot be judged", str(error), "mend or drop that line"
            ) from error
        said = str(verdict["verdict"])
        print(json.dumps(verdict), flush=True)
    return 4 if said == "fail" else 0


def _objects(source: TextIO) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(source, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise UsageError(
                "CF6004", f"line {number} is not JSON", str(error), "one JSON object a line"
            ) from error
        if not isinstance(value, dict):
            raise UsageError("CF6004", f"line {number} is not an object", line[:60], "one JSON object a line")
        yield value
    if source is sys.stdin:
        return
