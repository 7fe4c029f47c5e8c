"""The `aws` tool, played: commands that Crossfade prints, carried out by a boto3 client."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from botocore import xform_name  # type: ignore[import-untyped]


def run_aws(script: str, client: Any) -> list[str]:
    """
    Lines of `aws elbv2 …` done by a boto3 client, variables and all; the operations, in order.

    Values are read as the tool reads them: JSON, `Key=…,Value=…`, words.
    """
    variables: dict[str, str] = {}
    done = []
    for line in (line.strip() for line in script.splitlines() if "aws elbv2" in line):
        name, _, command = line.partition("=$(") if line.startswith("NEW=") else ("", "", line)
        for variable, value in variables.items():
            command = command.replace(f"'\"${variable}\"'", value).replace(f'"${variable}"', value)
        words = shlex.split(command.rstrip(")") if name else command)
        assert words[:2] == ["aws", "elbv2"]
        operation = next(
            one for one in client.meta.service_model.operation_names if xform_name(one, "-") == words[2]
        )
        reply = getattr(client, xform_name(operation))(**_parameters(client, operation, words[3:]))
        done.append(operation)
        if name:
            variables[name] = reply["TargetGroups"][0]["TargetGroupArn"]
    return done


def _parameters(client: Any, operation: str, words: list[str]) -> dict[str, Any]:
    options: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            options[word[2:]] = []
        else:
            options[list(options)[-1]].append(word)
    shape = client.meta.service_model.operation_model(operation).input_shape
    members = {xform_name(name, "-"): (name, member) for name, member in shape.members.items()}
    return {
        members[option][0]: _value(members[option][1].type_name, values)
        for option, values in options.items()
        if option not in {"region", "endpoint-url", "query", "output"}
    }


def _value(kind: str, values: list[str]) -> Any:
    if values[0].startswith(("[", "{")):
        return json.loads(values[0])
    if kind == "list":
        return [_pairs(value) if re.match(r"\w+=", value) else value for value in values]
    if kind == "structure":
        return _pairs(values[0])
    return int(values[0]) if kind == "integer" else values[0]


def _pairs(text: str) -> dict[str, Any]:
    found = dict(part.split("=", 1) for part in text.split(","))
    return {key: int(value) if key == "Priority" else value for key, value in found.items()}
