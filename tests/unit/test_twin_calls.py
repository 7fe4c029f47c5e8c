"""A request's envelope says what is asked for, in each of AWS's protocols."""

from __future__ import annotations

import gzip
import io
import json
from collections import deque
from typing import Any
from urllib.parse import urlencode

import pytest

from crossfade.twin.call import Call, recognise
from crossfade.twin.cloudwatch.wire import to_cbor
from crossfade.twin.recorder import Action, Recorder, harmless


def environ(body: bytes = b"", *, path: str = "/", signed: str = "", **headers: str) -> dict[str, Any]:
    made = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **headers,
    }
    if signed:
        scope = f"20260101/eu-west-1/{signed}/aws4_request"
        made["HTTP_AUTHORIZATION"] = (
            f"AWS4-HMAC-SHA256 Credential=any/{scope}, SignedHeaders=host, Signature=0"
        )
    return made


def form(**fields: str) -> bytes:
    return urlencode(fields).encode()


def of(call: Call) -> tuple[str, str, str, str, str]:
    return call.service, call.action, call.region, call.protocol, call.resource


FORM = {"CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8"}


def test_a_form_is_told_apart_by_its_signature_and_version() -> None:
    new = environ(
        form(Action="ModifyRule", Version="2015-12-01", RuleArn="arn:r"),
        signed="elasticloadbalancing",
        **FORM,
    )
    old = environ(
        form(Action="DescribeLoadBalancers", Version="2012-06-01"), signed="elasticloadbalancing", **FORM
    )
    ec2 = environ(form(Action="DescribeVpcs", Version="2016-11-15"), signed="ec2", **FORM)

    assert of(recognise(new)) == ("elbv2", "ModifyRule", "eu-west-1", "query", "arn:r")
    assert of(recognise(old)) == ("elb", "DescribeLoadBalancers", "eu-west-1", "query", "")
    assert of(recognise(ec2)) == ("ec2", "DescribeVpcs", "eu-west-1", "ec2", "")


def test_the_outer_name_is_the_resource_not_one_deep_in_an_action() -> None:
    fields = {
        "Action": "ModifyRule",
        "Actions.member.1.TargetGroupArn": "arn:group",
        "RuleArn": "arn:rule",
    }

    call = recognise(environ(urlencode(fields).encode(), signed="elasticloadbalancing", **FORM))

    assert call.resource == "arn:rule"
    assert set(call.names()) == {"arn:rule", "arn:group"}


def test_cbor_is_read_from_path_and_body_packed_or_not() -> None:
    path = "/service/GraniteServiceVersion20100801/operation/PutMetricData"
    body = to_cbor({"Namespace": "Shop", "MetricData": [{"MetricName": "m", "Value": 1.5}]})
    plain = environ(body, path=path, signed="monitoring")
    short = gzip.compress(body)
    packed = environ(short, path=path, signed="monitoring", HTTP_CONTENT_ENCODING="gzip")

    for one in (plain, packed):
        call = recognise(one)

        assert of(call) == ("cloudwatch", "PutMetricData", "eu-west-1", "cbor", "Shop")
        assert call.params["MetricData"] == [{"MetricName": "m", "Value": 1.5}]
    assert packed["wsgi.input"].read() == short


def test_json_is_read_from_its_target() -> None:
    body = json.dumps({"cluster": "c", "serviceArn": "arn:s"}).encode()

    call = recognise(
        environ(body, signed="ecs", HTTP_X_AMZ_TARGET="AmazonEC2ContainerServiceV20141113.DeleteService")
    )

    assert of(call) == ("ecs", "DeleteService", "eu-west-1", "json", "arn:s")


def test_a_packed_form_is_read_too() -> None:
    body = gzip.compress(form(Action="PutMetricData", Version="2010-08-01", Namespace="Shop"))

    call = recognise(environ(body, signed="monitoring", HTTP_CONTENT_ENCODING="gzip", **FORM))

    assert of(call) == ("cloudwatch", "PutMetricData", "eu-west-1", "query", "Shop")


def test_the_body_can_be_read_again() -> None:
    body = form(Action="DescribeRules", Version="2015-12-01")
    asked = environ(body, signed="elasticloadbalancing", **FORM)

    recognise(asked)

    assert asked["wsgi.input"].read() == body


def test_without_a_signature_the_region_is_the_agents() -> None:
    body = form(Action="AssumeRoleWithWebIdentity", Version="2011-06-15")
    asked = environ(body, HTTP_USER_AGENT="Boto3/1.44 region/ap-south-1", **FORM)

    assert of(recognise(asked))[:3] == ("sts", "AssumeRoleWithWebIdentity", "ap-south-1")


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{", b"[1]", b""])
def test_a_body_of_no_form_is_a_call_without_parameters(body: bytes) -> None:
    call = recognise(
        environ(body, signed="ecs", HTTP_X_AMZ_TARGET="AmazonEC2ContainerServiceV20141113.ListClusters")
    )

    assert (call.action, call.params) == ("ListClusters", {})


def test_reading_actions_are_told_by_their_names() -> None:
    def reads(action: str) -> bool:
        return Call(service="elbv2", action=action, region="", protocol="query").reads

    assert [
        reads(one) for one in ("DescribeRules", "GetMetricData", "ListMetrics", "ModifyRule", "CreateRule")
    ] == [*(True, True, True, False, False)]


def test_only_harmless_parameters_are_kept_and_those_cut() -> None:
    params = {
        "RuleArn": "arn:r",
        "ClientSecret": "x",
        "deep": {"Password": "y", "long": "z" * 999},
        "list": [1, None],
    }

    kept = harmless("elbv2", params)

    assert kept == {
        "RuleArn": "arn:r",
        "ClientSecret": "***",
        "deep": {"Password": "***", "long": "z" * 300},
        "list": [1, None],
    }
    assert harmless("secretsmanager", params) == {}


def test_the_recorder_forgets_the_oldest_and_goes_on_counting() -> None:
    recorder = Recorder(_kept=deque(maxlen=3))
    for _ in range(5):
        recorder.write(row)

    kept, newest = recorder.since(3)
    assert [one.seq for one in kept] == [4, 5]
    assert [one.seq for one in recorder.since(0)[0]] == [3, 4, 5]
    assert (newest, recorder.forget(), recorder.since(0)) == (5, 3, ((), 5))


def row(seq: int) -> Action:
    return Action(
        seq=seq,
        at=0.0,
        service="elbv2",
        action="ModifyRule",
        region="eu-west-1",
        account="1",
        resource="",
        params={},
        status=200,
        code="",
        done=True,
    )
