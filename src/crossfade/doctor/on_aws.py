"""The looks at AWS: who we are, what we may, what stands there. Without an identity nothing else is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crossfade import needs
from crossfade.aws import Call, Door, Identity, Where, calling
from crossfade.doctor import here
from crossfade.doctor.balancer import Named, balancer
from crossfade.doctor.check import Check, Look, examined, failed, ok, unknown
from crossfade.doctor.clock import clock
from crossfade.doctor.gates import gates
from crossfade.doctor.permitted import NotAsked, Permitted, permissions, principal, simulated
from crossfade.doctor.reading import reads, reads_of_state
from crossfade.doctor.signals import signals
from crossfade.doctor.state import state
from crossfade.engine.clock import SystemClock
from crossfade.errors import CrossfadeError, RefusedError
from crossfade.platforms import alb_found
from crossfade.platforms.alb_model import listed
from crossfade.sites import Sites
from crossfade.spec import AlbPlatform, Spec
from crossfade.spec.arns import parse

LATER = ("permissions", "target groups", "preflight", "gates", "state")
"""What is not looked at where nobody knows who we are."""


def on_aws(spec: Spec, alb: AlbPlatform) -> Iterator[Check]:
    """Every check of a service behind a load balancer."""
    aws = spec.aws
    if aws is None:
        raise TypeError("a spec of AWS names its account")
    door = Door(Where(account=aws.account, region=aws.region, endpoint=aws.endpoint, role=aws.role))
    try:
        who = door.prove()
    except CrossfadeError as error:
        yield failed("identity", error)
        yield from (unknown(name, "nobody knows who would look") for name in LATER)
        return
    at = f"{aws.region}, AWS itself" if aws.endpoint is None else f"{aws.region}, the twin at {aws.endpoint}"
    yield ok("identity", f"{who.arn} in account {who.account}, {at}")
    site = _Site(spec=spec, alb=alb, door=door, who=who)
    looks: list[tuple[str, Look]] = [
        ("clock", site.clock),
        ("permissions", site.permissions),
        ("target groups", site.balancer),
        ("preflight", site.preflight),
        ("signals", site.signals),
        ("gates", lambda: gates(spec)),
        ("state", site.state),
    ]
    yield from examined(looks)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    spec: Spec
    alb: AlbPlatform
    door: Door
    who: Identity

    def clock(self) -> Iterator[Check]:
        before = time.time()
        with calling("sts", "GetCallerIdentity"):
            said = self.door.client("sts").get_caller_identity()
        headers: Mapping[str, str] = said["ResponseMetadata"]["HTTPHeaders"]
        yield from clock(headers, before, time.time())

    def permissions(self) -> Iterator[Check]:
        declared = needs.calls(self.spec)
        yield from permissions(declared, self._asked(declared), self._made(declared))

    def _asked(self, declared: Sequence[Call]) -> Sequence[Permitted] | NotAsked:
        """IAM's word, or why it gave none."""
        if self.door.where.endpoint is not None:
            return NotAsked(
                "a twin lets everybody do everything", "crossfade render iam prints what AWS will ask for"
            )
        iam = self.door.client("iam")
        try:
            return simulated(iam, principal(self.who.arn, iam), declared, self.door.where.region)
        except CrossfadeError as error:
            return NotAsked(f"{error.what}: {error.why}" if error.why else error.what)

    def _made(self, declared: Sequence[Call]) -> list[tuple[Call, str]]:
        """Each read that can be made without knowing anything, and the error it met."""
        tried = [*reads(self.door, self.alb), *reads_of_state(self.door, self.spec)]
        answers = {(one.service, one.action): one.denied() for one in tried}
        return [
            (call, answers[call.service, call.action])
            for call in declared
            if (call.service, call.action) in answers
        ]

    def balancer(self) -> Iterator[Check]:
        alb, client = self.alb, self.door.client("elbv2")
        rule = parse(alb.rules[0])
        if rule is None:
            raise TypeError("the spec has proved that this is an ARN")
        found = alb_found.look(client, rule.listener)
        groups = (self._group(client, found, alb.blue), self._group(client, found, alb.green))
        named = Named(
            rules=alb.rules, test=alb.test, blue=alb.blue, green=alb.green, ready=self.spec.deadlines.ready
        )
        yield from balancer(found, groups, named)

    def _group(self, client: Any, found: alb_found.Found, arn: str) -> alb_found.Group:
        return found.groups.get(arn) or alb_found.group(client, arn)

    def preflight(self) -> Iterator[Check]:
        """What the platform would refuse a release for."""
        found = self._sites().preflight(self.spec)
        for one in found:
            yield failed("preflight", RefusedError(one.id, one.what, one.why, one.fix))
        if not found:
            yield ok("preflight", "nothing of the load balancer speaks against a release")

    def signals(self) -> Iterator[Check]:
        """Who is asked directly is asked now, for whoever serves."""
        platform = self._sites().of_spec(self.spec)
        serving = platform.serving(self.spec.service)
        targets = () if serving is None else listed(serving.artifact)
        yield from signals(self.spec, [(one.address.ip, one.address.port) for one in targets])

    def _sites(self) -> Sites:
        return Sites(self.spec.folder / ".crossfade", SystemClock())

    def state(self) -> Iterator[Check]:
        yield from state(self.spec)
        yield from here.off_this_machine(self.spec)
