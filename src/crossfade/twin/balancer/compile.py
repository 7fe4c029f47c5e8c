"""
The plan as Envoy's three files, purely: clusters and listeners here, routes in `routes.py`.

A group is one cluster, in whatever rules it is named; a listener changes only when it moves to another port
or waits for another time, so connections that are kept alive survive every change of rules and weights.
LIMITS: HTTP only, a listener for HTTPS speaks HTTP too. Requests run in real time, so the time-outs that are
measured by them (idle, connect) are real seconds. Connections to targets are let go after an idle second, to
spare users the race that a real load balancer has with targets that close first.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from crossfade.dataplane import pieces
from crossfade.dataplane.config import ACCESS_LOG
from crossfade.dataplane.routes import SEAT_HEADER
from crossfade.dataplane.sticky import asleep
from crossfade.dataplane.xds import Endpoint
from crossfade.twin.balancer import replies, sticky
from crossfade.twin.balancer.conditions import CLIENT, SOURCE_HEADER
from crossfade.twin.balancer.model import Target
from crossfade.twin.balancer.names import balancer_name, group_name, listener_name
from crossfade.twin.balancer.plan import Plan, Seat, named_by
from crossfade.twin.balancer.routes import routes

CONNECT_S: Final = 10
"""As a load balancer waits for a connection, before it answers 504."""

LINE: Final = (
    "%START_TIME(%s.%6f)%",
    "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "%DURATION%",  # where the answer never ended, the one before is empty
    "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)%",
    "%UPSTREAM_CLUSTER%",
    "%RESPONSE_CODE%",
    "%RESPONSE_FLAGS%",
    "%ROUTE_NAME%",
)
"""After the load balancer's name, between tabs; nothing in it is a client's text."""

_NOWHERE: Final = 9  # the port of `discard`: where the twin sends what should leave this machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The texts of cds.json, rds.json and lds.json; `clusters` are the cluster's parts by their names."""

    clusters: dict[str, dict[str, Any]]
    rds: str
    lds: str

    def cds(self, keeping: Iterable[dict[str, Any]] = ()) -> str:
        """The text of cds.json, with clusters besides that are still in use."""
        return pieces.file(pieces.CLUSTER, [*self.clusters.values(), *keeping])


def compiled(plan: Plan, folder: str) -> Files:
    """All three files; `folder` holds them and logs/."""
    named = {
        arn for seat in plan.seats for rules in (seat.listener.rules, *seat.coming) for arn in named_by(rules)
    }
    return Files(
        clusters={
            group_name(arn): _cluster(arn, plan.serving[arn]) for arn in sorted(named) if arn in plan.serving
        },
        rds=routes(plan),
        lds=pieces.file(pieces.LISTENER, [_listener(seat, folder) for seat in plan.seats]),
    )


def is_here(target: Target) -> bool:
    """Whether a target is on this machine: nothing else is ever connected to."""
    return ipaddress.ip_address(target.ip).is_loopback


def _cluster(arn: str, targets: tuple[Target, ...]) -> dict[str, Any]:
    endpoints = [
        Endpoint(id=f"{t.ip}:{t.port}", ip=t.ip, port=t.port)
        if is_here(t)
        else Endpoint(id=f"{t.ip}:{t.port}", port=_NOWHERE)
        for t in targets
    ]
    return pieces.cluster(group_name(arn), endpoints, connect_s=CONNECT_S)


def _listener(seat: Seat, folder: str) -> dict[str, Any]:
    name, balancer = listener_name(seat.listener.arn), balancer_name(seat.balancer)
    manager = pieces.manager(
        balancer,
        folder,
        stamps={SEAT_HEADER: name, SOURCE_HEADER: CLIENT},
        filters=[asleep(replies.REDIRECTS), sticky.listener_filter()],
        log=pieces.access_log(
            f"{folder}/{ACCESS_LOG}",
            {"text_format_source": {"inline_string": "\t".join((balancer, *LINE)) + "\n"}},
        ),
        replies=replies.mappers(),
    )
    manager["generate_request_id"] = False
    manager["skip_xff_append"] = True  # it would name this machine's address where the client is on it
    manager["common_http_protocol_options"] = {"idle_timeout": f"{seat.idle_timeout_s:g}s"}
    return pieces.listener(name, seat.port, manager)
