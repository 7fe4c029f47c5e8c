"""
A revision's targets: one `ip:port` a line, from a file or from what a command prints.

The resolved list is the revision: its identity is the hash of all addresses (R35), so a list that
changes under the same name is another build. What was found in a group before the first release is
named by that hash too.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import shlex
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from crossfade.errors import UsageError
from crossfade.platforms.alb.model import Address, Listed
from crossfade.spec import Targets, TargetsCommand, TargetsFile
from crossfade.spec.aws_models import MOST_TARGETS

COMMAND_S: Final = 60.0
"""Real seconds that the command may take."""

MOST_BYTES: Final = 256 * 1024
SAID: Final = 300
"""Letters of a command's complaint that are shown."""

_LINE: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})(?:\s+([a-z0-9-]+))?", re.ASCII)


def resolve(targets: Targets, revision: str, folder: Path) -> tuple[Listed, ...]:
    """
    The targets of this revision now, in the order written.

    Raises `UsageError`: CF4421 where they cannot be read, CF4422 with every line that is no target.
    """
    match targets:
        case TargetsFile(file=file):
            place = file.replace("{revision}", revision)
            return parsed(_file(folder / place, revision), place)
        case TargetsCommand(command=command):
            return parsed(_printed(command, revision, folder), f"the output of {command!r}")


def parsed(text: str, source: str) -> tuple[Listed, ...]:
    """The targets of a list. Raises `UsageError` CF4422."""
    found: dict[Address, Listed] = {}
    wrong: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        said = line.partition("#")[0].strip()
        if not said:
            continue
        one = _target(said)
        if one is None:
            wrong.append(f"line {number}: {said[:60]!r} is not `ip:port`")
        elif one.address in found:
            wrong.append(f"line {number}: {one.address} stands twice")
        else:
            found[one.address] = one
    if not found and not wrong:
        wrong.append("there is no target in it")
    if len(found) > MOST_TARGETS:
        wrong.append(f"{len(found)} targets, and a group takes {MOST_TARGETS}")
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise UsageError(
            "CF4422",
            f"{source} is not a list of targets",
            "; ".join(wrong[:5]) + more,
            "write one `ip:port` a line, and behind it `all` for an address outside the VPC",
        )
    return tuple(found.values())


def _target(text: str) -> Listed | None:
    match = _LINE.fullmatch(text)
    if match is None:
        return None
    try:
        ip = ipaddress.ip_address(match[1] or match[2])
    except ValueError:
        return None
    port = int(match[3])
    if not 1 <= port <= 65535:
        return None
    return Listed(address=Address(str(ip), port), zone=match[4] or "")


def _file(path: Path, revision: str) -> str:
    try:
        if not path.is_file():
            raise FileNotFoundError(2, "there is no such file")
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode()
    except (OSError, ValueError) as error:
        raise UsageError(
            "CF4421",
            f"the targets of {revision} cannot be read from {path}",
            str(getattr(error, "strerror", None) or error),
            "write the file, one `ip:port` a line, or correct platform.alb.targets.file",
        ) from error


def _printed(command: str, revision: str, folder: Path) -> str:
    words = [word.replace("{revision}", revision) for word in shlex.split(command)]
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_S,
            check=False,
        )
        why = "" if not done.returncode else f"exit {done.returncode}: {_tail(done.stderr)}".rstrip(": ")
        text = done.stdout[:MOST_BYTES].decode()
    except subprocess.TimeoutExpired:
        why, text = f"it did not end within {COMMAND_S:.0f} s", ""
    except (OSError, ValueError) as error:
        why, text = str(getattr(error, "strerror", None) or error), ""
    if why:
        raise UsageError(
            "CF4421",
            f"the targets of {revision} cannot be asked for: {shlex.join(words)}",
            why,
            "make it print one `ip:port` a line and exit 0, or correct platform.alb.targets.command",
        )
    return text


def _tail(said: bytes) -> str:
    return " / ".join(said.decode(errors="replace").split("\n")[-4:]).strip(" /")[-SAID:]


def identity(addresses: Iterable[Address]) -> str:
    """SHA-256 over the sorted addresses: the order of registration is no property of a build."""
    text = "\n".join(str(one) for one in sorted(addresses))
    return hashlib.sha256(text.encode()).hexdigest()


def found_as(addresses: Iterable[Address]) -> str:
    """The name of a revision that nobody has named: what was registered before the first release."""
    return f"found-{identity(addresses)[:7]}"
