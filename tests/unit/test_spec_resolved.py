"""What is printed from a spec, or for it, is itself a crossfade.yaml that means the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spec_world import GOOD, SPECS, loaded, specs

from crossfade.spec import LocalPlatform
from crossfade.spec.load import load_spec
from crossfade.spec.minimal import write_minimal
from crossfade.spec.resolved import resolved


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
def test_resolved_text_means_the_same(tmp_path: Path, file: Path) -> None:
    text = file.read_text()
    spec = loaded(tmp_path, text)

    assert loaded(tmp_path, resolved(spec)) == spec


def test_each_value_stands_with_its_line_or_the_reason_for_its_default() -> None:
    lines = resolved(load_spec(SPECS / "minimal.yaml")).splitlines()

    assert "    port: 8000                                # minimal.yaml:3" in lines
    assert (
        "    instances: 2                              # default: one may die and the service still answers"
        in lines
    )
    bare = [line for line in lines if "#" not in line and not line.endswith(":")]
    assert bare == []


def test_the_reason_of_a_short_warm_up_is_the_hook_before_it() -> None:
    """10 s are no default of their own: without the hook it would be 75 s, for another reason."""
    hooked = resolved(load_spec(SPECS / "linear.yaml")).splitlines()
    plain = resolved(load_spec(SPECS / "minimal.yaml")).splitlines()
    written = resolved(load_spec(SPECS / "full.yaml")).splitlines()

    assert [re.sub(" {2,}", "  ", line) for lines in (hooked, plain, written) for line in lines
            if line.startswith("  warm_up:")] == [
        "  warm_up: 10s  # default: a `warm_up` hook of 1m or more has them warm before any user",
        "  warm_up: 1m15s  # default: caches, pools and compilers warm up in about a minute",
        "  warm_up: 10s  # full.yaml:30",
    ]  # fmt: skip


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_spec_is_printed_and_read_back_the_same(tmp_path: Path, data: st.DataObject) -> None:
    spec = data.draw(specs(tmp_path))

    assert loaded(tmp_path, resolved(spec)) == spec


class TestMinimal:
    """The file that `init` writes."""

    def test_it_loads_and_means_the_defaults(self, tmp_path: Path) -> None:
        text = write_minimal("shop", "./serve --port {port}", 8000)

        assert text.startswith("# yaml-language-server: $schema=./crossfade.schema.json\n")
        assert loaded(tmp_path, text) == loaded(tmp_path, (SPECS / "minimal.yaml").read_text())
        assert all(f"#{setting}" in text for setting in (
            "    rules: [{path: /}]", "    hold_back: 0%", "  hand_over: []", "  approvals: 0", "after: []"
        ))  # fmt: skip

    def test_taking_away_the_comment_signs_changes_nothing(self, tmp_path: Path) -> None:
        text = write_minimal("shop", "./serve --port {port}", 8000)
        bare = re.sub(r"^#(?! (?:yaml|Lines|and))", "", text, flags=re.MULTILINE)

        assert bare.count("\n#") < text.count("\n#") - 25
        assert loaded(tmp_path, bare) == loaded(tmp_path, text)

    @pytest.mark.parametrize("command", ['./a "b c" {port} # x', "./é: {port}", "sh -c 'a \"{port}\"'"])
    def test_any_command_is_quoted(self, tmp_path: Path, command: str) -> None:
        spec = loaded(tmp_path, write_minimal("no", command, 0))

        assert isinstance(spec.platform, LocalPlatform)
        assert (spec.service, spec.platform.command) == ("no", command)


def test_a_dimension_whose_name_yaml_would_misread_is_quoted(tmp_path: Path) -> None:
    text = (SPECS / "figures.yaml").read_text().replace("Stage: prod", '"a #b: c": "on"')
    spec = loaded(tmp_path, text)

    assert loaded(tmp_path, resolved(spec)) == spec
