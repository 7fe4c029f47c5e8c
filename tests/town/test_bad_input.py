"""Bad input: a clear error with its place and a fix, and nothing started."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from town import Town

pytestmark = pytest.mark.real


def nothing_started(town: Town) -> bool:
    return not (town.state / "supervisor.json").exists()


class TestSpec:
    @pytest.mark.parametrize(
        ("broken", "told"),
        [
            ("judgin: {warm_up: 5s}", "did you mean"),
            ("deadlines: {ready: 5}", "not a duration"),
            ("hooks: {before_traffic: [{htp: /}]}", "htp"),
        ],
    )
    def test_a_mistake_has_its_line_an_id_and_a_fix(self, town: Town, broken: str, told: str) -> None:
        town.write(more=broken)
        said = town.run("deploy", "v1")

        assert said.code == 2
        assert "crossfade.yaml:10:" in said.err
        assert "CF1" in said.err
        assert "  fix  " in said.err
        assert told in said.err.lower()
        assert nothing_started(town)

    def test_R26_gates_that_only_observe_are_refused(self, town: Town) -> None:
        text = (town.folder / "crossfade.yaml").read_text()
        observed = text.replace("must_see: 90%", "mode: observe").replace("must_see: 90x", "mode: observe")
        observed = observed.replace("judging:", "  unhealthy: {mode: observe}\njudging:")
        (town.folder / "crossfade.yaml").write_text(observed)
        said = town.run("deploy", "v1")

        assert said.code == 2
        assert "CF2302" in said.err
        assert nothing_started(town)

    def test_R36_a_database_is_not_released(self, town: Town) -> None:
        town.write(command='"postgres -p {port} -D data/{revision}"')
        said = town.run("lint")

        assert said.code == 2
        assert "CF2601" in said.err

    def test_a_missing_file_says_what_to_do(self, tmp_path: Path, town: Town) -> None:
        said = town.run("deploy", "v1", "--file", "nowhere.yaml")

        assert said.code == 2
        assert "crossfade init" in said.err


class TestMachine:
    def test_a_taken_port_names_who_holds_it_and_nothing_runs(self, town: Town) -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            held.listen()
            town.write(port=held.getsockname()[1])
            said = town.run("deploy", "v1")

        assert said.code != 0
        assert "CF4101" in said.err
        assert str(os.getpid()) in said.err

    def test_a_machine_without_envoy_is_told_before_anything_starts(self, town: Town) -> None:
        shim = town.folder / "shim"
        shim.mkdir()
        (shim / "envoy.py").write_text("raise ImportError('no wheel for this machine')\n")
        said = town.run("deploy", "v1", env={"PYTHONPATH": str(shim)})

        assert said.code != 0
        assert said.err.startswith("CF4100 ")
        assert nothing_started(town)

    def test_a_command_that_is_nowhere_is_refused(self, town: Town) -> None:
        town.write(command='"./nowhere --port {port}"')
        said = town.run("deploy", "v1")

        assert said.code == 2
        assert "CF4206" in said.err


class TestQuestions:
    def test_nobody_to_ask_is_an_error_and_never_a_hang(self, town: Town) -> None:
        assert town.run("local", "down").code == 2
        assert town.run("init", "--file", "new.yaml").code == 2
        assert town.run("promote", "--reason", "x").code == 2

    def test_a_verb_that_does_not_exist_has_a_neighbour(self, town: Town) -> None:
        said = town.run("deplyo", "v1")

        assert said.code == 2
        assert "Did you mean `deploy`?" in said.err

    def test_an_id_is_explained_and_a_shell_completed(self, town: Town) -> None:
        assert "R21" in town.run("explain", "CF3021").out
        assert town.run("explain", "CF0000").code == 2
        assert "_CROSSFADE_COMPLETE" in town.run("completion", "bash").out

    def test_init_writes_a_file_that_loads(self, town: Town) -> None:
        made = town.run(
            "init", "--file", "new.yaml", "--service", "shop", "--command", "./serve {port}", "--port", "80"
        )

        assert made.code == 0, made
        assert town.run("lint", "new.yaml", "--resolved").code == 0
        assert town.run("init", "--file", "new.yaml").code == 2
