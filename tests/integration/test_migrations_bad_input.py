"""What cannot be proved, or is broken off, is answered in three lines; nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from crossfade.cli.root import cli
from crossfade.errors import CrossfadeError
from crossfade.migrations.sandbox import Sandbox

pytestmark = pytest.mark.real

SCHEMA = "CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE, city text);"
OLD = "SELECT id, city FROM users WHERE email = $1;"
SLOW = "ALTER TABLE users ADD COLUMN n int; SELECT pg_sleep(60);"
LIMIT_S = 20.0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(18) as running:
        running.server.admin.ask("CREATE ROLE poor LOGIN")
        yield running


@pytest.fixture(scope="module")
def dsn(sandbox: Sandbox) -> str:
    return f"host={sandbox.folder} port=5432 user=postgres dbname=postgres"


def arguments(folder: Path, **files: str | bytes) -> list[str]:
    usual: dict[str, str | bytes] = {"schema": SCHEMA, "old": OLD, "new": OLD, "migration": "SELECT 1"}
    told = usual | files
    listed = ["migrate", "prove", "--json"]
    for name, text in told.items():
        path = folder / f"{name}.sql"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        listed += [f"--{name}", str(path)]
    return listed


def refused(folder: Path, *extra: str, **files: str | bytes) -> CrossfadeError:
    result = CliRunner().invoke(cli, [*arguments(folder, **files), *extra], standalone_mode=False)
    assert isinstance(result.exception, CrossfadeError), (result.exception, result.output)
    return result.exception


def databases(sandbox: Sandbox) -> set[str | None]:
    return {row[0] for row in sandbox.server.admin.ask("SELECT datname FROM pg_database")}


class TestFiles:
    @pytest.mark.parametrize("text", ["", "-- nothing yet", "-- migrate:down\nDROP TABLE users;"])
    def test_a_migration_without_a_statement_is_not_decided(
        self, tmp_path: Path, dsn: str, text: str
    ) -> None:
        said = refused(tmp_path, "--sandbox-dsn", dsn, migration=text)

        assert (said.id, said.exit_code) == ("CF9214", 11)

    def test_a_binary_file_is_not_decided(self, tmp_path: Path, dsn: str) -> None:
        said = refused(tmp_path, "--sandbox-dsn", dsn, migration=b"SELECT 1;\0\0SELECT 2")

        assert (said.id, said.exit_code) == ("CF9201", 11)

    def test_a_dump_of_data_is_told_from_a_schema(self, tmp_path: Path, dsn: str) -> None:
        data = f"{SCHEMA}\nCOPY users (id, email, city) FROM stdin;\n1\ta\tb\n\\.\n"

        assert refused(tmp_path, "--sandbox-dsn", dsn, schema=data).id == "CF9202"

    def test_a_huge_file_is_refused_before_it_is_read(self, tmp_path: Path, dsn: str) -> None:
        said = refused(tmp_path, "--sandbox-dsn", dsn, schema=b"-" * (17 << 20))

        assert (said.id, said.exit_code) == ("CF9215", 11)

    def test_a_large_statement_is_read_in_proportion_to_its_length(self, tmp_path: Path, dsn: str) -> None:
        rows = ", ".join(f"('{at}', NULL)" for at in range(8000))
        listed = arguments(tmp_path, migration=f"INSERT INTO users (email, city) VALUES {rows}")
        began = time.monotonic()
        result = CliRunner().invoke(cli, [*listed, "--sandbox-dsn", dsn], standalone_mode=False)

        assert (result.exception, result.return_value) == (None, 0)
        assert time.monotonic() - began < LIMIT_S


class TestServersOfYours:
    @pytest.mark.parametrize(
        "sql",
        [
            "ALTER SYSTEM SET work_mem = '1MB'",
            "DROP DATABASE postgres",
            "ALTER ROLE postgres NOLOGIN",
            "COPY users TO '/tmp/x'",
            "COPY users FROM PROGRAM 'id'",
        ],
    )
    def test_what_reaches_beyond_its_database_is_not_run_there(
        self, tmp_path: Path, dsn: str, sql: str
    ) -> None:
        said = refused(tmp_path, "--sandbox-dsn", dsn, migration=sql)

        assert (said.id, said.exit_code) == ("CF9216", 11)

    def test_a_role_without_createdb_is_told_so(self, tmp_path: Path, sandbox: Sandbox) -> None:
        said = refused(tmp_path, "--sandbox-dsn", f"host={sandbox.folder} user=poor dbname=postgres")

        assert said.id == "CF9209"
        assert "CREATEDB" in said.fix

    def test_a_pooler_in_front_is_found_out(self, tmp_path: Path, sandbox: Sandbox) -> None:
        with between(sandbox, pooled) as address:
            code, said = answered(tmp_path, "--sandbox-dsn", address)

        assert (code, said[:6]) == (11, "CF9217")

    def test_a_server_that_is_too_old_is_refused(self, tmp_path: Path, sandbox: Sandbox) -> None:
        with between(sandbox, aged) as address:
            code, said = answered(tmp_path, "--sandbox-dsn", address)

        assert (code, said[:6]) == (11, "CF9218")
        assert "PostgreSQL 11" in said

    @pytest.mark.parametrize("state", ["53100", "53200", "58030"])
    def test_one_that_runs_short_decides_nothing(
        self, tmp_path: Path, dsn: str, sandbox: Sandbox, state: str
    ) -> None:
        short = f"DO $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '{state}'; END $$"
        before = databases(sandbox)
        said = refused(tmp_path, "--sandbox-dsn", dsn, migration=short)

        assert (said.id, said.exit_code) == ("CF9219", 11)
        assert databases(sandbox) == before

    def test_no_password_is_ever_said(self, tmp_path: Path) -> None:
        said = refused(tmp_path, "--sandbox-dsn", "postgresql://me:hunter2@127.0.0.1:1/x")

        assert "hunter2" not in " ".join(said.lines())


class TestBrokenOff:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_stops_at_once_and_leaves_nothing(self, tmp_path: Path, number: signal.Signals) -> None:
        with proof(tmp_path) as (process, folder, postmaster):
            process.send_signal(number)
            process.wait(LIMIT_S)

            assert (process.returncode, folder.exists()) == (130, False)
            assert gone(postmaster)

    def test_while_its_server_comes_up_too(self, tmp_path: Path) -> None:
        process, seen = start(tmp_path), list[Path]()

        def preparing() -> bool:
            with contextlib.suppress(OSError, ValueError):  # between fork and exec it is not yet itself
                seen.extend(map(data_folder, children(process.pid)))
            return bool(seen)

        until(preparing)
        process.terminate()
        process.communicate(timeout=LIMIT_S)

        assert (process.returncode, seen[0].parent.exists()) == (130, False)

    def test_on_a_server_of_yours_too(self, tmp_path: Path, dsn: str, sandbox: Sandbox) -> None:
        before = databases(sandbox)
        process = start(tmp_path, "--sandbox-dsn", dsn)
        until(lambda: sleeping(sandbox))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT_S)

        assert process.returncode == 130
        assert databases(sandbox) == before

    def test_a_sandbox_that_is_killed_decides_nothing(self, tmp_path: Path) -> None:
        with proof(tmp_path) as (process, folder, postmaster):
            os.kill(postmaster, signal.SIGKILL)
            _, said = process.communicate(timeout=LIMIT_S)

            assert (process.returncode, said.splitlines()[0][:6]) == (11, "CF9205")
            assert not folder.exists()


def start(folder: Path, *extra: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "crossfade", *arguments(folder, migration=SLOW), *extra]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hears_interrupts,  # noqa: PLW1509 no thread of ours holds a lock that it takes
    )


def _hears_interrupts() -> None:
    """A job in the background of a shell ignores SIGINT, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def answered(folder: Path, *extra: str) -> tuple[int, str]:
    """From a process of its own: a connection that is being made lets no other thread of its process run."""
    process = start(folder, *extra)
    _, said = process.communicate(timeout=LIMIT_S)
    return process.returncode, said


@contextlib.contextmanager
def proof(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Path, int]]:
    """One that is in the middle of a long statement; its folder and its server's process."""
    process = start(folder)
    try:
        seen: list[int] = []

        def begun() -> bool:
            seen.extend(filter(busy, children(process.pid)))
            return bool(seen)

        until(begun)
        yield process, data_folder(seen[0]).parent, seen[0]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def data_folder(server: int) -> Path:
    """Where a server, or who prepares it, was told that its data lie."""
    words = Path(f"/proc/{server}/cmdline").read_bytes().split(b"\0")
    return Path(words[words.index(b"-D") + 1].decode())


def busy(server: int) -> bool:
    """Whether a backend of the server says that it runs the long statement."""
    titles = []
    for one in children(server):
        with contextlib.suppress(OSError):
            titles.append(Path(f"/proc/{one}/cmdline").read_bytes())
    return any(b" SELECT" in title and b"waiting" not in title for title in titles)


def sleeping(sandbox: Sandbox) -> bool:
    return bool(
        sandbox.server.admin.ask(
            "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(60)'"
        )
    )


def gone(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    return True


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def pooled(kind: bytes, body: bytes) -> bytes:
    """A pooler hands out keys of its own."""
    return struct.pack("!i", 7) + body[4:] if kind == b"K" else body


def aged(kind: bytes, body: bytes) -> bytes:
    return b"server_version\x0011.22\0" if kind == b"S" and body.startswith(b"server_version\0") else body


@contextlib.contextmanager
def between(sandbox: Sandbox, change: Callable[[bytes, bytes], bytes]) -> Iterator[str]:
    """Something in front of the server that changes what it says of itself."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=_serve, args=(door, sandbox, change), daemon=True).start()
        yield (
            f"host=127.0.0.1 port={door.getsockname()[1]} user=postgres dbname=postgres "
            "sslmode=disable gssencmode=disable"
        )


def _serve(door: socket.socket, sandbox: Sandbox, change: Callable[[bytes, bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = door.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(sandbox.folder / ".s.PGSQL.5432"))
            threading.Thread(target=_pass_on, args=(client, server), daemon=True).start()
            threading.Thread(target=_pass_changed, args=(server, client, change), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError), source, target:
        while said := source.recv(65536):
            target.sendall(said)


def _pass_changed(source: Any, target: socket.socket, change: Callable[[bytes, bytes], bytes]) -> None:
    with contextlib.suppress(OSError), source.makefile("rb") as reader, target:
        while head := reader.read(5):
            body = change(head[:1], reader.read(struct.unpack("!i", head[1:])[0] - 4))
            target.sendall(head[:1] + struct.pack("!i", len(body) + 4) + body)
