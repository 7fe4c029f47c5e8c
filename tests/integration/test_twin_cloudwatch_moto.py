"""boto3 against moto with our CloudWatch in it, by each protocol that a client may speak."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from moto.cloudwatch.responses import CloudWatchResponse
from moto.server import ThreadedMotoServer

from crossfade.twin.clock import TwinClock
from crossfade.twin.cloudwatch import CloudWatch, install
from crossfade.twin.cloudwatch.hook import unhook

PROTOCOLS = ("smithy-rpc-v2-cbor", "json", "query")
GROUP = [
    {"Name": "TargetGroup", "Value": "targetgroup/blue/1"},
    {"Name": "LoadBalancer", "Value": "app/shop/2"},
]
ALB = "AWS/ApplicationELB"
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def clock() -> TwinClock:
    return TwinClock(wall=NOON.timestamp)


@pytest.fixture
def twin(clock: TwinClock) -> Iterator[CloudWatch]:
    yield install(clock, publish_delay=lambda: 90.0, custom_delay=lambda: 1.0)
    unhook()


@pytest.fixture(params=PROTOCOLS)
def client(request: pytest.FixtureRequest, endpoint: str, twin: CloudWatch) -> Any:
    made = boto3.client(
        "cloudwatch",
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",  # noqa: S106
        config=Config(retries={"total_max_attempts": 1}),
    )
    session_made = _forced(made, request.param)
    assert session_made.meta.service_model.resolved_protocol == request.param
    return session_made


def _forced(client: Any, protocol: str) -> Any:
    """A client's protocol is the model's first that botocore can speak: leave it one."""
    from botocore.loaders import Loader  # type: ignore[import-untyped]
    from botocore.session import Session  # type: ignore[import-untyped]

    class Only(Loader):  # type: ignore[misc]
        def load_service_model(self, *args: Any, **named: Any) -> Any:
            model = super().load_service_model(*args, **named)
            if "metadata" in model:
                model = {
                    **model,
                    "metadata": {**model["metadata"], "protocols": [protocol], "protocol": protocol},
                }
            return model

    session = Session()
    loader = Only()
    loader.search_paths.extend(session.get_component("data_loader").search_paths)
    session.register_component("data_loader", loader)
    session.set_credentials("a", "b")
    return session.create_client(
        "cloudwatch",
        endpoint_url=client.meta.endpoint_url,
        region_name="eu-central-1",
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_a_minute_of_a_load_balancer_shows_when_it_is_published(
    client: Any, twin: CloudWatch, clock: TwinClock
) -> None:
    of = {entry["Name"]: entry["Value"] for entry in GROUP}
    for second in range(60):
        twin.record(ALB, "RequestCount", of, at=NOON.timestamp() + second, value=1.0, unit="Count")
        twin.record(
            ALB, "TargetResponseTime", of, at=NOON.timestamp() + second, value=second / 100, unit="Seconds"
        )

    clock.advance(149)
    before = _get(client)
    clock.advance(1)
    after = _get(client)

    assert before == {"n": [], "p99": [], "slow": [], "share": []}
    assert after == {"n": [60.0], "p99": [0.59], "slow": [50.0], "share": [pytest.approx(100 * 50 / 60)]}


def _get(client: Any) -> dict[str, list[float]]:
    def stat(id_: str, name: str, stat: str) -> dict[str, Any]:
        metric = {"Namespace": ALB, "MetricName": name, "Dimensions": GROUP}
        return {"Id": id_, "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}

    answer = client.get_metric_data(
        MetricDataQueries=[
            stat("n", "RequestCount", "Sum"),
            stat("p99", "TargetResponseTime", "p99"),
            stat("slow", "TargetResponseTime", "TC(0.09:)"),
            {"Id": "share", "Expression": "100 * slow / n", "Label": "slow ones"},
        ],
        StartTime=NOON - timedelta(minutes=10),
        EndTime=NOON + timedelta(minutes=10),
    )
    for result in answer["MetricDataResults"]:
        assert result["StatusCode"] == "Complete"
        assert result["Timestamps"] in ([], [NOON])
    return {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}


def test_custom_metrics_go_in_and_come_out(client: Any, clock: TwinClock) -> None:
    client.put_metric_data(
        Namespace="Shop",
        MetricData=[
            {"MetricName": "Orders", "Value": 3.0, "Unit": "Count", "Timestamp": NOON},
            {
                "MetricName": "Orders",
                "Values": [1.0, 2.0],
                "Counts": [2.0, 1.0],
                "Unit": "Count",
                "Timestamp": NOON,
            },
            {"MetricName": "Fast", "Value": 1.0, "Timestamp": NOON, "StorageResolution": 1},
        ],
    )
    clock.advance(5)
    plain = client.get_metric_statistics(
        Namespace="Shop",
        MetricName="Orders",
        StartTime=NOON,
        EndTime=NOON + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum", "SampleCount", "Maximum"],
    )
    extended = client.get_metric_statistics(
        Namespace="Shop",
        MetricName="Orders",
        StartTime=NOON,
        EndTime=NOON + timedelta(minutes=1),
        Period=60,
        ExtendedStatistics=["p50", "TM(0:2)"],
    )
    listed = client.list_metrics(Namespace="Shop", RecentlyActive="PT3H")

    assert plain["Label"] == "Orders"
    assert plain["Datapoints"] == [
        {"Timestamp": NOON, "Sum": 7.0, "SampleCount": 4.0, "Maximum": 3.0, "Unit": "Count"}
    ]
    assert extended["Datapoints"][0]["ExtendedStatistics"] == {"p50": 1.0, "TM(0:2)": pytest.approx(4 / 3)}
    assert [metric["MetricName"] for metric in listed["Metrics"]] == ["Fast", "Orders"]


def test_alarms_live_by_the_clock(client: Any, clock: TwinClock) -> None:
    client.put_metric_alarm(
        AlarmName="orders",
        Namespace="Shop",
        MetricName="Orders",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        DatapointsToAlarm=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
        Tags=[{"Key": "team", "Value": "shop"}],
    )
    client.put_composite_alarm(AlarmName="all", AlarmRule="ALARM(orders) OR ALARM(orders)")
    new = client.describe_alarms(AlarmNames=["orders"])["MetricAlarms"][0]
    client.put_metric_data(
        Namespace="Shop", MetricData=[{"MetricName": "Orders", "Value": 3.0, "Timestamp": NOON}]
    )
    clock.advance(125)
    fired = client.describe_alarms(AlarmNames=["orders"], StateValue="ALARM")["MetricAlarms"][0]
    composite = client.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"][0]
    history = client.describe_alarm_history(AlarmName="orders", HistoryItemType="StateUpdate")
    tags = client.list_tags_for_resource(ResourceARN=fired["AlarmArn"])["Tags"]

    assert (new["StateValue"], new["StateReason"]) == (
        "INSUFFICIENT_DATA",
        "Unchecked: Initial alarm creation",
    )
    assert fired["AlarmArn"] == "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:orders"
    assert fired["StateReason"] == (
        "Threshold Crossed: 1 out of the last 1 datapoints [3.0 (02/11/26 12:00:00)] was greater than the "
        "threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert composite["StateValue"] == "ALARM"
    assert "alarm:orders transitioned to ALARM at Monday 2 November, 2026 12:0" in composite["StateReason"]
    assert (
        history["AlarmHistoryItems"][0]["HistorySummary"] == "Alarm updated from INSUFFICIENT_DATA to ALARM"
    )
    assert tags == [{"Key": "team", "Value": "shop"}]


def test_an_alarm_on_math_is_given_back_as_it_was_put(client: Any) -> None:
    metric = {"Namespace": ALB, "MetricName": "RequestCount", "Dimensions": GROUP}
    metrics = [
        {"Id": "n", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
        {"Id": "e", "Expression": "FILL(n, 0) / 60", "Label": "a second", "ReturnData": True},
    ]
    client.put_metric_alarm(
        AlarmName="quiet",
        Metrics=metrics,
        EvaluationPeriods=2,
        DatapointsToAlarm=1,
        Threshold=1.0,
        ComparisonOperator="LessThanThreshold",
        ActionsEnabled=False,
    )
    alarm = client.describe_alarms(AlarmNamePrefix="qui", MaxRecords=1)["MetricAlarms"][0]

    assert alarm["Metrics"] == metrics
    assert (alarm["ActionsEnabled"], alarm["DatapointsToAlarm"], alarm["Threshold"]) == (False, 1, 1.0)


def test_a_large_request_comes_compressed_and_pages_come_back(client: Any, clock: TwinClock) -> None:
    client.put_metric_data(
        Namespace="Shop",
        MetricData=[
            {"MetricName": "Orders", "Value": float(n), "Timestamp": NOON - timedelta(minutes=n)}
            for n in range(500)
        ],
    )
    clock.advance(5)
    metric = {"Namespace": "Shop", "MetricName": "Orders"}
    pages = client.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}],
        StartTime=NOON - timedelta(minutes=500),
        EndTime=NOON + timedelta(minutes=1),
        MaxDatapoints=200,
    )

    values = [page["MetricDataResults"][0]["Values"] for page in pages]

    assert [len(page) for page in values] == [200, 200, 100]
    assert [value for page in values for value in page] == [float(n) for n in range(500)]


@pytest.mark.parametrize(
    ("code", "operation", "params"),
    [
        ("ResourceNotFound", "set_alarm_state", {"AlarmName": "x", "StateValue": "OK", "StateReason": "y"}),
        ("ValidationError", "put_composite_alarm", {"AlarmName": "x", "AlarmRule": "ALARM(nobody)"}),
        ("InvalidParameterValue", "list_metrics", {"NextToken": "nonsense"}),
        ("InvalidNextToken", "describe_alarms", {"NextToken": "nonsense"}),
        (
            "InvalidParameterCombination",
            "get_metric_statistics",
            {
                "Namespace": "Shop",
                "MetricName": "x",
                "Period": 60,
                "StartTime": NOON - timedelta(days=3),
                "EndTime": NOON,
                "Statistics": ["Sum"],
            },
        ),
    ],
)
def test_what_is_wrong_is_refused_by_aws_s_code(
    client: Any, code: str, operation: str, params: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(client, operation)(**params)

    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 404}


def test_what_is_not_modelled_says_so(client: Any) -> None:
    with pytest.raises(ClientError, match="SEARCH of metric math is not modelled in the twin"):
        client.get_metric_data(
            MetricDataQueries=[{"Id": "s", "Expression": "SEARCH('{AWS/EC2} x', 'Sum', 300)"}],
            StartTime=NOON - timedelta(minutes=1),
            EndTime=NOON,
        )


def test_dashboards_stay_moto_s_and_unhook_gives_the_rest_back(endpoint: str, twin: CloudWatch) -> None:
    ours = CloudWatchResponse.get_metric_data
    unhook()

    assert CloudWatchResponse.get_metric_data is not ours
    assert not hasattr(CloudWatchResponse, "put_composite_alarm")
