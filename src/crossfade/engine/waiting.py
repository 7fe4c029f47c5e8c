"""
The line of those who wait until a service is free: first come, first served, across processes.

A place is held by a living process; whoever dies leaves the line by that alone.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from crossfade.engine import processes
from crossfade.engine.database import Database
from crossfade.engine.moments import instant, micros
from crossfade.engine.records import Place


class WaitingLine:
    """All who wait in one state folder."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def join(self, service: str, revision: str, actor: str) -> int:
        pid = os.getpid()
        found = self._db.one(
            "join_line",
            service=service,
            revision=revision,
            actor=actor,
            pid=pid,
            birth=processes.birth(pid),
            since=micros(datetime.fromtimestamp(time.time(), UTC)),
        )
        assert found is not None  # noqa: S101  # what was inserted is returned
        return int(found["number"])

    def leave(self, service: str, number: int) -> None:
        del service
        self._db.run("leave_line", number=number)

    def ahead(self, service: str, number: int | None = None) -> tuple[Place, ...]:
        found = []
        for row in self._db.all("line", service=service):
            if not processes.alive(row["pid"], row["birth"]):
                self.leave(service, row["number"])
            elif number is None or row["number"] < number:
                found.append(
                    Place(
                        number=row["number"],
                        service=row["service"],
                        revision=row["revision"],
                        actor=row["actor"],
                        pid=row["pid"],
                        since=instant(row["since"]),
                    )
                )
        return tuple(found)
