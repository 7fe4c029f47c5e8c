"""
Our CloudWatch in moto's place: moto keeps the protocols (query, JSON, CBOR), the operations are ours.

ONE AT A TIME: moto's classes are global, so the CloudWatch installed last answers, in every server of the
process. Dashboards and insight rules stay moto's; what neither has stays not implemented.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores

from crossfade.twin.cloudwatch.api import ApiError, Caller
from crossfade.twin.cloudwatch.service import CloudWatch

_TAGGING: Final = frozenset({"ListTagsForResource", "TagResource", "UntagResource"})
_MOTOS: Final[dict[str, Any]] = {}
"""What the methods were before ours; None where moto had none."""


class _ServiceError(ServiceException):
    """A class of ours, since moto looks for the service's model by the module of the class."""


def hook(cloudwatch: CloudWatch) -> None:
    """From now on this one answers."""
    for operation in cloudwatch.operations:
        name = camelcase_to_underscores(operation)
        if name not in _MOTOS:
            _MOTOS[name] = CloudWatchResponse.__dict__.get(name)
        setattr(CloudWatchResponse, name, _method(cloudwatch, operation, _MOTOS[name]))


def unhook() -> None:
    """CloudWatch is moto's own again. Repeat-safe."""
    while _MOTOS:
        name, motos = _MOTOS.popitem()
        if motos is None:
            delattr(CloudWatchResponse, name)
        else:
            setattr(CloudWatchResponse, name, motos)


def _method(cloudwatch: CloudWatch, operation: str, motos: Any) -> Callable[[Any], Any]:
    def method(response: Any) -> Any:
        params = response._get_params()  # noqa: SLF001  (what moto's own operations call)
        if operation in _TAGGING and not cloudwatch.owns(str(params.get("ResourceARN", ""))):
            return motos(response)
        caller = Caller(account=response.current_account, region=response.region)
        try:
            return ActionResult(dict(cloudwatch.call(operation, params, caller)))
        except ApiError as error:
            raise _ServiceError(error.code, error.message) from error

    return method
