"""What the verbs of the database side share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossfade.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def read_text(path: Path) -> str:
    """A file as text. Raises RefusedError (CF9201) where it is not UTF-8."""
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
