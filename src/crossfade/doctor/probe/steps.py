"""
What a probe does, step by step; each leaves its calls, states and figures on the tape.

    build     two load balancers, their listeners, until both are active
    targets   two groups of the back's own addresses, until all are healthy; from here on requests flow
    flips     all traffic to the other group and back: how long until the last request on the old one
    split     a tenth: does the share of answers lie where chance allows
    sticky    does a cookie hold a user on a group whose weight is 0
    abort     from half and half home: the same question as a rollback has
    drain     a deregistered target, until it is unused
    metrics   how long a minute's figures take to appear
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from crossfade.doctor.probe.making import Maker
from crossfade.doctor.probe.tape import Tape
from crossfade.doctor.probe.traffic import Seen, Traffic
from crossfade.errors import PlatformError

FRONT, BLUE, GREEN = 8080, 8081, 8082
"""Ports: the front's, and the two of the back."""

STICKY_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long things are watched, in seconds of the clock."""

    flips: int = 6
    quiet_s: float = 10.0
    """A group is silent when nothing has reached it for so long."""
    most_s: float = 180.0
    """Then it is not silent, and that is the finding."""
    split: int = 400
    """Requests over which a share is told."""
    metrics_s: float = 420.0
    look_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where it is built: the network, and how its parts are reached from here and from each other."""

    network: str
    subnets: tuple[str, ...]
    scheme: str
    cidr: str
    addresses: Callable[[str], Sequence[str]]
    """The addresses of the nodes of a load balancer, by its ARN."""
    reach: Callable[[str, str, int], tuple[str, int]]
    """Host and port of a listener as they are reached from here; of its DNS name, ARN and port."""
    behind: Callable[[str, int], int]
    """The port on which a listener of the back is reached by the front."""


class Steps:
    """One probe from its first call to its last but the cleaning up."""

    def __init__(self, maker: Maker, cloudwatch: Any, ground: Ground, pace: Pace) -> None:
        self.maker, self.cloudwatch, self.ground, self.pace = maker, cloudwatch, ground, pace
        self.tape: Tape = maker.tape
        self.traffic: Traffic | None = None
        self._front: Mapping[str, Any] = {}
        self._listener = ""
        self._groups: dict[str, str] = {}
        self._ports: dict[str, int] = {}
        self._addresses: tuple[str, ...] = ()

    def all(self) -> None:
        """Every step; the first that fails ends it, with what it said on the tape."""
        for name, step in (
            ("build", self._build),
            ("targets", self._targets),
            ("flips", self._flips),
            ("split", self._split),
            ("sticky", self._sticky),
            ("abort", self._abort),
            ("drain", self._drain),
            ("metrics", self._metrics),
        ):
            self.maker.say(f"step {name}")
            self.tape.step(name)
            try:
                step()
            except PlatformError as error:
                self.tape.close(f"{error.id} {error.what}")
                raise
        self.tape.close()

    def stop(self) -> None:
        """No more requests."""
        if self.traffic is not None:
            self.traffic.stop()

    # --- steps -----------------------------------------------------------------------------

    def _build(self) -> None:
        ground, maker = self.ground, self.maker
        wall = maker.wall(ground.network, ground.cidr, FRONT, (BLUE, GREEN))
        subnets = list(ground.subnets)
        back = maker.balancer("back", subnets, wall, "internal")
        self._front = maker.balancer("front", subnets, wall, ground.scheme)
        ports = {}
        for colour, port in (("blue", BLUE), ("green", GREEN)):
            answer = {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": colour}
            arn = maker.listener(
                back["LoadBalancerArn"], port, {"Type": "fixed-response", "FixedResponseConfig": answer}
            )
            ports[colour] = ground.behind(arn, port)
        arns = {"back": str(back["LoadBalancerArn"]), "front": str(self._front["LoadBalancerArn"])}
        self._until(lambda: {self._active(word, arn) for word, arn in arns.items()} == {True})
        self._groups = {colour: maker.group(colour, ground.network, port) for colour, port in ports.items()}
        self._addresses = tuple(ground.addresses(back["LoadBalancerArn"]))
        self._ports = ports

    def _active(self, word: str, arn: str) -> bool:
        rows = self.tape.call(self.maker.elbv2, "DescribeLoadBalancers", LoadBalancerArns=[arn])
        state = str(rows["LoadBalancers"][0]["State"]["Code"])
        self.tape.saw(f"load balancer {word}", state)
        return state == "active"

    def _targets(self) -> None:
        for colour, group in self._groups.items():
            targets = [{"Id": one, "Port": self._ports[colour]} for one in self._addresses]
            self.tape.call(self.maker.elbv2, "RegisterTargets", TargetGroupArn=group, Targets=targets)
        self._listener = self.maker.listener(self._front["LoadBalancerArn"], FRONT, self._forward(999, 0))
        self._until(lambda: {*map(self._all_healthy, self._groups)} == {True})
        host, port = self.ground.reach(str(self._front["DNSName"]), self._listener, FRONT)
        self.traffic = Traffic(host, port, self.tape.clock)
        self._until(lambda: self._asked().who == "blue")
        self.tape.figure("first_answer_s", self.tape.at)
        self.traffic.start()

    def _healths(self, colour: str) -> set[str]:
        said = self.tape.call(self.maker.elbv2, "DescribeTargetHealth", TargetGroupArn=self._groups[colour])
        states = {str(one["TargetHealth"]["State"]) for one in said["TargetHealthDescriptions"]}
        self.tape.saw(f"targets {colour}", "+".join(sorted(states)) or "none")
        return states

    def _all_healthy(self, colour: str) -> bool:
        return self._healths(colour) == {"healthy"}

    def _flips(self) -> None:
        weights = [(0, 999), (999, 0)]
        took, lost, asked = [], 0, 0
        for flip in range(self.pace.flips):
            blue, green = weights[flip % 2]
            old = "blue" if green else "green"
            late, seen = self._moved(self._forward(blue, green), old)
            took.append(late)
            lost += sum(one.lost for one in seen)
            asked += len(seen)
        for name, value in (("fastest_s", min(took)), ("slowest_s", max(took))):
            self.tape.figure(f"last_on_the_old_{name}", value)
        self.tape.figure("requests", asked)
        self.tape.figure("lost", lost)

    def _moved(self, forward: Mapping[str, Any], old: str) -> tuple[float, tuple[Seen, ...]]:
        """Seconds from the call's return to the last request on the old group; and all that was asked."""
        began = self.tape.clock.now()
        self._shift(forward)
        returned = last = self.tape.clock.now()
        self._read_back(forward)
        while (now := self.tape.clock.now()) < returned + self.pace.most_s:
            on_old = [one.at for one in self._since(began) if one.who == old]
            last = max([last, *on_old])
            if now - last >= self.pace.quiet_s:
                break
            self.tape.clock.sleep(min(self.pace.look_s, self.pace.quiet_s))
        else:
            self.tape.saw(f"traffic on {old}", f"not silent after {self.pace.most_s:g} s")
        return last - returned, self._since(began)

    def _read_back(self, forward: Mapping[str, Any]) -> None:
        """Whether the next read shows what was written."""
        said = self.tape.call(self.maker.elbv2, "DescribeListeners", ListenerArns=[self._listener])
        there = said["Listeners"][0]["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
        wanted = {one["TargetGroupArn"]: one["Weight"] for one in forward["ForwardConfig"]["TargetGroups"]}
        same = {one["TargetGroupArn"]: one["Weight"] for one in there} == wanted
        self.tape.saw("weights read back", "as written" if same else "as before")

    def _split(self) -> None:
        self._moved(self._forward(900, 100), "nobody")
        began = self.tape.clock.now()
        self._until(lambda: len(self._since(began)) >= self.pace.split)
        seen = self._since(began)
        green = sum(one.who == "green" for one in seen)
        off = (green - 0.1 * len(seen)) / math.sqrt(0.09 * len(seen))
        self.tape.figure("share_of_green", green / len(seen))
        self.tape.figure("standard_deviations_off", off)

    def _sticky(self) -> None:
        """The cookie's group gets weight 0 while stickiness stays on: does its user go on to it?"""
        self._shift(self._forward(0, 999, sticky=True))
        cookie = ""

        def given() -> bool:
            nonlocal cookie
            one = self._asked()
            cookie = one.cookie if one.who == "green" else ""
            return bool(cookie)

        self._until(given)
        self._moved(self._forward(999, 0, sticky=True), "green")
        answers = [self._asked(cookie) for _ in range(5)]
        held = sum(one.who == "green" for one in answers)
        self.tape.figure("held_by_cookie_at_weight_0", f"{held} of {len(answers)}")
        self._moved(self._forward(999, 0), "green")
        answers = [self._asked(cookie) for _ in range(5)]
        self.tape.figure("held_after_stickiness_off", f"{sum(one.who == 'green' for one in answers)} of 5")

    def _abort(self) -> None:
        self._moved(self._forward(500, 500), "nobody")
        late, seen = self._moved(self._forward(999, 0), "green")
        self.tape.figure("last_on_the_candidate_s", late)
        self.tape.figure("lost", sum(one.lost for one in seen))

    def _drain(self) -> None:
        began = self.tape.clock.now()
        targets = [{"Id": one, "Port": self._ports["green"]} for one in self._addresses]
        group = self._groups["green"]
        self.tape.call(self.maker.elbv2, "DeregisterTargets", TargetGroupArn=group, Targets=targets)
        self._until(lambda: not self._healths("green") - {"unused"})
        self.tape.figure("unused_after_s", self.tape.clock.now() - began)
        self.tape.figure("lost", sum(one.lost for one in self._since(began)))

    def _metrics(self) -> None:
        """From the end of a minute in which requests came to the first look at which it has a figure."""
        arn = str(self._front["LoadBalancerArn"])
        named = [{"Name": "LoadBalancer", "Value": arn.partition(":loadbalancer/")[2]}]
        metric = {"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount", "Dimensions": named}
        query = {"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
        minute = int(self.tape.clock.now()) // 60 * 60
        until = self.tape.at + self.pace.metrics_s
        while self.tape.at < until:
            self.tape.clock.sleep(min(10.0, self.pace.look_s * 5))
            said = self.tape.call(
                self.cloudwatch,
                "GetMetricData",
                MetricDataQueries=[query],
                StartTime=datetime.fromtimestamp(minute, UTC),
                EndTime=datetime.fromtimestamp(minute + 60, UTC),
            )
            if said["MetricDataResults"][0]["Values"]:
                self.tape.figure("published_after_s", self.tape.clock.now() - (minute + 60))
                return
        self.tape.figure("published_after_s", f"not within {self.pace.metrics_s:g} s")

    # --- means -----------------------------------------------------------------------------

    def _forward(self, blue: int, green: int, *, sticky: bool = False) -> dict[str, Any]:
        pairs = ((self._groups["blue"], blue), (self._groups["green"], green))
        config: dict[str, Any] = {
            "TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in pairs],
            "TargetGroupStickinessConfig": {
                "Enabled": sticky,
                **({"DurationSeconds": STICKY_S} if sticky else {}),
            },
        }
        return {"Type": "forward", "ForwardConfig": config}

    def _shift(self, forward: Mapping[str, Any]) -> None:
        self.tape.call(
            self.maker.elbv2, "ModifyListener", ListenerArn=self._listener, DefaultActions=[dict(forward)]
        )

    def _asked(self, cookie: str = "") -> Seen:
        if self.traffic is None:
            raise AssertionError("nothing is built yet")
        return self.traffic.ask(cookie)

    def _since(self, at: float) -> tuple[Seen, ...]:
        return self.traffic.since(at) if self.traffic is not None else ()

    def _until(self, holds: Callable[[], bool]) -> None:
        """Raises `PlatformError` CF4332 where it does not come to hold in ten minutes of the clock."""
        until = self.tape.at + 600.0
        while not holds():
            if self.tape.at > until:
                name = self.tape.steps[-1].name
                last = self.tape.steps[-1].states[-1:] or [{"what": "nothing", "state": "seen"}]
                raise PlatformError(
                    "CF4332",
                    f"the probe's step {name} did not get on",
                    f"after ten minutes {last[0]['what']} is {last[0]['state']}",
                    "the trace has all of it; crossfade doctor --probe --clean where something is left",
                )
            self.tape.clock.sleep(self.pace.look_s)
