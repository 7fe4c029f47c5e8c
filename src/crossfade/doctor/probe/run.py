"""One probe from the first question to the last thing taken away; and the cleaning up after a killed one."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from crossfade.aws import Door
from crossfade.aws.twin import twin_ports, twin_preset, twin_time
from crossfade.doctor.probe.ledger import Ledger, Run
from crossfade.doctor.probe.making import Maker
from crossfade.doctor.probe.steps import Ground, Pace, Steps
from crossfade.doctor.probe.tape import Tape, Time
from crossfade.errors import RefusedError, UsageError

ANYBODY: Final = "0.0.0.0/0"
HERE: Final = "127.0.0.1"
"""Where a twin serves everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person may say about it."""

    subnets: tuple[str, ...] = ()
    """None: those of the default network."""
    cidr: str = ANYBODY
    internal: bool = False


def probe(
    door: Door, ledger: Ledger, trace: Path, *, wish: Wish, pace: Pace, say: Callable[[str], None]
) -> dict[str, Any]:
    """
    Build, measure, take away; the trace, which is written whatever happens.

    Raises `UsageError` where an earlier probe has left something, `AccessError`, `PlatformError`. What was
    made is taken away on the way out of every error but a kill.
    """
    where = door.where
    run = Run(id=secrets.token_hex(3), account=where.account, region=where.region, endpoint=where.endpoint)
    clock = _time(door)
    said: dict[str, object] = {"kind": "aws", "region": where.region}
    if where.endpoint is not None:
        said |= {"kind": "twin", "preset": twin_preset(where.endpoint), "factor": clock.factor}
    tape = Tape(clock, said)
    ground = _ground(door, wish, tape)
    ledger.begin(run)
    maker = _maker(door, tape, ledger, run.id, say)
    steps = Steps(maker, door.client("cloudwatch"), ground, pace)
    try:
        steps.all()
    finally:
        steps.stop()
        try:
            _take_away(maker)
        finally:
            tape.close()
            trace.write_text(json.dumps(tape.document(), indent=1) + "\n")
    return tape.document()


def clean(door: Door, ledger: Ledger, *, say: Callable[[str], None]) -> int:
    """How many things a killed probe had left; all are gone when this returns."""
    run = ledger.run()
    if run is None:
        ledger.end()
        return 0
    where = door.where
    if (run.account, run.region, run.endpoint) != (where.account, where.region, where.endpoint):
        raise RefusedError(
            "CF4333",
            "the probe that left something was elsewhere",
            f"it was in account {run.account}, {run.region}, {run.endpoint or 'AWS itself'}",
            "say `aws:` in crossfade.yaml as it was then",
        )
    tape = Tape(_time(door), {})
    left = ledger.left()
    tape.step("clean")
    _take_away(_maker(door, tape, ledger, run.id, say))
    return len(left)


def _take_away(maker: Maker) -> None:
    """Load balancers first: what they use cannot go before them."""
    maker.tape.step("teardown")
    order = {"load-balancer": 0, "target-group": 1, "security-group": 2}
    for thing in sorted(maker.ledger.left(), key=lambda one: order[one.kind]):
        maker.take_away(thing)
    maker.ledger.end()


def _maker(door: Door, tape: Tape, ledger: Ledger, run: str, say: Callable[[str], None]) -> Maker:
    return Maker(
        elbv2=door.client("elbv2"), ec2=door.client("ec2"), tape=tape, ledger=ledger, run=run, say=say
    )


def _ground(door: Door, wish: Wish, tape: Tape) -> Ground:
    """The network that is used, and how parts of it are reached."""
    ec2, endpoint = door.client("ec2"), door.where.endpoint

    def served(arn: str, port: int) -> int:
        return port if endpoint is None else twin_ports(endpoint).get(arn, port)

    tape.step("ground")
    if wish.subnets:
        rows = tape.call(ec2, "DescribeSubnets", SubnetIds=list(wish.subnets))["Subnets"]
    else:
        asked = [{"Name": "default-for-az", "Values": ["true"]}]
        rows = tape.call(ec2, "DescribeSubnets", Filters=asked)["Subnets"]
    zones = {str(one["AvailabilityZone"]): one for one in rows}
    networks = {str(one["VpcId"]) for one in rows}
    if len(zones) < 2 or len(networks) != 1:
        raise UsageError(
            "CF7402",
            "a load balancer needs subnets in two zones of one network",
            f"{len(zones)} zones and {len(networks)} networks were found",
            "--subnets subnet-…,subnet-…",
        )
    picked = [zones[name] for name in sorted(zones)[:2]]
    return Ground(
        network=networks.pop(),
        subnets=tuple(str(one["SubnetId"]) for one in picked),
        scheme="internal" if wish.internal else "internet-facing",
        cidr=wish.cidr,
        addresses=lambda arn: _nodes(tape, ec2, arn) if endpoint is None else (HERE,),
        reach=lambda name, arn, port: (name if endpoint is None else HERE, served(arn, port)),
        behind=served,
    )


def _nodes(tape: Tape, ec2: Any, balancer: str) -> tuple[str, ...]:
    """The private addresses of a load balancer's nodes, which AWS shows as interfaces of its."""
    named = "ELB " + balancer.partition(":loadbalancer/")[2]
    asked = [{"Name": "description", "Values": [named]}]
    rows = tape.call(ec2, "DescribeNetworkInterfaces", Filters=asked)["NetworkInterfaces"]
    return tuple(sorted(str(one["PrivateIpAddress"]) for one in rows))


def _time(door: Door) -> Time:
    """A twin has a time of its own, which may run faster and be far ahead."""
    if door.where.endpoint is None:
        return Time()
    now = twin_time(door.where.endpoint)
    return Time(factor=now.factor, epoch=now.twin + (time.time() - now.real) * now.factor)
