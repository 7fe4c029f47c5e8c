"""Findings of `migrate lint` as SARIF 2.1.0, which code scanning reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from crossfade.migrations.lint.check import Finding

LEVELS: Final = {"error": "error", "warning": "warning", "unknown": "note"}


def sarif(found: Sequence[Finding]) -> dict[str, Any]:
    """One run; every rule of ours is declared, and those of others that were met."""
    rules = _rules(found)
    number = {one["id"]: at for at, one in enumerate(rules)}
    run = {
        "tool": {"driver": {"name": "crossfade", "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, number[one.rule]) for one in found],
    }
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}


def _rules(found: Sequence[Finding]) -> list[dict[str, Any]]:
    from crossfade.migrations.lint.rules import RULES

    others = {one.rule: one for one in found if one.rule not in RULES}
    return [_rule(one.name, one.why, one.level) for one in RULES.values()] + [
        _rule(name, others[name].why, others[name].level) for name in sorted(others)
    ]


def _rule(name: str, why: str, level: str) -> dict[str, Any]:
    return {"id": name, "shortDescription": {"text": why}, "defaultConfiguration": {"level": LEVELS[level]}}


def _result(one: Finding, rule: int) -> dict[str, Any]:
    text = f"{one.what}: {one.why}" + (f"\n{one.instead}" if one.instead else "")
    place = {
        "artifactLocation": {"uri": _uri(Path(one.file))},
        "region": {"startLine": one.line, "startColumn": one.column},
    }
    return {
        "ruleId": one.rule,
        "ruleIndex": rule,
        "level": LEVELS[one.level],
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
    }


def _uri(path: Path) -> str:
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
