"""
Our CloudWatch in moto's place: moto takes the requests and reads two of the three protocols (query,
JSON); the operations, and all of CBOR, are ours.

ONE AT A TIME: moto's classes are global, so the CloudWatch installed last answers, in every server of the
process. The route for CBOR is seen by servers that have not answered a CloudWatch request before.
Dashboards and insight rules stay moto's, but not by CBOR; what neither has stays not implemented.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from typing import Any, Final

from moto.cloudwatch import urls
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores

from crossfade.twin.cloudwatch import wire
from crossfade.twin.cloudwatch.api import ApiError, Caller, Params
from crossfade.twin.cloudwatch.service import CloudWatch

_TAGGING: Final = frozenset({"ListTagsForResource", "TagResource", "UntagResource"})
_MOTOS: Final[dict[str, Any]] = {}
"""What the methods were before ours; None where moto had none."""

_HOOKED: Final[list[CloudWatch]] = []
_CBOR_PATH: Final = "/service/GraniteServiceVersion20100801/operation/"
_CBOR: Final = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
_JSON: Final = {"Content-Type": "application/x-amz-json-1.0"}
_SHAPES: Final = {
    "ValidationError": "ValidationException",
    "InvalidParameterValue": "InvalidParameterValueException",
    "InvalidParameterCombination": "InvalidParameterCombinationException",
    "MissingParameter": "MissingRequiredParameterException",
    "InvalidFormat": "InvalidFormatFault",
    "LimitExceeded": "LimitExceededFault",
}
"""By the protocols of shapes an error has its shape's name; by query, and in a header, its code."""


class _ServiceError(ServiceException):
    """A class of ours, since moto looks for the service's model by the module of the class."""


def hook(cloudwatch: CloudWatch) -> None:
    """From now on this one answers."""
    _HOOKED[:] = [cloudwatch]
    urls.url_paths["{0}" + _CBOR_PATH + "(?P<operation>[^/]+)$"] = answer_cbor
    for operation in cloudwatch.operations:
        name = camelcase_to_underscores(operation)
        if name not in _MOTOS:
            _MOTOS[name] = CloudWatchResponse.__dict__.get(name)
        setattr(CloudWatchResponse, name, _method(cloudwatch, operation, _MOTOS[name]))


def unhook() -> None:
    """CloudWatch is moto's own again. Repeat-safe."""
    _HOOKED.clear()
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
            answer = cloudwatch.call(operation, params, caller)
        except ApiError as error:
            raise _ServiceError(error.code, error.message) from error
        if "X-Amz-Target" in response.headers:
            return 200, dict(_JSON), wire.to_json(answer)
        return ActionResult(dict(answer))

    return method


def answer_cbor(request: Any, url: str, _headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
    """One request by the CBOR protocol: status, headers, body."""
    operation = request.path.rsplit("/", 1)[-1]
    cloudwatch = _HOOKED[0] if _HOOKED else None
    if cloudwatch is None or operation not in cloudwatch.operations:
        return _refused(501, "NotImplemented", f"{operation} is not modelled in the twin by this protocol")
    try:
        answer = cloudwatch.call(operation, _params(request), _caller(request, url))
    except ValueError as error:
        return _refused(400, "SerializationException", f"no CBOR: {error}")
    except ApiError as error:
        return _refused(404 if error.code == "ResourceNotFound" else 400, error.code, error.message)
    return 200, dict(_CBOR), wire.to_cbor(dict(answer))


def _params(request: Any) -> Params:
    body = request.get_data()
    return wire.from_cbor(
        gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body
    )


def _caller(request: Any, url: str) -> Caller:
    """As moto reads account and region of a request, from its signature."""
    response = CloudWatchResponse()
    response.headers, response.querystring = request.headers, {}
    return Caller(account=response.get_current_account(), region=response.get_region_from_url(request, url))


def _refused(status: int, code: str, message: str) -> tuple[int, dict[str, str], bytes]:
    shape = f"com.amazonaws.cloudwatch#{_SHAPES.get(code, code)}"
    fault = "Sender" if status < 500 else "Receiver"
    return (
        status,
        {**_CBOR, "x-amzn-query-error": f"{code};{fault}"},
        wire.to_cbor({"__type": shape, "message": message}),
    )
