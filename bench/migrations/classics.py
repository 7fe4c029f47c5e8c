"""
The classic migrations, three ways: proved by running, read by `migrate lint`, read by squawk.

    ./dev bench migrations [--rounds N]

The cases, what is right about each, and the reason stand in `tests/integration/migrations/catalogue.toml`.
Seconds are of one proof on a sandbox that runs already; the ratio is to an empty database, made and dropped.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crossfade.migrations.lint.check import lint
from crossfade.migrations.lint.rules import RULES
from crossfade.migrations.prove import Question, Version, prove
from crossfade.migrations.sandbox import Sandbox, Server
from crossfade.migrations.script import read_script, read_statements
from crossfade.migrations.verdict import Verdict

CATALOGUE = Path(__file__).parents[2] / "tests" / "integration" / "migrations" / "catalogue.toml"
TIMED = "SET lock_timeout = '2s';"
Case = dict[str, Any]


def classics() -> tuple[list[Case], dict[str, Case]]:
    """The cases that every linter and many a blog post knows, and the schemas that they share."""
    told = tomllib.loads(CATALOGUE.read_text())
    return [case for case in told["case"] if case.get("classic")], told["sets"]


def proved(case: Case, sets: dict[str, Case], server: Server) -> Verdict:
    """The verdict of a proof."""
    usual = sets[case.get("set", "shop")]
    old: str = case.get("old") or usual["old"]
    question = Question(
        schema=read_statements(case.get("schema") or usual["schema"], "schema.sql"),
        schema_name="schema.sql",
        old=(Version(name="old.sql", statements=read_statements(old, "old.sql")),),
        new=Version(name="new.sql", statements=read_statements(case.get("new") or old, "new.sql")),
        migration=read_script(_text(case), "migration.sql"),
    )
    return prove(question, server)


def _text(case: Case) -> str:
    text: str = case["migration"].strip()
    return f"{TIMED}{text[2:]}" if text.startswith("T;") else text


def right(case: Case, verdict: Verdict) -> bool:
    """Every field as the catalogue has it."""
    said = (
        verdict.rollback_safe,
        verdict.phase,
        verdict.blocks_reads,
        verdict.blocks_writes,
        set(verdict.needs),
    )
    reads, writes = case.get("reads", False), case.get("writes", False)
    return said == (case["safe"], case["phase"], reads, writes, set(case["needs"]))


def warned(case: Case) -> str:
    """What `migrate lint` calls an error, or cannot read."""
    return ", ".join(
        sorted({one.rule for one in lint(_text(case), "m.sql") if RULES[one.rule].level != "warning"})
    )


def squawked(case: Case, program: str | None) -> str:
    """What squawk calls an error or a warning, without its rules of style and time-outs."""
    if program is None:
        return ""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(_text(case))
        file.flush()
        command = [
            program,
            "--reporter",
            "json",
            "--exclude",
            "require-timeout-settings,prefer-robust-stmts",
            file.name,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return ", ".join(sorted({one["rule_name"] for one in json.loads(done.stdout or "[]")}))


def needs_care(case: Case) -> bool:
    """Whether somebody has to be stopped: the old version breaks, or others wait."""
    return not case["safe"] or bool(case.get("reads") or case.get("writes"))


def plain(server: Server) -> float:
    """Seconds for an empty database, the yardstick."""
    began = time.monotonic()
    server.create().drop()
    return time.monotonic() - began


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line a case and the totals; 0 where every proof is right."""
    parser = argparse.ArgumentParser(prog="bench migrations")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args(arguments).rounds
    cases, sets = classics()
    program, seconds = shutil.which("squawk"), list[float]()
    counted = {"proof": 0, "lint": 0, "squawk": 0}
    with Sandbox() as sandbox:
        yard = statistics.median(plain(sandbox.server) for _ in range(5))
        for case in cases:
            verdicts = [proved(case, sets, sandbox.server) for _ in range(rounds)]
            verdict, took = verdicts[0], statistics.median(one.seconds for one in verdicts)
            seconds.append(took)
            ours, theirs = warned(case), squawked(case, program)
            counted["proof"] += all(right(case, one) for one in verdicts)
            counted["lint"] += bool(ours) == needs_care(case)
            counted["squawk"] += bool(theirs) == needs_care(case)
            print(line(case, verdict, took), flush=True)
            print(f"    lint: {ours or '-'}   squawk: {theirs or '-' if program else 'not installed'}")
    usual = statistics.median(seconds)
    print(f"\n{len(cases)} cases, {rounds} rounds: median {usual:.2f} s, most {max(seconds):.2f} s")
    print(f"{usual / yard:.0f} x an empty database; right in every field by proof: {counted['proof']}")
    theirs = str(counted["squawk"]) if program else "not installed"
    print(f"right on whether somebody has to be stopped: lint {counted['lint']}, squawk {theirs}")
    return 0 if counted["proof"] == len(cases) else 1


def line(case: Case, verdict: Verdict, took: float) -> str:
    """One case: phase, who waits, the first counterexample."""
    waits = "+".join(
        word for word, so in (("reads", verdict.blocks_reads), ("writes", verdict.blocks_writes)) if so
    )
    first = next(iter(verdict.counterexamples), None)
    told = (
        ""
        if first is None
        else f"  {' '.join(first.statement.split())[:44]} -> {first.after.splitlines()[0][:44]}"
    )
    return f"{case['name'][:44]:<44} {verdict.phase or '?':<9} {waits or '-':<13} {took:5.2f} s{told}"


if __name__ == "__main__":
    sys.exit(main())
