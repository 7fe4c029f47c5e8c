"""
Other people's migrations, proved against other people's statements.

Packages come from PyPI into a folder for temporary files when a script runs; nothing of theirs is kept here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossfade.errors import CrossfadeError
from crossfade.migrations.prove import Question, Version, prove
from crossfade.migrations.sandbox import Server
from crossfade.migrations.script import read_script, read_statements
from crossfade.migrations.verdict import Verdict


@contextmanager
def installed(*requirements: str) -> Iterator[Path]:
    """A folder with packages of PyPI in it."""
    folder = Path(tempfile.mkdtemp(prefix="crossfade-projects-"))
    uv = shutil.which("uv")
    tool = [uv, "pip", "install", "-q"] if uv else [sys.executable, "-m", "pip", "install", "-q"]
    try:
        subprocess.run([*tool, "--target", str(folder), *requirements], check=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ask(server: Server, called: str, *, schema: str, old: str, new: str, migration: str) -> Verdict | None:
    """The verdict on one migration, printed as a line and its counterexamples."""
    try:
        verdict = prove(
            Question(
                schema=read_statements(schema, "schema"),
                schema_name="schema",
                old=(Version(name="old", statements=read_statements(old, "old")),),
                new=Version(name="new", statements=read_statements(new, "new")),
                migration=read_script(migration, called),
            ),
            server,
        )
    except CrossfadeError as error:
        print(f"{called:58} {error.id} {error.what}: {error.why[:90]}")
        return None
    waits = "".join(
        letter for letter, so in (("r", verdict.blocks_reads), ("w", verdict.blocks_writes)) if so
    )
    told = f"{verdict.phase or 'cannot decide':9} {waits or '-':3} {verdict.seconds:5.2f} s"
    print(f"{called:58} {told}  {', '.join(verdict.needs)}")
    for one in verdict.counterexamples[:3]:
        print(f"    {' '.join(one.statement.split())[:84]}\n      -> {one.after[:110]}")
    for lost in verdict.not_proved[:4]:
        print(f"    not executed: {' '.join(lost.statement.split())[:60]}: {lost.why[-80:]}")
    return verdict
