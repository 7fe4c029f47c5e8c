"""A platform with one fresh service, whatever it is made of, and the plans of releases on it."""

from __future__ import annotations

import itertools
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from alb_world import ACCOUNT, REGION, AlbWorld, unhurried
from memory_dataplane import MemoryDataplane

from crossfade.aws import Door
from crossfade.errors import PlatformError
from crossfade.platforms import LocalPlatform
from crossfade.platforms.alb import AlbPlatform
from crossfade.platforms.alb_gateway import Gateway
from crossfade.release.plan import Kind, Plan, Step, World
from crossfade.release.ports import Ground as Asked
from crossfade.release.ports import Platform
from crossfade.release.reconcile import differences, reconcile
from crossfade.release.roads import compile_roads
from crossfade.release.shape import shape_of
from crossfade.release.values import Truth
from crossfade.spec import AlbPlatform as AlbSettings
from crossfade.spec import Aws, Canary, Deadlines, NoGates, Spec, TargetsFile, WeightStep
from crossfade.spec import LocalPlatform as LocalSettings
from crossfade.spec import Platform as Settings

APP = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = sys.argv[2].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""
MINUTE = timedelta(minutes=1)
names = (f"shop-{number}" for number in itertools.count())


class Both(Platform, Asked):
    """A platform implements both ports."""


class Ground(ABC):
    """One implementation under the suite."""

    platform: Any
    """Of `Both`."""
    aws: Aws | None = None

    def __init__(self, folder: Path, service: str) -> None:
        self.folder = folder
        self.service = service
        self.inherits: list[Plan] = []

    # --- what differs ----------------------------------------------------------------------

    @property
    @abstractmethod
    def settings(self) -> Settings: ...

    @abstractmethod
    def passes(self) -> None:
        """A moment, as the platform counts time."""

    @abstractmethod
    def everything(self) -> Any:
        """All that a release could change, comparable."""

    @abstractmethod
    def ours(self) -> Any:
        """The same without what other hands put there."""

    @abstractmethod
    def targets(self) -> Any:
        """Who serves on either side."""

    @abstractmethod
    def shares(self) -> list[int]:
        """The configured weights of every rule, lowest first, in thousandths."""

    @abstractmethod
    def another_hand(self, said: str) -> None:
        """Somebody changes what our fence covers."""

    @abstractmethod
    def add_theirs(self) -> None:
        """Somebody puts what is theirs beside what is ours."""

    @abstractmethod
    def theirs(self) -> Any:
        """What `add_theirs` put there."""

    @abstractmethod
    def unreadable(self) -> Both:
        """The same platform, while nobody answers."""

    def plan_of_more(self, plan: Plan) -> Plan:
        return plan

    # --- what does not ---------------------------------------------------------------------

    @property
    def spec(self) -> Spec:
        return Spec(
            service=self.service,
            folder=self.folder,
            state=self.folder / ".crossfade",
            platform=self.settings,
            strategy=Canary(steps=(WeightStep(weight=100, bake=MINUTE, max_bake=MINUTE),), keep_old=MINUTE),
            gates=NoGates(reason="a test"),
            aws=self.aws,
        )

    def plan(self, release: str, revision: str) -> Plan:
        stable, made = self.platform.serving(self.service), self.platform.prepare(self.spec, revision)
        on, back = compile_roads(
            shape_of(self.spec.strategy, made.instances),
            gates=(),
            deadlines=Deadlines(),
            first=stable is None,
        )
        plan = Plan(
            release=release,
            service=self.service,
            stable=stable.text if stable else None,
            candidate=revision,
            on=on,
            back=back,
            gates=(),
            inherits=tuple(before.release for before in self.inherits),
            artifact={
                "candidate": made.artifact,
                "identity": made.identity,
                **({"stable": stable.artifact} if stable else {}),
            },
        )
        plan = self.plan_of_more(plan)
        self.inherits.append(plan)
        return plan

    def settle(self) -> Ground:
        self.platform.settle_in(self.spec)
        return self

    def reach(self, plan: Plan, world: World) -> Truth:
        """Does what the heart says until the world is as wanted."""
        for _ in self.moments():
            look = self.platform.observe(plan)
            missing = differences(plan, world, look.truth)
            if not missing:
                truth: Truth = look.truth
                return truth
            for effect in reconcile(plan, world, look.truth):
                self.platform.perform(plan, effect, look.fence)
        raise AssertionError(missing)

    def moments(self) -> Any:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            yield
            self.passes()

    def through(self, plan: Plan, upto: Kind) -> Step:
        for step in plan.on:
            self.reach(plan, step.world)
            if step.kind is upto:
                return step
        raise AssertionError(upto)

    def serving(self, revision: str) -> None:
        plan = self.plan(f"first-{revision}", revision)
        for step in plan.on:
            self.reach(plan, step.world)

    def settled(self, plan: Plan, holds: Callable[[Truth], bool]) -> Truth:
        for _ in self.moments():
            truth: Truth = self.platform.observe(plan).truth
            if holds(truth):
                return truth
        raise AssertionError(truth)


class LocalGround(Ground):
    """Processes behind Envoy; or a data plane in memory."""

    platform: LocalPlatform

    def __init__(self, folder: Path, *, memory: bool) -> None:
        super().__init__(folder, next(names))
        (folder / "app.py").write_text(APP)
        state = folder / ".crossfade"
        self.memory = None
        if memory:
            from crossfade.dataplane.store import Store

            self.memory = plane = MemoryDataplane(Store(state))
            self.platform = LocalPlatform(state, line=lambda: plane)
        else:
            self.platform = LocalPlatform(state)

    @property
    def settings(self) -> Settings:
        return LocalSettings(
            command=f"{sys.executable} app.py {{port}} {{revision}}",
            port=0,
            instances=2,
            stop_grace=timedelta(seconds=2),
            drain=timedelta(seconds=2),
        )

    def passes(self) -> None:
        if self.memory is None:
            time.sleep(0.05)

    def everything(self) -> Any:
        return self.platform.document(self.service)

    def ours(self) -> Any:
        now = self.platform.document(self.service)
        return now.groups, now.weights, now.test_group

    def targets(self) -> Any:
        return self.platform.document(self.service).groups

    def shares(self) -> list[int]:
        return sorted(self.platform.document(self.service).weights.values())

    def another_hand(self, said: str) -> None:
        self.platform._change(
            self.service, lambda service: replace(service, tags={**service.tags, "theirs": said})
        )

    def add_theirs(self) -> None:
        self.another_hand("kept")

    def theirs(self) -> Any:
        now = self.platform.document(self.service)
        return now.tags["theirs"], now.groups, now.test_group, now.fault

    def unreadable(self) -> Both:
        def nobody() -> MemoryDataplane:
            raise PlatformError("CF4104", "nobody answers")

        return LocalPlatform(self.platform.folder, line=nobody)  # type: ignore[return-value]  # by structure


class AlbGround(Ground):
    """A load balancer in moto."""

    platform: AlbPlatform

    def __init__(self, folder: Path, world: AlbWorld) -> None:
        super().__init__(folder, world.balancer.service)
        self.world = world
        self.balancer = world.balancer
        self.platform = world.platform
        self.aws = Aws(account=ACCOUNT, region=REGION, endpoint=world.balancer.where.endpoint)
        for number in range(1, 5):
            lines = [f"127.0.0.1:{9000 + 10 * number + host}" for host in (1, 2)]
            (folder / f"v{number}").write_text("\n".join(lines))

    @property
    def settings(self) -> Settings:
        one = self.balancer
        return AlbSettings(
            rules=(one.rule, one.listener),
            test=one.test,
            blue=one.groups["blue"],
            green=one.groups["green"],
            targets=TargetsFile(file="{revision}"),
        )

    def plan_of_more(self, plan: Plan) -> Plan:
        return replace(plan, artifact={**plan.artifact, "left": self.platform.left(self.inherits)})

    def passes(self) -> None:
        self.world.clock.at += 20

    def everything(self) -> Any:
        return self.balancer.everything()

    def ours(self) -> Any:
        now = self.balancer.everything()
        return now["targets"], self.shares(), now["routes"][2]

    def targets(self) -> Any:
        return self.balancer.everything()["targets"]

    def shares(self) -> list[int]:
        found = set()
        for arn in (self.balancer.rule, self.balancer.listener):
            [action] = [one for one in self.balancer.actions(arn) if one["Type"] == "forward"]
            groups = action.get("ForwardConfig", {}).get("TargetGroups") or [{"Weight": 1}]
            whole = sum(group["Weight"] for group in groups)
            found.add(tuple(sorted(group["Weight"] * 1000 // whole for group in groups)))
        [shares] = found
        return [0, *shares] if len(shares) == 1 else list(shares)

    def another_hand(self, said: str) -> None:
        self.balancer.weigh(self.balancer.rule, blue=7, green=1)

    def add_theirs(self) -> None:
        """Stickiness on a rule, an action before it, tags of other tools."""
        now: list[Mapping[str, Any]] = self.balancer.actions(self.balancer.rule)
        config = {
            **now[0]["ForwardConfig"],
            "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60},
        }
        login = {
            "Type": "authenticate-cognito",
            "AuthenticateCognitoConfig": {
                "UserPoolArn": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/pool",
                "UserPoolClientId": "shop",
                "UserPoolDomain": "shop",
            },
            "Order": 1,
        }
        self.balancer.write(
            self.balancer.rule, [login, {"Type": "forward", "ForwardConfig": config, "Order": 2}]
        )
        self.balancer.tag("blue", team="checkout")
        self.balancer.tag("green", team="checkout")

    def theirs(self) -> Any:
        now = self.balancer.everything()
        first, forward = now["routes"][0]
        return (
            first,
            forward["Order"],
            forward["ForwardConfig"]["TargetGroupStickinessConfig"],
            now["tags"][0]["team"],
            now["tags"][1]["team"],
            now["targets"],
            now["routes"][2],
        )

    def unreadable(self) -> Both:
        class Nobody(Gateway):
            def routes(self, arns: Any) -> Any:
                raise PlatformError("CF4306", "nobody answers")

            tags = targets = routes  # type: ignore[assignment]

        flow = replace(self.world.flow, problem="nobody answers")
        gateway = Nobody(Door(self.balancer.where), unhurried())
        return AlbPlatform(self.balancer.site, gateway, flow, now=self.world.clock)  # type: ignore[return-value]  # by structure
