"""
The walk through a schema change, told with the commands that a person types.

    database → v1 → expand → v2, taken back in the middle, and released → backfill → verify → v3 → contract

Users are in the shop from v1 to the end. It runs in a copy of the example, on a clock that passes faster
than the wall's, and is over in three minutes or has failed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from crossfade.clocks import set_clock
from walking.database import throwaway
from walking.users import Users, Visit

FASTER: Final = 8.0
"""A bake of two minutes passes in fifteen seconds; processes, requests and the database are real."""
PATIENCE: Final = 120.0
"""Seconds for one command."""
LINES: Final = 5
"""Lines of a command that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What an example puts into the walk."""

    folder: Path
    change: str
    """Name of the schema change."""
    schema: str
    """The command that makes the first schema."""
    record: dict[str, str]
    """By release: the command that records what it sends."""
    rows: str
    """SQL of a past: rows from before the change."""
    visit: Visit
    window_s: float = 0
    """How long the release before the last one may still be wanted back, where it needs the old shape."""
    waiver: str = ""
    """What a person takes upon themselves, where a proof says more than this shop can do."""


class Walk:
    """One walk: a folder, a database, and what was typed."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self._folder = folder
        self._dsn = dsn
        self._env = {**os.environ, "DATABASE_URL": dsn, "CI": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self._env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{self._env.get('PATH', '')}"
        self.port = _free_port()
        self._begun = time.monotonic()
        self._other: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """A free port, and the clock."""
        file = self._folder / "crossfade.yaml"
        file.write_text(file.read_text().replace("port: 8000", f"port: {self.port}"))
        set_clock(self._folder / ".crossfade", FASTER)

    def leave(self) -> None:
        """Nothing of the walk goes on."""
        self.type("crossfade local down --yes --force")

    def tell(self, what: str) -> None:
        print(f"\n{time.monotonic() - self._begun:5.0f} s  {what}", flush=True)

    def type(self, command: str, *, code: int = 0, only: str = "") -> str:
        """Run it as a shell would, and show the end of what it says: of the lines with `only` in them."""
        print(f"$ {command}", flush=True)
        done = subprocess.run(  # noqa: S602 commands of our own, shown as they are typed
            command,
            shell=True,
            cwd=self._folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        said = [line for line in done.stdout.splitlines() if line.strip()]
        wrong = done.returncode != code
        for line in said[-40:] if wrong else [line for line in said if only in line][-LINES:]:
            print(f"    {line}")
        if wrong:
            raise SystemExit(f"walk: exit {done.returncode}, and {code} was expected: {command}")
        return done.stdout

    @contextmanager
    def meanwhile(self, command: str, code: int = 0) -> Iterator[None]:
        """Run it in another terminal while the block lasts; it has ended by itself when the block has."""
        print(f"$ {command} &", flush=True)
        said = self._folder / "other-terminal.txt"
        with (
            said.open("w") as out,
            subprocess.Popen(  # noqa: S602 as above
                command,
                shell=True,
                cwd=self._folder,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            ) as other,
        ):
            self._other = other
            yield
            ended = other.wait(PATIENCE)
        if ended != code:
            print(said.read_text())
            raise SystemExit(f"walk: exit {ended}, and {code} was expected: {command}")

    def release(self, command: str) -> None:
        """A release that is approved half way, and followed to its end."""
        with self.meanwhile(command):
            self.until_asked()
            self.type('crossfade approve --reason "it looks good"')

    def until_asked(self) -> None:
        """Until the release has half of the requests, has been judged on them, and asks for a word."""
        end = time.monotonic() + PATIENCE
        while self._stands() != "awaiting approval":
            if time.monotonic() > end or (self._other and self._other.poll() is not None):
                print((self._folder / "other-terminal.txt").read_text())
                raise SystemExit("walk: the release never asked for approval")
            time.sleep(0.2)

    def _stands(self) -> str:
        said = subprocess.run(
            ["crossfade", "status", "--json"],
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        return str(json.loads(said.stdout)["services"][0]["phase"])

    def fill(self, rows: str) -> None:
        """SQL that nobody types: a past."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(rows.encode())


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def walk(shop: Shop) -> None:
    """All of it, unattended. Ends with an exit code other than 0 where anything is not as told."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("walk: ended from outside"))
    with tempfile.TemporaryDirectory(prefix="crossfade-walk-") as made, throwaway() as dsn:
        folder = Path(made) / shop.folder.name
        shutil.copytree(shop.folder, folder, ignore=shutil.ignore_patterns(".crossfade", "__pycache__"))
        one = Walk(folder, dsn)
        one.prepare()
        try:
            _told(one, shop)
        finally:
            one.leave()


def _told(one: Walk, shop: Shop) -> None:
    v1, v2, v3 = shop.record
    one.tell(f"{v1}, and rows from before the change")
    one.type(shop.schema)
    one.fill(shop.rows)
    one.type(shop.record[v1], only="statements")
    one.type(f"crossfade deploy {v1}", only="RELEASE")
    with Users(port=one.port, visit=shop.visit) as users:
        one.tell(f"{v2} needs another schema")
        one.type(f"cp change/{shop.change}.yaml db/migrations/")
        one.type(shop.record[v2], only="statements")
        one.type(f"crossfade migrate prove {shop.change}")
        one.type("crossfade migrate expand")

        one.tell(f"{v2} is taken back in the middle, with half of the requests")
        with one.meanwhile(f"crossfade deploy {v2}", code=5):
            one.until_asked()
            one.type(f"crossfade can-rollback {v1}")
            one.type('crossfade abort --reason "somebody had a doubt"', only="RELEASE")
        one.release(f'crossfade deploy {v2} --retry --reason "the doubt is gone"')

        one.tell("the rows from before the change")
        one.type("crossfade migrate backfill")
        one.type("crossfade migrate verify")
        one.type(f"crossfade can-rollback {v1}")
        one.type(f"crossfade migrate contract {shop.change}", code=11)

        one.tell(f"{v3} needs the old shape no more")
        one.type(shop.record[v3], only="statements")
        one.release(f"crossfade deploy {v3}")
        if shop.window_s:
            one.type(f"crossfade migrate contract {shop.change}", code=11)
            time.sleep(shop.window_s / FASTER)
        one.type(f"crossfade migrate contract {shop.change}{shop.waiver}")
        one.type(f"crossfade can-rollback {v1}", code=4)
        one.type("crossfade migrate status")
    one.tell(str(users))
    if users.lost or not {v1, v2, v3} <= set(users.answered):
        raise SystemExit("walk: a user was lost, or a release never served")
