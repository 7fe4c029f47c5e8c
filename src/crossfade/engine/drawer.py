"""Texts kept beside the journal, as files of the state folder: shapes of versions, proofs of migrations."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

from crossfade.engine.records import StoreAwayError

KEPT: Final = "kept"


class FolderDrawer:
    """See `ports.Drawer`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / KEPT

    def keep(self, name: str, text: str) -> None:
        """See `ports.Drawer`. Raises `StoreAwayError` where it cannot be written."""
        target = self._folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, made = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(made).replace(target)
        except OSError as error:
            raise StoreAwayError(
                "CF5001", f"{target} cannot be written", error.strerror or str(error), "crossfade status"
            ) from error

    def kept(self, name: str) -> str | None:
        """See `ports.Drawer`."""
        try:
            return (self._folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """See `ports.Drawer`."""
        found = (one for one in self._folder.rglob("*") if one.is_file() and not one.name.startswith("."))
        told = (one.relative_to(self._folder).as_posix() for one in found)
        return tuple(sorted(one for one in told if one.startswith(prefix)))
