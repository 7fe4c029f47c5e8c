"""
What a probe makes, and how it is taken away again: only what bears its own tag.

Each is known by a name that carries the probe's id, so that one whose answer was lost is found again. Two
creates of the same are one on AWS; where they are not, the one that is there is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from crossfade.doctor.probe.ledger import Ledger, Thing
from crossfade.doctor.probe.tape import Tape, refused
from crossfade.errors import CrossfadeError, PlatformError

TAG: Final = "crossfade:probe"
PATIENCE_S: Final = 600.0
"""Of the clock: until a load balancer is active, or gone with its addresses."""

LOOK_S: Final = 5.0
_GONE: Final = {
    "load-balancer": ("LoadBalancerNotFound",),
    "target-group": ("TargetGroupNotFound",),
    "security-group": ("InvalidGroup.NotFound", "InvalidGroupId.Malformed"),
}
_BUSY: Final = ("ResourceInUse", "DependencyViolation", "OperationNotPermitted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """The hands of one probe."""

    elbv2: Any
    ec2: Any
    tape: Tape
    ledger: Ledger
    run: str
    say: Callable[[str], None]

    def name(self, word: str) -> str:
        return f"crossfade-probe-{self.run}-{word}"

    @property
    def tags(self) -> list[dict[str, str]]:
        return [{"Key": TAG, "Value": self.run}, {"Key": "Name", "Value": self.name("throw-away")}]

    def begin(self, kind: str, word: str) -> str:
        """The name, written down and said before anything is made."""
        name = self.name(word)
        self.ledger.intends(Thing(kind=kind, name=name))
        self.say(f"make {kind} {name}")
        return name

    # --- made ------------------------------------------------------------------------------

    def wall(self, network: str, cidr: str, front: int, back: tuple[int, ...]) -> str:
        """A security group: the front open to `cidr`, the back to those in the group."""
        name = self.begin("security-group", "wall")
        try:
            made = self.tape.call(
                self.ec2,
                "CreateSecurityGroup",
                GroupName=name,
                Description="crossfade doctor --probe, throw-away",
                VpcId=network,
                TagSpecifications=[{"ResourceType": "security-group", "Tags": self.tags}],
            )
            found = str(made["GroupId"])
        except PlatformError as error:
            if not refused(error, "InvalidGroup.Duplicate"):
                raise
            found = self._wall(name) or ""
        inside = [{"GroupId": found}]
        rules: list[dict[str, Any]] = [
            {"IpProtocol": "tcp", "FromPort": front, "ToPort": front, "IpRanges": [{"CidrIp": cidr}]},
            *(
                {"IpProtocol": "tcp", "FromPort": one, "ToPort": one, "UserIdGroupPairs": inside}
                for one in back
            ),
        ]
        try:
            self.tape.call(self.ec2, "AuthorizeSecurityGroupIngress", GroupId=found, IpPermissions=rules)
        except PlatformError as error:
            if not refused(error, "InvalidPermission.Duplicate"):
                raise
        return found

    def balancer(self, word: str, subnets: list[str], wall: str, scheme: str) -> Mapping[str, Any]:
        name = self.begin("load-balancer", word)
        made = self.tape.call(
            self.elbv2,
            "CreateLoadBalancer",
            Name=name,
            Subnets=subnets,
            SecurityGroups=[wall],
            Scheme=scheme,
            Type="application",
            Tags=self.tags,
        )
        found: Mapping[str, Any] = made["LoadBalancers"][0]
        return found

    def group(self, word: str, network: str, port: int) -> str:
        name = self.begin("target-group", word)
        made = self.tape.call(
            self.elbv2,
            "CreateTargetGroup",
            Name=name,
            Protocol="HTTP",
            Port=port,
            VpcId=network,
            TargetType="ip",
            HealthCheckPath="/",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
            Tags=self.tags,
        )
        found = str(made["TargetGroups"][0]["TargetGroupArn"])
        self.tape.call(
            self.elbv2,
            "ModifyTargetGroupAttributes",
            TargetGroupArn=found,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}],
        )
        return found

    def listener(self, balancer: str, port: int, action: Mapping[str, Any]) -> str:
        """It goes with its load balancer."""
        try:
            made = self.tape.call(
                self.elbv2,
                "CreateListener",
                LoadBalancerArn=balancer,
                Protocol="HTTP",
                Port=port,
                DefaultActions=[dict(action)],
            )
            return str(made["Listeners"][0]["ListenerArn"])
        except PlatformError as error:
            if not refused(error, "DuplicateListener"):
                raise
        every = self.tape.call(self.elbv2, "DescribeListeners", LoadBalancerArn=balancer)["Listeners"]
        return next(str(one["ListenerArn"]) for one in every if one["Port"] == port)

    # --- taken away ------------------------------------------------------------------------

    def take_away(self, thing: Thing) -> None:
        """Until it is gone. Raises where it is another's, or will not go in time."""
        until = self.tape.at + PATIENCE_S
        while not self._gone(thing):
            if self.tape.at > until:
                raise PlatformError(
                    "CF4330",
                    f"{thing.kind} {thing.name} is still there",
                    "it was not let go in ten minutes",
                    "crossfade doctor --probe --clean",
                )
            self.tape.clock.sleep(LOOK_S)
        self.ledger.gone(thing)
        self.say(f"gone {thing.kind} {thing.name}")

    def _gone(self, thing: Thing) -> bool:
        """One try; what is still used is tried again."""
        try:
            found = self._find(thing)
            if found is None:
                return True
            if self._ours(thing, found):
                self._delete(thing, found)
        except PlatformError as error:
            if refused(error, *_GONE[thing.kind]):
                return True
            if not refused(error, *_BUSY):
                raise
        return False

    def _find(self, thing: Thing) -> str | None:
        match thing.kind:
            case "load-balancer":
                rows = self.tape.call(self.elbv2, "DescribeLoadBalancers", Names=[thing.name])[
                    "LoadBalancers"
                ]
                return str(rows[0]["LoadBalancerArn"]) if rows else None
            case "target-group":
                rows = self.tape.call(self.elbv2, "DescribeTargetGroups", Names=[thing.name])["TargetGroups"]
                return str(rows[0]["TargetGroupArn"]) if rows else None
            case _:
                return self._wall(thing.name)

    def _wall(self, name: str) -> str | None:
        asked = [{"Name": "group-name", "Values": [name]}]
        rows = self.tape.call(self.ec2, "DescribeSecurityGroups", Filters=asked)["SecurityGroups"]
        return str(rows[0]["GroupId"]) if rows else None

    def _ours(self, thing: Thing, found: str) -> bool:
        """By its tag; one that shows none yet is asked again. Raises where it says another."""
        if thing.kind == "security-group":
            rows = self.tape.call(self.ec2, "DescribeSecurityGroups", GroupIds=[found])["SecurityGroups"]
        else:
            rows = self.tape.call(self.elbv2, "DescribeTags", ResourceArns=[found])["TagDescriptions"]
        tags = {str(one["Key"]): str(one.get("Value", "")) for row in rows for one in row.get("Tags", ())}
        said = tags.get(TAG)
        if said not in {None, self.run}:
            raise CrossfadeError(
                "CF4331",
                f"{thing.kind} {thing.name} is not this probe's",
                f"its tag {TAG} says {said}",
                "it is left alone; remove it by hand if it is yours",
            )
        return said is not None

    def _delete(self, thing: Thing, found: str) -> None:
        match thing.kind:
            case "load-balancer":
                self.tape.call(self.elbv2, "DeleteLoadBalancer", LoadBalancerArn=found)
            case "target-group":
                self.tape.call(self.elbv2, "DeleteTargetGroup", TargetGroupArn=found)
            case _:
                self.tape.call(self.ec2, "DeleteSecurityGroup", GroupId=found)
