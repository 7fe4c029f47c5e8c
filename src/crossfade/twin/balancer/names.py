"""The short names of ARNs, as metrics and Envoy use them."""

from __future__ import annotations


def balancer_name(arn: str) -> str:
    """`app/NAME/ID`: the value of the dimension LoadBalancer."""
    return _resource(arn).removeprefix("loadbalancer/")


def group_name(arn: str) -> str:
    """`targetgroup/NAME/ID`: the value of the dimension TargetGroup, and the name of the cluster."""
    return _resource(arn)


def listener_name(arn: str) -> str:
    """`app/NAME/ID/LISTENER-ID`."""
    return _resource(arn).removeprefix("listener/")


def _resource(arn: str) -> str:
    return arn.rpartition(":")[2]
