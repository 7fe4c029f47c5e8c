"""Each test has a town of its own; nothing of it is left when the test has ended."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from town import Town, until


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    try:
        yield made
    finally:
        made.close()
    until(lambda: not left(tmp_path), 5.0, lambda: f"left behind: {left(tmp_path)}")


def left(folder: Path) -> str:
    """Processes that name this folder."""
    return subprocess.run(["pgrep", "-af", str(folder)], capture_output=True, text=True, check=False).stdout
