"""Each strategy is read into its own kind, with numbers that a release can act on."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from spec_world import SPECS, loaded

from crossfade.spec import (
    ApprovalStep,
    BlueGreen,
    Canary,
    Hybrid,
    Linear,
    Preview,
    PreviewKind,
    Rolling,
    WeightStep,
)
from crossfade.spec.load import SpecError, load_spec

BASE = (SPECS / "minimal.yaml").read_text()


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def test_parts_of_instances_are_whole_instances() -> None:
    """A quarter of ten is a surge of three; of ten, 15 % is one that may be missing."""
    expected = Rolling(
        surge=3, unavailable=1, bake=minutes(2), max_bake=minutes(20), keep_old=minutes(1), sticky=True
    )

    assert load_spec(SPECS / "rolling.yaml").strategy == expected


def test_a_linear_strategy_is_a_step_and_its_time() -> None:
    spec = load_spec(SPECS / "linear.yaml")

    assert spec.strategy == Linear(
        step=125,
        every=minutes(4),
        max_bake=minutes(24),
        keep_old=minutes(60),
        hold_back=20,
        preview=Preview(kind=PreviewKind.COOKIE, name="preview", value="me"),
    )


def test_a_hybrid_has_the_steps_of_a_canary() -> None:
    spec = load_spec(SPECS / "hybrid.yaml")

    assert spec.strategy == Hybrid(
        steps=(
            WeightStep(weight=10, bake=minutes(5), max_bake=minutes(30)),
            WeightStep(weight=250, bake=minutes(10), max_bake=minutes(60)),
            ApprovalStep(),
        ),
        keep_old=minutes(10),
    )


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("canary", Canary),
        ("blue_green", BlueGreen),
        ("linear", Linear),
        ("rolling", Rolling),
        ("hybrid", Hybrid),
    ],
)
def test_a_bare_word_is_the_strategy_with_its_defaults(tmp_path: Path, word: str, kind: type) -> None:
    def strategy(text: str) -> object:
        return loaded(tmp_path, BASE.replace("canary  ", text + "  ")).strategy

    assert isinstance(strategy(word), kind)
    assert strategy(word) == strategy(f"{{{word}: {{}}}}")


@pytest.mark.parametrize(
    ("hook", "seconds"),
    [
        ("{warm_up: {paths: [/]}}", 10),
        ("{warm_up: {paths: [/], for: 60s}}", 10),
        ("{warm_up: {paths: [/], for: 59s}}", 75),
        ("{command: ./warm.sh}", 75),
    ],
)
def test_behind_a_minute_of_warm_up_latency_is_ignored_for_ten_seconds_only(
    tmp_path: Path, hook: str, seconds: int
) -> None:
    text = BASE + f"hooks: {{before_traffic: [{hook}]}}\n"

    assert loaded(tmp_path, text).judging.warm_up == timedelta(seconds=seconds)
    text += "judging: {warm_up: 20s}\n"
    assert loaded(tmp_path, text).judging.warm_up == timedelta(seconds=20)


def test_without_a_platform_nobody_knows_how_much_room_a_batch_has(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^(platform|strategy):.*\n", "", BASE)

    with pytest.raises(SpecError) as raised:
        loaded(tmp_path, text + "strategy: {rolling: {surge: 5}}\n")

    assert [finding.id for finding in raised.value.findings] == ["CF1103"]
