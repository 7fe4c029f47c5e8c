"""
The routes of every service, as a pure function of the desired documents and the living instances.

A production request is looked at in this order: which of the service's rules is it, does it carry the
mark of a preview, is it one of those that are mirrored, and which group do the weights give it.
With a token, weights are dealt out by the user's number (`sticky.py`), else by chance.
A request on the test listener reaches the test group, or the other one if it asks for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from crossfade.dataplane import sticky
from crossfade.dataplane.model import GROUPS, Fault, Preview, Rule, Service
from crossfade.dataplane.xds import TYPE, Members, cluster, seat, versioned

ROUTES: Final = "crossfade"
SEAT_HEADER: Final = "x-crossfade-listener"
SIDE_HEADER: Final = "x-crossfade-side"
"""On the test listener: `stable` asks for the group that is not the test group."""

RULE: Final = "rule"
"""How the names of routes begin that have the service's weights; their number follows."""

_ROUTE: Final = TYPE + "config.route.v3.RouteConfiguration"
_FAULT: Final = TYPE + "extensions.filters.http.fault.v3.HTTPFault"
_PATIENCE: Final = {"timeout": "0s", "idle_timeout": "3600s"}
"""A download, stream or websocket may last; an hour in which neither side said a word ends it."""

_SAFE: Final = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}

Entry = dict[str, Any]


def routes(services: Iterable[Service], members: Members | None = None) -> str:
    """
    The text of rds.json.

    Without `members` nobody is known to live: then nothing is sent to the test group by preview or
    mirror (R01), which is what the way back without a supervisor wants.
    """
    hosts = [
        host for s in services for host in (_live_host(s, (members or {}).get(s.name, {})), _test_host(s))
    ]
    return versioned(
        [
            {
                "@type": _ROUTE,
                "name": ROUTES,
                "vhost_header": SEAT_HEADER,
                "request_headers_to_remove": [SEAT_HEADER, sticky.HEADER],
                "virtual_hosts": hosts,
            }
        ]
    )


def _live_host(service: Service, members: Mapping[str, tuple[Any, ...]]) -> Entry:
    group = service.test_group
    ahead = group if group is not None and members.get(group) else None
    found = [
        *(
            entry
            for number, rule in enumerate(_most_specific_first(service.rules))
            for entry in _ruled(service, number, rule, ahead)
        ),
        _answer({"prefix": "/"}, 404, f"no rule of {service.name} names this request"),
    ]
    return _host(seat(service.name, test=False), found)


def _most_specific_first(rules: Iterable[Rule]) -> list[Rule]:
    """A named host before any host, a longer path before a shorter one."""
    return sorted(rules, key=lambda rule: (not rule.host, -len(rule.path.rstrip("/")), rule.path))


def _ruled(service: Service, number: int, rule: Rule, ahead: str | None) -> Iterable[Entry]:
    """One rule: what has a preview's mark, what is mirrored, then everything else."""
    match, name = _match(rule), f"{RULE} {number}"
    if ahead is not None and service.preview is not None:
        marked = {**match, "headers": [*match.get("headers", ()), _mark(service.preview)]}
        yield {**_tested(service, ahead, marked), "name": f"preview {number}"}
    if not sum(service.weights.values()):
        yield {"name": name, **_answer(match, 503, "no group has weight")}
        return
    action: Entry = {"weighted_clusters": _weighted(service), **_PATIENCE}
    extra = sticky.per_route(service) if service.sticky else {}
    if ahead is not None and service.mirror and not service.weights[ahead]:
        share = {"default_value": _share(service.mirror)}
        copy = {"cluster": cluster(service.name, ahead, test=True), "runtime_fraction": share}
        safe = {**match, "headers": [*match.get("headers", ()), _SAFE]}
        yield {
            "name": f"{name}, mirrored",
            "match": safe,
            "route": {**action, "request_mirror_policies": [copy]},
            **extra,
        }
    yield {"name": name, "match": match, "route": action, **extra}


def _match(rule: Rule) -> Entry:
    path = rule.path.rstrip("/")
    match: Entry = {"path_separated_prefix": path} if path else {"prefix": "/"}
    if rule.host:
        host = {"safe_regex": {"regex": f"(?i){re.escape(rule.host)}(:[0-9]+)?"}}
        match["headers"] = [{"name": ":authority", "string_match": host}]
    return match


def _weighted(service: Service) -> Entry:
    entries = [
        {
            "name": cluster(service.name, group),
            "weight": service.weights[group],
            **(_per_route(service.fault[group]) if group in service.fault else {}),
        }
        for group in GROUPS
    ]
    return {"clusters": entries, **({"header_name": sticky.HEADER} if service.sticky else {})}


def _mark(preview: Preview) -> Entry:
    if preview.kind == "header":
        return {"name": preview.name, "string_match": {"exact": preview.value}}
    pair = re.escape(f"{preview.name}={preview.value}")
    return {"name": "cookie", "string_match": {"safe_regex": {"regex": f"(.*; *)?{pair}( *;.*)?"}}}


def _test_host(service: Service) -> Entry:
    group = service.test_group
    if group is None:
        closed = _answer({"prefix": "/"}, 503, "the test route is closed")
        return _host(seat(service.name, test=True), [closed])
    other = next(name for name in GROUPS if name != group)
    asks = {"prefix": "/", "headers": [{"name": SIDE_HEADER, "string_match": {"exact": "stable"}}]}
    # Where there is no other group it has no endpoint and answers 503: who asks for it must not get this one.
    beside = {**_tested(service, other, asks), "name": "beside"}
    found = [beside, {**_tested(service, group, {"prefix": "/"}), "name": "test"}]
    return _host(seat(service.name, test=True), found)


def _tested(service: Service, group: str, match: Entry) -> Entry:
    fault = _per_route(service.fault[group]) if group in service.fault else {}
    action = {"cluster": cluster(service.name, group, test=True), **_PATIENCE}
    return {"match": match, "route": action, **fault}


def _host(name: str, found: list[Entry]) -> Entry:
    return {"name": name, "domains": [name], "routes": found}


def _answer(match: Entry, status: int, why: str) -> Entry:
    reply = {"status": status, "body": {"inline_string": f"crossfade: {why}\n"}}
    return {"match": match, "direct_response": reply}


def _per_route(fault: Fault) -> Entry:
    config: Entry = {"@type": _FAULT}
    if fault.errors:
        config["abort"] = {"http_status": 500, "percentage": _share(fault.errors)}
    if fault.delay_ms and fault.delay_share:
        delay = {"fixed_delay": f"{fault.delay_ms / 1000:.6f}s"}
        config["delay"] = {**delay, "percentage": _share(fault.delay_share)}
    return {"typed_per_filter_config": {"fault": config}}


def _share(share: float) -> Entry:
    return {"numerator": round(share * 1_000_000), "denominator": "MILLION"}
