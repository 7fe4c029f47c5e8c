"""
What the demo releases: three builds of a little shop, or the user's own program three times.

A build is a script that `crossfade.yaml` names, so that a revision is what it is in real
life: something whose content decides (R35).
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from crossfade.dataplane import Fault
from crossfade.release.values import Side

if TYPE_CHECKING:
    from crossfade.bootstrap import House
    from crossfade.demo.story import Wanted

SLOW_FLAG = "slow-down-now"
APP_LOG = "apps.jsonl"

YAML = """\
# yaml-language-server: $schema=./crossfade.schema.json
apiVersion: crossfade/v1
service: shop
platform:
  local: {{command: {command}, port: 0, instances: 2, health: {health}, drain: 10s, stop_grace: 5s}}
strategy:
  canary:
    steps: [{{weight: 10%, bake: 2m30s}}, {{weight: 50%, bake: 45s}}]
    keep_old: 40s
gates:
  errors:    {{against: stable, at_most: 1.5x, must_see: 3%}}
  latency:   {{against: stable, at_most: 1.25x, at: [p50, p95, p99], must_see: 3x}}
  unhealthy: {{of: candidate, max: 0, for: 30s}}
judging: {{warm_up: 10s}}
"""

SCRIPT = """\
#!/bin/sh
# One build of the shop: {says}
exec {python} -m crossfade.demo.app --behaviour {behaviour} --log {log} --slow-when-exists {flag} "$@"
"""

_SAYS = {
    "slow": "answers 200, never crashes, p99 three times slower",
    "erroring": "5 % of its answers are errors",
    "crash-loop": "passes its check, then crashes under traffic",
    "leaking": "keeps the memory of every request",
    "hanging": "never answers 30 % of its requests",
    "one-path": "fails on /checkout only",
}


def write(folder: Path, *, app: str | None, bad: str) -> None:
    """The demo's folder: `crossfade.yaml`, and the builds where no program of the user's is given."""
    if app is not None:
        (folder / "crossfade.yaml").write_text(YAML.format(command=_quoted(app), health="/"))
        return
    (folder / "builds").mkdir()
    for revision, behaviour in {"v1": "good", "v2": "good", "v3": bad}.items():
        script = folder / "builds" / revision
        script.write_text(
            SCRIPT.format(
                says=_SAYS.get(behaviour, behaviour),
                python=shlex.quote(sys.executable),
                behaviour=behaviour,
                log=shlex.quote(str(folder / APP_LOG)),
                flag=shlex.quote(str(folder / SLOW_FLAG)),
            )
        )
        script.chmod(0o755)
    command = _quoted("builds/{revision} --port {port} --revision {revision}")
    (folder / "crossfade.yaml").write_text(YAML.format(command=command, health="/healthz"))


def badness(wanted: Wanted) -> str:
    """What is wrong with v3, in the words of the story."""
    if wanted.app is not None:
        return "the same program behind an INJECTED fault: 12 % of its answers held back 300 ms"
    return _SAYS.get(wanted.bad, wanted.bad)


def inject(house: House, service: str) -> None:
    """The fault of `demo --app`: in front of whoever comes next, always labelled as injected."""
    house.platform.set_fault(service, Side.CANDIDATE, Fault(delay_ms=300.0, delay_share=0.12))


def _quoted(command: str) -> str:
    return '"' + command.replace("\\", "\\\\").replace('"', '\\"') + '"'
