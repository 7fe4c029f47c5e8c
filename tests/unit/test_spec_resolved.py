"""What is printed from a spec, or for it, is itself a crossfade.yaml that means the same."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from crossfade.spec import (
    AlarmsGate,
    ApprovalStep,
    BlueGreen,
    Canary,
    CommandHook,
    Deadlines,
    ErrorsGate,
    Gate,
    Hooks,
    HttpHook,
    Judging,
    LatencyGate,
    LocalPlatform,
    Mode,
    NoGates,
    OnInconclusive,
    OnInterrupt,
    OnNoData,
    Preset,
    Spec,
    Strategy,
    UnhealthyGate,
    WeightStep,
    units,
)
from crossfade.spec.load import SpecError, load_spec
from crossfade.spec.minimal import json_schema, write_minimal
from crossfade.spec.resolved import resolved

SPECS = Path(__file__).parent / "specs"
GOOD = [SPECS / name for name in ("minimal.yaml", "full.yaml", "blue_green.yaml")]


def loaded(folder: Path, text: str) -> Spec:
    file = folder / "crossfade.yaml"
    file.write_text(text, encoding="utf-8")
    return load_spec(file)


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


NAMES = st.from_regex(r"\A[a-z][a-z0-9-]{0,20}\Z")
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n"), min_size=1, max_size=12
).filter(str.strip)
TIMES = st.integers(1, 10**9).map(lambda ms: timedelta(milliseconds=ms))
SHARES = st.integers(2, 999).map(lambda n: n / 1000)
MODES = st.sampled_from(Mode)


def words(text: str) -> str:
    """Any text as one shell word."""
    return "'" + text.replace("'", "'\\''") + "'"


PATHS = st.from_regex(r"\A/[!-~]{0,12}\Z").filter(lambda path: not re.search(r"\s", path))
HOOKS = st.lists(
    st.one_of(
        st.builds(HttpHook, path=PATHS),
        st.builds(CommandHook, command=TEXTS.map(lambda text: "./hook " + words(text))),
    ),
    max_size=2,
).map(tuple)


@st.composite
def canaries(draw: st.DrawFn) -> Canary:
    weights = sorted(draw(st.sets(st.integers(1, 999), min_size=1, max_size=4)))
    steps: list[WeightStep | ApprovalStep] = []
    for weight in weights:
        bake = draw(TIMES)
        steps.append(WeightStep(weight=weight, bake=bake, max_bake=bake + draw(TIMES)))
        if draw(st.booleans()):
            steps.append(ApprovalStep())
    return Canary(steps=tuple(steps), keep_old=draw(TIMES))


@st.composite
def strategies(draw: st.DrawFn) -> Strategy:
    if draw(st.booleans()):
        return draw(canaries())
    bake = draw(TIMES)
    return BlueGreen(bake=bake, max_bake=bake + draw(TIMES), keep_old=draw(TIMES))


@st.composite
def gates(draw: st.DrawFn) -> tuple[Gate, ...] | NoGates:
    if draw(st.integers(0, 4)) == 0:
        return NoGates(reason=draw(TEXTS))
    ignored = draw(SHARES)
    ratio = draw(st.integers(100, 900))
    alarms = draw(st.sets(NAMES, max_size=2))
    return (
        ErrorsGate(
            at_most=draw(st.integers(100, 900)) / 100,
            ignore_below=ignored / 2,
            must_see=ignored,
            max=draw(st.none() | SHARES),
            mode=draw(MODES),
        ),
        LatencyGate(
            at_most=ratio / 100,
            at=tuple(draw(st.lists(SHARES, min_size=1, max_size=3, unique=True))),
            must_see=(ratio + 1) / 100,
            max=tuple(draw(st.dictionaries(SHARES, TIMES, max_size=2)).items()),
            mode=draw(MODES),
        ),
        # One gate at least is in force.
        UnhealthyGate(
            max=draw(st.integers(0, 9)),
            hold_for=draw(TIMES),
            memory=draw(st.none() | st.integers(1, units.LARGEST)),
        ),
        *(
            AlarmsGate(name=name, urls=("http://127.0.0.1:9/a?b=#c",), mode=draw(MODES))
            for name in sorted(alarms - {"errors", "latency", "unhealthy", "none", "on", "off", "no", "yes"})
        ),
    )


@st.composite
def specs(draw: st.DrawFn, folder: Path) -> Spec:
    command = "./serve {port} " + words(draw(TEXTS))
    return Spec(
        service=draw(NAMES),
        folder=folder,
        state=folder / draw(st.from_regex(r"\A[a-z#: é]{1,9}x\Z")),
        platform=LocalPlatform(
            command=command,
            port=draw(st.integers(0, 30000)),
            test_port=draw(st.integers(30001, 65535)),
            instances=draw(st.integers(1, 9)),
            health=draw(PATHS),
            stop_grace=draw(TIMES),
            drain=draw(TIMES),
        ),
        strategy=draw(strategies()),
        gates=draw(gates()),
        judging=Judging(
            false_stops=draw(st.integers(1, 100)) / 1000,
            warm_up=timedelta(),
            preset=draw(st.sampled_from(Preset)),
            no_data=draw(st.sampled_from(OnNoData)),
            inconclusive=draw(st.sampled_from(OnInconclusive)),
        ),
        deadlines=draw(
            st.builds(Deadlines, ready=TIMES, hook=TIMES, no_data=TIMES, hold=TIMES, rollback=TIMES)
        ),
        hooks=draw(st.builds(Hooks, before_traffic=HOOKS, after_traffic=HOOKS, on_rollback=HOOKS)),
        on_interrupt=draw(st.sampled_from(OnInterrupt)),
    )


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

    def test_taking_away_the_comment_signs_changes_nothing(self, tmp_path: Path) -> None:
        text = write_minimal("shop", "./serve --port {port}", 8000)
        bare = re.sub(r"^#(?! (?:yaml|Lines|and))", "", text, flags=re.MULTILINE)

        assert bare.count("\n#") < text.count("\n#") - 25
        assert loaded(tmp_path, bare) == loaded(tmp_path, text)

    @pytest.mark.parametrize("command", ['./a "b c" {port} # x', "./é: {port}", "sh -c 'a \"{port}\"'"])
    def test_any_command_is_quoted(self, tmp_path: Path, command: str) -> None:
        spec = loaded(tmp_path, write_minimal("no", command, 0))

        assert (spec.service, spec.platform.command) == ("no", command)


def fits(value: Any, schema: dict[str, Any], defs: dict[str, Any]) -> bool:
    """As much of JSON Schema as ours uses, which this asserts too."""
    known = {"$ref", "anyOf", "type", "enum", "const", "pattern", "minimum", "maximum", "items",
             "properties", "required", "additionalProperties", "description", "default", "examples",
             "$schema", "title", "$defs"}  # fmt: skip
    assert set(schema) <= known
    kinds: dict[str, type | tuple[type, ...]] = {
        "object": dict, "array": list, "string": str, "integer": int,
    }  # fmt: skip
    properties = schema.get("properties", {})
    if "$ref" in schema and not fits(value, defs[schema["$ref"].removeprefix("#/$defs/")], defs):
        return False
    if "anyOf" in schema and not any(fits(value, one, defs) for one in schema["anyOf"]):
        return False
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, int):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    if isinstance(value, list):
        return all(fits(item, schema.get("items", {}), defs) for item in value)
    if isinstance(value, dict):
        others = schema.get("additionalProperties", True)
        return set(schema.get("required", ())) <= set(value) and all(
            fits(child, properties[key], defs)
            if key in properties
            else (others if isinstance(others, bool) else fits(child, others, defs))
            for key, child in value.items()
        )
    return True


class TestJsonSchema:
    """The schema that editors read."""

    @pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
    def test_it_accepts_every_good_file(self, file: Path) -> None:
        schema = json_schema()

        assert fits(YAML(typ="safe", pure=True).load(file.read_text()), schema, schema["$defs"])

    def test_it_accepts_what_resolved_and_init_write(self) -> None:
        schema = json_schema()
        yaml = YAML(typ="safe", pure=True)
        text = resolved(load_spec(SPECS / "full.yaml"))

        assert fits(yaml.load(text), schema, schema["$defs"])
        assert fits(yaml.load(write_minimal("shop", "./x {port}", 1)), schema, schema["$defs"])

    @pytest.mark.parametrize(
        ("wrong", "right"),
        [
            ("servce: shop", "service: shop"),
            ("service: Shop", "service: shop"),
            ("instances: 0", "instances: 1"),
            ("weight: 10", "weight: 10%"),
            ("bake: 5", "bake: 5m"),
            ("at_most: 1.5", "at_most: 1.5x"),
            ("memory: 512", "memory: 512MB"),
            ("canari:", "canary:"),
        ],
    )
    def test_it_refuses_what_the_loader_refuses(self, tmp_path: Path, wrong: str, right: str) -> None:
        text = (
            "apiVersion: crossfade/v1\nservice: shop\n"
            'platform: {local: {command: "./s {port}", port: 1, instances: 1}}\n'
            "strategy: {canary: {steps: [{weight: 10%, bake: 5m}]}}\n"
            "gates: {errors: {at_most: 1.5x}, unhealthy: {memory: 512MB}}\n"
        )
        schema = json_schema()
        yaml = YAML(typ="safe", pure=True)

        assert fits(yaml.load(text), schema, schema["$defs"])
        assert not fits(yaml.load(text.replace(right, wrong)), schema, schema["$defs"])
        with pytest.raises(SpecError):
            loaded(tmp_path, text.replace(right, wrong))

    def test_it_is_json_and_explains_every_setting_with_its_default(self) -> None:
        schema = json_schema()

        assert json.loads(json.dumps(schema)) == schema
        for form in (schema, *schema["$defs"].values()):
            for name, setting in form.get("properties", {}).items():
                # A setting that says what its form says is described there.
                said = schema["$defs"].get(setting.get("$ref", "").removeprefix("#/$defs/"), setting)
                assert said["description"], name
                assert "x-because" not in setting
