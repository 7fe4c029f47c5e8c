"""
Envoy's configuration, as a pure function of the desired documents and the living instances.

Three files: `cds.json` (clusters with their endpoints inline) and `lds.json` (listeners) from here,
`rds.json` (all routes of all services) from `routes.py`. ONE route file for all, because each
subscription costs an inotify instance, of which Linux grants 128: a header that the listener sets
before routing (and that the route removes again) says which listener a request came through.

A file's version is a hash of its content: equal content is equal version, whoever wrote it, so
"Envoy runs version X" proves what it runs. `envoy.py` writes the files and asks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from crossfade.dataplane import sticky
from crossfade.dataplane.model import GROUPS, Service
from crossfade.dataplane.routes import ROUTES, SEAT_HEADER
from crossfade.dataplane.xds import TYPE, Endpoint, Members, cluster, seat, versioned

FILES: Final = ("cds.json", "rds.json", "lds.json")
ACCESS_LOG: Final = "logs/access.log"

_CLUSTER: Final = TYPE + "config.cluster.v3.Cluster"
_LISTENER: Final = TYPE + "config.listener.v3.Listener"
_HCM: Final = TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_FAULT: Final = TYPE + "extensions.filters.http.fault.v3.HTTPFault"
_ROUTER: Final = TYPE + "extensions.filters.http.router.v3.Router"
_FILE_LOG: Final = TYPE + "extensions.access_loggers.file.v3.FileAccessLog"
_EARLY: Final = TYPE + "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
_HTTP_OPTIONS: Final = TYPE + "extensions.upstreams.http.v3.HttpProtocolOptions"

# Apps close idle connections (gunicorn after 2 s); a proxy that keeps them longer loses the
# request that crosses the closing. No retry would hide it, so the proxy lets go first.
_UPSTREAM_IDLE: Final = "1s"
_NO_LIMIT: Final = 1_000_000  # Envoy's default of 1,024 requests would answer 503 by itself


def clusters(services: Iterable[Service], members: Members) -> str:
    """The text of cds.json."""
    return _file(
        _CLUSTER,
        [
            _cluster(cluster(s.name, group, test=test), _serving(s, group, members, test=test))
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
    return _file(
        _LISTENER,
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
        },
        indent=1,
    )


def _file(kind: str, resources: list[dict[str, Any]]) -> str:
    return versioned([{"@type": kind, **resource} for resource in resources])


def _cluster(name: str, endpoints: tuple[Endpoint, ...]) -> dict[str, Any]:
    limits = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), _NO_LIMIT)
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "lb_policy": "ROUND_ROBIN",
        "circuit_breakers": {"thresholds": [limits]},
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS.removeprefix("type.googleapis.com/"): {
                "@type": _HTTP_OPTIONS,
                "common_http_protocol_options": {"idle_timeout": _UPSTREAM_IDLE},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {
                    "lb_endpoints": [
                        # The id as host name: so the access log names the instance itself.
                        {"endpoint": {"hostname": e.id, "address": _address(e.port)}}
                        for e in endpoints
                    ]
                }
            ],
        },
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _listener(name: str, port: int, folder: str) -> dict[str, Any]:
    hcm = {
        "@type": _HCM,
        "stat_prefix": name,
        "rds": {
            "route_config_name": ROUTES,
            "config_source": {
                "resource_api_version": "V3",
                "path_config_source": {"path": f"{folder}/rds.json"},
            },
        },
        "early_header_mutation_extensions": [
            {
                "name": "seat",
                "typed_config": {
                    "@type": _EARLY,
                    "mutations": [
                        {
                            "append": {
                                "header": {"key": SEAT_HEADER, "value": name},
                                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                            }
                        }
                    ],
                },
            }
        ],
        "http_filters": [
            sticky.listener_filter(),
            {"name": "fault", "typed_config": {"@type": _FAULT}},
            {
                "name": "router",
                "typed_config": {"@type": _ROUTER, "suppress_envoy_headers": True},
            },
        ],
        "use_remote_address": True,
        "preserve_external_request_id": True,  # the id is the user's; we only read it
        "server_header_transformation": "PASS_THROUGH",
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "localhost"},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "access_log": [_access_log(name, f"{folder}/{ACCESS_LOG}")],
        "local_reply_config": {
            "mappers": [
                # As an ALB says it: refused or broken off = 502, too slow = 504.
                _reply(["UF", "UC", "UR", "LR", "UPE"], 502),
                _reply(["UT"], 504),
            ]
        },
    }
    return {
        "name": name,
        "address": _address(port),
        "enable_reuse_port": False,  # two proxies on one port must be an error, not a lottery
        "filter_chains": [{"filters": [{"name": "http", "typed_config": hcm}]}],
    }


def _reply(flags: list[str], status: int) -> dict[str, Any]:
    return {"filter": {"response_flag_filter": {"flags": flags}}, "status_code": status}


def _access_log(name: str, path: str) -> dict[str, Any]:
    return {
        "name": "file",
        "typed_config": {
            "@type": _FILE_LOG,
            "path": path,
            "log_format": {
                "json_format": {
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
            },
        },
    }
