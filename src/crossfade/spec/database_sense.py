"""What `database:` must mean. Called by `meaning.py`; nothing is connected to here."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from crossfade.spec.database_forms import DatabaseForm, EnvForm
from crossfade.spec.findings import KeyPath
from crossfade.spec.mistakes import EXAMPLES, Notes, missing
from crossfade.spec.units import shown

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def check(form: DatabaseForm | None, notes: Notes) -> None:
    """Add a finding for everything about the database that cannot be meant."""
    if form is None:
        return
    if form.url is None:
        missing(notes, ("database", "url"), EXAMPLES["database.url"])
    for name in ("url", "direct_url"):
        _variable(getattr(form, name), ("database", name), notes)
    for at, one in enumerate(form.standbys or ()):
        _variable(one, ("database", "standbys", at), notes)
    for name in ("migrations", "shape"):
        _path(getattr(form, name), ("database", name), notes)
    if form.app_role is not None and not form.app_role.strip():
        notes.say(
            "CF2802", ("database", "app_role"), "a role without a name",
            "an empty text is no role", "remove the key, or name the role",
        )  # fmt: skip
    if form.boot is not None and "{port}" not in form.boot:
        notes.say(
            "CF2803", ("database", "boot"), "an instance that cannot be told its port",
            "it is started on a port of its own, beside what runs", 'write e.g. `boot: "./serve {port}"`',
        )  # fmt: skip


def _variable(form: EnvForm | None, path: KeyPath, notes: Notes) -> None:
    if form is None:
        return
    if form.env is None:
        missing(notes, (*path, "env"), "env: DATABASE_URL")
    elif not _VARIABLE.fullmatch(form.env):
        notes.say(
            "CF2802", (*path, "env"), f"{shown(form.env)} is no name of a variable",
            "letters, digits and `_`, no digit first", "write e.g. `{env: DATABASE_URL}`",
        )  # fmt: skip


def _path(path_text: str | None, path: KeyPath, notes: Notes) -> None:
    if path_text is None:
        return
    if not path_text.strip() or ".." in PurePosixPath(path_text).parts:
        notes.say(
            "CF2802", path, f"{shown(path_text)} is not a place beside this file",
            "it has to come with the revision, so it lies in this folder or below",
            f"write e.g. `{path[-1]}: {'db/migrations' if path[-1] == 'migrations' else 'shape.json'}`",
        )  # fmt: skip
