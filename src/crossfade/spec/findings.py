"""
A mistake in `crossfade.yaml`, with its place, and the error that carries all of them.

The reader (`reading.py`), the form (`mistakes.py`) and the meaning (`meaning.py`) each add
findings; `load.py` raises them together, in the order of the file, so that one run of
`crossfade lint` shows everything there is to mend.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crossfade.errors import UsageError

KeyPath = tuple[str | int, ...]
"""Keys and list positions from the top of the file to a value."""


def dotted(path: KeyPath) -> str:
    """A key path as people write it: `strategy.canary.steps[0].weight`."""
    text = ""
    for part in path:
        match part:
            case int():
                text += f"[{part}]"
            case str():
                name = "".join(c if c.isprintable() else "?" for c in part)
                text += f".{name}" if text else name
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake. Lines and columns count from 1; line 0 means the file as a whole."""

    id: str
    file: str
    line: int
    column: int
    what: str
    why: str
    fix: str
    key_path: str = ""

    def lines(self) -> tuple[str, ...]:
        """As shown to a person: `file:line:column  id what`, then why, then the fix."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return (f"{place}  {self.id} {self.what}", f"  why  {self.why}", f"  fix  {self.fix}")


class SpecError(UsageError):
    """crossfade.yaml cannot be used as it is."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(sorted(findings, key=lambda f: (f.line, f.column)))
        first = self.findings[0]
        count = len(self.findings)
        super().__init__(
            first.id,
            first.what if count == 1 else f"{first.file} has {count} mistakes",
            first.why,
            first.fix,
        )

    def lines(self) -> tuple[str, ...]:
        """Every finding, three lines each."""
        return tuple(line for finding in self.findings for line in finding.lines())
