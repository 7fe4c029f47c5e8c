"""The stores that the contract is asked of: each can be opened again, and written by a newer program."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from buckets import new_bucket, objects_in

from crossfade.engine import SqliteStore
from crossfade.engine.ports import Store
from crossfade.engine.s3 import Found, Objects, S3Store
from crossfade.testing import MemoryObjects


class Kind(Protocol):
    """One kind of store, at one place."""

    def open(self) -> Store: ...

    def raise_schema(self, of: str) -> None:
        """As if a newer program had written the `state` or the `plan` of every release."""
        ...


@dataclass
class Sqlite:
    folder: Path

    def open(self) -> SqliteStore:
        return SqliteStore(self.folder)

    def raise_schema(self, of: str) -> None:
        with SqliteStore(self.folder) as store:
            if of == "state":
                store._db.link.execute("update releases set schema = 99")
            else:
                store._db.link.execute("""update releases set plan = '{"schema": 99, "plan": {}}'""")


@dataclass
class InBucket:
    objects: Objects
    folder: Path

    def open(self) -> S3Store:
        return S3Store(self.objects, self.folder, glance=0.0)

    def raise_schema(self, of: str) -> None:
        def newer(document: dict[str, Any]) -> None:
            for row in document["rows"]:
                if of == "state":
                    row["state"]["schema"] = 99
                else:
                    row["plan_schema"] = 99

        edit(self.objects, newer)


def edit(
    objects: Objects, how: Callable[[dict[str, Any]], None], key: str = "service/shop/state.json"
) -> None:
    """Rewrites an object by hand."""
    found = objects.get(key)
    assert found is not None
    said = json.loads(found.body)
    how(said)
    write(objects, key, json.dumps(said).encode(), found)


def write(objects: Objects, key: str, body: bytes, found: Found | None = None) -> None:
    there = found or objects.get(key)
    objects.put(key, body, there.etag if there is not None else None)


KINDS = ("sqlite", "memory", "s3")


def kind_of(name: str, folder: Path) -> Kind:
    match name:
        case "sqlite":
            return Sqlite(folder)
        case "memory":
            return InBucket(MemoryObjects(), folder)
        case _:
            return InBucket(objects_in(new_bucket()), folder)
