"""
A part that another program runs (`alembic upgrade 0042`): given the database, a lock_timeout, and tries.

The program finds the database in the variables of crossfade.yaml, whose value here is the direct one, and
libpq's PGOPTIONS sets lock_timeout; a program that overrules it waits as it pleases. What it prints is shown
without passwords. What it did is its own bookkeeping's to know: AFTER A CRASH IT IS RUN AGAIN.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from psycopg import conninfo

from crossfade.errors import PlatformError, UsageError
from crossfade.migrations.running.blockers import waiting
from crossfade.migrations.running.doors import WORKER, Sessions
from crossfade.migrations.running.executor import Means
from crossfade.migrations.wire import Session

_LOOK_S: Final = 0.25
_NO_LOCK: Final = re.compile(r"55P03|LockNotAvailable|lock timeout", re.IGNORECASE)
_MOST_LINES: Final = 2000
_OF_WORKERS: Final = """
SELECT pid FROM pg_catalog.pg_stat_activity
WHERE application_name = $1 AND pid <> ALL ($2::int[]) AND wait_event_type = 'Lock'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where a command runs: its folder, and the variables that name the database."""

    folder: Path
    variables: tuple[str, ...]


def run_command(means: Means, around: Surroundings, change: str, command: str, sessions: Sessions) -> int:
    """Run it until it ends well; the number of tries. Raises PlatformError (CF9275), UsageError."""
    words = _words(change, command)
    hide = hider(means.door.dsn)
    began = means.clock.now()
    for tries in range(1, means.limits.tries + 1):
        means.lock.still()
        code, said, blocker = _once(means, around, words, hide, sessions)
        if code == 0:
            return tries
        over = tries == means.limits.tries or means.clock.now() - began >= means.limits.budget
        if over or not _NO_LOCK.search(said):
            why = f"it ended with {code}" + (f"; in the way: {blocker}" if blocker else "")
            break
        pause = means.backoff.pause(tries, means.chance)
        in_way = f"; in the way: {blocker}" if blocker else ""
        means.tell(f"no lock in time at try {tries}, again in {pause.total_seconds():.1f} s{in_way}")
        means.clock.sleep(pause)
    raise PlatformError(
        "CF9275",
        f"{change}: the command failed: {hide(command)}",
        why,
        "its own words are above; mend it, then run this again: it is run from its beginning",
    )


def _once(
    means: Means,
    around: Surroundings,
    words: Sequence[str],
    hide: Callable[[str], str],
    sessions: Sessions,
) -> tuple[int, str, str]:
    """One try: exit code, the last lines, whom it was seen waiting for."""
    try:
        process = subprocess.Popen(
            words,
            cwd=around.folder,
            env=_environment(means, around),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise UsageError(
            "CF9275", f"the command cannot be started: {words[0]}", error.strerror or "", "check its path"
        ) from None
    lines: list[str] = []

    def read() -> None:
        for line in process.stdout or ():
            shown = hide(line.rstrip("\n"))
            lines.append(shown)
            means.tell(f"| {shown}")
            del lines[:-_MOST_LINES]

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    blocker = ""
    try:
        while process.poll() is None:
            blocker = _blocker(sessions.look, sessions.work.pid) or blocker
            reader.join(_LOOK_S)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        reader.join(_LOOK_S * 20)
        if process.stdout is not None and not reader.is_alive():
            process.stdout.close()
    return process.returncode, "\n".join(lines), blocker


def _blocker(observer: Session, ours: int) -> str:
    for (pid,) in observer.ask(_OF_WORKERS, [WORKER, f"{{{ours}}}"]):
        seen = waiting(observer, int(pid or 0))
        if seen.blockers:
            return str(seen.blockers[0])
    return ""


def _environment(means: Means, around: Surroundings) -> dict[str, str]:
    lock = round(means.limits.lock.total_seconds() * 1000)
    before = os.environ.get("PGOPTIONS", "")
    return {
        **os.environ,
        **dict.fromkeys(around.variables, means.door.dsn),
        "PGOPTIONS": f"{before} -c lock_timeout={lock}".strip(),
        "PGAPPNAME": WORKER,
    }


def _words(change: str, command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(
            "CF9275", f"{change}: the command cannot be split into words", str(error), "close its quotes"
        ) from None
    if not words:
        raise UsageError("CF9275", f"{change}: the command is empty", "", "write one, or take the key away")
    return words


def hider(dsn: str) -> Callable[[str], str]:
    """Makes a text show neither the DSN nor the password in it, however it is written."""
    password = str(conninfo.conninfo_to_dict(dsn).get("password") or "")
    secrets = sorted({dsn, password, quote(password, safe="")} - {""}, key=len, reverse=True)

    def hide(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "***")
        return text

    return hide
