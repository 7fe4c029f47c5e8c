"""
`/twin…`: what this twin is, its ports, its time, its faults, and what was asked of it. JSON in and out.

    GET    /twin                who and what it is
    GET    /twin/ports          listener ARN, and port asked for, -> port on 127.0.0.1
    GET    /twin/clock          POST {"advance": seconds} or {"factor": number}
    GET    /twin/faults         POST a fault, or {"preset": name}   DELETE all, or /twin/faults/ID
    GET    /twin/actions        ?since=SEQ   DELETE forgets
    GET    /twin/not_modelled   what a rehearsal here does not show
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from crossfade.twin.answers import Answer, as_json
from crossfade.twin.balancer.model import Balancing, Ports
from crossfade.twin.call import Environ
from crossfade.twin.clock import TwinClock
from crossfade.twin.faults import KINDS, BadFault, Faults, fault_of
from crossfade.twin.notes import NOT_MODELLED
from crossfade.twin.plane import Balancers, Plane
from crossfade.twin.presets import PRESETS
from crossfade.twin.recorder import Recorder

_LONGEST: Final = 1_000_000


@dataclass(slots=True, kw_only=True)
class Steering:
    """Answers `/twin…`."""

    clock: TwinClock
    faults: Faults
    recorder: Recorder
    plane: Plane
    balancers: Balancers
    preset: str
    seed: int
    region: str
    account: str

    def __call__(self, environ: Environ) -> Answer:
        asked = (environ["REQUEST_METHOD"], *environ["PATH_INFO"].strip("/").split("/")[1:])
        try:
            return self._answer(asked, environ)
        except (BadFault, ValueError, KeyError, TypeError) as error:
            return as_json({"error": str(error)}, 400)

    def facts(self) -> dict[str, Any]:
        """What this twin is."""
        factor, _, _ = self.clock.line()
        return {
            "twin": True,
            "preset": self.preset,
            "seed": self.seed,
            "factor": factor,
            "region": self.region,
            "account": self.account,
            "pid": os.getpid(),
            "faults": [one.line() for one in self.faults.all()],
            "ports": self.ports(),
            "not_modelled": list(NOT_MODELLED),
        }

    def ports(self) -> dict[str, int]:
        """Listener ARN -> port; and the port asked for -> port, where one listener asked for it."""
        return flat_ports(self.plane.wanted(), self.balancers.ports())

    def _answer(self, asked: tuple[str, ...], environ: Environ) -> Answer:
        match asked:
            case ("GET",):
                return as_json(self.facts())
            case ("GET", "ports"):
                return as_json(self.ports())
            case ("GET", "not_modelled"):
                return as_json(list(NOT_MODELLED))
            case (_, "clock"):
                return self._clock(environ)
            case ("GET", "faults"):
                faults = [one.line() for one in self.faults.all()]
                return as_json({"preset": self.preset, "faults": faults, "kinds": KINDS})
            case ("POST", "faults"):
                return self._add(_posted(environ))
            case ("DELETE", "faults", *ids):
                gone = sum(map(self.faults.remove, ids)) if ids else self.faults.remove()
                return as_json({"removed": gone})
            case ("GET", "actions"):
                since = int(parse_qs(environ.get("QUERY_STRING", "")).get("since", ["0"])[0])
                actions, newest = self.recorder.since(since)
                return as_json({"actions": [one.line() for one in actions], "seq": newest})
            case ("DELETE", "actions"):
                return as_json({"forgotten": self.recorder.forget()})
            case _:
                return as_json({"error": f"no {' '.join(asked)}; see /twin", "pages": __doc__}, 404)

    def _clock(self, environ: Environ) -> Answer:
        if environ["REQUEST_METHOD"] == "POST":
            match _posted(environ):
                case {"advance": int() | float() as seconds, **rest} if not rest:
                    self.clock.advance(seconds)
                case {"factor": int() | float() as factor, **rest} if not rest:
                    self.clock.run_at(factor)
                case other:
                    raise ValueError(f"{other!r} is neither {{'advance': seconds}} nor {{'factor': number}}")
        factor, real, twin = self.clock.line()
        return as_json({"factor": factor, "real": real, "twin": twin, "now": self.clock.now()})

    def _add(self, posted: Any) -> Answer:
        if isinstance(posted, dict) and set(posted) == {"preset"}:
            if posted["preset"] not in PRESETS:
                raise BadFault(f"no preset {posted['preset']!r}; there are {', '.join(PRESETS)}")
            self.faults.remove()
            added = [self.faults.add(one).line() for one in PRESETS[posted["preset"]].faults]
            self.preset = posted["preset"]
            return as_json({"preset": self.preset, "faults": added}, 201)
        return as_json(self.faults.add(fault_of(posted)).line(), 201)


def flat_ports(wanted: Balancing, ports: Ports) -> dict[str, int]:
    """The served ports under both names by which people look for them."""
    asked: dict[str, list[int]] = {}
    for balancer in wanted.balancers:
        for listener in balancer.listeners:
            if listener.arn in ports:
                asked.setdefault(str(listener.port), []).append(ports[listener.arn])
    return {**ports, **{port: served[0] for port, served in asked.items() if len(served) == 1}}


def _posted(environ: Environ) -> Any:
    length = min(int(environ.get("CONTENT_LENGTH") or 0), _LONGEST)
    return json.loads(environ["wsgi.input"].read(length) or b"null")
