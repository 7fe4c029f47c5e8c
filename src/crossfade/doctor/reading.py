"""
Reads that are made only to see whether they are allowed; whether they find something does not matter.

Each is the cheapest form of its operation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from crossfade.aws import Door, calling
from crossfade.aws.figures import figures
from crossfade.errors import AccessError, PlatformError
from crossfade.spec import AlbPlatform, Spec
from crossfade.spec.arns import Kind, parse
from crossfade.spec.places import S3Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One read."""

    service: str
    action: str
    ask: Callable[[], object]

    def denied(self) -> str:
        """Why it is not allowed; empty where it is. Any other refusal was allowed to ask."""
        try:
            with calling(self.service, self.action):
                self.ask()
        except AccessError as error:
            return error.what
        except PlatformError:
            return ""
        return ""


def reads(door: Door, alb: AlbPlatform) -> Iterator[Try]:
    """What a release reads of a load balancer."""
    elbv2, listener = door.client("elbv2"), _listener(alb.rules[0])

    def elb(action: str, ask: Callable[[], object]) -> Try:
        return Try(service="elbv2", action=action, ask=ask)

    yield elb("DescribeRules", lambda: elbv2.describe_rules(ListenerArn=listener, PageSize=1))
    yield elb("DescribeListeners", lambda: elbv2.describe_listeners(ListenerArns=[listener]))
    yield elb("DescribeLoadBalancers", lambda: elbv2.describe_load_balancers(PageSize=1))
    yield elb("DescribeTargetGroups", lambda: elbv2.describe_target_groups(TargetGroupArns=[alb.blue]))
    yield elb(
        "DescribeTargetGroupAttributes",
        lambda: elbv2.describe_target_group_attributes(TargetGroupArn=alb.blue),
    )
    yield elb("DescribeTargetHealth", lambda: elbv2.describe_target_health(TargetGroupArn=alb.blue))
    yield elb("DescribeTags", lambda: elbv2.describe_tags(ResourceArns=[alb.blue]))
    yield Try(service="cloudwatch", action="GetMetricData", ask=lambda: _one_figure(door))


def _one_figure(door: Door) -> object:
    metric = {"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount", "Dimensions": []}
    asked = {"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
    until = float(int(time.time()) // 60 * 60)
    return figures(door.client("cloudwatch"), [asked], until - 60, until)


def _listener(rule: str) -> str:
    found = parse(rule)
    if found is None or found.kind is Kind.GROUP:
        raise TypeError(f"the spec has proved that {rule} is a rule or a listener")
    return found.listener


def reads_of_state(door: Door, spec: Spec) -> Iterator[Try]:
    """What the store reads of its bucket, where the state is in one."""
    place = spec.state
    if not isinstance(place, S3Place):
        return
    s3, of = door.client("s3"), {"Bucket": place.bucket, "ExpectedBucketOwner": place.account}
    below = f"{place.prefix}/".lstrip("/")
    yield Try(service="s3", action="GetObject", ask=lambda: s3.get_object(**of, Key=f"{below}doctor"))
    yield Try(
        service="s3", action="ListObjectsV2", ask=lambda: s3.list_objects_v2(**of, Prefix=below, MaxKeys=1)
    )
