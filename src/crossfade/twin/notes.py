"""What a rehearsal on the twin does not show. Printed at every start, and at `/twin/not_modelled`."""

from __future__ import annotations

from typing import Final

from crossfade.twin.cloudwatch import NOT_MODELLED as _OF_CLOUDWATCH

NOT_MODELLED: Final = (
    "absolute times, capacity, and how the load balancer itself scales: order, repeats and ways back only",
    "TLS and HTTP/2 between clients, load balancer and targets: a listener of HTTPS is served as plain HTTP",
    "several nodes and zones of one load balancer: there is one Envoy; cross-zone settings change nothing",
    "targets that are not on this machine: type `ip` on 127.0.0.1 only, no instances, Lambda or ALB targets",
    "network and gateway load balancers, gRPC, conditions by regular expression, transforms, JWT validation",
    "authenticate-oidc and authenticate-cognito: kept, and everybody passes",
    "application-cookie stickiness, least outstanding requests, weighted random, anomalies, WAF: only kept",
    "minimum healthy targets of a group: fail-open is when none is healthy",
    "IAM policies: any credentials may do everything; actions are recorded with their names instead",
    "quotas on the number of things, and throttles that AWS does not publish",
    "ECS, CodeDeploy, Auto Scaling and Lambda: moto's own answers, nothing runs behind them",
    "stale reads of services other than ELBv2; target health is always fresh",
    "prices",
    *_OF_CLOUDWATCH,
)
