"""
`migrate record` around test-suites as they are, and a proof of the next release's migration with that.

    python tests/long/recorded_suites.py [--short] [--only procrastinate] [--keep FOLDER]

Packages come from PyPI, each version in a venv of its own; needs `uv`. The suites are the packages' own, from
their sdists. procrastinate's sdist holds none: there it is a suite of ours, by its own API
(`suites/procrastinate_jobs.py`). `--short` takes what is over in a minute.

Exit 0 = each was recorded, each proof found what it is known to have to find, and nothing but that.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.shape import read_shape

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from bench.migrations.projects.procrastinate import statements  # noqa: E402 found in the checkout's root

PASSED = re.compile(r"\b(\d+) passed")
CROSSFADE = [sys.executable, "-m", "crossfade", "migrate"]


@dataclass(frozen=True, kw_only=True)
class Project:
    """What is recorded and what is proved with it; commands run in `home`."""

    home: Path
    schema: Sequence[str]
    """The options of `migrate record` that make the schema."""
    suite: Sequence[str]
    migration: str
    new: str | None = None
    """What the new version sends; None: what the old one does."""
    finds: str = ""
    """What the first counterexample must say; empty: there must be none."""
    failing: bool = False
    """Some of its tests bound absolute times; what was heard is kept all the same."""


def venv(folder: Path, name: str, *requirements: str) -> Path:
    """A venv with packages in it: its python."""
    python = folder / name / "bin" / "python"
    run(["uv", "venv", "-q", "--seed", str(folder / name)])
    if requirements:
        run(["uv", "pip", "install", "-q", "--python", str(python), *requirements])
    return python


def sdist(folder: Path, python: Path, requirement: str) -> Path:
    """A package as its authors packed it, with its tests."""
    into = Path(tempfile.mkdtemp(dir=folder))
    run([str(python), "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(into),
         requirement])  # fmt: skip
    (packed,) = into.glob("*.tar.gz")
    shutil.unpack_archive(packed, into, filter="data")
    (home,) = (one for one in into.iterdir() if one.is_dir())
    return home


def run(words: Sequence[str], **more: Any) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True, **more)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
    return str(done.stdout)


def procrastinate(folder: Path) -> Project:
    """0.17.0 -> 0.18.0, which was withdrawn: a function of it became ambiguous for the version before."""
    python = venv(folder, "old", "procrastinate==0.17.0", "psycopg2-binary", "pytest")
    packages = (venv(folder, "new", "procrastinate==0.18.0"), python)
    new, old = (next(one.parents[1].glob("lib/*/site-packages/procrastinate/sql")) for one in packages)
    known = {one.name for one in (old / "migrations").glob("*.sql")}
    added = [one for one in sorted((new / "migrations").glob("*.sql")) if one.name not in known]
    suite = shutil.copy(Path(__file__).with_name("suites") / "procrastinate_jobs.py", folder)
    return Project(
        home=folder,
        schema=["--schema", str(old / "schema.sql")],
        suite=[str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(suite)],
        migration="\n".join(one.read_text() for one in added),
        new=statements(new / "queries.sql"),
        finds="is not unique",
    )


def alembic_shop(folder: Path) -> Project:
    """The example of ours: its first version, and the contract that takes the column away from it."""
    home = folder / "shop"
    shutil.copytree(ROOT / "examples" / "alembic-shop", home)
    binaries = Path(sys.executable).parent
    return Project(
        home=home,
        schema=["--schema-from", f"{binaries / 'alembic'} upgrade 0001"],
        suite=["env", "REVISION=v1", str(binaries / "pytest")],
        migration="SET lock_timeout = '2s'; ALTER TABLE customers RENAME name TO full_name;",
        finds="does not exist",
    )


def pgqueuer(folder: Path) -> Project:
    """Four files of its suite, those that work a queue; then what 1.6.0 would run to upgrade."""
    python = venv(folder, "pip")
    home = sdist(folder, python, "pgqueuer==1.5.0")
    tools = ("pytest", "pytest-asyncio", "pytest-mock", "async-timeout", "testcontainers", "httpx", "flask")
    old = venv(folder, "old", f"{home}[asyncpg,psycopg]", "psycopg[binary]", *tools)
    new = venv(folder, "new", "pgqueuer[psycopg]==1.6.0")
    files = " ".join(f"test/test_{one}.py" for one in ("queries", "qm", "scheduler", "retry"))
    suite = (
        f"EXTERNAL_POSTGRES_DSN=$DATABASE_URL exec {old} -m pytest -q -o addopts= -p no:cacheprovider {files}"
    )
    return Project(
        home=home,
        schema=["--schema-from", f"{old} -m pgqueuer install"],
        suite=["sh", "-c", suite],
        migration=run([str(new), "-m", "pgqueuer", "sql", "upgrade"]),
        failing=True,
    )


GUARDIAN_SQL = """
import django
from django.conf import settings
from django.core.management import call_command
place = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres"}
apps = ["django.contrib.contenttypes", "django.contrib.auth", "guardian"]
auto = "django.db.models.AutoField"
settings.configure(INSTALLED_APPS=apps, DATABASES={"default": place}, DEFAULT_AUTO_FIELD=auto)
django.setup()
call_command("sqlmigrate", "guardian", "0003")
"""


def guardian(folder: Path) -> Project:
    """django-guardian 3.0.0, the whole of its suite; then the migration of 3.5.2."""
    python = venv(folder, "pip")
    home = sdist(folder, python, "django-guardian==3.0.0")
    tools = ("django==5.2.*", "psycopg[binary]", "django-environ", "pytest", "pytest-cov", "pytest-django")
    old = venv(folder, "old", str(home), *tools)
    new = venv(folder, "new", "django-guardian==3.5.2", "django==5.2.*", "psycopg[binary]")
    with Sandbox() as box:
        place = {**os.environ, "PGHOST": str(box.folder), "PGUSER": "postgres", "PGPORT": "5432"}
        migration = run([str(new), "-c", GUARDIAN_SQL], env=place)
    return Project(
        home=home,
        schema=["--schema-from", f"{old} manage.py migrate -v 0"],
        suite=[
            str(old),
            "-m",
            "pytest",
            "-q",
            "--ds=guardian.testapp.testsettings",
            "-p",
            "no:cacheprovider",
        ],
        migration=migration,
    )


SHORT: Sequence[Callable[[Path], Project]] = (procrastinate, alembic_shop)
ALL: Sequence[Callable[[Path], Project]] = (*SHORT, pgqueuer, guardian)


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
         "--new", str(shape if one.new is None else new), "--migration", str(migration)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if not proof.stdout.startswith("{"):
        raise SystemExit(proof.stdout + proof.stderr)
    verdict = json.loads(proof.stdout)
    found = [example for example in verdict["counterexamples"] if example["source"] != "new"]
    fine = (one.finds in found[0]["after"]) if one.finds and found else not one.finds and not found
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
    return f"| {' | '.join(cells)} |", fine


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
