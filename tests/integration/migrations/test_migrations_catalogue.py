"""The catalogue: each migration gets the verdict it deserves, on a real PostgreSQL."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossfade.migrations.prove import Question, Version, prove
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.script import read_script, read_statements
from crossfade.migrations.verdict import Verdict

Case = dict[str, Any]
FILES = [tomllib.loads(one.read_text()) for one in sorted(Path(__file__).parent.glob("catalogue*.toml"))]
SETS: dict[str, Case] = {name: usual for file in FILES for name, usual in file["sets"].items()}
CASES: list[Case] = [case for file in FILES for case in file["case"]]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(18) as running:
        yield running


@pytest.fixture(scope="session")
def sandbox_16() -> Iterator[Sandbox]:
    with Sandbox(16) as running:
        yield running


def verdict(case: Case, sandbox: Sandbox) -> Verdict:
    usual = SETS[case.get("set", "shop")]
    old: str = case.get("old") or usual["old"]
    migration = case["migration"].strip()
    if migration.startswith("T;"):
        migration = f"SET lock_timeout = '2s';{migration[2:]}"
    question = Question(
        schema=read_statements(case.get("schema") or usual["schema"], "schema.sql"),
        schema_name="schema.sql",
        old=(Version(name="old.sql", statements=read_statements(old, "old.sql")),),
        new=Version(name="new.sql", statements=read_statements(case.get("new") or old, "new.sql")),
        migration=read_script(migration, "migration.sql"),
    )
    return prove(question, sandbox.server)


def expected(case: Case) -> dict[str, object]:
    return {
        "safe": case["safe"],
        "phase": case["phase"],
        "reads": case.get("reads", False),
        "writes": case.get("writes", False),
        "needs": sorted(case["needs"]),
    }


def got(seen: Verdict) -> dict[str, object]:
    return {
        "safe": seen.rollback_safe,
        "phase": seen.phase,
        "reads": seen.blocks_reads,
        "writes": seen.blocks_writes,
        "needs": sorted(seen.needs),
    }


def check(case: Case, sandbox: Sandbox) -> None:
    seen = verdict(case, sandbox)

    assert expected(case) == got(seen)
    assert bool(seen.counterexamples) == (case["safe"] is False and "migration_fails" not in case["needs"])
    assert not seen.not_proved
    assert strangers(case, seen) == []


def strangers(case: Case, seen: Verdict) -> list[str]:
    """Old statements that fail and should not, and beginnings of those that should and do not."""
    if "fails" not in case:
        return []
    failing = [" ".join(one.statement.split()) for one in seen.counterexamples]
    unforeseen = [one for one in failing if not any(one.startswith(start) for start in case["fails"])]
    return unforeseen + [
        start for start in case["fails"] if not any(one.startswith(start) for one in failing)
    ]


def named(case: Case) -> str:
    return str(case["name"])


@pytest.mark.real
@pytest.mark.parametrize("case", [one for one in CASES if one.get("classic")], ids=named)
def test_R37_classic(case: Case, sandbox: Sandbox) -> None:
    check(case, sandbox)


@pytest.mark.real
@pytest.mark.long
@pytest.mark.parametrize("case", [one for one in CASES if not one.get("classic")], ids=named)
def test_R37_catalogue(case: Case, sandbox: Sandbox) -> None:
    check(case, sandbox)


@pytest.mark.real
@pytest.mark.long
@pytest.mark.parametrize("case", [one for one in CASES if one.get("since", 0) <= 16], ids=named)
def test_R37_catalogue_on_16(case: Case, sandbox_16: Sandbox) -> None:
    check(case, sandbox_16)
