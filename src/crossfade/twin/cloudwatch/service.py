"""
CloudWatch as one object: a sink for what the twin measures, the API's operations, and the alarms' clock.

`call("GetMetricData", {...})` is the API without HTTP: parameters and answers as boto3 has them. Alarms are
looked at when they are due: by the thread between `start()` and `stop()`, and before any call is answered.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, get_args

from crossfade.twin.clock import TwinClock
from crossfade.twin.cloudwatch import describing, put, reading
from crossfade.twin.cloudwatch.alarms import composite_alarm, metric_alarm
from crossfade.twin.cloudwatch.api import ApiError, Caller, Params, required
from crossfade.twin.cloudwatch.book import Book
from crossfade.twin.cloudwatch.judging import State
from crossfade.twin.cloudwatch.standing import Standing
from crossfade.twin.cloudwatch.store import Store

MAX_BYTES: Final = 1 << 30
_LOOK_AGAIN_S: Final = 0.25  # real seconds: a clock that jumped is noticed no later
_SHORTEST_S: Final = 0.01
_US: Final = Caller()

Operation = Callable[[Params, Caller, float], Mapping[str, Any]]


class CloudWatch:
    """
    Delays are in twin seconds. `publish_delay` is drawn for each minute of the services' metrics, after
    its end; `late_fraction` of the samples come `late_by()` after the others.
    """

    def __init__(
        self,
        clock: TwinClock,
        *,
        publish_delay: Callable[[], float],
        custom_delay: Callable[[], float] = lambda: 2.0,
        late_fraction: float = 0.0,
        late_by: Callable[[], float] = lambda: 60.0,
        max_bytes: int = MAX_BYTES,
        seed: int = 0,
    ) -> None:
        self.clock = clock
        self._store = Store(
            clock,
            publish_delay=publish_delay,
            custom_delay=custom_delay,
            late_fraction=late_fraction,
            late_by=late_by,
            max_bytes=max_bytes,
            seed=seed,
        )
        self._book = Book(self._store)
        self.record = self._store.record  # see `Sink`; no frame between, it is called for every request
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self.operations: Mapping[str, Operation] = {
            "PutMetricData": self._put_metric_data,
            "GetMetricData": lambda params, _, now: reading.get_metric_data(self._store, params, now),
            "GetMetricStatistics": lambda params, _, now: reading.get_metric_statistics(
                self._store, params, now
            ),
            "ListMetrics": lambda params, _, now: reading.list_metrics(self._store, params, now),
            "PutMetricAlarm": self._put_metric_alarm,
            "PutCompositeAlarm": self._put_composite_alarm,
            "DeleteAlarms": self._delete_alarms,
            "DescribeAlarms": lambda params, *_: describing.describe_alarms(self._book, params),
            "DescribeAlarmsForMetric": lambda params, *_: describing.describe_alarms_for_metric(
                self._book, params
            ),
            "DescribeAlarmHistory": lambda params, *_: describing.describe_alarm_history(self._book, params),
            "SetAlarmState": self._set_alarm_state,
            "EnableAlarmActions": lambda params, *_: self._enable(params, True),
            "DisableAlarmActions": lambda params, *_: self._enable(params, False),
            "ListTagsForResource": self._list_tags,
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }

    def call(self, operation: str, params: Params, caller: Caller = _US) -> Mapping[str, Any]:
        """One API call. Raises `ApiError`, and `KeyError` for an operation that is not here."""
        handler = self.operations[operation]
        now = self.clock.now()
        with self._store.lock:
            self._book.tick(now)
            self._store.settle(now)
            return handler(params, caller, now)

    def tick(self) -> None:
        """Look at every alarm that is due."""
        with self._store.lock:
            self._book.tick(self.clock.now())

    @property
    def bytes(self) -> int:
        """What the stored metrics take, about."""
        return self._store.bytes

    def reset(self) -> None:
        """Forget all metrics and all alarms."""
        with self._store.lock:
            self._store.reset()
            self._book.reset()

    def start(self) -> None:
        """Alarms are looked at by a thread from now on. Repeat-safe."""
        if self._thread is None:
            self._stopped.clear()
            self._thread = threading.Thread(target=self._run, name="twin-alarms", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """The thread has ended when this returns. Repeat-safe."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stopped.wait(self._pause()):
            self.tick()

    def _pause(self) -> float:
        with self._store.lock:
            due = self._book.next_due
        if due is None:
            return _LOOK_AGAIN_S
        ahead = self.clock.real_seconds(due - self.clock.now())
        return min(max(ahead, _SHORTEST_S), _LOOK_AGAIN_S)

    def _put_metric_data(self, params: Params, _: Caller, now: float) -> dict[str, Any]:
        for sample in put.samples(params, now):
            self._store.put(sample)
        return {}

    def _put_metric_alarm(self, params: Params, caller: Caller, now: float) -> dict[str, Any]:
        self._book.put(metric_alarm(params), caller, now, enabled=_enabled(params), tags=_tags(params))
        return {}

    def _put_composite_alarm(self, params: Params, caller: Caller, now: float) -> dict[str, Any]:
        self._book.put(composite_alarm(params), caller, now, enabled=_enabled(params), tags=_tags(params))
        return {}

    def _delete_alarms(self, params: Params, _: Caller, now: float) -> dict[str, Any]:
        names: Sequence[str] = required(params, "AlarmNames")
        if len(names) > describing.MAX_NAMES:
            raise ApiError(
                "ValidationError", f"At most {describing.MAX_NAMES} alarms are deleted by one call."
            )
        self._book.delete(names, now)
        return {}

    def _set_alarm_state(self, params: Params, _: Caller, now: float) -> dict[str, Any]:
        standing = self._book.alarms.get(str(required(params, "AlarmName")))
        state, data = required(params, "StateValue"), params.get("StateReasonData")
        if state not in get_args(State):
            raise ApiError("ValidationError", f"The value {state} for parameter StateValue is invalid.")
        if params.get("StateReason") is None:
            raise ApiError("MissingParameter", "The parameter StateReason is required.")
        if standing is None:
            raise ApiError("ResourceNotFound", f"The alarm {params['AlarmName']} does not exist.")
        if data is not None and not _is_json(data):
            raise ApiError("InvalidFormat", "StateReasonData was not valid JSON.")
        self._book.move(standing, state, now, str(params["StateReason"]), data)
        return {}

    def _enable(self, params: Params, enabled: bool) -> dict[str, Any]:
        for name in required(params, "AlarmNames"):
            standing = self._book.alarms.get(name)
            if standing is not None:
                standing.actions_enabled = enabled
        return {}

    def owns(self, arn: str) -> bool:
        """Whether the ARN is an alarm's: other kinds of resources are moto's."""
        return ":alarm:" in arn

    def _by_arn(self, params: Params) -> Standing:
        arn = str(required(params, "ResourceARN"))
        for standing in self._book.alarms.values():
            if standing.arn == arn:
                return standing
        raise ApiError("ResourceNotFound", f"The alarm {arn} does not exist.")

    def _list_tags(self, params: Params, *_: object) -> dict[str, Any]:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._by_arn(params).tags.items()]}

    def _tag(self, params: Params, *_: object) -> dict[str, Any]:
        self._by_arn(params).tags.update(_tags(params))
        return {}

    def _untag(self, params: Params, *_: object) -> dict[str, Any]:
        standing = self._by_arn(params)
        for key in params.get("TagKeys") or ():
            standing.tags.pop(key, None)
        return {}


def _enabled(params: Params) -> bool:
    return params.get("ActionsEnabled") is not False


def _tags(params: Params) -> dict[str, str]:
    tags = {str(tag["Key"]): str(tag["Value"]) for tag in params.get("Tags") or ()}
    if len(tags) > 50:
        raise ApiError("InvalidParameterValue", "A resource has at most 50 tags.")
    return tags


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
