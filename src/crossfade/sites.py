"""
Where services run: this machine, or a load balancer of AWS that a spec or a plan names.

Part of the wiring, called by `bootstrap.py` alone. An adapter of a load balancer is made once a site, and
all of one account share a door, so that they share its clients, its proof and its budget of calls.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crossfade.engine.clock import EngineClock
from crossfade.errors import RefusedError
from crossfade.release.plan import Plan
from crossfade.release.values import Instant, Say, Side
from crossfade.spec import AlbPlatform as AlbSettings
from crossfade.spec import Spec
from crossfade.whereabouts import State

if TYPE_CHECKING:
    from crossfade.aws import Door, Where
    from crossfade.platforms.alb import AlbPlatform
    from crossfade.platforms.alb.flow import Flow
    from crossfade.platforms.alb.gateway import Gateway
    from crossfade.platforms.alb.model import Flowed, Site
    from crossfade.platforms.local import LocalPlatform
    from crossfade.release.policy import Objection
    from crossfade.signals import CountsSource, Memory, ReleaseSignals
    from crossfade.signals.asking import Way


NEAR: Final = ("scrape", "prometheus")
"""Sources that count at the instances, in seconds."""

NEAR_BACK: Final = timedelta(minutes=2)


class Sites:
    """The platforms of one house."""

    def __init__(self, folder: Path, clock: EngineClock) -> None:
        self._folder = folder
        self._clock = clock
        self._doors: dict[Where, Door] = {}
        self._gateways: dict[Where, Gateway] = {}
        self._flows: dict[Where, Flow] = {}
        self._counts: dict[Where, CountsSource] = {}
        self._signals: dict[tuple[bool, Where | None], ReleaseSignals] = {}
        self._albs: dict[str, AlbPlatform] = {}

    @cached_property
    def local(self) -> LocalPlatform:
        """This machine."""
        from crossfade.platforms.local import LocalPlatform

        return LocalPlatform(self._folder)

    def of_spec(self, spec: Spec) -> LocalPlatform | AlbPlatform:
        """The platform that `crossfade.yaml` names."""
        if not isinstance(spec.platform, AlbSettings):
            return self.local
        from crossfade.platforms.alb.model import site_of_spec

        return self._alb(site_of_spec(spec))

    def of_plan(self, plan: Plan) -> LocalPlatform | AlbPlatform:
        """The platform that a plan was made for, whatever became of its file."""
        candidate = plan.artifact.get("candidate")
        if not isinstance(candidate, Mapping) or candidate.get("platform") != "alb":
            return self.local
        from crossfade.platforms.alb.model import site_of

        return self._alb(site_of(candidate))

    def _alb(self, site: Site) -> AlbPlatform:
        from crossfade.platforms.alb import AlbPlatform
        from crossfade.platforms.alb.flow import CloudWatchFlow

        key = json.dumps(site.document(), sort_keys=True)
        if key not in self._albs:
            gateway = self._gateway(site.where)
            flow = self._flows.setdefault(site.where, CloudWatchFlow(gateway))
            self._albs[key] = AlbPlatform(
                site, gateway, flow, now=self._now, sleep=self._sleep, near=self._near
            )
        return self._albs[key]

    def _near(self, plan: Plan) -> Flowed:
        """What the instances of a release count themselves, once somebody judges by it."""
        from crossfade.platforms.alb.model import Flowed
        from crossfade.platforms.alb.near import near

        source = plan.judging.get("source")
        kind = source.get("kind") if isinstance(source, Mapping) else None
        signals = self._signals.get(self._kept_under(plan))
        if signals is None or kind not in NEAR:
            return Flowed()
        since = self._clock.real(self._clock.now() - NEAR_BACK)
        return near(plan, signals.counts.slots(plan, since, ()), self._shown)

    def _shown(self, real: float) -> float:
        """The clock's epoch at a real one."""
        return self._clock.instant(real).timestamp()

    def _gateway(self, where: Where) -> Gateway:
        from crossfade.platforms.alb.gateway import Gateway
        from crossfade.platforms.alb.pace import Pace

        if where not in self._gateways:
            self._gateways[where] = Gateway(self._door(where), Pace(self._now, self._sleep))
        return self._gateways[where]

    def _door(self, where: Where) -> Door:
        from crossfade.aws import Door

        if where not in self._doors:
            self._doors[where] = Door(where)
        return self._doors[where]

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _sleep(self, seconds: float) -> None:
        """Seconds of the clock, which a twin's may pass faster."""
        time.sleep(seconds / self._clock.factor)

    def signals_of(self, plan: Plan, memory: Memory) -> ReleaseSignals:
        """Verdicts about a release: one object for all of a platform and an account."""
        key = self._kept_under(plan)
        if key not in self._signals:
            self._signals[key] = self._made(key, memory)
        return self._signals[key]

    def before(self, plan: Plan, now: Instant) -> Mapping[str, Say]:
        """What each gate that can speak before traffic says now (R18); nothing is kept."""
        return self._made(self._kept_under(plan), Forgetful()).before(plan, now)

    def _kept_under(self, plan: Plan) -> tuple[bool, Where | None]:
        """Whether a release is behind a load balancer, and the account that is asked about it."""
        from crossfade.platforms.alb import AlbPlatform

        platform = self.of_plan(plan)
        if isinstance(platform, AlbPlatform):
            return True, platform.site.where
        return False, _account(plan)

    def _made(self, key: tuple[bool, Where | None], memory: Memory) -> ReleaseSignals:
        from crossfade import counting

        alb, where = key
        door = None if where is None else self._door(where)
        if not alb or door is None:
            return counting.on_this_machine(self.local, door, memory, self._clock)
        return counting.behind_a_load_balancer(self.load_balancer, _Health(self), door, memory, self._clock)

    def load_balancer(self, plan: Plan) -> AlbPlatform:
        """The platform of a release that is behind one."""
        from crossfade.platforms.alb import AlbPlatform

        platform = self.of_plan(plan)
        assert isinstance(platform, AlbPlatform)  # noqa: S101  # see `signals_of`
        return platform

    def counts_of(self, plan: Plan) -> CountsSource:
        """What the two groups of a load balancer did, as CloudWatch counts it."""
        from crossfade.platforms.alb import arms as alb_arms
        from crossfade.platforms.alb.model import site_of_plan
        from crossfade.signals.cloudwatch import CloudWatch

        where = site_of_plan(plan).where
        if where not in self._counts:
            self._counts[where] = CloudWatch(self._door(where), alb_arms.arms, self._clock)
        return self._counts[where]

    # --- what differs between them ---------------------------------------------------------

    def place(self, spec: Spec) -> str:
        """What is about to be written to, proved, for a person to read (R47); empty for this machine."""
        from crossfade.platforms.alb import AlbPlatform

        platform = self.of_spec(spec)
        return platform.place() if isinstance(platform, AlbPlatform) else ""

    def preflight(self, spec: Spec) -> tuple[Objection, ...]:
        """What of the load balancer speaks against a release; this machine is asked where it is used."""
        from crossfade.platforms.alb import AlbPlatform

        platform = self.of_spec(spec)
        return platform.preflight(spec) if isinstance(platform, AlbPlatform) else ()

    def left(self, spec: Spec, past: Sequence[Plan]) -> Mapping[str, object]:
        """What earlier releases may have left, for the plan to clear (R13)."""
        from crossfade.platforms.alb import AlbPlatform

        platform = self.of_spec(spec)
        return {"left": platform.left(past)} if isinstance(platform, AlbPlatform) else {}

    def environment(self, plan: Plan) -> Mapping[str, str]:
        """What hooks are told of the way to the candidate."""
        from crossfade.platforms.alb import AlbPlatform

        platform = self.of_plan(plan)
        if not isinstance(platform, AlbPlatform):
            return {"CROSSFADE_TEST_URL": platform.test_url(plan.service) or ""}
        way = platform.way_in()
        headers = "\n".join(f"{name}: {value}" for name, value in way.headers.items())
        return {"CROSSFADE_TEST_URL": way.url, "CROSSFADE_TEST_HEADERS": headers}

    def ways(self, plan: Plan) -> Mapping[Side, Way] | None:
        """
        How a warm-up reaches both sides behind a load balancer; None where the test route is all it needs.

        While the candidate has no weight, users' own way in leads to stable.
        """
        from crossfade.platforms.alb import AlbPlatform
        from crossfade.signals.asking import Way

        platform = self.of_plan(plan)
        if not isinstance(platform, AlbPlatform):
            return None
        ways = {Side.CANDIDATE: platform.way_in(), Side.STABLE: platform.front()}
        return {side: Way(url=way.url, headers=way.headers) for side, way in ways.items()}


class _Health:
    """Implements `InstanceHealth` of `crossfade.signals` for every load balancer of a house."""

    def __init__(self, sites: Sites) -> None:
        self._sites = sites

    def instances(self, plan: Plan) -> Mapping[Side, Sequence[tuple[str, str, int, int]]]:
        """As the load balancer sees them. Raises `PlatformError`."""
        from crossfade.platforms.alb import arms as alb_arms

        return alb_arms.instances(plan, self._sites.load_balancer(plan).lately(plan))


class Forgetful:
    """A `Memory` for who only looks."""

    def intervals(self, release: str) -> Sequence[Mapping[str, object]]:  # noqa: ARG002 - the port's
        return ()

    def add(self, release: str, interval: Mapping[str, object]) -> None:
        """Nothing is kept."""


def _account(plan: Plan) -> Where | None:
    """The account whose alarms and metrics the gates of a plan name, where its platform has none."""
    asked = plan.judging.get("aws")
    if not isinstance(asked, Mapping):
        return None
    from crossfade.aws import Where

    endpoint = asked.get("endpoint")
    return Where(
        account=str(asked["account"]),
        region=str(asked["region"]),
        endpoint=None if endpoint is None else str(endpoint),
    )


def refuse_lonely_state(spec: Spec, state: State) -> None:
    """
    A runner's folder is no place for the journal of a release on AWS.

    Raises `RefusedError` CF4436. A twin lives on the same machine and ends with it.
    """
    on_aws = isinstance(spec.platform, AlbSettings) and spec.aws is not None and spec.aws.endpoint is None
    if not on_aws or not isinstance(state, Path) or os.environ.get("CI", "").lower() in ("", "0", "false"):
        return
    raise RefusedError(
        "CF4436",
        f"the state of {spec.service} would lie in {state}, on a CI runner",
        "CI is set: the folder is gone after the job, and nobody could go on with or undo the release",
        "write `state: s3://BUCKET/PREFIX` into crossfade.yaml",
    )
