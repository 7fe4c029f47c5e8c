"""A release on a load balancer in virtual time: the heart's own loop, look by look, with nothing left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from alb_cloud import GROUPS, RULE, SITE, Cloud, addresses, forward

from crossfade.engine.opening import compile_plan
from crossfade.errors import CrossfadeError
from crossfade.platforms import alb_actions
from crossfade.platforms.alb import AlbPlatform
from crossfade.platforms.alb_flow import CloudWatchFlow
from crossfade.platforms.alb_model import Register, Route, listed
from crossfade.platforms.alb_targets import identity
from crossfade.release.decide import decide
from crossfade.release.hear import hear
from crossfade.release.plan import Plan
from crossfade.release.ports import Revision
from crossfade.release.state import State, fold, opened
from crossfade.release.values import (
    Command,
    Declined,
    Event,
    EventType,
    Gap,
    HookResult,
    HookSay,
    Instant,
    RunHook,
    Truth,
    Verb,
)
from crossfade.spec import AlbPlatform as AlbSettings
from crossfade.spec import Aws, Canary, NoGates, Spec, Strategy, TargetsFile, WeightStep

MIN = timedelta(minutes=1)
CANARY = Canary(
    steps=(
        WeightStep(weight=100, bake=MIN, max_bake=MIN),
        WeightStep(weight=500, bake=MIN, max_bake=MIN),
    ),
    keep_old=MIN,
)


def spec(strategy: Strategy = CANARY) -> Spec:
    return Spec(
        service="shop",
        folder=Path("/nowhere"),
        state=Path("/nowhere/.crossfade"),
        platform=AlbSettings(
            rules=SITE.rules,
            test=SITE.test,
            blue=GROUPS["blue"],
            green=GROUPS["green"],
            targets=TargetsFile(file="{revision}"),
        ),
        strategy=strategy,
        gates=NoGates(reason="a test"),
        aws=Aws(account="123456789012", region="eu-west-1"),
    )


def revision(text: str, group: str, targets: list[str]) -> Revision:
    made = listed({"targets": targets})
    artifact: Mapping[str, object] = {
        "platform": "alb",
        "site": SITE.document(),
        "group": group,
        "targets": targets,
        "instances": len(targets),
        "health": "/",
    }
    known = identity(one.address for one in made)
    return Revision(text=text, identity=known, artifact=artifact, instances=len(made))


def serving(cloud: Cloud, targets: list[str]) -> Cloud:
    """Blue serves these targets, whatever was there before; nobody has tagged anything."""
    cloud.force(Register(colour="blue", targets=listed({"targets": targets})))
    for arn in SITE.rules:
        cloud.force(Route(arn=arn, actions=(forward(blue=999, green=0),)))
    cloud.force(Route(arn=SITE.test, actions=(forward(blue=999, green=0),)))
    cloud.passes(1200)
    assert not cloud.lost
    return cloud


def platform_of(cloud: Cloud) -> AlbPlatform:
    """What describes the site to a person is not asked in these tests."""
    line = cast("Any", cloud)
    return AlbPlatform(SITE, line, CloudWatchFlow(line), now=cloud.clock)


@dataclass
class Release:
    """One release under way."""

    cloud: Cloud
    plan: Plan
    state: State
    platform: AlbPlatform
    events: list[Event] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    hooks: dict[str, HookResult] = field(default_factory=dict)
    truth: Truth | None = None
    looked_at: float = 0.0

    @classmethod
    def open(
        cls,
        cloud: Cloud,
        *,
        release: str = "r2",
        candidate: str = "v2",
        targets: list[str] | None = None,
        strategy: Strategy = CANARY,
        inherits: tuple[Plan, ...] = (),
    ) -> Release:
        platform = platform_of(cloud)
        platform.settle_in(spec(strategy))
        stable = platform.serving("shop")
        group = "green" if stable is None or stable.artifact["group"] == "blue" else "blue"
        plan = compile_plan(
            spec(strategy),
            release=release,
            stable=stable,
            candidate=revision(candidate, group, targets or addresses(20)),
            inherits=[before.release for before in inherits],
        )
        left: Mapping[str, Any] = {"left": platform.left(inherits)}
        plan = replace(plan, artifact={**plan.artifact, **left})
        cloud.writes.clear()
        return cls(cloud=cloud, plan=plan, state=opened(_instant(cloud)), platform=platform)

    def restarted(self) -> Release:
        """Another process goes on with what was journalled; time without a look counts for nothing."""
        platform = platform_of(self.cloud)
        heard = hear(self.plan, self.state, Gap(seconds=self.cloud.at - self.looked_at), _instant(self.cloud))
        assert not isinstance(heard, Declined)
        state = fold(self.plan, self.state, heard.events)
        return replace(self, platform=platform, state=state, events=[*self.events, *heard.events])

    def tick(self) -> None:
        """One look: journal first, then the effects; what fails is said and the next look tells."""
        self.looked_at = self.cloud.at
        look = self.platform.observe(self.plan)
        self.truth = replace(look.truth, hooks=dict(self.hooks))
        decision = decide(self.plan, self.state, self.truth, _instant(self.cloud))
        self.state = fold(self.plan, self.state, decision.events)
        self.events += decision.events
        for effect in decision.effects:
            if isinstance(effect, RunHook):
                self.hooks[effect.key] = HookResult(say=HookSay.PASSED)
                continue
            try:
                self.platform.perform(self.plan, effect, look.fence)
            except CrossfadeError as error:
                self.failed.append(f"{type(effect).__name__}: {error.id} {error.what}: {error.why}")

    def say(self, verb: Verb) -> None:
        command = Command(id="c1", verb=verb, actor="somebody", reason="a test")
        heard = hear(self.plan, self.state, command, _instant(self.cloud))
        assert not isinstance(heard, Declined)
        self.state = fold(self.plan, self.state, heard.events)
        self.events += heard.events

    def run(self, minutes: float = 90, *, until: Any = None, step_s: float = 3.0) -> Release:
        """Look by look to the end, or until something holds."""
        end = self.cloud.at + minutes * 60
        while self.state.outcome is None and self.cloud.at < end:
            if until is not None and until(self):
                return self
            self.tick()
            self.cloud.passes(step_s)
        return self

    def has(self, kind: EventType, step: str | None = None) -> bool:
        return any(one.type is kind and step in (None, one.step) for one in self.events)


def _instant(cloud: Cloud) -> Instant:
    return datetime.fromtimestamp(cloud.at, UTC)


def weight_of(cloud: Cloud) -> tuple[int, int]:
    """Blue's and green's weights on the rule."""
    found = alb_actions.forwards(cloud.now.routes[RULE]) or {}
    return found.get(GROUPS["blue"], 0), found.get(GROUPS["green"], 0)


def standing(cloud: Cloud, colour: str) -> set[str]:
    """Registered targets that are not on their way out."""
    return {str(a) for a, t in cloud.now.targets[colour].items() if t.gone_at is None}
