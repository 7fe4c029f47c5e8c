"""
A hundred rules go home at once under AWS's own throttle, while thirty others ramp: who goes first.

    python tests/long/many_ways_back.py

Rules of one load balancer on a twin whose token buckets are AWS's, on a real watch. Each change is a thread
that asks again every three seconds, as a release does at its looks; the ramps ask first. Exit 0 where all
are home, no more ramps than the burst that is theirs went before the last way back, and nothing was
written twice.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "town"))

from cloud import Cloud

from crossfade.aws import Door, Where
from crossfade.errors import PlatformError
from crossfade.platforms.alb.gateway import Gateway
from crossfade.platforms.alb.model import Route, Site
from crossfade.platforms.alb.pace import CHANGES, WAITS_S, Pace
from crossfade.testing import Twin

HOMES: Final = 100
RAMPS: Final = 30
LOOK_S: Final = 3.0
PATIENCE_S: Final = 180.0
REFILL_S: Final = 15.0
"""The buckets are full again, as they are when trouble begins."""


def change(gateway: Gateway, site: Site, route: Route, *, home: bool) -> None:
    """One rule, asked again at each look until it is written."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            gateway.do(site, route, time.time() + WAITS_S if home else None)
        except PlatformError:
            time.sleep(LOOK_S)
        else:
            return


def started(gateway: Gateway, site: Site, routes: list[Route], *, home: bool) -> list[threading.Thread]:
    threads = [
        threading.Thread(target=change, args=(gateway, site, route), kwargs={"home": home})
        for route in routes
    ]
    for thread in threads:
        thread.start()
    return threads


def run(twin: Twin, folder: Path) -> bool:
    made = Cloud(folder, twin, rules=HOMES + RAMPS)
    home, ramps = made.rules[:HOMES], made.rules[HOMES:]
    site = Site(
        service="shop",
        where=Where(account=twin.account, region=twin.region, endpoint=twin.endpoint),
        rules=tuple(made.rules),
        test=made.test,
        groups=made.groups,
    )
    gateway = Gateway(Door(site.where), Pace(time.time, time.sleep))
    gateway.prove()
    twin.fault("limits")
    time.sleep(REFILL_S)
    before = max(one["seq"] for one in twin.actions())

    back, up = tuple(made.forward(999, 0)), tuple(made.forward(900, 100))
    threads = started(gateway, site, [Route(arn=arn, actions=up) for arn in ramps], home=False)
    threads += started(gateway, site, [Route(arn=arn, actions=back) for arn in home], home=True)
    for thread in threads:
        thread.join()

    asked = twin.actions(before, name="ModifyRule")
    done = [one for one in asked if one["done"]]
    order = ["home" if any(arn in str(one) for arn in home) else "ramp" for one in done]
    begin, last_home = done[0]["at"], max(i for i, who in enumerate(order) if who == "home")
    overtook = order[:last_home].count("ramp")
    throttled = sum(one["throttled"] for one in asked)
    well = len(done) == HOMES + RAMPS and overtook <= CHANGES.burst - CHANGES.reserve
    print(
        f"{'ok  ' if well else 'BAD '} {order.count('home')} home in {done[last_home]['at'] - begin:.1f} s, "
        f"{order.count('ramp')} ramps after {done[-1]['at'] - begin:.1f} s, "
        f"{overtook} ramps before the last way back, {throttled} throttled, {len(asked)} calls"
    )
    return well


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, Twin() as twin:
        return 0 if run(twin, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
