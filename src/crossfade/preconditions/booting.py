"""
A version that migrates when it starts, found by starting it on the schema as it will be.

A rolled-back image that runs `upgrade head` at its start finds a database that is further than itself: it
stops, or it changes the schema under everybody. Neither stands in any statement of its tests.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from crossfade.migrations.lexer import UnreadableError, meaningful
from crossfade.migrations.load import load
from crossfade.migrations.record.listen import Recorder
from crossfade.migrations.script import Script, Statement

_PATIENCE_S: Final = 30.0
_ASK_S: Final = 2.0
_GOOD: Final = range(200, 400)
_LAST: Final = 300
_SCHEMA: Final = frozenset({"create", "alter", "drop", "truncate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How an instance is started, and what tells that it is well."""

    command: str
    """Shell words, with `{port}` and `{revision}`."""
    health: str
    """A path that is answered below 400 where it is well."""
    home: Path
    variables: tuple[str, ...] = ()
    """In which it finds its database, beside `DATABASE_URL`."""


def boot(
    trial: Trial, revision: str, schema: Sequence[Statement], rows: Sequence[str], script: Script | None
) -> str | None:
    """
    Why this version must not meet that schema: it does not start, or it changes it; None where it is well.

    Raises RefusedError where the schema cannot be made.
    """
    with Recorder(variables=trial.variables) as recorder:
        with recorder.connect() as session:
            load(session, schema, "the schema of the database")
            for text in (*rows, *(one.text for one in (script.statements if script else ()))):
                session.ask(text)
        recorder.listen()
        failed = _started(trial, revision, recorder)
        changing = next((one.text for one in recorder.heard() if _changes(one.text)), None)
    if changing is not None:
        return f"{revision} changes the schema when it starts: {' '.join(changing.split())[:80]}"
    return None if failed is None else f"{revision} does not start on this schema: {failed}"


def _changes(text: str) -> bool:
    try:
        lead = [token.value for token in meaningful(text)[:2]]
    except UnreadableError:
        return False
    return bool(lead) and lead[0] in _SCHEMA and lead[-1] not in {"temp", "temporary"}


def _started(trial: Trial, revision: str, recorder: Recorder) -> str | None:
    """Started, asked, and stopped again; why it was not well."""
    port = _free()
    words = [
        one.replace("{port}", str(port)).replace("{revision}", revision) for one in shlex.split(trial.command)
    ]
    environment = {**os.environ, **recorder.environment(), "PORT": str(port)}
    log = recorder.scratch / "booted"
    try:
        with log.open("wb") as said:
            process = subprocess.Popen(
                words, cwd=trial.home, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip
    except OSError as error:
        return error.strerror or str(error)
    try:
        return None if _well(process, port, trial.health) else _why(process, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _well(process: subprocess.Popen[bytes], port: int, path: str) -> bool:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        with closing(HTTPConnection("127.0.0.1", port, timeout=_ASK_S)) as line:
            try:
                line.request("GET", path)
                if line.getresponse().status in _GOOD:
                    return True
            except (OSError, HTTPException):
                pass
        time.sleep(0.05)
    return False


def _why(process: subprocess.Popen[bytes], log: Path) -> str:
    code = process.poll()
    what = f"it was not well within {_PATIENCE_S:g} s" if code is None else f"it ended with {code}"
    said = log.read_text(errors="replace").strip()[-_LAST:]
    return f"{what}: {' '.join(said.split())}" if said else what


def _free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
