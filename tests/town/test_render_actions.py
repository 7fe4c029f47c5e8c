"""The rendered workflow, run as GitHub's runner runs it: bash, files for what is handed on, signals to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from crossfade import __version__
from crossfade.dataplane import connect
from town import CANARY, Said, Town

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

LONG_BAKE = CANARY.replace("10%, bake: 20s", "10%, bake: 600s")
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
"""What `shell: bash` is to GitHub."""

TRACKED = "github_0123"


class Runner:
    """One job on this machine; expressions are filled in from a table."""

    def __init__(self, town: Town, home: Path, revision: str, reason: str = "") -> None:
        said = town.run("render", "github-actions")
        assert said.code == 0, said
        self._job = YAML(typ="safe").load(said.out)["jobs"]["release"]
        self._folder = town.folder
        self._expressions = {
            "${{ github.event_name == 'push' && github.ref_name || inputs.revision }}": revision,
            "${{ inputs.reason }}": reason,
            "${{ github.triggering_actor }}": "mona",
        }
        self.summary, self._paths = home / f"summary-{revision}.md", home / f"paths-{revision}"
        for path in (self.summary, self._paths):
            path.touch()
        self._env = {
            **os.environ,
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": "somebody",
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_PATH": str(self._paths),
            "RUNNER_TRACKING_ID": TRACKED,
            "XDG_DATA_HOME": str(home / "share"),
        }

    def step(self, word: str) -> tuple[list[str], dict[str, str]]:
        """Command and environment of the step whose name begins so."""
        step: Mapping[str, Any] = next(one for one in self._job["steps"] if one["name"].startswith(word))
        script = self._paths.with_suffix(f".{word}.sh")
        script.write_text(step["run"])
        given = {**self._job["env"], **step.get("env", {})}
        env = {key: self._expressions.get(text, text) for key, text in given.items()}
        added = self._paths.read_text().split()
        path = os.pathsep.join([*reversed(added), self._env["PATH"]])
        return [*BASH, str(script)], {**self._env, **env, "PATH": path}

    def run(self, word: str) -> Said:
        command, env = self.step(word)
        done = subprocess.run(
            command,
            env=env,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def all(self) -> dict[str, Said]:
        """Step by step; after a failure only what always runs."""
        done: dict[str, Said] = {}
        for word in ("Install", "Check crossfade", "Release", "Show"):
            if word == "Show" or all(said.code == 0 for said in done.values()):
                done[word] = self.run(word)
        return done


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner's own folders, with this very crossfade installed where the workflow looks for it."""
    folder = tmp_path_factory.mktemp("runner")
    bin_ = folder / "share" / "crossfade" / __version__ / "bin"
    bin_.mkdir(parents=True)
    (bin_ / "crossfade").symlink_to(Path(sys.executable).parent / "crossfade")
    return folder


def environment(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")


def routes(town: Town) -> Mapping[str, int] | None:
    line = connect(town.state)
    assert line is not None
    return line.observe("shop").routes


@pytest.mark.long
def test_every_step_works_and_the_revision_serves(town: Town, home: Path) -> None:
    first = Runner(town, home, "v1").all()
    with town.users():
        job = Runner(town, home, "v2", "a quote's end; $(touch pwned) `x`")
        done = job.all()
    line = connect(town.state)
    assert line is not None
    serving = {one.pid for one in line.observe("shop").instances if one.pid}
    opened = next(event for event in town.events() if event["type"] == "release.opened")
    summary = job.summary.read_text()

    assert [said.code for said in (*first.values(), *done.values())] == [0] * 8, (first, done)
    assert done["Install"].out == f"crossfade {__version__}\n"
    assert done["Release"].out.count("\n") > 10
    assert opened["actor"] == "mona"
    assert "    shop" in summary
    assert "v1 -> v2 succeeded" in summary
    assert all(not text or text.startswith("    ") for text in summary.splitlines())
    assert not (town.folder / "pwned").exists()
    assert serving
    assert not any(f"RUNNER_TRACKING_ID={TRACKED}" in environment(pid) for pid in serving)
    assert town.receipt().failed_by_release_machinery == 0


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGTERM])
def test_cancelling_the_job_brings_all_traffic_back(town: Town, home: Path, number: signal.Signals) -> None:
    town.write(strategy=LONG_BAKE)
    Runner(town, home, "v1").all()
    job = Runner(town, home, "v2")
    assert job.run("Install").code == 0
    command, env = job.step("Release")
    with town.users():
        with (town.folder / "said.txt").open("wb") as said:
            shell = subprocess.Popen(
                command, env=env, cwd=town.folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        town.wait_for("baking")
        moved, words = routes(town), Path(f"/proc/{shell.pid}/cmdline").read_bytes().split(b"\0")
        shell.send_signal(number)
        code = shell.wait(20)
        back = routes(town)
        shown = job.run("Show")
        town.wait_for("rolled_back")
    told = (town.folder / "said.txt").read_text()

    assert b"deploy" in words, "the shell's process has become crossfade"
    assert moved == {"blue": 900, "green": 100}
    assert code == 5, told
    assert back == {"blue": 1000, "green": 0}
    assert f"interrupted by {number.name}" in told
    assert (shown.code, "v1" in job.summary.read_text()) == (0, True), shown
    assert town.receipt().failed_by_release_machinery == 0


@pytest.mark.long
def test_a_revision_is_never_taken_for_an_option(town: Town, home: Path) -> None:
    job = Runner(town, home, "--detach")
    done = job.all()
    empty = Runner(town, home, "").run("Release")

    assert done["Release"].code != 130, done
    assert "--detach" in done["Release"].out + done["Release"].err
    assert empty.code != 0
    assert "no revision" in empty.err
    assert done["Show"].code == 0


def test_crossfade_is_installed_once_and_by_its_version(town: Town, tmp_path: Path) -> None:
    home, stubs = tmp_path / "home", tmp_path / "stubs"
    stubs.mkdir()
    (stubs / "pip").write_text(
        '#!/bin/sh\necho "pip $*" >> "$CALLS"\nhere="$(dirname "$0")"\n'
        'printf \'#!/bin/sh\\necho crossfade %s\\n\' "$CROSSFADE_VERSION" > "$here/crossfade"\n'
        'chmod +x "$here/crossfade"\n'
    )
    (stubs / "python3").write_text(
        '#!/bin/sh\necho "python3 $*" >> "$CALLS"\n'
        'mkdir -p "$3/bin" && cp "$(dirname "$0")/pip" "$3/bin/pip"\n'
    )
    for stub in stubs.iterdir():
        stub.chmod(0o755)
    home.mkdir()
    job = Runner(town, home, "v1")
    command, env = job.step("Install")
    env |= {"PATH": f"{stubs}:{env['PATH']}", "CALLS": str(tmp_path / "calls")}
    for _ in range(2):
        subprocess.run(command, env=env, check=True, capture_output=True)
    folder = home / "share" / "crossfade" / __version__

    assert (tmp_path / "calls").read_text().splitlines() == [
        f"python3 -m venv {folder}",
        f"pip install --quiet crossfade[demo]=={__version__}",
    ]
    assert (home / "paths-v1").read_text().splitlines() == [str(folder / "bin")] * 2
