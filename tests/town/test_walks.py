"""The two shops with a database: a schema change under traffic, as their READMEs tell it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from crossfade.migrations.sandbox import Sandbox
from crossfade.spec.changes import read_changes
from crossfade.spec.load import load_spec

EXAMPLES = Path(__file__).parents[2] / "examples"
SHOPS = ("alembic-shop", "django-shop")
NEEDS = {"alembic-shop": ("alembic", "sqlalchemy"), "django-shop": ("django",)}

PREPARED_BY_HAND = ("pip install", "python walk.py", "uv run")


@pytest.fixture(params=SHOPS)
def shop(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def told(shop: str) -> list[str]:
    """The commands of the README that a reader types at the shop's own places."""
    lines = (EXAMPLES / shop / "README.md").read_text().splitlines()
    commands = [line.strip() for line in lines if line.startswith("    ")]
    return [one for one in commands if not one.startswith(PREPARED_BY_HAND)]


def installed(shop: str) -> None:
    missing = [one for one in NEEDS[shop] if find_spec(one) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: uv sync --group examples")


@pytest.fixture
def database() -> Iterator[str]:
    with Sandbox() as sandbox:
        sandbox.server.admin.ask("CREATE DATABASE shop")
        yield f"postgresql://postgres@/shop?host={sandbox.folder}"


def typed(shop: str, database: str, command: str, **more: str) -> str:
    """What a command says that must go well, typed in the shop's folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "DATABASE_URL": database, "PYTHONDONTWRITEBYTECODE": "1", **more}
    done = subprocess.run(
        command.split(), cwd=EXAMPLES / shop, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def walked(shop: str) -> Iterator[subprocess.Popen[str]]:
    """The walk, begun; whatever becomes of the test, nothing of it goes on."""
    installed(shop)
    with subprocess.Popen(
        [sys.executable, EXAMPLES / shop / "walk.py"],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as walk:
        try:
            yield walk
        finally:
            walk.send_signal(signal.SIGTERM)


def test_the_files_of_a_shop_are_read_without_a_mistake(shop: str) -> None:
    spec = load_spec(EXAMPLES / shop / "crossfade.yaml")
    (change,) = read_changes(EXAMPLES / shop / "change")

    assert spec.service == "shop"
    assert None not in {change.expand, change.contract, change.backfill, change.invariant}


def test_the_readme_names_what_lies_there(shop: str) -> None:
    text = (EXAMPLES / shop / "README.md").read_text()
    named = re.findall(r"\]\(([^)#]+)\)", text)

    assert named
    assert [one for one in named if not (EXAMPLES / shop / one).exists()] == []


@pytest.mark.long
@pytest.mark.real
def test_R37_every_release_of_the_alembic_shop_passes_its_tests_on_the_expanded_schema(database: str) -> None:
    installed("alembic-shop")
    typed("alembic-shop", database, "./expanded")

    for revision in ("v1", "v2", "v3"):
        assert "14 passed" in typed("alembic-shop", database, "pytest", REVISION=revision)


@pytest.mark.long
@pytest.mark.real
def test_every_release_of_the_django_shop_passes_its_tests_and_has_its_migrations(database: str) -> None:
    installed("django-shop")

    for revision, count in {"v1": 5, "v2": 7, "v3": 6}.items():
        said = typed("django-shop", database, f"python manage.py test --pythonpath {revision} shop")
        assert f"Ran {count} tests" in said
        typed("django-shop", database, f"python manage.py makemigrations --check --pythonpath {revision}")


@pytest.mark.long
@pytest.mark.real
@pytest.mark.timeout(500)
def test_R37_a_schema_changes_under_traffic_and_no_user_is_lost(
    shop: str, walked: subprocess.Popen[str]
) -> None:
    said, _ = walked.communicate(timeout=480)
    given = {line.removeprefix("$ ").removesuffix(" &") for line in said.splitlines() if line[:2] == "$ "}

    assert walked.returncode == 0, said
    assert re.search(r"[\d,]+ requests, 0 lost", said)
    assert sorted(set(told(shop)) - given) == []
