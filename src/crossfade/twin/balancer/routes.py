"""
The routes of all listeners, as a pure function of the plan.

A listener is a virtual host; its rules stand in the order of their priorities, the default rule last. Every
condition is a header matcher (`conditions.py`). A forward rule that keeps users has a route for each group's
cookie before the one with the weights (`sticky.py`).

Rules that come into force later are hosts already, which no listener names: what Envoy would refuse then, it
refuses when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, assert_never

from crossfade.dataplane import pieces
from crossfade.dataplane.routes import ROUTES, SEAT_HEADER
from crossfade.dataplane.xds import TYPE
from crossfade.twin.balancer import replies, sticky
from crossfade.twin.balancer.conditions import CLIENT, SOURCE_HEADER, matchers
from crossfade.twin.balancer.model import FixedResponse, Forward, Redirect, Rule
from crossfade.twin.balancer.names import group_name, listener_name
from crossfade.twin.balancer.plan import Plan, Seat

# Names of routes: the access log tells by them why a request met no target.
FORWARD: Final = "forward"
FIXED: Final = "fixed"
REDIRECT: Final = "redirect"
NOBODY: Final = "nobody"

# Envoy's own marks of where a request came from: nothing that a load balancer adds.
_ENVOYS: Final = ("x-envoy-internal", "x-envoy-external-address")
_ROUTE: Final = TYPE + "config.route.v3.RouteConfiguration"

Entry = dict[str, Any]


def routes(plan: Plan) -> str:
    """The text of rds.json."""
    table = {
        "name": ROUTES,
        "vhost_header": SEAT_HEADER,
        "request_headers_to_remove": [SEAT_HEADER, SOURCE_HEADER, *_ENVOYS],
        "virtual_hosts": [host for seat in plan.seats for host in _hosts(seat, plan)],
    }
    return pieces.file(_ROUTE, [table])


def _hosts(seat: Seat, plan: Plan) -> Iterable[Entry]:
    name = listener_name(seat.listener.arn)
    yield _host(name, seat.listener.rules, seat, plan)
    for number, rules in enumerate(seat.coming):
        yield _host(f"{name}/coming-{number}", rules, seat, plan)


def _host(name: str, rules: Iterable[Rule], seat: Seat, plan: Plan) -> Entry:
    in_order = sorted(rules, key=lambda rule: (rule.priority is None, rule.priority or 0))
    return {
        "name": name,
        "domains": [name],
        "routes": [entry for rule in in_order for entry in _ruled(rule, seat, plan)],
        "request_headers_to_add": [
            pieces.appending("x-forwarded-for", CLIENT),
            pieces.overwriting("x-forwarded-port", str(seat.listener.port)),
        ],
    }


def _ruled(rule: Rule, seat: Seat, plan: Plan) -> Iterable[Entry]:
    headers = matchers(rule.conditions)
    if headers is None:
        return
    match: Entry = {"prefix": "/", "headers": headers}
    action = rule.action
    match action:
        case Forward():
            yield from _forwarded(action, match, seat, plan)
        case FixedResponse():
            yield {"name": FIXED, "match": match, **replies.fixed(action)}
        case Redirect():
            yield {"name": REDIRECT, "match": match, **replies.redirect(action, port=seat.port)}
        case _:
            assert_never(action)


def _forwarded(action: Forward, match: Entry, seat: Seat, plan: Plan) -> Iterable[Entry]:
    patience = {"timeout": "0s", "idle_timeout": f"{seat.idle_timeout_s:g}s"}
    if action.sticky_s:
        for arn, _ in action.groups:
            kept = {**match, "headers": [*match["headers"], sticky.brings(arn)]}
            there = {"weighted_clusters": {"clusters": [_share(arn, 1, action, plan)]}, **patience}
            yield {"name": FORWARD, "match": kept, "route": there}
    shares = [_share(arn, weight, action, plan) for arn, weight in action.groups if weight]
    if shares:
        dealt = {"weighted_clusters": {"clusters": shares}, **patience}
        yield {"name": FORWARD, "match": match, "route": dealt}
    else:
        yield {"name": NOBODY, "match": match, **replies.answer(503)}


def _share(arn: str, weight: int, action: Forward, plan: Plan) -> Entry:
    found: Entry = {"name": group_name(arn), "weight": weight}
    group = plan.groups.get(arn)
    if action.sticky_s:
        found["response_headers_to_add"] = sticky.keeps(arn, action.sticky_s, plan.pace)
    if group is not None and group.sticky_s:
        found["typed_per_filter_config"] = sticky.per_group(group.sticky_s, plan.pace)
    return found
