"""What `init --from` reads, chooses and says about it; nothing is changed on AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossfade.errors import UsageError

if TYPE_CHECKING:
    from crossfade.platforms.alb.choice import Choice
    from crossfade.platforms.alb.found import Found, Group, Way
    from crossfade.spec.arns import Arn
    from crossfade.spec.aws_models import Targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was said on the command line."""

    service: str
    beside: str
    """The name that the service gets where nothing else says one."""
    test: str | None
    endpoint: str | None
    targets: str | None
    targets_command: str | None


def from_alb(source: str, asked: Asked, ask_targets: Callable[[], str]) -> str:
    """
    The file for the service that `source` leads to.

    Raises `UsageError`, `AccessError`, `PlatformError`, and `RefusedError` where something is missing.
    """
    from crossfade.aws import Door, Where
    from crossfade.platforms.alb.choice import choose, service_name
    from crossfade.platforms.alb.commands import Shell
    from crossfade.platforms.alb.found import look, siblings
    from crossfade.spec.aws_models import AlbPlatform, Aws
    from crossfade.spec.minimal import write_alb

    arn = _arn(source)
    door = Door(Where(account=arn.account, region=arn.region, endpoint=asked.endpoint))
    door.prove()
    client = door.client("elbv2")
    found = look(client, arn.listener)
    way = found.way(arn.text)
    alone = [found.groups[one] for one in way.groups] if way is not None and len(way.groups) == 1 else []
    free = siblings(client, alone[0]) if alone else ()
    shell = Shell(region=arn.region, endpoint=asked.endpoint)
    choice = choose(found, arn.text, shell, test=asked.test, free=free)
    alb = AlbPlatform(
        rules=tuple(one.arn for one in choice.rules),
        test=choice.test.arn,
        blue=choice.blue.arn,
        green=choice.green.arn,
        targets=_targets(asked, ask_targets),
        health=choice.blue.health_path,
    )
    aws = Aws(account=arn.account, region=arn.region, endpoint=asked.endpoint)
    service = asked.service or service_name(choice) or asked.beside
    return write_alb(service, aws, alb, dict(_found(found, choice)))


def _arn(source: str) -> Arn:
    from crossfade.spec.arns import Kind, parse

    kind, _, text = source.partition(":")
    if kind != "alb":
        raise UsageError(
            "CF1903",
            f"--from {source} cannot be read",
            "this version reads load balancers",
            "crossfade init --from alb:ARN of a listener or rule",
        )
    arn = parse(text)
    if arn is None or arn.kind is Kind.GROUP or arn.family != "app":
        raise UsageError(
            "CF1903",
            f"{text or 'nothing'} is not the ARN of a listener or rule of an Application Load Balancer",
            "from it come the account, the region and everything else",
            "aws elbv2 describe-listeners --load-balancer-arn … prints them",
        )
    return arn


def _targets(asked: Asked, ask: Callable[[], str]) -> Targets:
    from crossfade.spec.aws_models import TargetsCommand, TargetsFile

    if asked.targets is not None and asked.targets_command is not None:
        raise UsageError("CF1903", "--targets and --targets-command", "one of them is meant", "leave one out")
    if asked.targets_command is not None:
        return TargetsCommand(command=asked.targets_command)
    return TargetsFile(file=asked.targets if asked.targets is not None else ask())


def _found(found: Found, choice: Choice) -> Iterator[tuple[str, str]]:
    """What each ARN is, in words; and under no ARN what was left alone, and why."""
    for way in choice.rules:
        yield way.arn, f"{way.said}: {_shares(found, way)}"
    yield choice.test.arn, f"{choice.test.said}: {_shares(found, choice.test)}"
    for group in (choice.blue, choice.green):
        yield group.arn, _group(group)
    aside = [f"  {way.said}: {_shares(found, way)}" for way in choice.aside]
    balancer = found.balancer.split("/")[-2]
    left = ["Left alone there:", *aside] if aside else []
    yield (
        "",
        "\n".join([f"Read from load balancer {balancer}; a release shifts all of `rules` together.", *left]),
    )


def _shares(found: Found, way: Way) -> str:
    if not way.forwards:
        return way.kind
    return ", ".join(f"{found.groups[arn].name} {weight}" for arn, weight in way.forwards)


def _group(group: Group) -> str:
    counted = {state: group.states.count(state) for state in sorted(set(group.states))}
    targets = ", ".join(f"{number} {state}" for state, number in counted.items()) or "no targets"
    every = group.check.get("health-check-interval-seconds", "?")
    delay = group.attributes.get("deregistration_delay.timeout_seconds", "300")
    return f"{group.name}: {targets}; {group.health_path} every {every} s; drains {delay} s"
