"""
What the data plane is asked for, and what it says about itself.

`Service` is the whole desired document of one service: two permanent groups (blue and green),
and the weights between them. `Observed` is the answer to "what is true now": the desired
document beside what Envoy itself says it does. `Counted` is what clients got, per second.

Frozen values without behaviour; `codec.py` carries them over the wire.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from crossfade.dataplane.failures import InvalidChange

GROUPS: Final = ("blue", "green")
TOTAL: Final = 1000  # weights are thousandths

_RATIO: Final = math.sqrt(1.25)  # two edges per factor 1.25: a limit of 1.25x lies on the grid
_FIRST_MS: Final = 0.5
_LAST_MS: Final = 60_000.0
EDGES_MS: Final = tuple(
    _FIRST_MS * _RATIO**k for k in range(math.ceil(math.log(_LAST_MS / _FIRST_MS, _RATIO)) + 1)
)
"""Upper bounds of the latency buckets in ms: 0.5 · sqrt(1.25)^k up to the first one >= 60 s."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")

InstanceState = Literal["starting", "ready", "unhealthy", "draining", "stopping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One revision, run as a number of processes; each gets a port of its own.

    `command` is argv; `{port}` and `{revision}` in it are replaced at the start, nothing else is,
    and both are also in the environment (PORT, CROSSFADE_REVISION; PGAPPNAME is service/revision).
    `health` is the path that must answer 200-399; empty = a TCP connection is enough.
    """

    revision: str
    command: tuple[str, ...]
    folder: str
    env: Mapping[str, str] = field(default_factory=dict)
    instances: int = 1
    health: str = "/"
    stop_grace_s: float = 30.0  # SIGTERM to SIGKILL
    drain_s: float = 60.0  # how long requests in flight may take after deregistration
    ready_timeout_s: float = 60.0  # a start that takes longer is ended and tried again


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that the proxy puts in front of one group, on both listeners.

    Its answers count as errors of the app, and are counted again as `injected`.
    """

    errors: float = 0.0  # share 0..1 of requests answered 500 by the proxy
    delay_ms: float = 0.0
    delay_share: float = 0.0  # share 0..1 of requests held back for `delay_ms`


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Requests of the production listener that are this service's; all rules have the same weights."""

    host: str = ""  # exact, without a port; empty = any
    path: str = "/"  # prefix, on the border of a segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Production requests with this header, or this cookie, reach the group of the test route."""

    kind: Literal["header", "cookie"]
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The desired document. Both weights 0 = the proxy answers 503 to everybody.

    A port of 0 is replaced by a free one when the document is accepted, and stays that one.
    `sticky`: a token under which users keep a number from 0 to 999, by which groups are dealt out;
    empty = each request is dealt out by itself. `mirror`: share of GET and HEAD requests of which
    the test group gets a copy while it has no weight. `tags` is the caller's: kept, never read here.
    """

    name: str
    listener_port: int = 0
    test_port: int = 0
    groups: Mapping[str, Group | None] = field(default_factory=lambda: dict.fromkeys(GROUPS))
    weights: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(GROUPS, 0))
    test_group: str | None = None
    rules: tuple[Rule, ...] = (Rule(),)
    sticky: str = ""
    preview: Preview | None = None
    mirror: float = 0.0
    fault: Mapping[str, Fault] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A change was accepted and persisted; `applied` tells whether Envoy runs with it already."""

    generation: int
    applied: bool
    reason: str  # why not, in Envoy's words where it has some


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One process of a group. The id dies with the process; pid None = waiting to be started."""

    group: str
    id: str
    pid: int | None
    port: int | None
    revision: str
    state: InstanceState
    since: float  # UTC epoch, start of this state
    restarts: int  # starts after the first in this place
    last_exit: str  # how the process before this one ended; empty = there was none
    rss_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """The one Envoy; pid None = it is not running at this moment."""

    pid: int | None
    restarts: int
    rss_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is true of one service at `sampled_at` (UTC epoch).

    `routes`, `test_route`: as Envoy's own configuration dump says; `routes` None = unreadable,
    and then `test_route` says nothing either. `others`: the weights of rules that have others.
    `active`, `silent_s`: through the production listener only; None = Envoy's counters could not
    be read, which is not silence. `active`: requests and upgraded connections that go on; `silent_s`:
    since the last one that was new. `silent_s` is measured up to the last look at the counters;
    it starts again when the supervisor or Envoy was restarted.
    `listener_port`, `test_port`: as bound by Envoy; None = not bound.
    """

    generation: int
    service: Service
    applied: bool
    reason: str
    routes: Mapping[str, int] | None
    test_route: str | None
    listener_port: int | None
    test_port: int | None
    instances: tuple[Instance, ...]
    restarts: Mapping[str, int]
    active: Mapping[str, int] | None
    silent_s: Mapping[str, float] | None
    envoy: Proxy
    sampled_at: float
    others: tuple[Mapping[str, int], ...] = ()
    cut: Mapping[str, int] = field(default_factory=dict)
    """Connections that an instance still had when its drain was over, by group, ever since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What clients got. `latency` is not cumulative: one bucket per edge, one above the last.

    `app_errors`: answered 5xx by the app (or by an injected fault, then also in `injected`).
    `proxy_errors`: the proxy answered 5xx, or the app's answer broke off in the middle.
    `injected`: requests that an injected fault delayed or answered.
    """

    requests: int
    app_errors: int
    proxy_errors: int
    injected: int
    latency: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """One closed second. A request belongs to the second in which it ended.

    `groups` is the sum of `instances` and of requests that reached no instance.
    Groups and instances without a request are left out. `test` counts the test listener by
    group ("" = while its route was closed), `unrouted` the requests of the production listener
    that belonged to no group (both weights 0).
    """

    start: float
    end: float
    groups: Mapping[str, Counts]
    instances: Mapping[str, Mapping[str, Counts]]
    test: Mapping[str, Counts]
    unrouted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Seconds in [known_from, watermark) that are not in `intervals` had no request at all.

    `problem` tells why the source cannot be read now; empty = it is readable, and silence means
    silence. The watermark stands still while the source is unreadable.
    """

    intervals: tuple[Interval, ...]
    known_from: float
    watermark: float
    problem: str


def check(service: Service) -> None:
    """Raises InvalidChange with everything that is wrong in the document, at once."""
    wrong = _wrong_shape(service) or _wrong_values(service)
    if wrong:
        raise InvalidChange(
            "CF4103",
            f"the document of service {service.name} was refused",
            why="; ".join(wrong),
            fix="correct the document; nothing was changed",
        )


def _wrong_shape(service: Service) -> list[str]:
    wrong = []
    if not _NAME.fullmatch(service.name):
        wrong.append(f"the name {service.name!r} is not of letters, digits, - and _ (63 at most)")
    if set(service.groups) != set(GROUPS) or set(service.weights) != set(GROUPS):
        wrong.append("groups and weights must have exactly the keys blue and green")
    if not set(service.fault) <= set(GROUPS) or service.test_group not in (None, *GROUPS):
        wrong.append("fault and test_group may name blue and green only")
    return wrong


def _wrong_values(service: Service) -> list[str]:
    ports = (service.listener_port, service.test_port)
    wrong = [f"port {port} is out of range" for port in ports if not 0 <= port < 65_536]
    if ports[0] and ports[0] == ports[1]:
        wrong.append("listener_port and test_port are the same")
    weights = tuple(service.weights.values())
    if min(weights) < 0 or sum(weights) not in (0, TOTAL):
        wrong.append(f"weights {dict(service.weights)} must sum to 1000, or both be 0")
    for name, group in service.groups.items():
        if group is not None:
            wrong += [f"{name}: {what}" for what in _wrong_group(group)]
        elif service.weights[name]:
            wrong.append(f"{name} has weight {service.weights[name]} and no group to serve it")
    if not 0 <= service.mirror <= 1:
        wrong.append(f"a mirror of {service.mirror} is not a share")
    if not service.rules or len(set(service.rules)) < len(service.rules):
        wrong.append("there is no rule, or one stands twice")
    wrong += [
        f"the rule's path {rule.path!r} does not start with /"
        for rule in service.rules
        if rule.path[:1] != "/"
    ]
    if not (_TOKEN.fullmatch(service.sticky) or not service.sticky):
        wrong.append(f"the token {service.sticky!r} is not of letters and digits (32 at most)")
    wrong += [
        f"{name}: the fault's shares must lie in 0..1, its delay not below 0"
        for name, fault in service.fault.items()
        if not (0 <= fault.errors <= 1 and 0 <= fault.delay_share <= 1 and fault.delay_ms >= 0)
    ]
    return wrong


def _wrong_group(group: Group) -> list[str]:
    wrong = []
    if not group.command or not group.command[0]:
        wrong.append("the command is empty")
    if group.instances < 0:
        wrong.append(f"{group.instances} instances")
    if group.health and not group.health.startswith("/"):
        wrong.append(f"the health path {group.health!r} does not start with /")
    if min(group.stop_grace_s, group.drain_s, group.ready_timeout_s) < 0:
        wrong.append("a duration is negative")
    return wrong
