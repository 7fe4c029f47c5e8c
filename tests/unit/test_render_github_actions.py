"""The workflow file: valid to GitHub's own schema, patient enough, and deaf to what users call things."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from crossfade.cli.render_verb import render
from crossfade.engine.opening import compile_plan
from crossfade.errors import UsageError
from crossfade.release.plan import Proof
from crossfade.release.ports import Revision
from crossfade.release.state import Road, State
from crossfade.render import Hand, hand_of, patience, workflow
from crossfade.render.patience import AROUND, LONGEST_JOB
from crossfade.spec import (
    ApprovalStep,
    BlueGreen,
    Canary,
    CommandHook,
    Deadlines,
    Hooks,
    Hybrid,
    Linear,
    LocalPlatform,
    NoGates,
    OnInterrupt,
    Rolling,
    Spec,
    Strategy,
    UnhealthyGate,
    WeightStep,
)

GOLDEN = Path(__file__).parent / "screens" / "github-actions.yml"
T0 = datetime(2026, 11, 24, tzinfo=UTC)
MIN = timedelta(minutes=1)

STEPS = (
    WeightStep(weight=100, bake=5 * MIN, max_bake=30 * MIN),
    ApprovalStep(),
    WeightStep(weight=500, bake=5 * MIN, max_bake=5 * MIN),
)
STRATEGIES: tuple[Strategy, ...] = (
    Canary(steps=STEPS, keep_old=10 * MIN),
    Canary(steps=STEPS, keep_old=10 * MIN, hold_back=50),
    Hybrid(steps=STEPS, keep_old=timedelta(0)),
    BlueGreen(bake=10 * MIN, max_bake=30 * MIN, keep_old=60 * MIN),
    Linear(step=100, every=MIN, max_bake=2 * MIN, keep_old=10 * MIN),
    Rolling(surge=1, unavailable=0, bake=MIN, max_bake=MIN, keep_old=timedelta(0)),
)


def a_spec(strategy: Strategy = STRATEGIES[0], *, service: str = "shop") -> Spec:
    return Spec(
        service=service,
        folder=Path("/srv/shop"),
        state=Path("/srv/shop/.crossfade"),
        platform=LocalPlatform(command="./serve --port {port}", port=8000, instances=3),
        strategy=strategy,
        gates=(UnhealthyGate(),),
        deadlines=Deadlines(hold=timedelta(hours=1)),
        hooks=Hooks(after_traffic=(CommandHook(command="./post.sh"),)),
    )


def parsed(text: str) -> Any:
    """As check-jsonschema reads it."""
    return YAML(typ="safe").load(text)


def a_workflow(spec: Spec | None = None, *, file: str = "crossfade.yaml", runner: str = "crossfade") -> str:
    return workflow(spec or a_spec(), file=file, version="0.1.0", runner=runner)


def runs(document: Any) -> list[str]:
    return [step["run"] for step in document["jobs"]["release"]["steps"] if "run" in step]


# What is not a secret reaches a shell in these ways only.
CONSTANT = runs(parsed(a_workflow()))


class TestText:
    def test_the_whole_file_is_as_it_was(self) -> None:
        assert a_workflow() == GOLDEN.read_text()

    def test_an_interrupt_that_holds_is_said(self) -> None:
        held = a_workflow(replace(a_spec(), on_interrupt=OnInterrupt.HOLD))

        assert "exits 130" in held
        assert "exits 5" not in held

    def test_a_journal_in_the_checkout_is_warned_of(self) -> None:
        elsewhere = a_workflow(replace(a_spec(), state=Path("/var/lib/crossfade")))

        assert "The journal is in it too" in a_workflow()
        assert "The journal is in it too" not in elsewhere
        assert parsed(elsewhere) == parsed(a_workflow())

    def test_the_rights_are_the_least_and_a_running_release_is_never_cancelled_by_the_next(self) -> None:
        document = parsed(a_workflow())

        assert document["permissions"] == {"contents": "read"}
        assert document["concurrency"] == {"group": "crossfade-shop", "cancel-in-progress": False}
        assert list(document["jobs"]["release"]) == ["runs-on", "timeout-minutes", "env", "steps"]

    def test_the_release_is_the_process_that_the_runner_signals(self) -> None:
        release = next(run for run in CONSTANT if "crossfade deploy" in run)

        assert release.splitlines()[-1].startswith("exec crossfade deploy ")


class TestValidators:
    @pytest.fixture
    def files(self, tmp_path: Path) -> list[str]:
        specs = [a_spec(strategy, service=f"shop-{n}") for n, strategy in enumerate(STRATEGIES)]
        texts = [
            *(a_workflow(spec) for spec in specs),
            a_workflow(
                a_spec(service="on"),
                file='dépôt/it\'s a "shop" #1: &x.yaml',
                runner="größe: {x}".replace(" ", ""),
            ),
        ]
        for number, text in enumerate(texts):
            (tmp_path / f"{number}.yml").write_text(text)
        return [str(path) for path in sorted(tmp_path.iterdir())]

    def test_it_is_valid_by_githubs_schema(self, files: list[str]) -> None:
        schema = ("--builtin-schema", "vendor.github-workflows")
        said = subprocess.run(
            [sys.executable, "-m", "check_jsonschema", *schema, *files],
            capture_output=True,
            text=True,
            check=False,
        )

        assert said.returncode == 0, said.stdout

    @pytest.mark.skipif(
        shutil.which("actionlint") is None, reason="no actionlint on PATH: docs/github-actions.md"
    )
    def test_it_is_valid_to_actionlint(self, files: list[str], tmp_path: Path) -> None:
        known = tmp_path / "actionlint.yaml"
        known.write_text("self-hosted-runner:\n  labels: [crossfade, 'größe:*']\n")
        said = subprocess.run(
            ["actionlint", "-no-color", "-config-file", str(known), *files],
            capture_output=True,
            text=True,
            check=False,
        )

        assert said.returncode == 0, said.stdout

    def test_bash_reads_every_script(self) -> None:
        for script in CONSTANT:
            said = subprocess.run(["bash", "-n", "-c", script], capture_output=True, text=True, check=False)

            assert (said.returncode, said.stderr) == (0, "")


NASTY = st.sampled_from("\"'`\\$(){}[]<>|;&*!?%@#:,-=~ \té")
NAMES = st.text(st.one_of(NASTY, st.characters()), min_size=1, max_size=80).filter(
    lambda text: text.isprintable() and "${{" not in text
)
LABELS = NAMES.filter(lambda text: not any(char.isspace() or char == "," for char in text))


class TestInjection:
    @given(service=st.from_regex(r"[a-z][a-z0-9-]{0,62}", fullmatch=True), file=NAMES, runner=LABELS)
    @settings(
        max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.filter_too_much]
    )
    def test_whatever_things_are_called_the_scripts_stay_the_same(
        self, service: str, file: str, runner: str
    ) -> None:
        text = a_workflow(a_spec(service=service), file=file, runner=runner)
        document = parsed(text)
        job = document["jobs"]["release"]

        assert runs(document) == CONSTANT
        assert job["runs-on"] == ["self-hosted", runner]
        assert job["env"]["CROSSFADE_FILE"] == file
        assert document["concurrency"]["group"] == f"crossfade-{service}"
        assert text.count("${{") == a_workflow().count("${{")
        assert hand_of(text) is Hand.OURS

    def test_no_expression_stands_in_a_script(self) -> None:
        assert not any("${{" in script for script in CONSTANT)

    @pytest.mark.parametrize(
        "runner", ["", "two words", "a,b", "x" * 257, "${{github.actor}}", "a\nb", "\u2028"]
    )
    def test_a_label_that_is_none_is_refused(self, runner: str) -> None:
        with pytest.raises(UsageError) as refused:
            a_workflow(runner=runner)

        assert refused.value.id in ("CF8001", "CF8002")

    @pytest.mark.parametrize("file", ["a\nb", "${{ secrets.TOKEN }}", "\x1b[2J", "\u2028", "\ud800"])
    def test_a_path_that_a_workflow_cannot_carry_is_refused(self, file: str) -> None:
        with pytest.raises(UsageError) as refused:
            a_workflow(file=file)

        assert refused.value.id == "CF8002"


class TestPatience:
    @pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: type(one).__name__)
    @pytest.mark.parametrize("gated", [True, False])
    def test_the_job_outlives_every_limit_of_the_plan_that_a_deploy_compiles(
        self, strategy: Strategy, gated: bool
    ) -> None:
        spec = a_spec(strategy)
        spec = spec if gated else replace(spec, gates=NoGates(reason="a toy"))
        build = Revision(text="v1", identity="1", artifact={}, instances=3)
        plan = compile_plan(spec, release="r", stable=build, candidate=replace(build, text="v2"))
        limits = timedelta(0)
        for road, steps in ((Road.ON, plan.on), (Road.BACK, plan.back)):
            for index, step in enumerate(steps):
                proofs = (
                    step.within if step.proof is Proof.NONE else spec.deadlines.no_data + spec.deadlines.hold
                )
                held = max(step.bake, step.max_bake) + len(step.hooks) * spec.deadlines.hook + proofs
                state = State(since=T0, road=road, index=index, reached=T0)
                assert not state.overdue(plan, T0 + held)
                assert state.overdue(plan, T0 + held + timedelta(microseconds=1))
                limits += step.within + held + step.approval * spec.deadlines.hold

        walk = patience(spec)
        assert walk.total >= limits + AROUND
        assert not gated or walk.total == limits + AROUND
        assert timedelta(minutes=walk.minutes) >= walk.total

    def test_more_than_github_gives_is_capped_and_said(self) -> None:
        spec = replace(a_spec(), deadlines=Deadlines(hold=timedelta(days=3)))
        text = a_workflow(spec)

        assert patience(spec).capped
        assert f"timeout-minutes: {LONGEST_JOB // MIN}" in text
        assert "GitHub gives a job five days" in text


YAML_FILE = """\
apiVersion: crossfade/v1
service: shop
platform: {local: {command: "./serve --port {port}", port: 8000}}
strategy: canary
"""


class TestVerb:
    @pytest.fixture
    def house(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / ".git").mkdir()
        (tmp_path / "services").mkdir()
        (tmp_path / "services" / "crossfade.yaml").write_text(YAML_FILE)
        monkeypatch.chdir(tmp_path / "services")
        return tmp_path

    @staticmethod
    def said(*words: str) -> tuple[str, str]:
        result = CliRunner().invoke(render, ["github-actions", *words], standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        assert result.return_value == 0
        return result.stdout, result.stderr

    def test_it_prints_and_writes_nothing(self, house: Path) -> None:
        out, err = self.said("--runner", "gpu")

        assert parsed(out)["jobs"]["release"]["runs-on"] == ["self-hosted", "gpu"]
        assert err == ""
        assert not (house / ".github").exists()

    def test_it_is_written_at_the_root_and_names_the_file_from_there(self, house: Path) -> None:
        target = house / ".github" / "workflows" / "crossfade-shop.yml"
        first = self.said("--write")
        second = self.said("--write")
        third = self.said("--write", "--runner", "gpu")
        env = parsed(target.read_text())["jobs"]["release"]["env"]

        assert [err.split()[0] for _, err in (first, second, third)] == ["wrote", "unchanged", "updated"]
        assert first[0] == ""
        assert env["CROSSFADE_FILE"] == "services/crossfade.yaml"
        assert target.stat().st_mode & 0o777 == 0o644
        assert [path.name for path in target.parent.iterdir()] == [target.name]

    @pytest.mark.parametrize(
        ("edit", "why"),
        [
            (lambda text: text.replace("persist-credentials: false", "persist-credentials: true"), "by hand"),
            (lambda text: text.partition("\n")[2], "not made by"),
            (lambda _: "", "not made by"),
        ],
    )
    def test_a_hand_is_respected_until_it_is_overruled(self, house: Path, edit: Any, why: str) -> None:
        self.said("--write", "own.yml")
        own = house / "services" / "own.yml"
        own.write_text(edit(own.read_text()))
        edited = own.read_text()
        with pytest.raises(UsageError) as refused:
            self.said("--write", "own.yml")
        kept = own.read_text()
        self.said("--write", "own.yml", "--force")

        assert refused.value.id == "CF8003"
        assert why in refused.value.why
        assert kept == edited
        assert hand_of(own.read_text()) is Hand.OURS

    def test_line_ends_of_another_system_are_no_hand(self, house: Path) -> None:
        self.said("--write", "own.yml")
        own = house / "services" / "own.yml"
        own.write_bytes(own.read_bytes().replace(b"\n", b"\r\n"))

        assert self.said("--write", "own.yml")[1].startswith("updated ")

    def test_a_place_that_cannot_be_written_is_an_error_with_a_fix(self, house: Path) -> None:
        (house / ".github").write_text("a file")
        with pytest.raises(UsageError) as refused:
            self.said("--write")

        assert refused.value.id == "CF8004"
        assert (house / ".github").read_text() == "a file"
