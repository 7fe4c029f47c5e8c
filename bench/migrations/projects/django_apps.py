"""
Django's reusable applications: each migration of theirs, against what the ORM sends for the models before it.

python -m bench.migrations.projects.django_apps [APP …]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

from bench.migrations.projects.common import ask, installed

from crossfade.migrations.sandbox import Sandbox

APPS: Final = {
    "oauth2_provider": "django-oauth-toolkit==3.4.1",
    "django_celery_beat": "django-celery-beat==2.9.0",
    "django_q": "django-q2==1.11.1",
}
_BASE: Final = ("django.contrib.contenttypes", "django.contrib.auth")


def main() -> None:
    with installed("django==5.2.*", *APPS.values()) as folder, Sandbox() as box:
        sys.path.insert(0, str(folder))
        database = box.server.create()
        _configure(str(box.folder), database.name)
        asked = [(name, *case) for name in sys.argv[1:] or APPS for case in _cases(name)]
        for name, called, schema, old, new, migration in asked:
            ask(box.server, f"{name} {called}", schema=schema, old=old, new=new, migration=migration)


def _configure(folder: str, database: str) -> None:
    import django
    from django.conf import settings

    settings.configure(
        INSTALLED_APPS=[*_BASE, *APPS],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "HOST": folder,
                "USER": "postgres",
                "NAME": database,
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        SECRET_KEY="not one",  # noqa: S106 a setting that Django asks for
    )
    django.setup()


def _cases(app: str) -> Iterator[tuple[str, str, str, str, str]]:
    """Each migration of an application but the first that make anything: name, schema, old, new, SQL."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    leaves = executor.loader.graph.leaf_nodes(app)
    plan = executor.migration_plan(leaves)
    state = executor._create_project_state(with_applied_migrations=True)
    schema = "\n".join(_APPLIED)
    for migration, _ in plan:
        before = state.clone()
        with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
            migration.apply(before.clone(), editor, collect_sql=True)
        sql = "\n".join(one for one in editor.collected_sql if not one.startswith("--"))
        state = executor.apply_migration(state, migration)
        if migration.app_label == app and (old := _sent(before, app)) and sql.strip():
            yield migration.name, schema, old, _sent(state, app), f"BEGIN;\n{sql}\nCOMMIT;"
        schema += f"\n{sql}"
        _APPLIED.append(sql)


_APPLIED: list[str] = []
"""The SQL of every migration so far, of all applications: the schema that the next one meets."""


def _sent(state: Any, app: str) -> str:
    """What the ORM sends for each model: all of a row, one row by its key, written, changed, taken away."""
    from django.db import connection
    from django.db.models import sql
    from django.db.models.expressions import RawSQL

    found = []
    place = RawSQL("%s", (0,))
    for model in state.apps.get_models():
        meta = model._meta
        if meta.app_label != app or meta.proxy or not meta.managed:
            continue
        fields = [one for one in meta.concrete_fields if not one.get_internal_type().endswith("AutoField")]
        one_row = model._base_manager.filter(pk=place)
        found.append(one_row.query.get_compiler(connection=connection).as_sql()[0])
        update = one_row.query.chain(sql.UpdateQuery)
        update.add_update_fields([(one, None, place) for one in fields])
        found.append(update.get_compiler(connection=connection).as_sql()[0])
        columns = ", ".join(f'"{one.column}"' for one in fields)
        places = ", ".join(["%s"] * len(fields))
        found.append(
            f'INSERT INTO "{meta.db_table}" ({columns}) VALUES ({places}) RETURNING "{meta.pk.column}"'
        )
        found.append(f'DELETE FROM "{meta.db_table}" WHERE "{meta.pk.column}" = %s')
    return ";\n".join(_numbered(one) for one in found)


def _numbered(text: str) -> str:
    pieces = text.split("%s")
    return pieces[0] + "".join(f"${at}{piece}" for at, piece in enumerate(pieces[1:], 1))


if __name__ == "__main__":
    main()
