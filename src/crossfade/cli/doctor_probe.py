"""`doctor --probe`: asked first, then built, measured, taken away; `--clean` after a kill; `--compare`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossfade.errors import UsageError

if TYPE_CHECKING:
    from crossfade.aws import Door
    from crossfade.spec import Spec

PRICE = """\
It makes, in account {account}, {region}:
  2 load balancers, 2 target groups, 1 security group, 3 listeners of fixed answers ({scheme})
It takes about {minutes} minutes and costs about 0.05 to 0.10 USD: two load balancers for one begun hour
each (0.02 to 0.04 USD in most regions, by what was known in 2025) and requests worth less than a cent.
Each thing is named crossfade-probe-…, tagged crossfade:probe, written to {ledger} before it is made,
and taken away at the end. After a kill: crossfade doctor --probe --clean"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was said on the command line."""

    yes: bool
    clean: bool
    compare: Path | None
    trace: Path | None
    subnets: str | None
    cidr: str
    internal: bool


def run(spec: Spec, asked: Asked, *, as_json: bool) -> int:
    """Exit 0 done, 2 not asked or nothing to compare, 3 not allowed."""
    from crossfade.doctor.probe import FILE, Ledger, Pace, Wish, clean, probe

    trace = asked.trace or spec.folder / "crossfade-probe.json"
    if asked.compare is not None:
        return _compare(trace, asked.compare)
    door = _door(spec)
    who = door.prove()
    ledger = Ledger(spec.folder / FILE)
    if asked.clean:
        gone = clean(door, ledger, say=_say)
        _say(f"{gone} things were left, and are gone" if gone else "nothing was left")
        return 0
    ask(door, asked, ledger.path)
    _say(f"as {who.arn}")
    subnets = tuple(one.strip() for one in (asked.subnets or "").split(",") if one.strip())
    wish = Wish(subnets=subnets, cidr=asked.cidr, internal=asked.internal)
    document = probe(door, ledger, trace, wish=wish, pace=Pace(), say=_say)
    if as_json:
        click.echo(json.dumps(document))
    else:
        for step in document["steps"]:
            click.echo(f"{step['name']:<9} {step['took_s']:>7.1f} s  {_figures(step['figures'])}".rstrip())
    _say(f"the trace is in {trace}; another one beside it: crossfade doctor --probe --compare OTHER.json")
    return 0


def _door(spec: Spec) -> Door:
    from crossfade.aws import Door, Where

    if spec.aws is None:
        raise UsageError(
            "CF7403",
            "the probe needs an account",
            f"{spec.service} names none",
            'aws: {account: "123456789012", region: eu-west-1} in crossfade.yaml',
        )
    return Door(Where(account=spec.aws.account, region=spec.aws.region, endpoint=spec.aws.endpoint))


def ask(door: Door, asked: Asked, ledger: Path) -> None:
    """The price, and a question: it is somebody's money and somebody's account. On a twin it is nobody's."""
    where = door.where
    if where.endpoint is not None:
        _say(f"on the twin at {where.endpoint}: it costs nothing")
        return
    scheme = "internal" if asked.internal else f"internet-facing, open to {asked.cidr}"
    _say(
        PRICE.format(
            account=where.account, region=where.region, scheme=scheme, minutes=15, ledger=ledger.name
        )
    )
    if asked.yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "CF7301", "the probe spends money", "nobody is there to ask", "crossfade doctor --probe --yes"
        )
    click.confirm("Make them?", abort=True, err=True)


def _compare(mine: Path, other: Path) -> int:
    from crossfade.doctor.probe import compare, differences

    lines = compare(_trace(mine), _trace(other))
    click.echo("\n".join(lines))
    _say(f"{differences(lines)} differences")
    return 0


def _trace(path: Path) -> dict[str, object]:
    from crossfade.doctor.probe.tape import VERSION

    try:
        found = json.loads(path.read_text())
        sound = found["version"] == VERSION and isinstance(found["steps"], list)
        why = f"it is of version {found['version']}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        sound, why = False, str(error)
    if not sound:
        raise UsageError(
            "CF7404", f"{path} is not the trace of a probe", why, "crossfade doctor --probe writes one"
        )
    read: dict[str, object] = found
    return read


def _figures(figures: dict[str, object]) -> str:
    shown = {name: f"{value:g}" if isinstance(value, float) else value for name, value in figures.items()}
    return "  ".join(f"{name} {value}" for name, value in shown.items())


def _say(line: str) -> None:
    click.echo(line, err=True)
