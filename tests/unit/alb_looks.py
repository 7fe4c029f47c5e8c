"""Looks at a load balancer as they might be, and what is made of them: what the tests of its writes share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from alb_cloud import BEGIN, SITE, TEST, addresses, forward
from alb_release import CANARY, revision, spec

from crossfade.engine.opening import compile_plan
from crossfade.errors import PlatformError
from crossfade.platforms.alb import actions as routes
from crossfade.platforms.alb import tags
from crossfade.platforms.alb.model import (
    Flowed,
    Looked,
    Registered,
    Routes,
    Write,
    listed,
)
from crossfade.platforms.alb.scene import Scene, scene_of
from crossfade.platforms.alb.writes import writes
from crossfade.release.plan import Plan
from crossfade.release.values import (
    EnsureFleet,
    Fact,
    Known,
    Share,
    Side,
)

OLD, NEW, LEFT = addresses(10), addresses(20), addresses(30)

STRANGER = "10.9.9.9:80"

HASH = "0" * 64

NOW = BEGIN + 100


def _plan() -> Plan:
    plan = compile_plan(
        spec(CANARY),
        release="r2",
        stable=revision("v1", "blue", OLD),
        candidate=revision("v2", "green", NEW),
        inherits=["r1"],
    )
    return replace(plan, artifact={**plan.artifact, "left": {"targets": LEFT}})


PLAN = _plan()


def book(
    release: str | None = "r2", primary: str | None = "blue", weight: int = 0, test: bool = False
) -> dict[str, str]:
    said = {
        tags.SERVICE: "shop",
        **tags.build("blue", tags.Build(identity=HASH, revision="v1")),
        **tags.build("green", tags.Build(identity=HASH, revision="v2")),
        **tags.weight("green", weight, BEGIN - 1000),
        **tags.test(BEGIN - 1000, is_open=test),
    }
    if release is not None:
        said |= tags.seat(release, "green", BEGIN - 2000)
    if primary is not None:
        said[tags.PRIMARY] = primary
    return said


def there(*texts: str, state: str = "healthy") -> Fact[tuple[Registered, ...]]:
    return Known(
        tuple(
            Registered(address=one.address, zone="", state=state) for one in listed({"targets": list(texts)})
        )
    )


def look(
    weight: int = 0,
    *,
    test: str = "blue",
    ledger: dict[str, str] | None = None,
    blue: Fact[tuple[Registered, ...]] | None = None,
    green: Fact[tuple[Registered, ...]] | None = None,
    rules: dict[str, Any] | None = None,
) -> Looked:
    part, rest = routes.weights(weight)
    wanted = {arn: (forward(blue=rest, green=part),) for arn in SITE.rules}
    reached = {"blue": 0, "green": 0, test: 999}
    wanted[TEST] = (forward(**reached),)
    return Looked(
        at=NOW,
        routes=Known(Routes(first={**wanted, **(rules or {})})),
        tags=Known(
            {"blue": book(weight=weight) if ledger is None else ledger, "green": {tags.SERVICE: "shop"}}
        ),
        targets={"blue": blue or there(*OLD), "green": green or there(*NEW)},
        flow=Flowed(),
    )


def scene(seen: Looked, plan: Plan = PLAN) -> Scene:
    return scene_of(plan, seen)


def made(seen: Looked, effect: Any, plan: Plan = PLAN) -> tuple[Write, ...]:
    return writes(scene(seen, plan), effect, NOW)


def refused(seen: Looked, effect: Any) -> str:
    with pytest.raises(PlatformError) as error:
        made(seen, effect)
    assert "nothing was written" in error.value.fix
    return error.value.id


def fleet(side: Side, capacity: int, owner: str = "r2") -> EnsureFleet:
    return EnsureFleet(side=side, capacity=Share(capacity), owner=owner)
