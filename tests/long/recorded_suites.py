"""
`migrate record` around test-suites as they are, and a proof of the next release's migration with that.

    python tests/long/recorded_suites.py [--short] [--only procrastinate] [--keep FOLDER]

Packages come from PyPI, each version in a venv of its own; needs `uv`. The suites are the packages' own, from
their sdists. procrastinate's sdist holds none: there it is a suite of ours, by its own API
(`suites/procrastinate_jobs.py`). `--short` takes what is over in a minute.

Exit 0 = each was recorded, and each proof said what `recorded_projects.py` has written down of it: phase, who
waits, needs, which statements fare otherwise and how, which are not proved. Anything else: exit 1.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from recorded_projects import ALL, SHORT, Project, Verdict, run

from crossfade.migrations.shape import read_shape

PASSED = re.compile(r"\b(\d+) passed")
CROSSFADE = [sys.executable, "-m", "crossfade", "migrate"]


def differences(known: Verdict, told: dict[str, Any], found: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What the proof said and should not have, or should have and did not."""
    blocks = "".join(letter for letter, key in (("r", "reads"), ("w", "writes")) if told[f"blocks_{key}"])
    told_and_known = (
        ("the phase", told["phase"], known.phase),
        ("who waits", blocks, known.blocks),
        ("needs", sorted(told["needs"]), sorted(known.needs)),
    )
    yield from (f"{name}: {now!r}, not {was!r}" for name, now, was in told_and_known if now != was)
    wrong = [(" ".join(one["statement"].split()), one["after"]) for one in found]
    for begins, says in known.wrong:
        if not any(text.startswith(begins) and says in after for text, after in wrong):
            yield f"not found: {begins} … {says}"
    for text, after in wrong:
        if not any(text.startswith(begins) and says in after for begins, says in known.wrong):
            yield f"found, and should not be: {text[:120]}: {after[:120]}"
    lost = {" ".join(one["statement"].split()) for one in told["not_proved"]}
    yield from (f"not proved: {one[:120]}" for one in lost if not one.startswith(tuple(known.not_proved)))
    for begins in known.not_proved:
        if not any(text.startswith(begins) for text in lost):
            yield f"proved by now, against what is written down: {begins}"


def measured(make: Callable[[Path], Project], folder: Path) -> tuple[str, bool]:
    """A row of the table, and whether it is as it must be."""
    one = make(folder)
    shape, new, migration = (folder / name for name in ("shape.json", "new.sql", "migration.sql"))
    migration.write_text(one.migration)
    began = time.monotonic()
    more = ["--allow-failing"] if one.failing else []
    told = run(
        [*CROSSFADE, "record", *one.schema, "--out", str(shape), *more, "--", *one.suite], cwd=one.home
    )
    took = time.monotonic() - began
    if one.new is not None:
        new.write_text(one.new)
    dump = folder / "schema.sql"
    heard = read_shape(shape.read_text(), str(shape))
    dump.write_text(heard.schema)
    proof = subprocess.run(
        [*CROSSFADE, "prove", "--json", "--schema", str(dump), "--old", str(shape),
         "--new", str(shape if one.new is None else new), "--migration", str(migration),
         *(["--app-role", one.role] if one.role else [])],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if not proof.stdout.startswith("{"):
        raise SystemExit(proof.stdout + proof.stderr)
    verdict = json.loads(proof.stdout)
    found = [example for example in verdict["counterexamples"] if example["source"] != "new"]
    apart = list(differences(one.verdict, verdict, found))
    passed = PASSED.search(told)
    sent = sum(statement.seen for statement in heard.statements)
    cells = (
        make.__name__,
        passed[1] if passed else "?",
        f"{took:.0f} s",
        f"{sent:,}",
        f"{len(heard.statements)}",
        f"{sum(bool(statement.samples) for statement in heard.statements)}",
        f"{sent - len(heard.statements):,}",
        f"{len(heard.transactions)} / {len(heard.replays)}",
        f"{len(heard.not_taken)}",
        f"{verdict['phase']}, {len(found)} wrong, {len(verdict['not_proved'])} not proved",
        f"{verdict['seconds']:.1f} s",
    )
    for example in found[:3]:
        print(f"    {' '.join(example['statement'].split())[:80]}\n      -> {example['after'][:120]}")
    for lost in verdict["not_proved"][:5]:
        print(f"    not proved: {' '.join(lost['statement'].split())[:80]}: {lost['why'][-90:]}")
    for difference in apart:
        print(f"    NOT AS IT MUST BE: {difference}")
    return f"| {' | '.join(cells)} |", not apart


HEAD = """\
| project | tests | took | sendings | statements | with values | folded | transactions / run again | left out | verdict | proof |
|---|---|---|---|---|---|---|---|---|---|---|"""  # noqa: E501 a row of a table


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", choices=[one.__name__ for one in ALL])
    parser.add_argument("--keep", type=Path, help="where shapes and venvs stay")
    asked = parser.parse_args()
    chosen = [one for one in ALL if one.__name__ == asked.only] or (SHORT if asked.short else ALL)
    rows, good = [], True
    if asked.keep:
        Path(asked.keep).mkdir(parents=True, exist_ok=True)
    for make in chosen:
        folder = Path(tempfile.mkdtemp(prefix=f"crossfade-{make.__name__}-", dir=asked.keep))
        try:
            row, fine = measured(make, folder)
        finally:
            if asked.keep is None:
                shutil.rmtree(folder, ignore_errors=True)
        rows.append(row)
        good = good and fine
        print(f"{make.__name__}: {'as it must be' if fine else 'NOT AS IT MUST BE'}", flush=True)
    print("\n".join((HEAD, *rows)))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
