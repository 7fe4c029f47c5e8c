"""A twin with a load balancer and a bucket for the state, and machines that share nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pair import Pair, Programs, free_port, listed

from crossfade.demo.traffic import Load, Traffic
from crossfade.testing import Twin
from town import Said

FACTOR = 30.0
"""The twin's minutes pass in two seconds; leases, heartbeats and processes are real."""

BUCKET = "acme-crossfade"

YAML = """\
apiVersion: crossfade/v1
service: shop
aws: {{account: "{account}", region: {region}, endpoint: "{endpoint}"}}
state: s3://{bucket}/prod
platform:
  alb:
    rules: ["{listener}"]
    test: "{test}"
    target_groups: {{blue: "{blue}", green: "{green}"}}
    targets: {{file: "targets/{{revision}}"}}
    health: /healthz
strategy: {{canary: {{steps: [{{weight: 10%, bake: {bake}}}], keep_old: 2m}}}}
gates: {{errors: {{must_see: 90%}}, latency: {{at: [p50], must_see: 90x}}}}
judging: {{warm_up: 1s}}
"""


class Cloud:
    """One account: a load balancer with two groups, and two programs a revision."""

    def __init__(self, folder: Path, twin: Twin) -> None:
        self.folder = folder
        self._twin = twin
        where = {"LocationConstraint": twin.region}
        twin.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        self.pair, self._programs = Pair(twin, drain_s=10), Programs(folder / "apps.jsonl")
        self.port = free_port()
        self.listener, self.test = (
            self.pair.listener(port, self.pair.forward(999, 0)) for port in (self.port, free_port())
        )
        self.targets = {revision: self._programs.of(revision) for revision in ("v1", "v2", "v4")}

    @property
    def url(self) -> str:
        """The state, as `--state` takes it on a machine that has no file."""
        twin = self._twin
        said = f"account={twin.account}&region={twin.region}&endpoint={twin.endpoint}"
        return f"s3://{BUCKET}/prod?{said}"

    def machine(self, name: str, bake: str = "60m") -> Machine:
        """A folder with a checkout of the service, and nothing of any other machine."""
        folder = self.folder / name
        (folder / "targets").mkdir(parents=True)
        for revision, ports in self.targets.items():
            (folder / "targets" / revision).write_text(listed(ports))
        arns = {"listener": self.listener, "test": self.test, **self.pair.groups}
        where = {"account": self._twin.account, "region": self._twin.region, "endpoint": self._twin.endpoint}
        text = YAML.format(bucket=BUCKET, bake=bake, **where, **arns)
        (folder / "crossfade.yaml").write_text(text)
        return Machine(folder)

    def weights(self) -> set[int]:
        return set(self.pair.default(self.listener))

    @contextmanager
    def users(self) -> Iterator[None]:
        load = Load(port=self.port, out=self.folder / "client.jsonl", rate=50, seconds=300, with_parent=True)
        with Traffic(load) as traffic:
            yield
            traffic.stop()

    def answers(self) -> tuple[int, list[dict[str, Any]]]:
        """How many requests there were, and those that were not answered with 200."""
        every = [json.loads(line) for line in (self.folder / "client.jsonl").read_text().splitlines()]
        return len(every), [one for one in every if one.get("status") != 200]

    def close(self) -> None:
        self._programs.close()


class Machine:
    """Where `crossfade` is typed; `apart`: in a container, whose pids and name are no one else's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "said.txt").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "crossfade", *words],
                cwd=self.folder,
                env={**os.environ, "CI": "1"},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def run(self, *words: str, patience: float = 110.0, apart: bool = False) -> Said:
        done = subprocess.run(
            [*(_container() if apart else ()), sys.executable, "-m", "crossfade", *words],
            cwd=self.folder,
            env={**os.environ, "CI": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def lost(self, *processes: subprocess.Popen[bytes]) -> None:
        """It is thrown away: its processes, then its folder."""
        for process in processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder)


def _container() -> tuple[str, ...]:
    """Pids of its own, where this user may have them; without, another folder has to do."""
    words = ("unshare", "--pid", "--fork", "--mount-proc", "--uts")
    with contextlib.suppress(OSError):
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return (*words, "sh", "-c", 'hostname another-machine; exec "$@"', "sh")
    return ()


@contextmanager
def cloud(folder: Path) -> Iterator[Cloud]:
    with Twin(clock=FACTOR) as twin:
        made = Cloud(folder, twin)
        try:
            yield made
        finally:
            made.close()


def at_10_percent(made: Cloud, process: subprocess.Popen[bytes], patience: float = 120.0) -> None:
    """Until both sides have weight."""
    end = time.monotonic() + patience
    while 0 in made.weights():
        assert process.poll() is None, "the runner has ended"
        assert time.monotonic() < end, "never at 10 %"
        time.sleep(0.3)
