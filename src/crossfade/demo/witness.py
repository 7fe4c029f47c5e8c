"""
The proxy as witness for a program that writes no lines of ours (`demo --app`).

What Envoy's access log says came from upstream, the app has answered; the rest it has not.
The lines are turned into those that the demo's own app writes, for the same join.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FROM_APP = "via_upstream"
"""Envoy's detail of an answer that the app itself gave."""


def answers(state: Path, revisions: Mapping[str, str], out: Path) -> Path:
    """Write `out`, a line per request that an app answered; `revisions` is by instance name."""
    with out.open("w") as target:
        for line in _lines(state / "logs"):
            if line.get("x") != FROM_APP or not line.get("q"):
                continue
            start = float(line["t"])
            failed = int(line["r"]) >= 400
            target.write(
                json.dumps(
                    {
                        "id": line["q"],
                        "revision": revisions.get(str(line.get("i")), "?"),
                        "pid": 0,
                        "path": "",
                        "status": line["r"],
                        "did": "failed" if failed else "answered",
                        "start": start,
                        "end": start + float(line.get("ms") or 0) / 1000,
                    }
                )
                + "\n"
            )
    return out


def by_request(lines: Path) -> Mapping[str, str]:
    """Request id to the revision that answered it."""
    with lines.open() as source:
        return {line["id"]: line["revision"] for line in map(json.loads, source)}


def _lines(logs: Path) -> Iterator[dict[str, Any]]:
    for name in ("access.log.1", "access.log"):
        try:
            text = (logs / name).read_text()
        except FileNotFoundError:
            continue
        for line in text.splitlines():
            if line.endswith("}"):
                yield json.loads(line)
