"""The policy: what was declared, and not one thing more."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from crossfade.aws.permissions import ANY, Call, Condition
from crossfade.render.iam import MOST, policy, size, text

ELB = "arn:aws:elasticloadbalancing:eu-west-1:123456789012"
RULE = f"{ELB}:listener-rule/app/web/1/2/3"
LISTENER = f"{ELB}:listener/app/web/1/2"
BLUE, GREEN = f"{ELB}:targetgroup/shop-blue/4", f"{ELB}:targetgroup/shop-green/5"
PREFIX = Condition(operator="StringLike", key="s3:prefix", values=("prod/*",))

CALLS = (
    Call(service="elbv2", action="RegisterTargets", on=(GREEN, BLUE), mutating=True),
    Call(service="elbv2", action="DeregisterTargets", on=(BLUE, GREEN), mutating=True),
    Call(service="elbv2", action="ModifyRule", on=(RULE,), mutating=True),
    Call(service="elbv2", action="ModifyListener", on=(LISTENER,), mutating=True),
    Call(service="elbv2", action="DescribeRules"),
    Call(service="elbv2", action="DescribeTargetHealth"),
    Call(service="cloudwatch", action="GetMetricData"),
    Call(service="s3", action="PutObject", on=("arn:aws:s3:::acme/prod/*",), mutating=True),
    Call(service="s3", action="HeadObject", on=("arn:aws:s3:::acme/prod/*",)),
    Call(service="s3", action="GetObject", on=("arn:aws:s3:::acme/prod/*",)),
    Call(service="s3", action="ListObjectsV2", on=("arn:aws:s3:::acme",), given=(PREFIX,)),
    Call(service="sts", action="GetCallerIdentity"),
)

WHOLE = """\
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "ReadLoadBalancing",
      "Effect": "Allow",
      "Action": [
        "elasticloadbalancing:DescribeRules",
        "elasticloadbalancing:DescribeTargetHealth"
      ],
      "Resource": [
        "*"
      ],
      "Condition": {
        "StringEquals": {
          "aws:RequestedRegion": [
            "eu-west-1"
          ]
        }
      }
    },
    {
      "Sid": "ReadMetrics",
      "Effect": "Allow",
      "Action": [
        "cloudwatch:GetMetricData"
      ],
      "Resource": [
        "*"
      ],
      "Condition": {
        "StringEquals": {
          "aws:RequestedRegion": [
            "eu-west-1"
          ]
        }
      }
    },
    {
      "Sid": "ReadStateBucket",
      "Effect": "Allow",
      "Action": [
        "s3:ListBucket"
      ],
      "Resource": [
        "arn:aws:s3:::acme"
      ],
      "Condition": {
        "StringLike": {
          "s3:prefix": [
            "prod/*"
          ]
        }
      }
    },
    {
      "Sid": "ReadStateObjects",
      "Effect": "Allow",
      "Action": [
        "s3:GetObject"
      ],
      "Resource": [
        "arn:aws:s3:::acme/prod/*"
      ]
    },
    {
      "Sid": "ChangeLoadBalancingListeners",
      "Effect": "Allow",
      "Action": [
        "elasticloadbalancing:ModifyListener"
      ],
      "Resource": [
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/1/2"
      ]
    },
    {
      "Sid": "ChangeLoadBalancingRules",
      "Effect": "Allow",
      "Action": [
        "elasticloadbalancing:ModifyRule"
      ],
      "Resource": [
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/1/2/3"
      ]
    },
    {
      "Sid": "ChangeLoadBalancingTargetGroups",
      "Effect": "Allow",
      "Action": [
        "elasticloadbalancing:DeregisterTargets",
        "elasticloadbalancing:RegisterTargets"
      ],
      "Resource": [
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-blue/4",
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-green/5"
      ]
    },
    {
      "Sid": "ChangeStateObjects",
      "Effect": "Allow",
      "Action": [
        "s3:PutObject"
      ],
      "Resource": [
        "arn:aws:s3:::acme/prod/*"
      ]
    }
  ]
}
"""


def test_the_policy_is_this() -> None:
    assert text(policy(CALLS, "eu-west-1")) == WHOLE


def test_the_order_of_declarations_does_not_matter() -> None:
    assert policy(reversed(CALLS), "eu-west-1") == policy(CALLS + CALLS, "eu-west-1")


def test_the_size_is_counted_without_blanks_as_aws_counts_it() -> None:
    made = policy(CALLS, "eu-west-1")

    assert size(made) == len(re.sub(r"\s", "", text(made)))
    assert size(made) < MOST


ARNS = st.sampled_from((RULE, LISTENER, BLUE, GREEN, "arn:aws:s3:::acme", "arn:aws:s3:::acme/prod/*"))


@st.composite
def some_calls(draw: st.DrawFn) -> tuple[Call, ...]:
    call = st.builds(
        Call,
        service=st.sampled_from(("elbv2", "s3", "cloudwatch", "lambda")),
        action=st.sampled_from(("ModifyRule", "PutObject", "HeadObject", "GetMetricData")),
        on=st.one_of(st.just(ANY), st.lists(ARNS, min_size=1, unique=True).map(tuple)),
        mutating=st.booleans(),
        given=st.sampled_from(((), (PREFIX,))),
    )
    return tuple(draw(st.lists(call, max_size=12)))


@given(some_calls())
def test_each_call_is_allowed_where_it_was_declared_and_no_pair_beyond(calls: tuple[Call, ...]) -> None:
    statements = policy(calls, "eu-west-1")["Statement"]
    allowed = {(action, arn) for one in statements for action in one["Action"] for arn in one["Resource"]}
    declared = {(call.permission, arn) for call in calls for arn in call.on}

    assert allowed == declared
    assert all(re.fullmatch(r"[A-Za-z0-9]+", one["Sid"]) for one in statements)
    assert len({one["Sid"] for one in statements}) == len(statements)
    json.dumps(statements)
