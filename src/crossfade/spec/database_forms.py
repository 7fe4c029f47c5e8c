"""
The form of `database:`.

`schema.py` holds the rest of the file and says how forms are read.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict

from crossfade.spec import units
from crossfade.spec.database_models import SHAPE_FILE, RollbackWindow
from crossfade.spec.fields import Duration, Form, mistake, setting

_WINDOW = RollbackWindow()


class EnvForm(Form):
    """A value that stands in the environment."""

    model_config = ConfigDict(json_schema_extra={"required": ["env"]})

    env: str | None = setting("Name of the variable.", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")


def _no_secret(value: Any) -> Any:
    if isinstance(value, str):
        raise mistake(
            "CF2801", "an address of a database stands in the file",
            "it has a password in it, and this file is read by everybody who can read the repository",
            "write `{env: DATABASE_URL}`, and keep the address in that variable",
        )  # fmt: skip
    return value


FromEnv = Annotated[EnvForm, BeforeValidator(_no_secret)]


class WindowForm(Form):
    """Which old versions a person may want back; both hold."""

    releases: int | None = setting(
        "How many versions before the live one.", default=_WINDOW.releases,
        because="one may be bad in a way that is seen late; a third was never needed", ge=1, le=20,
    )  # fmt: skip
    hold_for: Duration | None = setting(
        "How long after it was replaced.", default=units.duration_text(_WINDOW.hold_for),
        because="what nobody missed in two weeks, nobody rolls back to", alias="for",
    )  # fmt: skip


class DatabaseForm(Form):
    """What a release has to know of the schema it runs on."""

    model_config = ConfigDict(json_schema_extra={"required": ["url"]})

    url: FromEnv | None = setting("Where the address stands: `{env: DATABASE_URL}`.")
    direct_url: FromEnv | None = setting(
        "The address without a pooler in front, for migrations.", because="the same as `url`"
    )
    standbys: list[FromEnv] | None = setting(
        "Where the addresses of standbys stand that a backfill with `pause_on.lag` asks itself.",
        because="those are waited for that follow the server and stand in pg_stat_replication",
    )
    migrations: str | None = setting(
        "Folder of schema changes, relative to this file.", because="there are none"
    )
    app_role: str | None = setting(
        "The role that the application connects as.", because="the one with most rights on tables"
    )
    shape: str | None = setting(
        "The statements of this version, as `crossfade migrate record` wrote them.", default=SHAPE_FILE,
        because="beside this file, and built into the revision with it",
    )  # fmt: skip
    boot: str | None = setting(
        "How an instance is started for a trial on a new schema: words with `{port}` and `{revision}`.",
        because="no version is started in a proof",
    )
    rollback_window: WindowForm | None = setting("Which old versions a person may want back.")
