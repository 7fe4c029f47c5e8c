"""
Runs hooks: a request to the candidate's test route, a program of the user's, or a warm-up.

Each runs at least once under one idempotency key. Its result is kept by the store and comes
back to the heart as truth; a run whose process is gone has no result and is run again.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shlex
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from crossfade.engine import processes
from crossfade.engine.clock import EngineClock
from crossfade.engine.ports import Store
from crossfade.engine.records import HookRow, StoreError
from crossfade.errors import PlatformError
from crossfade.release.plan import Plan
from crossfade.release.values import HookResult, HookSay

REFUSED = 5.0
"""Real seconds for which a refused connection is tried again: a listener opens within milliseconds."""

AGAIN = 0.1
"""Real seconds between two such tries."""

GRACE = 2.0
"""Real seconds between SIGTERM and SIGKILL at the deadline."""

TEXT = 600
"""Characters of output that go into the journal; the whole of it is in the log."""

Environment = Callable[[Plan], Mapping[str, str]]


class WarmUp(Protocol):
    """Requests sent alike to candidate and stable over the test route, and judged."""

    def __call__(
        self,
        plan: Plan,
        key: str,
        asked: Mapping[str, Any],
        *,
        url: str,
        limit: float,
        stop: threading.Event,
        record: Path,
    ) -> HookResult:
        """One run within `limit` real seconds, ended early by `stop`; what it judged goes into `record`."""
        ...


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one run."""

    passed: bool
    text: str


class HookRunner:
    """
    The `Hooks` port.

    `environment` gives what the platform adds for a plan: at least `CROSSFADE_TEST_URL`, and in
    `CROSSFADE_TEST_HEADERS` what a request there has to carry, a `name: value` a line.
    `warm_up` runs hooks of that kind; without it they fail.
    """

    def __init__(
        self,
        store: Store,
        clock: EngineClock,
        environment: Environment,
        warm_up: WarmUp | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._environment = environment
        self._warm_up = warm_up
        self._runner = uuid.uuid4().hex
        self._pid = os.getpid()
        self._birth = processes.birth(self._pid)
        self._lock = threading.Lock()
        self._running: dict[str, threading.Thread] = {}
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        self._closing = threading.Event()

    def start(self, plan: Plan, key: str) -> None:
        """Runs the hook in a thread of its own; nothing where it runs already."""
        if key not in plan.hooks:
            raise PlatformError("CF5031", f"the plan has no hook {key}", "it was opened by another program")
        with self._lock:
            if key in self._running or self._closing.is_set():
                return
            self._store.hook_started(
                plan.release,
                key,
                runner=self._runner,
                pid=self._pid,
                birth=self._birth,
                now=self._clock.now(),
            )
            thread = threading.Thread(target=self._run, args=(plan, key), name=f"hook {key}", daemon=True)
            self._running[key] = thread
            thread.start()

    def results(self, release: str) -> Mapping[str, HookResult]:
        """By key; a run that died with its process is left out, so that it is run again."""
        return {
            row.key: result
            for row in self._store.hook_results(release)
            if (result := self._result(row)) is not None
        }

    def _result(self, row: HookRow) -> HookResult | None:
        if row.passed is not None:
            return HookResult(say=HookSay.PASSED if row.passed else HookSay.FAILED, text=row.text)
        mine = row.runner == self._runner
        lives = row.key in self._running if mine else self._lives(row)
        return HookResult(say=HookSay.RUNNING) if lives else None

    def _lives(self, row: HookRow) -> bool:
        """Whether the process that runs it is there; of another machine its controller's heartbeat tells."""
        if processes.near(row.birth, processes.host()):
            return processes.alive(row.pid, row.birth)
        return any((driver.pid, driver.birth) == (row.pid, row.birth) for driver in self._store.drivers())

    def close(self) -> None:
        """Ends the programs that still run; without a result they are run again by whoever goes on."""
        self._closing.set()
        with self._lock:
            threads = tuple(self._running.values())
        began = time.monotonic()
        # A program that is just being started appears a moment later: asked again until each thread is over.
        while any(thread.is_alive() for thread in threads) and time.monotonic() - began < 2 * GRACE:
            number = signal.SIGTERM if time.monotonic() - began < GRACE else signal.SIGKILL
            with self._lock:
                programs = tuple(self._programs.values())
            for program in programs:
                _signal(program, number)
            threads[0].join(AGAIN)
            threads = tuple(thread for thread in threads if thread.is_alive())

    def _run(self, plan: Plan, key: str) -> None:
        try:
            try:
                came = self._came(plan, key)
            except Exception as error:  # noqa: BLE001  # whatever breaks here is this hook's failure
                came = Came(passed=False, text=f"could not be run: {type(error).__name__}: {error}")
            if not self._closing.is_set():
                self._keep(key, came)
        finally:
            with self._lock:
                self._running.pop(key, None)

    def _keep(self, key: str, came: Came) -> None:
        """A store away for a moment must not cost the result; away for longer, the hook runs again."""
        for _ in range(20):
            try:
                self._store.hook_finished(key, self._runner, passed=came.passed, text=came.text)
            except StoreError:
                if self._closing.wait(0.5):
                    return
            else:
                return

    def _came(self, plan: Plan, key: str) -> Came:
        end = time.monotonic() + plan.limits.hook.total_seconds() / self._clock.factor
        environment = self._way_in(plan, key, end)
        limit = end - time.monotonic()
        match plan.hooks[key]:
            case {"http": str(path)}:
                carried = _headers(environment.get("CROSSFADE_TEST_HEADERS", ""))
                carried["x-crossfade-key"] = key
                return _asked(environment["CROSSFADE_TEST_URL"], path, carried, limit, self._closing)
            case {"command": str(words)}:
                return self._program(plan, key, words, environment, limit)
            case {"warm_up": dict(asked)} if self._warm_up is not None:
                result = self._warm_up(
                    plan,
                    key,
                    asked,
                    url=environment["CROSSFADE_TEST_URL"],
                    limit=limit,
                    stop=self._closing,
                    record=self._log(plan.release, key).with_suffix(".jsonl"),
                )
                return Came(passed=result.say is HookSay.PASSED, text=result.text)
            case other:
                return Came(passed=False, text=f"unknown kind of hook: {', '.join(other)}")

    def _way_in(self, plan: Plan, key: str, end: float) -> dict[str, str]:
        """What the hook is told, asked for until its time is over: a platform that is away is no verdict."""
        while True:
            try:
                return self._variables(plan, key)
            except PlatformError:
                if time.monotonic() >= end or self._closing.wait(AGAIN):
                    raise

    def _variables(self, plan: Plan, key: str) -> dict[str, str]:
        step = next((step.name for step in (*plan.on, *plan.back) if key in step.hooks), "")
        old, new = plan.stable or "", plan.candidate
        back = any(key in step.hooks for step in plan.back)
        return {
            **self._environment(plan),
            "CROSSFADE_FROM": new if back else old,
            "CROSSFADE_TO": old if back else new,
            "CROSSFADE_DEADLINE_S": f"{plan.limits.hook.total_seconds():g}",
            "CROSSFADE_REVISION": plan.candidate,
            "CROSSFADE_RELEASE": plan.release,
            "CROSSFADE_STEP": step,
            "CROSSFADE_KEY": key,
        }

    def _program(
        self, plan: Plan, key: str, words: str, environment: Mapping[str, str], limit: float
    ) -> Came:
        log = self._log(plan.release, key)
        with log.open("ab") as output:
            begin = output.tell()
            program = subprocess.Popen(
                shlex.split(words),
                cwd=self._checkout(plan),
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        with self._lock:
            self._programs[key] = program
        if self._closing.is_set():  # set before `close` looked at the programs: one of us two sees the other
            _signal(program, signal.SIGTERM)
        try:
            status = program.wait(limit)
        except subprocess.TimeoutExpired:
            _signal(program, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(GRACE)
            status = None
        finally:
            # Whatever it left running in its group has no business after it.
            _signal(program, signal.SIGKILL)
            program.wait()
            with self._lock:
                self._programs.pop(key, None)
        said = _tail(log, begin)
        if status is None:
            return Came(passed=False, text=f"no end within {plan.limits.hook}: {said}".rstrip(": "))
        if status != 0:
            return Came(passed=False, text=f"exit {status}: {said}".rstrip(": "))
        return Came(passed=True, text=said)

    def _checkout(self, plan: Plan) -> Path:
        """Where the service's file lies; on another machine than the one that opened the release, ours."""
        opened_in = Path(str(plan.artifact.get("folder") or "."))
        return opened_in if opened_in.is_dir() else self._store.folder.resolve().parent

    def _log(self, release: str, key: str) -> Path:
        folder = self._store.folder / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^A-Za-z0-9._-]", "-", key)
        return folder / f"hook-{release}-{name}.log"


def _headers(lines: str) -> dict[str, str]:
    """What a request has to carry to come in by the test route, from `name: value` lines."""
    pairs = (line.partition(":") for line in lines.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _asked(url: str, path: str, headers: Mapping[str, str], limit: float, closing: threading.Event) -> Came:
    """One GET on the test route; passed on 2xx only. No proxy of the environment stands between."""
    base = urlsplit(url)
    kind = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
    end = time.monotonic() + limit
    patient = time.monotonic() + min(REFUSED, limit)
    while True:
        link = kind(base.hostname or "127.0.0.1", base.port, timeout=max(0.05, end - time.monotonic()))
        try:
            link.request("GET", base.path.rstrip("/") + path, headers=dict(headers))
            answer = link.getresponse()
            body = answer.read(TEXT).decode(errors="replace").strip()
        except ConnectionRefusedError as error:
            if time.monotonic() >= patient or closing.wait(AGAIN):
                return Came(passed=False, text=f"GET {path}: {error.strerror}")
            continue
        except (OSError, http.client.HTTPException) as error:
            return Came(passed=False, text=f"GET {path}: {error!r}")
        finally:
            link.close()
        passed = 200 <= answer.status < 300
        return Came(passed=passed, text=f"GET {path}: {answer.status}" + ("" if passed else f" {body}"))


def _signal(program: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To the whole group: the leader's pid names it while the leader is not waited for or members live."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, number)


def _tail(log: Path, begin: int) -> str:
    """The last lines of this run's output."""
    with log.open("rb") as output:
        size = output.seek(0, os.SEEK_END)
        output.seek(max(begin, size - 4 * TEXT))
        lines = output.read().decode(errors="replace").splitlines()
    return " / ".join(line.strip() for line in lines[-5:] if line.strip())[-TEXT:]
