"""Load balancers of the twin: what the API says they should do (`model.py`), done by a real Envoy."""

from __future__ import annotations

from typing import Final

NOT_MODELLED: Final = (
    "load balancers: no TLS, HTTP/2 or gRPC; a listener for HTTPS speaks HTTP",
    "load balancers: all nodes switch at the same moment; no zones, capacity or scaling",
    "load balancers: targets take turns; no slow start, least outstanding requests or anomaly mitigation",
    "load balancers: requests and their time-outs take real time, and a check a second to time out",
    "load balancers: a header that comes several times is compared as one, a path as it was sent",
    "load balancers: AWSALB is set once, not with every answer; no encryption, no application cookies",
    "load balancers: an idle connection to a target is let go after a second; no X-Amzn-Trace-Id",
    "load balancers: a target elsewhere than on this machine is never connected to and fails its checks",
)
"""For the list that the twin prints at its start."""
