"""`gate judge`, `gate replay`: the judge by itself, on counts in a file or on a release's stored ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from crossfade.cli.options import file_option, json_option, state_option
from crossfade.cli.steer import id_argument
from crossfade.errors import UsageError

if TYPE_CHECKING:
    from crossfade.whereabouts import State


@click.group(help="The judge by itself.")
def gate() -> None:
    """Verbs of the judge."""


@gate.command(help="Judge a stream of counts: a header line, then one JSON object per closed interval.")
@click.option("--counts", type=click.File("r"), required=True, help="JSON lines; - is stdin.")
def judge(counts: TextIO) -> int:
    """One verdict a line; exit 4 where the last one says fail, 2 for input that cannot be judged, else 0."""
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


@gate.command(help="Judge a release's stored counts again and compare with what was decided.")
@id_argument
@json_option
@state_option
@file_option
def replay(release: str | None, as_json: bool, state: State | None, file: Path) -> int:
    """Exit 0 when the stored inputs give the stored verdict to the last bit, 1 when they do not."""
    from crossfade.bootstrap import find_house
    from crossfade.judge import replay as judge_again
    from crossfade.learned import StoreMemory
    from crossfade.signals import recorded

    house, service = find_house(file, state)
    plan = house.find(release, service, ended=True).plan
    stored = recorded(StoreMemory(house.store).intervals(plan.release))
    if stored is None:
        raise UsageError(
            "CF6005",
            f"{plan.release} has nothing to replay",
            "no interval of it was judged",
            "crossfade explain",
        )
    verdicts = judge_again(stored.header, stored.intervals)
    said = {str(evidence) for verdict in verdicts for evidence in _evidences(verdict)}
    decided = [
        entry.event
        for entry in house.store.entries(release=plan.release)
        if entry.event.gate and "evidence" in entry.event.numbers
    ]
    same = all(str(event.numbers["evidence"]) in said for event in decided)
    last = verdicts[-1]
    if as_json:
        click.echo(json.dumps({"release": plan.release, "same": same, "verdicts": verdicts}))
    else:
        click.echo(f"{len(verdicts)} intervals judged again, {len(decided)} decisions compared")
        click.echo(f"last verdict: {last['verdict']}: {last['text']}")
        click.echo("same as stored, to the last bit" if same else "NOT the same as stored")
    return 0 if same else 1


def _evidences(verdict: Mapping[str, Any]) -> Iterator[object]:
    yield verdict["evidence"]
    for one in verdict["gates"].values():
        yield one["evidence"]
