"""What is kept beside the journal: which shape a version has, and what was proved about it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import quote

from crossfade.engine.ports import Drawer
from crossfade.errors import RefusedError
from crossfade.migrations.shape import Shape, read_shape
from crossfade.preconditions.accepting import Possible

_SHORT: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a schema change as it ran, or would: `expand` of `0042_full_name`."""

    change: str
    part: str
    sha256: str

    @property
    def words(self) -> str:
        return self.change if self.part == "expand" else f"{self.part} of {self.change}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What is known of a revision: its statements, and which parts had run when it was released."""

    revision: str
    shape: str
    """Digest of its statements."""
    statements: int
    ran: tuple[tuple[str, str], ...] = ()
    """Change and part, done in the database before this version was released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """What a proof said of one part against one version's statements."""

    change: str
    part: str
    sha256: str
    shape: str
    revision: str
    safe: bool | None
    phase: str | None
    statements: int
    executed: int
    needs: tuple[str, ...] = ()
    failing: str = ""
    """The statement that fares otherwise, with what happens to it."""
    undecided: str = ""
    possible: tuple[Possible, ...] = ()
    """All that speaks against it, where that is only what nobody was seen sending."""
    ground: str = ""
    """Digest of all that it was proved on; another schema has another one."""
    at: str = ""


class Records:
    """The drawer of one service."""

    def __init__(self, drawer: Drawer, service: str) -> None:
        self._drawer = drawer
        self._stem = f"database/{quote(service, safe='')}"

    def version(self, revision: str) -> Version | None:
        """What is known of a revision."""
        found = self._read(f"versions/{quote(revision, safe='')}.json")
        if found is None:
            return None
        ran = tuple((str(change), str(part)) for change, part in found["ran"])
        return Version(**{**found, "ran": ran})

    def keep_version(self, version: Version, shape: Shape) -> None:
        """A revision with its statements."""
        self._drawer.keep(f"{self._stem}/shapes/{shape.digest}.json", shape.as_json())
        self._write(f"versions/{quote(version.revision, safe='')}.json", asdict(version))

    def shape(self, digest: str) -> Shape | None:
        """The statements of this digest."""
        name = f"{self._stem}/shapes/{digest}.json"
        text = self._drawer.kept(name)
        return None if text is None else read_shape(text, name)

    def proved(self, part: Part, shape: str) -> Proved | None:
        """What was proved of exactly this text against exactly these statements."""
        found = self._read(_of(part, shape))
        if found is None:
            return None
        possible = tuple(
            Possible(**{**one, "beyond": tuple(one["beyond"])}) for one in found.get("possible", ())
        )
        return Proved(**{**found, "needs": tuple(found["needs"]), "possible": possible})

    def keep_proof(self, proof: Proved) -> None:
        part = Part(change=proof.change, part=proof.part, sha256=proof.sha256)
        self._write(_of(part, proof.shape), asdict(proof))

    def _read(self, name: str) -> dict[str, Any] | None:
        text = self._drawer.kept(f"{self._stem}/{name}")
        if text is None:
            return None
        try:
            found = json.loads(text)
        except ValueError as error:
            raise RefusedError(
                "CF9300", f"what is kept of the database cannot be read: {name}", str(error),
                "prove it again: crossfade migrate prove NAME",
            ) from None  # fmt: skip
        return dict(found)

    def _write(self, name: str, value: Mapping[str, Any]) -> None:
        self._drawer.keep(f"{self._stem}/{name}", json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _of(part: Part, shape: str) -> str:
    return f"proofs/{part.change}.{part.part}.{part.sha256[:_SHORT]}/{shape[:_SHORT]}.json"
