"""The JSON schema that editors read admits what loads, and says what each setting means."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from spec_world import GOOD, SPECS, loaded, specs

from crossfade.spec.load import SpecError, load_spec
from crossfade.spec.minimal import json_schema, write_minimal
from crossfade.spec.resolved import resolved


def fits(value: Any, schema: dict[str, Any], defs: dict[str, Any]) -> bool:
    """As much of JSON Schema as ours uses, which this asserts too."""
    known = {"$ref", "anyOf", "type", "enum", "const", "pattern", "minimum", "maximum", "items",
             "properties", "required", "additionalProperties", "description", "default", "examples",
             "$schema", "title", "$defs"}  # fmt: skip
    assert set(schema) <= known
    kinds: dict[str, type | tuple[type, ...]] = {
        "object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
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


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_spec_printed_is_accepted(tmp_path: Path, data: st.DataObject) -> None:
    text = resolved(data.draw(specs(tmp_path)))
    schema = json_schema()

    assert fits(YAML(typ="safe", pure=True).load(text), schema, schema["$defs"])


class TestJsonSchema:
    """The schema that editors read."""

    @pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
    def test_it_accepts_every_good_file(self, file: Path) -> None:
        schema = json_schema()

        assert fits(YAML(typ="safe", pure=True).load(file.read_text()), schema, schema["$defs"])

    @pytest.mark.parametrize("word", ["canary", "blue_green", "linear", "rolling", "hybrid"])
    def test_it_accepts_the_bare_word_of_every_strategy(self, word: str) -> None:
        schema = json_schema()
        text = (SPECS / "minimal.yaml").read_text().replace("strategy: canary", f"strategy: {word}")

        assert fits(YAML(typ="safe", pure=True).load(text), schema, schema["$defs"])

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
            ("hold_back: 5", "hold_back: 5%"),
            ("sticky: header", "sticky: cookie"),
            ("rate: 20", "rate: 20/s"),
            ("approvals: 10", "approvals: 1"),
            ("pathes:", "paths:"),
        ],
    )
    def test_it_refuses_what_the_loader_refuses(self, tmp_path: Path, wrong: str, right: str) -> None:
        text = (
            "apiVersion: crossfade/v1\nservice: shop\n"
            'platform: {local: {command: "./s {port}", port: 1, instances: 1}}\n'
            "strategy: {canary: {steps: [{weight: 10%, bake: 5m}, {approval: required}], "
            "hold_back: 5%, sticky: cookie}}\n"
            "hooks: {before_traffic: [{warm_up: {paths: [/], rate: 20/s}}]}\npolicy: {approvals: 1}\n"
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
