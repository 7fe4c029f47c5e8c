"""
What a request asks for, told from its envelope: the service, the action, on what, where.

Five protocols reach an AWS endpoint: query and EC2's (a form with `Action`), JSON (`X-Amz-Target`),
RPC v2 CBOR (`/service/…/operation/…`), and REST, where method and path mean the action. Services are
named as boto3 names them. Nothing here answers; only what a log may keep is kept of the parameters.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

from crossfade.twin.cloudwatch.wire import from_cbor

Protocol = Literal["query", "ec2", "json", "cbor", "rest-json", "rest-xml"]
Environ = dict[str, Any]

_SIGNED: Final = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request")
_AGENT_REGION: Final = re.compile(r"region/([a-z]{2}-[a-z]+-\d)")
_CBOR_PATH: Final = re.compile(r"^/service/([^/]+)/operation/([^/]+)$")
_BOTO_NAMES: Final = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "application-autoscaling": "application-autoscaling",
    "states": "stepfunctions",
    "email": "ses",
}
_BY_TARGET: Final = {
    "GraniteServiceVersion20100801": "cloudwatch",
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "CodeDeploy_20141006": "codedeploy",
    "AmazonSSM": "ssm",
    "AWSEvents": "events",
    "secretsmanager": "secretsmanager",
}
_OLD_ELB: Final = "2012-06-01"
_UNSIGNED: Final = {"AssumeRoleWithSAML": "sts", "AssumeRoleWithWebIdentity": "sts"}
_XML: Final = frozenset({"s3", "s3control", "cloudfront", "route53"})
_LONGEST_BODY: Final = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request; `action` is empty where the path means none that we know."""

    service: str
    action: str
    region: str
    protocol: Protocol
    resource: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    agent: str = ""

    def names(self) -> Iterator[str]:
        """Everything that it names: its resource, and each text among its parameters."""
        yield self.resource
        yield from _texts(self.params)

    @property
    def reads(self) -> bool:
        """Whether it changes nothing, as AWS names its actions."""
        return self.action.startswith(("Describe", "List", "Get", "Head"))


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for one in value.values():
                yield from _texts(one)
        case list():
            for one in value:
                yield from _texts(one)
        case _:
            return


def recognise(environ: Environ) -> Call:
    """The call of a request; its body can be read again afterwards."""
    scope = _SIGNED.search(environ.get("HTTP_AUTHORIZATION", ""))
    region, signed_for = (scope[1], scope[2].lower()) if scope else (_agent_region(environ), "")
    content = environ.get("CONTENT_TYPE", "")
    path = environ.get("PATH_INFO", "/")
    agent = _short_agent(environ.get("HTTP_USER_AGENT", ""))
    envelope = partial(_call, region=region, agent=agent)
    known = _BOTO_NAMES.get(signed_for, signed_for)
    if (cbor := _CBOR_PATH.match(path)) is not None:
        service = known or _BY_TARGET.get(cbor[1], cbor[1].lower())
        params = _read(from_cbor, _body(environ))
        return envelope(service=service, action=cbor[2], protocol="cbor", params=params)
    if target := environ.get("HTTP_X_AMZ_TARGET", ""):
        prefix, _, action = target.rpartition(".")
        service = known or _BY_TARGET.get(prefix, prefix.lower())
        params = _read(json.loads, _body(environ))
        return envelope(service=service, action=action, protocol="json", params=params)
    if content.startswith("application/x-www-form-urlencoded") or "Action=" in environ["QUERY_STRING"]:
        form = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
        form |= dict(parse_qsl(_body(environ).decode("utf-8", "replace"), keep_blank_values=True))
        if action := form.pop("Action", ""):
            version = form.pop("Version", "")
            service = "elb" if known == "elbv2" and version == _OLD_ELB else known
            service = service or _UNSIGNED.get(action, "")
            protocol: Protocol = "ec2" if service == "ec2" else "query"
            return envelope(service=service, action=action, protocol=protocol, params=form)
    return _rest(environ, known or "s3", region, agent)


def _call(*, params: Mapping[str, Any], **said: Any) -> Call:
    return Call(params=params, resource=_resource(params), **said)


def _rest(environ: Environ, service: str, region: str, agent: str) -> Call:
    path = environ.get("PATH_INFO", "/")
    return Call(
        service=service,
        action=_rest_action(environ, service),
        region=region,
        protocol="rest-xml" if service in _XML else "rest-json",
        resource=path.strip("/"),
        agent=agent,
    )


def _rest_action(environ: Environ, service: str) -> str:
    """As botocore's model routes it; `METHOD /path` where it does not."""
    from moto.core.request import Request  # noqa: PLC0415  # slow to import
    from moto.core.routing import get_service_router  # noqa: PLC0415
    from werkzeug.exceptions import NotFound  # noqa: PLC0415

    bare = {key: value for key, value in environ.items() if key != "wsgi.input"}
    try:
        operation, _ = get_service_router(service).match(Request({**bare, "wsgi.input": io.BytesIO()}))
    except (NotFound, NotImplementedError, ValueError, KeyError, LookupError):
        return f"{environ.get('REQUEST_METHOD', 'GET')} {environ.get('PATH_INFO', '/')}"
    except Exception as error:
        if type(error).__name__ not in {"UnknownServiceError", "DataNotFoundError"}:
            raise
        return f"{environ.get('REQUEST_METHOD', 'GET')} {environ.get('PATH_INFO', '/')}"
    return str(operation.name)


def _body(environ: Environ) -> bytes:
    """The whole body, unpacked, and put back as it came; empty where its length is not said."""
    try:
        length = min(int(environ.get("CONTENT_LENGTH") or 0), _LONGEST_BODY)
    except ValueError:
        return b""
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    if environ.get("HTTP_CONTENT_ENCODING") == "gzip":  # botocore packs what is longer than 10 kB
        with contextlib.suppress(OSError, EOFError):
            return gzip.decompress(body)
    return body


def _read(form: Callable[[bytes], Any], body: bytes) -> Mapping[str, Any]:
    """The parameters; none where the body is nothing of that form: the service will say what is wrong."""
    try:
        value = form(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _resource(params: Mapping[str, Any]) -> str:
    """What it is about: the first ARN, else the first name."""
    outer_first = sorted(params.items(), key=lambda pair: pair[0].count("."))
    for ends in ("Arn", "Arns.member.1", "Arns", "Name", "Names.member.1", "Namespace", "Bucket"):
        for key, value in outer_first:
            if key.endswith(ends) and value:
                return str(value[0] if isinstance(value, list) else value)
    return ""


def _agent_region(environ: Environ) -> str:
    found = _AGENT_REGION.search(environ.get("HTTP_USER_AGENT", ""))
    return found[1] if found else "us-east-1"


def _short_agent(agent: str) -> str:
    """The product and what it calls itself last, as botocore writes it: `Boto3/1.44 … crossfade`."""
    words = agent.split()
    return " ".join(dict.fromkeys((*words[:1], *words[-1:])))
