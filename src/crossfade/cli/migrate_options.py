"""What the verbs of the database side share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crossfade.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


_LARGEST: Final = 16 << 20


def read_text(path: Path) -> str:
    """A file as text. Raises RefusedError: CF9201 where it is not UTF-8, CF9215 where it is too large."""
    size = path.stat().st_size
    if size > _LARGEST:
        raise RefusedError(
            "CF9215",
            f"{path} is too large: {size >> 20} MiB",
            f"a proof reads files of up to {_LARGEST >> 20} MiB",
            "pg_dump --schema-only for a schema; data is loaded by a job, not by a migration",
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RefusedError(
            "CF9201", f"{path} cannot be read", f"it is not UTF-8: {error.reason}", "save it as UTF-8"
        ) from None


def need_the_extra() -> None:
    """Raises UsageError (CF9213) where the extra `migrations` is not installed."""
    from importlib.util import find_spec

    if find_spec("psycopg") is None:
        raise UsageError(
            "CF9213", "this needs psycopg", "it is not installed", "pip install 'crossfade[migrations]'"
        )
