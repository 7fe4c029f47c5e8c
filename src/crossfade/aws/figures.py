"""Long series of CloudWatch, read a day at a time: metric math answers no pages, and a call has a limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from crossfade.aws.failures import calling
from crossfade.errors import PlatformError

DAY_S: Final = 86_400


def figures(
    client: Any, queries: Sequence[Mapping[str, Any]], since: float, until: float
) -> dict[str, dict[int, float]]:
    """
    The series of `queries` that are returned, by id and then by the beginning of each period.

    `client` is boto3's of cloudwatch; `since` and `until` are seconds of the epoch, on borders of the
    periods asked for. Raises `AccessError`, and `PlatformError` where an answer is not whole.
    """
    found: dict[str, dict[int, float]] = {
        str(one["Id"]): {} for one in queries if one.get("ReturnData", True)
    }
    start = since
    while start < until:
        end = min(start + DAY_S, until)
        asked = {
            "MetricDataQueries": [dict(query) for query in queries],
            "StartTime": datetime.fromtimestamp(start, UTC),
            "EndTime": datetime.fromtimestamp(end, UTC),
            "ScanBy": "TimestampAscending",
        }
        for name, points in _answered(client, asked):
            found[name] |= points
        start = end
    return found


def _answered(client: Any, asked: dict[str, Any]) -> list[tuple[str, dict[int, float]]]:
    rows: list[tuple[str, dict[int, float]]] = []
    more: dict[str, str] = {}
    while True:
        with calling("cloudwatch", "GetMetricData"):
            page = client.get_metric_data(**asked, **more)
        for one in page["MetricDataResults"]:
            if one.get("StatusCode", "Complete") not in {"Complete", "PartialData"}:
                raise PlatformError(
                    "CF4307",
                    f"CloudWatch did not answer {one['Id']} whole ({one['StatusCode']})",
                    "; ".join(str(said.get("Value", "")) for said in page.get("Messages", ())),
                    "ask again",
                )
            at = (int(stamp.timestamp()) for stamp in one["Timestamps"])
            rows.append((str(one["Id"]), dict(zip(at, map(float, one["Values"]), strict=True))))
        if not page.get("NextToken"):
            return rows
        more = {"NextToken": str(page["NextToken"])}
