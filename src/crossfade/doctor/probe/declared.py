"""
What a probe calls, for a policy of its own: it makes and deletes, which releases never do.

Everything that is made bears the probe's name or tag, and only such things may be changed or deleted.
"""

from __future__ import annotations

from typing import Final

from crossfade.aws.permissions import Call, Condition, partition
from crossfade.doctor.probe.making import TAG

IMPLIED: Final = frozenset({("elbv2", "AddTags"), ("ec2", "CreateTags")})
"""Asked for by AWS where something is made with tags; no call of ours."""

NOT_ON_A_TWIN: Final = frozenset({("ec2", "DescribeNetworkInterfaces")})
"""A twin's nodes are this machine."""

_READS: Final = (
    *(
        ("elbv2", f"Describe{what}")
        for what in ("LoadBalancers", "Listeners", "TargetGroups", "TargetHealth", "Tags")
    ),
    *(("ec2", f"Describe{what}") for what in ("Subnets", "SecurityGroups", "NetworkInterfaces")),
    ("cloudwatch", "GetMetricData"),
)


def calls(account: str, region: str) -> tuple[Call, ...]:
    """Every call, each on the least that it needs."""
    arn = f"arn:{partition(region)}"
    elb = f"{arn}:elasticloadbalancing:{region}:{account}"
    balancers, listeners = (f"{elb}:{kind}/app/crossfade-probe-*" for kind in ("loadbalancer", "listener"))
    groups = f"{elb}:targetgroup/crossfade-probe-*"
    walls, networks = (f"{arn}:ec2:{region}:{account}:{kind}/*" for kind in ("security-group", "vpc"))
    new = Condition(operator="StringLike", key=f"aws:RequestTag/{TAG}", values=("*",))
    ours = Condition(operator="StringLike", key=f"aws:ResourceTag/{TAG}", values=("*",))

    def elbv2(action: str, on: str, *given: Condition) -> Call:
        return Call(service="elbv2", action=action, on=(on,), mutating=True, given=given)

    def ec2(action: str, on: str, *given: Condition) -> Call:
        return Call(service="ec2", action=action, on=(on,), mutating=True, given=given)

    made_with = Condition(operator="StringEquals", key="ec2:CreateAction", values=("CreateSecurityGroup",))
    return (
        Call(service="sts", action="GetCallerIdentity"),
        *(Call(service=service, action=action) for service, action in _READS),
        elbv2("CreateLoadBalancer", balancers),
        elbv2("DeleteLoadBalancer", balancers),
        elbv2("CreateListener", balancers),
        elbv2("ModifyListener", listeners),
        elbv2("CreateTargetGroup", groups),
        elbv2("DeleteTargetGroup", groups),
        elbv2("ModifyTargetGroupAttributes", groups),
        elbv2("RegisterTargets", groups),
        elbv2("DeregisterTargets", groups),
        elbv2("AddTags", balancers),
        elbv2("AddTags", groups),
        ec2("CreateSecurityGroup", walls, new),
        ec2("CreateSecurityGroup", networks),
        ec2("CreateTags", walls, made_with),
        ec2("AuthorizeSecurityGroupIngress", walls, ours),
        ec2("DeleteSecurityGroup", walls, ours),
    )
