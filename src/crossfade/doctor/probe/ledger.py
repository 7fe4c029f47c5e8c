"""
What a probe has made, on disk before it is made: whatever kills it, the next command knows what to look for.

One JSON line an entry, each forced to the disk. The first names the account, so that nothing is ever looked
for, and taken away, elsewhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfade.errors import UsageError

FILE = "crossfade-probe.ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One resource, by the name that it was or was going to be given."""

    kind: str
    """`security-group`, `load-balancer`, `target-group`."""
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Which probe it was, and where."""

    id: str
    account: str
    region: str
    endpoint: str | None = None


class Ledger:
    """The file of one probe."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, run: Run) -> None:
        """Raises `UsageError` CF7401 where an earlier probe has left something behind."""
        if self.path.exists():
            raise UsageError(
                "CF7401",
                f"a probe has not cleaned up after itself: {self.path}",
                ", ".join(f"{thing.kind} {thing.name}" for thing in self.left()) or "nothing is left of it",
                "crossfade doctor --probe --clean",
            )
        said = {"run": run.id, "account": run.account, "region": run.region, "endpoint": run.endpoint}
        self._write(said)

    def intends(self, thing: Thing) -> None:
        """Before it is made."""
        self._write({"made": [thing.kind, thing.name]})

    def gone(self, thing: Thing) -> None:
        """After it was seen to be gone."""
        self._write({"gone": [thing.kind, thing.name]})

    def end(self) -> None:
        """Everything is gone, and so is the file."""
        self.path.unlink(missing_ok=True)

    def run(self) -> Run | None:
        """None where there is no probe to clean up after."""
        first = next(self._lines(), None)
        if first is None:
            return None
        return Run(
            id=first["run"], account=first["account"], region=first["region"], endpoint=first.get("endpoint")
        )

    def left(self) -> tuple[Thing, ...]:
        """What may still be there, the newest first."""
        things: dict[Thing, bool] = {}
        for line in self._lines():
            for word in ("made", "gone"):
                if word in line:
                    kind, name = line[word]
                    things[Thing(kind=kind, name=name)] = word == "made"
        return tuple(thing for thing in reversed(things) if things[thing])

    def _lines(self) -> Iterator[dict[str, Any]]:
        """Whole ones; a kill in mid-write leaves half a line, and what it says was not begun."""
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return
        for line in text.splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)

    def _write(self, said: dict[str, Any]) -> None:
        with self.path.open("a") as out:
            out.write(json.dumps(said) + "\n")
            out.flush()
            os.fsync(out.fileno())
