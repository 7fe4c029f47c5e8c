"""
A load balancer and process scheduler for one machine: one Envoy, the apps behind it, and one
supervisor process per state folder that owns them and outlives whoever asked for it.

Two permanent groups per service, blue and green; only weights move between them (R08).

    client = ensure_supervisor(folder)                # starts the daemon where there is none
    client.apply(Service(name="shop", ...), expect_generation=0)      # 0 = it does not exist yet
    seen = client.observe("shop")
    client.apply(replace(seen.service, weights={"blue": 900, "green": 100}), seen.generation)

    ensure_supervisor(folder) -> Client               Unsupported (CF4100), Silent (CF4104)
    connect(folder) -> Client | None                  None = no supervisor runs there
    down(folder)                                      stops all, after a dead supervisor too
    meant_down(folder) -> bool                        stopped on purpose, and not started since
    Client.ping() -> float                            seconds for the round trip
    Client.services() -> dict[name, generation]
    Client.observe(name) -> Observed                  UnknownService (CF4105)
    Client.apply(service, expect_generation) -> Applied    Conflict, InvalidChange, PortTaken
    Client.remove(name, expect_generation) -> None    its groups must be None
    Client.counts(name, since) -> Counted             closed one-second slots
    Client.logs(name, group, lines=20) -> dict[instance id, list of lines]
    Client.down()

Without a supervisor: `python -m crossfade.dataplane.weights FOLDER SERVICE GROUP` sends
everybody to one group. LINUX ONLY (pidfd, /proc). LOOPBACK ONLY.
"""

from crossfade.dataplane.client import Client, connect, down, ensure_supervisor, meant_down
from crossfade.dataplane.failures import (
    Conflict,
    DataplaneError,
    InvalidChange,
    PortTaken,
    Silent,
    UnknownService,
    Unsupported,
)
from crossfade.dataplane.model import (
    EDGES_MS,
    GROUPS,
    TOTAL,
    Applied,
    Counted,
    Counts,
    Fault,
    Group,
    Instance,
    Interval,
    Observed,
    Preview,
    Proxy,
    Rule,
    Service,
)

__all__ = [
    "EDGES_MS",
    "GROUPS",
    "TOTAL",
    "Applied",
    "Client",
    "Conflict",
    "Counted",
    "Counts",
    "DataplaneError",
    "Fault",
    "Group",
    "Instance",
    "Interval",
    "InvalidChange",
    "Observed",
    "PortTaken",
    "Preview",
    "Proxy",
    "Rule",
    "Service",
    "Silent",
    "UnknownService",
    "Unsupported",
    "connect",
    "down",
    "ensure_supervisor",
    "meant_down",
]
