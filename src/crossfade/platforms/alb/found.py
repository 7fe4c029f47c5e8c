"""
What stands behind one Application Load Balancer, read once: its ways in, and their target groups.

For `init --from` and `doctor`, which explain what they found to a person; releases look by themselves.
Only Describe calls are made, each with all its pages (R07).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from crossfade.aws import calling
from crossfade.aws.permissions import Call

CALLS: Final = tuple(
    Call(service="elbv2", action=action)
    for action in (
        "DescribeListeners",
        "DescribeRules",
        "DescribeTargetGroups",
        "DescribeTargetGroupAttributes",
        "DescribeTargetHealth",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One target group."""

    arn: str
    name: str
    kind: str
    """`ip`, `instance`, `lambda` or `alb`."""
    protocol: str = ""
    version: str = ""
    """`HTTP1`, `HTTP2` or `GRPC`."""
    port: int = 0
    network: str = ""
    """The VPC."""
    check: Mapping[str, str] = field(default_factory=dict)
    """Its health check, by the options of `aws elbv2 create-target-group`."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    balancers: tuple[str, ...] = ()
    """ARNs of the load balancers that use it."""
    states: tuple[str, ...] = ()
    """One for each target: `healthy`, `draining`, …"""

    @property
    def health_path(self) -> str:
        return self.check.get("health-check-path", "/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A listener rule, or a listener's default action, under the ARN by which crossfade.yaml names it."""

    arn: str
    rule: str
    """The ARN of the rule itself; a default rule has one too, and may not be modified by it."""
    listener: str
    protocol: str
    port: int
    priority: int | None = None
    """None: the default action."""
    conditions: tuple[Mapping[str, Any], ...] = ()
    """As the API has them."""
    actions: tuple[Mapping[str, Any], ...] = ()
    """As the API has them, in their order."""

    @property
    def forwards(self) -> tuple[tuple[str, int], ...]:
        """Target groups and their weights; empty where requests are answered in another way."""
        last = self.actions[-1] if self.actions else {}
        if last.get("Type") != "forward":
            return ()
        groups = last.get("ForwardConfig", {}).get("TargetGroups") or [
            {"TargetGroupArn": last.get("TargetGroupArn")}
        ]
        return tuple((str(one["TargetGroupArn"]), int(one.get("Weight", 1))) for one in groups)

    @property
    def groups(self) -> frozenset[str]:
        return frozenset(arn for arn, _ in self.forwards)

    @property
    def kind(self) -> str:
        """What it does in the end: `forward`, `redirect`, `fixed-response`."""
        return str(self.actions[-1].get("Type", "")) if self.actions else ""

    @property
    def sticky_s(self) -> int:
        """How long a user stays on a group; 0 = not at all."""
        last = self.actions[-1] if self.actions else {}
        sticky = last.get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {})
        return int(sticky.get("DurationSeconds", 0)) if sticky.get("Enabled") else 0

    @property
    def header(self) -> tuple[str, str] | None:
        """A header that it asks for, with a value that does."""
        for one in self.conditions:
            asked = one.get("HttpHeaderConfig")
            if asked and asked.get("Values"):
                return str(asked["HttpHeaderName"]), str(asked["Values"][0])
        return None

    @property
    def said(self) -> str:
        """`HTTPS:443 /api/*`, as a person calls it."""
        where = f"{self.protocol}:{self.port}"
        if self.priority is None:
            return f"{where} default action"
        return f"{where} rule {self.priority} ({', '.join(map(_condition, self.conditions))})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything of one load balancer that a release could have to do with."""

    balancer: str
    """Its ARN."""
    ways: tuple[Way, ...]
    """By listener port, rules by priority, the default action last."""
    groups: Mapping[str, Group]
    """Those that a way forwards to, by ARN."""

    def way(self, arn: str) -> Way | None:
        """The way of this name, or of this rule's."""
        return next((way for way in self.ways if arn in {way.arn, way.rule}), None)


def look(client: Any, listener: str) -> Found:
    """
    Everything behind the load balancer of this listener; `client` is boto3's of elbv2.

    Raises `AccessError` or `PlatformError`.
    """
    with calling("elbv2", "DescribeListeners", listener):
        balancer = str(client.describe_listeners(ListenerArns=[listener])["Listeners"][0]["LoadBalancerArn"])
    listeners = _pages(client, "DescribeListeners", "Listeners", {"LoadBalancerArn": balancer})
    ways = tuple(
        way for one in sorted(listeners, key=lambda one: int(one["Port"])) for way in _ways(client, one)
    )
    named = sorted({arn for way in ways for arn in way.groups})
    return Found(balancer=balancer, ways=ways, groups={arn: group(client, arn) for arn in named})


def siblings(client: Any, of: Group) -> tuple[Group, ...]:
    """Groups that could be the other side: alike, and of no load balancer yet."""
    rows = _pages(client, "DescribeTargetGroups", "TargetGroups", {})
    alike = (_group(row, {}, ()) for row in rows if not row.get("LoadBalancerArns"))
    mine = (of.kind, of.protocol, of.version, of.network)
    return tuple(
        one
        for one in alike
        if one.arn != of.arn and (one.kind, one.protocol, one.version, one.network) == mine
    )


def group(client: Any, arn: str) -> Group:
    """One target group with its attributes and the states of its targets."""
    with calling("elbv2", "DescribeTargetGroups", arn):
        row = client.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"][0]
    with calling("elbv2", "DescribeTargetGroupAttributes", arn):
        pairs = client.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    with calling("elbv2", "DescribeTargetHealth", arn):
        health = client.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    attributes = {str(one["Key"]): str(one.get("Value", "")) for one in pairs}
    return _group(row, attributes, tuple(str(one["TargetHealth"]["State"]) for one in health))


def _group(row: Mapping[str, Any], attributes: Mapping[str, str], states: tuple[str, ...]) -> Group:
    return Group(
        arn=str(row["TargetGroupArn"]),
        name=str(row["TargetGroupName"]),
        kind=str(row.get("TargetType", "instance")),
        protocol=str(row.get("Protocol", "")),
        version=str(row.get("ProtocolVersion", "")),
        port=int(row.get("Port", 0)),
        network=str(row.get("VpcId", "")),
        check={option: str(row[key]) for option, key in _CHECK if key in row}
        | {"matcher": ",".join(f"{key}={value}" for key, value in row.get("Matcher", {}).items())},
        attributes=attributes,
        balancers=tuple(map(str, row.get("LoadBalancerArns", ()))),
        states=states,
    )


_CHECK: Final = (
    ("health-check-protocol", "HealthCheckProtocol"),
    ("health-check-port", "HealthCheckPort"),
    ("health-check-path", "HealthCheckPath"),
    ("health-check-interval-seconds", "HealthCheckIntervalSeconds"),
    ("health-check-timeout-seconds", "HealthCheckTimeoutSeconds"),
    ("healthy-threshold-count", "HealthyThresholdCount"),
    ("unhealthy-threshold-count", "UnhealthyThresholdCount"),
)


def _ways(client: Any, listener: Mapping[str, Any]) -> Iterator[Way]:
    arn = str(listener["ListenerArn"])
    rules = _pages(client, "DescribeRules", "Rules", {"ListenerArn": arn})
    for rule in sorted(rules, key=lambda one: (bool(one["IsDefault"]), _priority(one) or 0)):
        yield Way(
            arn=arn if rule["IsDefault"] else str(rule["RuleArn"]),
            rule=str(rule["RuleArn"]),
            listener=arn,
            protocol=str(listener.get("Protocol", "HTTP")),
            port=int(listener["Port"]),
            priority=_priority(rule),
            conditions=tuple(rule.get("Conditions", ())),
            actions=tuple(sorted(rule.get("Actions", ()), key=lambda one: int(one.get("Order", 0)))),
        )


def _priority(rule: Mapping[str, Any]) -> int | None:
    return None if rule["IsDefault"] else int(rule["Priority"])


def _pages(client: Any, action: str, key: str, asked: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
    """All pages; botocore's own paginator does not know every operation."""
    method = {
        "DescribeListeners": client.describe_listeners,
        "DescribeRules": client.describe_rules,
        "DescribeTargetGroups": client.describe_target_groups,
    }[action]
    rows: list[Mapping[str, Any]] = []
    marker: dict[str, str] = {}
    while True:
        with calling("elbv2", action, next(iter(asked.values()), "")):
            page = method(**asked, **marker)
        rows += page[key]
        if not page.get("NextMarker"):
            return rows
        marker = {"Marker": str(page["NextMarker"])}


def _condition(one: Mapping[str, Any]) -> str:
    """`path /api/*`, `host shop.example.com`, `header x-test: 1`."""
    if header := one.get("HttpHeaderConfig"):
        return f"header {header['HttpHeaderName']}: {' or '.join(header['Values'])}"
    if query := one.get("QueryStringConfig"):
        said = (
            f"{pair['Key']}={pair['Value']}" if pair.get("Key") else str(pair["Value"])
            for pair in query["Values"]
        )
        return f"query {' or '.join(said)}"
    field_name = str(one.get("Field", ""))
    values = next((one[key]["Values"] for key in one if key.endswith("Config")), one.get("Values", ()))
    word = {
        "path-pattern": "path",
        "host-header": "host",
        "http-request-method": "method",
        "source-ip": "from",
    }
    return f"{word.get(field_name, field_name)} {' or '.join(map(str, values))}"
