"""
What a warm-up is worth: identical builds and slow ones of an app that is cold at first.

    python tests/long/warming.py [--good 20] [--bad 3] [--shops 1] [--pairs 0,50,200,1000] [--out FILE]

Real processes behind a real Envoy with real users, by the engine's own loop; the app (`cold_app.py`)
is slow in its first requests, as services are. For each number of warm-up requests to each side,
canary and blue-green: how many identical builds are stopped, and by what; where p99 x 3 is caught,
and how many users met it before. `judging.warm_up` is the product's default for each case.
Results are appended to FILE, so that it can be run in pieces; the table is of all that is there.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rig import FACTOR, SERVICE, Settings, Shop, quantile, stoppable

from crossfade.engine.opening import Wish
from crossfade.release.policy import Waivers
from crossfade.release.values import EventType
from crossfade.spec.load import load_spec

RATE = 100.0
LONGEST_S = 120.0
COLD_APP = Path(__file__).with_name("cold_app.py")

WARM_UPS: Mapping[int, str] = {
    0: "",
    50: "for: 60s, rate: 0.833333/s",
    200: "for: 60s, rate: 3.333333/s",
    1000: "for: 280s, rate: 3.571428/s",
}
"""The last is longer: 1,000 pairs in the three real seconds of a minute are more than two cores bear."""

STRATEGIES: Mapping[str, str] = {
    "canary": "{{canary: {{steps: [{{weight: 20%, bake: {bake}}}], keep_old: 20s}}}}",
    "blue_green": "{{blue_green: {{bake: {bake}, keep_old: 20s}}}}",
}
BAKES: Mapping[str, str] = {"good": "160s", "slow": "900s"}

BUILD = """\
#!/bin/sh
# {revision}, {behaviour}
exec {python} {app} --behaviour {behaviour} --log {log} "$@"
"""

YAML = """\
apiVersion: crossfade/v1
service: {service}
platform:
  local:
    command: "builds/{{revision}} --port {{port}} --revision {{revision}}"
    port: 0
    instances: 2
    health: /healthz
    drain: 10s
    stop_grace: 5s
strategy: {strategy}
gates:
  errors: {{against: stable, at_most: 2x, must_see: 30%}}
  latency: {{against: stable, at_most: 1.25x, at: [p50, p95, p99], must_see: 10x}}
  unhealthy: {{of: candidate, max: 0, for: 90s}}
deadlines: {{ready: 40m, hook: 20m, no_data: 40m, rollback: 40m}}
{hooks}
"""

HOOKS = """\
hooks:
  before_traffic: [{{http: /healthz}}, {{warm_up: {{paths: [/, "/search?q=shoes", /checkout], {warm_up}}}}}]
"""


HEAD = (
    "pairs  strategy    alike: n  stopped  warm-up  gate  other   p99x3: n  warm-up  gate  missed"
    "  s exposed  requests  s warm-up"
)
"""Of identical builds and of slow ones: by what they were stopped; then medians: real seconds from the
first weight to the verdict, users' requests on a slow build, and real seconds of the warm-up."""


class ColdShop(Shop):
    """A shop whose builds are cold at first."""

    def build(self, behaviour: str) -> str:
        revision = super().build(behaviour)
        script = self.folder / "builds" / revision
        words = {
            name: shlex.quote(str(path)) for name, path in (("python", sys.executable), ("app", COLD_APP))
        }
        log = shlex.quote(str(self.app_log))
        script.write_text(BUILD.format(revision=revision, behaviour=behaviour, log=log, **words))
        return revision

    def case(self, pairs: int, strategy: str, behaviour: str) -> None:
        """The spec of the next release."""
        warm_up = WARM_UPS[pairs]
        text = YAML.format(
            service=SERVICE,
            strategy=STRATEGIES[strategy].format(bake=BAKES[behaviour]),
            hooks=HOOKS.format(warm_up=warm_up) if warm_up else "",
        )
        self.file.write_text(text)


def release(shop: ColdShop, pairs: int, strategy: str, behaviour: str) -> dict[str, Any]:
    """One release, to its end, by a controller of our own."""
    shop.case(pairs, strategy, behaviour)
    revision = shop.build(behaviour)
    plan = shop.house.open(load_spec(shop.file), revision, Wish(actor="rig", waivers=Waivers()))
    assert plan is not None
    late = threading.Event()
    timer = threading.Timer(LONGEST_S, late.set)
    timer.start()
    shop.house.controller().run(until=plan.release, stop=late)
    timer.cancel()
    row = shop.house.store.row(plan.release)
    at: dict[EventType, float] = {}
    said: dict[EventType, str] = {}
    hook: list[float] = []
    for entry in shop.house.store.entries(release=row.id):
        event = entry.event
        at.setdefault(event.type, shop.house.clock.real(event.ts))
        said.setdefault(event.type, f"{event.gate or ''} {event.message or ''}".strip())
        if event.key and event.key.endswith(":before:1"):
            hook.append(shop.house.clock.real(event.ts))
            said[EventType.HOOK_PASSED] = event.message or ""
    if row.outcome is not None and row.outcome.value == "succeeded":
        shop.serving = revision
    exposed = at.get(EventType.WEIGHT_VERIFIED)
    back = at.get(EventType.ROLLBACK_STARTED)
    return {
        "pairs": pairs,
        "strategy": strategy,
        "build": behaviour,
        "revision": revision,
        "outcome": "not over" if row.outcome is None else row.outcome.value,
        "cause": row.state.cause.value if row.state.cause is not None else "",
        "hook_failed": said.get(EventType.HOOK_FAILED, ""),
        "warm_up": said.get(EventType.HOOK_PASSED, "") if hook else "",
        "gate_failed": said.get(EventType.GATE_FAILED, ""),
        "warmed_s": hook[-1] - hook[0] if len(hook) > 1 else 0.0,
        "to_verdict_s": back - exposed if back is not None and exposed is not None else None,
    }


def lane(jobs: Sequence[tuple[int, str, str]], out: Path, stop: threading.Event) -> None:
    """One shop, one release after another; what users met is known at its end."""
    came: list[dict[str, Any]] = []
    with ColdShop(Settings(rate=RATE)) as shop:
        for job in jobs:
            if stop.is_set():
                break
            shop.between()
            came.append(one := release(shop, *job))
            print(json.dumps(one), flush=True)
            if one["outcome"] == "not over":
                break
        receipt = shop.finish()
        met: dict[str, int] = {}
        for sent in shop.sent():
            met[sent["revision"]] = met.get(sent["revision"], 0) + 1
        with out.open("a") as lines:
            for one in came:
                lines.write(json.dumps({**one, "met": met.get(one["revision"], 0)}) + "\n")
        print(receipt.line(), flush=True)


def table(out: Path) -> str:
    """All that was measured."""
    found = [json.loads(line) for line in out.read_text().splitlines()]
    lines = [HEAD]
    for pairs in WARM_UPS:
        for strategy in STRATEGIES:
            mine = [one for one in found if one["pairs"] == pairs and one["strategy"] == strategy]
            good = [one for one in mine if one["build"] == "good"]
            slow = [one for one in mine if one["build"] == "slow"]
            stopped = [one for one in good if one["outcome"] != "succeeded"]
            by_hook = sum(bool(one["hook_failed"]) for one in stopped)
            by_gate = sum(not one["hook_failed"] and one["cause"] == "gate" for one in stopped)
            caught = sum(bool(one["hook_failed"]) for one in slow)
            later = [
                one
                for one in slow
                if not one["hook_failed"] and one["cause"] == "gate" and one["to_verdict_s"]
            ]
            seconds = quantile([one["to_verdict_s"] for one in later], 0.5)
            met, warmed = (quantile([o[k] for o in of], 0.5) for k, of in (("met", slow), ("warmed_s", mine)))
            other = len(stopped) - by_hook - by_gate
            lines.append(
                f"{pairs:5}  {strategy:<11} {len(good):5} {len(stopped):8} {by_hook:8} {by_gate:5} {other:6}"
                f"   {len(slow):5} {caught:8} {len(later):6} {len(slow) - caught - len(later):7}"
                f" {seconds:11.1f} {met:9.0f} {warmed:10.1f}"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="releases of an app that is cold at first")
    parser.add_argument("--good", type=int, default=20)
    parser.add_argument("--bad", type=int, default=3)
    parser.add_argument("--shops", type=int, default=1)
    parser.add_argument("--pairs", default=",".join(map(str, WARM_UPS)))
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "crossfade-warming.jsonl")
    asked = parser.parse_args(arguments)
    jobs = [
        (pairs, strategy, behaviour)
        for pairs in map(int, asked.pairs.split(","))
        for strategy in STRATEGIES
        for behaviour, number in (("good", asked.good), ("slow", asked.bad))
        for _ in range(number)
    ]
    random.shuffle(jobs)  # so that a busy minute of the machine is nobody's in particular
    begun = time.monotonic()
    with stoppable() as stop:
        lanes = [
            threading.Thread(target=lane, args=(jobs[number :: asked.shops], asked.out, stop))
            for number in range(asked.shops)
        ]
        for thread in lanes:
            thread.start()
        for thread in lanes:
            thread.join()
    print(table(asked.out))
    print(f"took {time.monotonic() - begun:.0f} s, clock x{FACTOR:g}, {RATE:g} requests/s of users")
    return 0


if __name__ == "__main__":
    sys.exit(main())
