"""
What every listener and every cluster of ours has in common, whoever is served: `config.py` makes the files of
the data plane of them, and the twin of AWS those of its load balancers.

ONE route file for all listeners, because each subscription costs an inotify instance, of which Linux grants
128: headers that a listener stamps on a request before routing (and that the route removes again) say which
listener it came through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from crossfade.dataplane.routes import ROUTES
from crossfade.dataplane.xds import TYPE, Endpoint, versioned

CLUSTER: Final = TYPE + "config.cluster.v3.Cluster"
LISTENER: Final = TYPE + "config.listener.v3.Listener"

_HCM: Final = TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER: Final = TYPE + "extensions.filters.http.router.v3.Router"
_FILE_LOG: Final = TYPE + "extensions.access_loggers.file.v3.FileAccessLog"
_EARLY: Final = TYPE + "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
_HTTP_OPTIONS: Final = TYPE + "extensions.upstreams.http.v3.HttpProtocolOptions"

# Apps close idle connections (gunicorn after 2 s); a proxy that keeps them longer loses the
# request that crosses the closing. No retry would hide it, so the proxy lets go first.
_UPSTREAM_IDLE: Final = "1s"
_NO_LIMIT: Final = 1_000_000  # Envoy's default of 1,024 requests would answer 503 by itself

Piece = dict[str, Any]


def file(kind: str, resources: Iterable[Piece]) -> str:
    """The text of an xDS file whose resources are all of one kind."""
    return versioned([{"@type": kind, **resource} for resource in resources])


def cluster(name: str, endpoints: Iterable[Endpoint], *, connect_s: float = 2) -> Piece:
    """Endpoints in turn; whoever is no endpoint finishes what it has and gets nothing new."""
    limits = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), _NO_LIMIT)
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": f"{connect_s:g}s",
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
                        {"endpoint": {"hostname": e.id, "address": _address(e.port, e.ip)}}
                        for e in endpoints
                    ]
                }
            ],
        },
    }


def listener(name: str, port: int, manager: Piece) -> Piece:
    """A listener on 127.0.0.1."""
    return {
        "name": name,
        "address": _address(port, "127.0.0.1"),
        "enable_reuse_port": False,  # two proxies on one port must be an error, not a lottery
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def manager(
    prefix: str,
    folder: str,
    *,
    stamps: Mapping[str, str],
    filters: Iterable[Piece],
    log: Piece,
    replies: Iterable[Piece],
) -> Piece:
    """
    What a listener does with HTTP: stamps headers, looks the route up in rds.json, writes one access log.

    `prefix` names its counters, `replies` are the mappers of what the proxy answers by itself; `log` is made
    by `access_log`.
    """
    return {
        "@type": _HCM,
        "stat_prefix": prefix,
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
                    "mutations": [{"append": overwriting(name, value)} for name, value in stamps.items()],
                },
            }
        ],
        "http_filters": [
            *filters,
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
        "access_log": [log],
        "local_reply_config": {"mappers": list(replies)},
    }


def overwriting(name: str, value: str) -> Piece:
    """A header that replaces whatever was there under its name."""
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def appending(name: str, value: str) -> Piece:
    """A header that comes after those of its name that are there."""
    return {"header": {"key": name, "value": value}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}


def access_log(path: str, log_format: Piece) -> Piece:
    """A file with a line for each request that has ended."""
    return {
        "name": "file",
        "typed_config": {"@type": _FILE_LOG, "path": path, "log_format": log_format},
    }


def with_flags(flags: Iterable[str], status: int) -> Piece:
    """A mapper: what the proxy answers under any of these response flags has this status."""
    return {"filter": {"response_flag_filter": {"flags": list(flags)}}, "status_code": status}


def _address(port: int, ip: str) -> Piece:
    return {"socket_address": {"address": ip, "port_value": port}}
