"""
Envoy's configuration, as a pure function of the desired documents and the living instances.

Three files: `cds.json` (clusters with their endpoints inline) and `lds.json` (listeners) from here,
`rds.json` (all routes of all services) from `routes.py`; what they are made of is in `pieces.py`.

A file's version is a hash of its content: equal content is equal version, whoever wrote it, so
"Envoy runs version X" proves what it runs. `envoy.py` writes the files and asks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from crossfade.dataplane import pieces, sticky
from crossfade.dataplane.model import GROUPS, Service
from crossfade.dataplane.routes import SEAT_HEADER
from crossfade.dataplane.xds import TYPE, Endpoint, Members, cluster, seat

FILES: Final = ("cds.json", "rds.json", "lds.json")
ACCESS_LOG: Final = "logs/access.log"

_PROGRAM: Final = 1_000_000
# What anybody here reads. Envoy keeps hundreds of counters for a listener and a cluster, and looks through
# all of them whenever it is asked for one: a quarter of a second with two hundred of each.
_KEPT_STATS: Final = (
    {"safe_regex": {"regex": r".*\.(version_text|update_rejected|active_faults)"}},
    {
        "safe_regex": {
            "regex": r"cluster\..*\.upstream_(rq_total|rq_active|rq_pending_active|cx_total|cx_active)"
        }
    },
    {"safe_regex": {"regex": r"http\..*\.downstream_cx_(total|active)"}},
)
_FAULT: Final = TYPE + "extensions.filters.http.fault.v3.HTTPFault"


def clusters(services: Iterable[Service], members: Members) -> str:
    """The text of cds.json."""
    return pieces.file(
        pieces.CLUSTER,
        [
            pieces.cluster(cluster(s.name, group, test=test), _serving(s, group, members, test=test))
            for s in services
            for group in GROUPS
            for test in (False, True)
        ],
    )


def _serving(service: Service, group: str, members: Members, *, test: bool) -> tuple[Endpoint, ...]:
    """A group of which nobody lives is stood in for by the other, until its weight has gone home (R01)."""
    crews = members.get(service.name, {})
    own = crews.get(group, ())
    if own or test or service.groups[group] is None:
        return own
    return next(crews.get(other, ()) for other in GROUPS if other != group)


def listeners(services: Iterable[Service], folder: str) -> str:
    """The text of lds.json; `folder` holds rds.json and logs/."""
    return pieces.file(
        pieces.LISTENER,
        [
            _listener(seat(s.name, test=test), port, folder)
            for s in services
            for test, port in ((False, s.listener_port), (True, s.test_port))
        ],
    )


def bootstrap(folder: str, admin_socket: str) -> str:
    """The text of bootstrap.json: where the three files are, and the admin socket."""
    sources = {
        f"{kind}_config": {
            "resource_api_version": "V3",
            "path_config_source": {"path": f"{folder}/{kind}.json"},
        }
        for kind in ("cds", "lds")
    }
    return json.dumps(
        {
            "node": {"id": "crossfade", "cluster": "crossfade"},
            "admin": {"address": {"pipe": {"path": admin_socket, "mode": 0o600}}},
            "dynamic_resources": sources,
            "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": list(_KEPT_STATS)}}},
            # Envoy's own limit on regular expressions is below a host name of a hundred characters.
            "layered_runtime": {
                "layers": [{"name": "static", "static_layer": {"re2.max_program_size.error_level": _PROGRAM}}]
            },
        },
        indent=1,
    )


def _listener(name: str, port: int, folder: str) -> dict[str, Any]:
    manager = pieces.manager(
        name,
        folder,
        stamps={SEAT_HEADER: name},
        filters=[
            sticky.listener_filter(),
            {"name": "fault", "typed_config": {"@type": _FAULT}},
        ],
        log=_access_log(name, f"{folder}/{ACCESS_LOG}"),
        replies=[
            # As an ALB says it: refused or broken off = 502, too slow = 504.
            pieces.with_flags(["UF", "UC", "UR", "LR", "UPE"], 502),
            pieces.with_flags(["UT"], 504),
        ],
    )
    return pieces.listener(name, port, manager)


def _access_log(name: str, path: str) -> dict[str, Any]:
    line = {
        "s": name,
        "t": "%START_TIME(%s.%6f)%",
        "d": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
        "h": "%COMMON_DURATION(DS_RX_BEG:DS_TX_BEG:us)%",
        "k": "%RESP(CONTENT-TYPE)%",
        "ms": "%DURATION%",  # where the answer never ended, d is null
        "c": "%UPSTREAM_CLUSTER%",
        "i": "%UPSTREAM_HOST_NAME%",
        "r": "%RESPONSE_CODE%",
        "x": "%RESPONSE_CODE_DETAILS%",
        "f": "%RESPONSE_FLAGS%",
        "q": "%REQ(X-REQUEST-ID)%",
    }
    return pieces.access_log(path, {"json_format": line})
