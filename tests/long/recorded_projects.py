"""
Projects of other people whose suites are recorded, and what a proof of their next release has to say.

Packages come from PyPI, each version in a venv of its own. `recorded_suites.py` runs them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crossfade.migrations.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from bench.migrations.projects.procrastinate import statements  # noqa: E402 found in the checkout's root


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a proof has to say, known beforehand; anything else is a failure."""

    phase: str | None
    needs: frozenset[str] = frozenset()
    blocks: str = ""
    """Who waits: r, w, rw."""
    wrong: frozenset[tuple[str, str]] = frozenset()
    """Counterexamples of the old version: how the statement begins, and what must stand in what it says."""
    not_proved: frozenset[str] = frozenset()
    """How the statements begin."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """What is recorded and what is proved with it; commands run in `home`."""

    home: Path
    schema: Sequence[str]
    """The options of `migrate record` that make the schema."""
    suite: Sequence[str]
    migration: str
    verdict: Verdict
    new: str | None = None
    """What the new version sends; None: what the old one does."""
    role: str | None = None
    """Of the application, where row security is to be proved."""
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
        verdict=Verdict(
            phase="unsafe",
            needs=frozenset({"new_version_fails", "lock_timeout"}),
            wrong=frozenset({("SELECT procrastinate_finish_job(", "42725")}),
        ),
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
        verdict=Verdict(
            phase="unsafe",
            needs=frozenset({"new_version_fails"}),
            wrong=frozenset(
                {
                    ("SELECT customers.name FROM customers ORDER BY", "42703"),
                    ("SELECT customers.name FROM customers WHERE", "42703"),
                    ("INSERT INTO customers (name)", "42703"),
                    ("UPDATE customers SET name=", "42703"),
                }
            ),
        ),
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
        verdict=Verdict(phase="expand", needs=frozenset({"lock_timeout", "split", "batch"}), blocks="rw"),
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
        verdict=Verdict(phase="expand", needs=frozenset({"lock_timeout", "split"}), blocks="rw"),
    )


RLS_MADE = """
import sys
import django
from django.conf import settings
from django.core.management import call_command
django.setup()
if sys.argv[1:]:
    for name in sys.argv[1:]:
        call_command("sqlmigrate", "test_app", name)
else:
    call_command("migrate", verbosity=0)
    from django.db import connection
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE rls_test_role NOLOGIN")
        cursor.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO rls_test_role")
        cursor.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO rls_test_role")
"""
RLS_POLICY = """SET lock_timeout = '2s';
ALTER POLICY test_order_tenant_isolation_policy ON test_order
  USING (tenant_id = nullif(current_setting('app.tenant', true), '')::int);
"""


def rls_tenants(folder: Path) -> Project:
    """
    django-rls-tenants 1.1.0, the whole of its suite; then the migrations of its test project in 1.2.2.

    Row security by settings and SET ROLE, values in the text (psycopg2). The role of its fixtures is made
    with the schema: a dump knows a role by its grants.
    """
    pip = venv(folder, "pip")
    home, later = (sdist(folder, pip, f"django-rls-tenants=={one}") for one in ("1.1.0", "1.2.2"))
    tools = ("django==5.2.*", "psycopg2-binary", "pytest", "pytest-django")
    old = venv(folder, "old", str(home), *tools)
    new = venv(folder, "new", str(later), *tools)
    made = folder / "made.py"
    made.write_text(RLS_MADE)
    names = ["0004_tag_selfrefmodel_project", "0005_m2m_rls_policies"]
    place = {"PYTHONPATH": ".", "DJANGO_SETTINGS_MODULE": "tests.settings"}
    with Sandbox() as box:
        there = {**os.environ, **place, "POSTGRES_HOST": str(box.folder), "POSTGRES_DB": "postgres"}
        migration = run([str(new), str(made), *names], env=there, cwd=later)
    words = " ".join(f"{key}={value}" for key, value in place.items())
    words = f"{words} POSTGRES_HOST=$PGHOST POSTGRES_DB=$PGDATABASE exec {old}"
    return Project(
        home=home,
        schema=["--schema-from", f"sh -c '{words} {made}'"],
        suite=["sh", "-c", f"{words} -m pytest -q -p no:cacheprovider -o addopts= tests"],
        migration=migration,
        role="rls_test_role",
        verdict=Verdict(
            phase="expand",
            needs=frozenset({"lock_timeout"}),
            not_proved=frozenset(
                {'INSERT INTO "test_order" ("product", "amount", "tenant_id") SELECT * FROM'}
            ),
        ),
    )


def rls_tenants_hidden(folder: Path) -> Project:
    """
    The same, and a policy of ours that reads a setting which nobody sets.

    The proof must see it, and that the new version, here the same file, cannot live with it either.
    """
    return replace(
        rls_tenants(folder),
        migration=RLS_POLICY,
        verdict=Verdict(
            phase="unsafe",
            needs=frozenset({"new_version_fails"}),
            wrong=frozenset({('INSERT INTO "test_order"', "violates row-level security policy")}),
            not_proved=frozenset({"INSERT INTO"}),
        ),
    )


DBOS = """
import os, sys
from pathlib import Path
import dbos
from alembic import command
from alembic.config import Config
config = Config()
config.set_main_option("script_location", str(Path(dbos.__file__).with_name("_migrations")))
address = os.environ.get("DATABASE_URL", "postgresql://nobody@nowhere/nothing")
config.set_main_option("sqlalchemy.url", address.replace(":", "+psycopg:", 1).replace("%", "%%"))
command.upgrade(config, *sys.argv[1:], sql=":" in sys.argv[1])
"""
DBOS_TESTS = ("workflow_introspection", "workflow_management", "classdecorators")
DBOS_LINES = (
    ('"hostname": "localhost"', '"hostname": os.environ["PGHOST"]'),
    ('"port": 5432', '"port": int(os.environ["PGPORT"])'),
)


def dbos(folder: Path) -> Project:
    """
    dbos 0.26.0: SQLAlchemy, Alembic, psycopg 3, a schema of its own, new databases for each test; then 1.0.0.

    Its tests name a host: they get a port that leads to the socket. The wheel has no uuid-ossp, of which one
    default asks one function: it is gen_random_uuid here.
    """
    pip = venv(folder, "pip")
    home, later = (sdist(folder, pip, f"dbos=={one}") for one in ("0.26.0", "1.0.0"))
    for one in (home, later):
        (first,) = one.glob("dbos/_migrations/versions/5c361fc04708_*.py")
        lines = first.read_text().replace("uuid_generate_v4", "gen_random_uuid").splitlines(keepends=True)
        first.write_text("".join(line for line in lines if "uuid-ossp" not in line))
    settings = home / "tests" / "conftest.py"
    for was, now in DBOS_LINES:
        settings.write_text(settings.read_text().replace(was, now))
    tools = ("sqlalchemy==2.0.*", "pytest", "pytest-asyncio", "pytest-mock", "pytest-order", "flask")
    old = venv(folder, "old", str(home), *tools)
    new = venv(folder, "new", str(later), "sqlalchemy==2.0.*")
    made = folder / "made.py"
    made.write_text(DBOS)
    migration = run([str(new), str(made), "83f3732ae8e7:head"], cwd=folder)
    files = " ".join(f"tests/test_{one}.py" for one in DBOS_TESTS)
    suites = Path(__file__).with_name("suites")
    tests = f"PYTHONPATH={suites} exec {old} -m pytest -q -p tcp_door -p no:cacheprovider {files}"
    return Project(
        home=home,
        schema=["--schema-from", f"{old} {made} head"],
        suite=["sh", "-c", tests],
        migration=migration,
        verdict=Verdict(phase="expand", needs=frozenset({"lock_timeout"}), blocks="rw"),
    )


SHORT: Sequence[Callable[[Path], Project]] = (procrastinate, alembic_shop)
LONG: Sequence[Callable[[Path], Project]] = (pgqueuer, guardian, rls_tenants, rls_tenants_hidden, dbos)
ALL = (*SHORT, *LONG)
