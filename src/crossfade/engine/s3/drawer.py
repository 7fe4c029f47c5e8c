"""Texts kept beside the journal, as objects of the bucket."""

from __future__ import annotations

from typing import Final

from crossfade.engine.s3.objects import Objects, SecondError

_KEPT: Final = "kept/"
_TRIES: Final = 5


class S3Drawer:
    """See `ports.Drawer`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def keep(self, name: str, text: str) -> None:
        """See `ports.Drawer`. Of two writers at once the later wins."""
        key, body = f"{_KEPT}{name}", text.encode()
        for _ in range(_TRIES):
            there = self._objects.get(key)
            if there is not None and there.body == body:
                return
            try:
                self._objects.put(key, body, there.etag if there is not None else None)
            except SecondError:
                continue
            return

    def kept(self, name: str) -> str | None:
        """See `ports.Drawer`."""
        found = self._objects.get(f"{_KEPT}{name}")
        return None if found is None else found.body.decode()

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """See `ports.Drawer`."""
        return tuple(key.removeprefix(_KEPT) for key in self._objects.keys(f"{_KEPT}{prefix}"))
