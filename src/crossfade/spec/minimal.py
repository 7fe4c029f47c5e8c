"""
The file that `crossfade init` writes, and the JSON schema that editors read beside it.

Every optional setting stands in it as a comment with its default, taken from the same models
that apply it: taking away the `#` changes nothing, which a test proves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from crossfade.spec.aws_models import AlbPlatform, Aws, TargetsFile
from crossfade.spec.fields import BECAUSE, Form
from crossfade.spec.resolved import quoted
from crossfade.spec.schema import (
    DeadlinesForm,
    ErrorsForm,
    HooksForm,
    JudgingForm,
    LatencyForm,
    LocalForm,
    PolicyForm,
    Root,
    UnhealthyForm,
)
from crossfade.spec.strategy_forms import CANARY_STEPS, MAX_BAKE_TIMES, CanaryForm

SCHEMA_FILE: Final = "crossfade.schema.json"
_WIDTH: Final = 30


def write_minimal(service: str, command: str, port: int) -> str:
    """A crossfade.yaml for this service; it loads if the three values are sound."""
    return _file(
        service,
        "platform:",
        "  local:",
        f"    command: {quoted(command)}",
        f"    port: {port}",
        *_defaults(LocalForm, "    "),
    )


def write_alb(service: str, aws: Aws, alb: AlbPlatform, found: Mapping[str, str]) -> str:
    """
    A crossfade.yaml for a service behind a load balancer.

    `found` says in words what an ARN names; under "" stands what was found besides, line by line.
    """
    account = {"account": aws.account, "region": aws.region, "endpoint": aws.endpoint, "role": aws.role}
    source = (
        f"file: {quoted(alb.targets.file)}"
        if isinstance(alb.targets, TargetsFile)
        else f"command: {quoted(alb.targets.command)}"
    )

    def named(head: str, arn: str) -> str:
        return f"{head}{arn}  # {_harmless(found[arn])}" if arn in found else f"{head}{arn}"

    return _file(
        service,
        *(f"# {_harmless(line)}" for line in found.get("", "").splitlines()),
        "aws:",
        *(f"  {key}: {quoted(value)}" for key, value in account.items() if value is not None),
        "platform:",
        "  alb:",
        "    rules:",
        *(named("      - ", arn) for arn in alb.rules),
        named("    test: ", alb.test),
        "    target_groups:",
        named("      blue: ", alb.blue),
        named("      green: ", alb.green),
        f"    targets: {{{source}}}  # one ip:port a line",
        f"    health: {quoted(alb.health)}",
    )


def _harmless(text: str) -> str:
    """As a comment can carry it: names and conditions are other people's words."""
    return "".join(one if one.isprintable() else "?" for one in text)


def _file(service: str, *platform: str) -> str:
    steps = ", ".join(f"{{weight: {weight}, bake: {bake}}}" for weight, bake in CANARY_STEPS)
    lines = [
        f"# yaml-language-server: $schema=./{SCHEMA_FILE}",
        "# Lines that start with `#` and a name are defaults. To change one, remove its `#`",
        "# and that of the heading above it.",
        "apiVersion: crossfade/v1",
        f"service: {quoted(service)}",
        *_defaults(Root, "", "state"),
        *platform,
        "strategy:",
        "  canary:",
        f"    steps: [{steps}]  # then 100 %; an unclear bake lasts up to {MAX_BAKE_TIMES} times as long",
        *_defaults(CanaryForm, "    ", "keep_old", "hold_back"),
        "#gates:",
        *_section("errors", ErrorsForm, "  "),
        *_section("latency", LatencyForm, "  "),
        *_section("unhealthy", UnhealthyForm, "  "),
        *_section("judging", JudgingForm, ""),
        *_section("deadlines", DeadlinesForm, ""),
        *_section("hooks", HooksForm, ""),
        *_section("policy", PolicyForm, ""),
        *_defaults(Root, "", "after", "on_interrupt"),
    ]
    return "\n".join(lines) + "\n"


def _section(name: str, form: type[Form], indent: str) -> list[str]:
    return [f"#{indent}{name}:", *_defaults(form, indent + "  ")]


def _defaults(form: type[Form], indent: str, *only: str) -> list[str]:
    """Commented lines of the settings that have a default, with what they mean."""
    lines = []
    for name, field in form.model_fields.items():
        extra = field.json_schema_extra
        if not isinstance(extra, dict) or "default" not in extra or (only and name not in only):
            continue
        default = extra["default"]
        text = f"#{indent}{field.alias or name}: {_flow(default)}"
        meaning = (field.description or "").split(" Default")[0]
        lines.append(f"{text:<{_WIDTH}}  # {meaning}")
    return lines


def _flow(value: object) -> str:
    """A default on one line."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {_flow(child)}" for key, child in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case _:
            return str(value)


class _Generator(GenerateJsonSchema):
    """Pydantic's schema as an editor should see it: unset is absence, never null; no titles."""

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of crossfade.yaml; it allows at least what loads."""
    schema = Root.model_json_schema(schema_generator=_Generator)
    for form in (schema, *schema["$defs"].values()):
        form.pop("title", None)
        for setting in form.get("properties", {}).values():
            setting.pop(BECAUSE, None)
            # Where the form says None for "not written", the schema says nothing.
            if setting.get("default", "") is None:
                del setting["default"]
    for name, form in (("strategy", "StrategyForm"), ("signals", "SignalsForm")):
        _or(schema["properties"], name, {"enum": list(schema["$defs"][form]["properties"])})
    _or(schema["$defs"]["CustomGateForm"]["properties"]["alarms"], "items", {"type": "string"})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "crossfade.yaml", **schema}


def _or(holder: dict[str, Any], name: str, word: JsonSchemaValue) -> None:
    """A bare word may stand in the mapping's place."""
    mapping = holder[name]
    said = {"description": mapping.pop("description")} if "description" in mapping else {}
    holder[name] = {**said, "anyOf": [word, mapping]}
