"""The `database:` section: variables, never addresses; defaults with their reasons."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from crossfade.spec.database_models import Database, RollbackWindow
from crossfade.spec.load import load_spec
from crossfade.spec.resolved import resolved

BASE = """\
apiVersion: crossfade/v1
service: shop
platform: {local: {command: "./serve --port {port}", port: 8000}}
strategy: canary
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "crossfade.yaml"
    path.write_text(BASE + text)
    return path


def test_a_service_has_no_database_unless_it_says_so(tmp_path: Path) -> None:
    assert load_spec(written(tmp_path, "")).database is None


def test_the_address_stands_in_a_variable_and_the_rest_has_defaults(tmp_path: Path) -> None:
    spec = load_spec(written(tmp_path, "database: {url: {env: DATABASE_URL}}\n"))
    assert spec.database == Database(url="DATABASE_URL")
    assert spec.database.direct == "DATABASE_URL"
    assert spec.database.rollback_window == RollbackWindow(releases=2, hold_for=timedelta(days=14))


def test_all_of_it_is_read_and_shown_resolved(tmp_path: Path) -> None:
    text = """\
database:
  url: {env: DATABASE_URL}
  direct_url: {env: MIGRATE_URL}
  standbys: [{env: EAST_URL}, {env: WEST_URL}]
  migrations: db/migrations
  app_role: app
  shape: build/shape.json
  boot: "./serve {port}"
  rollback_window: {releases: 3, for: 7d}
"""
    spec = load_spec(written(tmp_path, text))
    assert spec.database == Database(
        url="DATABASE_URL",
        direct_url="MIGRATE_URL",
        standbys=("EAST_URL", "WEST_URL"),
        migrations="db/migrations",
        app_role="app",
        shape="build/shape.json",
        boot="./serve {port}",
        rollback_window=RollbackWindow(releases=3, hold_for=timedelta(days=7)),
    )
    assert spec.database.direct == "MIGRATE_URL"
    shown = resolved(spec)
    for said in ("MIGRATE_URL", "db/migrations", "build/shape.json", "releases: 3", "for: 7d"):
        assert said in shown
    again = tmp_path / "again"
    again.mkdir()
    (again / "crossfade.yaml").write_text(shown)
    assert load_spec(again / "crossfade.yaml").database == spec.database
