"""
Between the API's state and the balancer that serves it: every change is in force before it is answered.

ELBv2's actions run one at a time. After each that may have changed something, the whole state is
translated and handed to the balancer; what the balancer cannot serve is undone, so API and traffic
never disagree. Pictures of what was before are kept for a while, to answer stale reads from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from crossfade.twin.answers import NOT_MODELLED, Answer, error
from crossfade.twin.balancer.model import Balancing, Ports, TargetHealth
from crossfade.twin.call import Call
from crossfade.twin.elbv2.pictures import Past, picture, restore
from crossfade.twin.elbv2.response import view
from crossfade.twin.elbv2.translate import balancing

_CHANGES: Final = frozenset({"elbv2", "cloudformation", "autoscaling", "ec2", "moto-api"})

Place = tuple[str, str]
"""An account and a region."""


class Balancers(Protocol):
    """What really serves; `twin.balancer.service.Balancers` is it."""

    def apply(self, wanted: Balancing) -> None:
        """Returns when it is in force; raises `CrossfadeError` when it cannot be served."""
        ...

    def ports(self) -> Ports: ...
    def health(self, group_arn: str) -> tuple[TargetHealth, ...]: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class Plane:
    """The one lock around moto's ELBv2 state, and what keeps the balancer in step with it."""

    def __init__(self, balancers: Balancers, now: Callable[[], float]) -> None:
        self._balancers = balancers
        self._now = now
        self._past = Past()
        self._lock = threading.RLock()
        self._served = Balancing()

    def perform(self, call: Call, run: Callable[[], Answer], *, stale: float = 0.0) -> Answer:
        """Runs a call; a read may look at what was true `stale` twin seconds ago."""
        if call.service not in _CHANGES or (call.reads and call.service != "elbv2"):
            return run()
        with self._lock:
            if call.reads:
                return self._read(call, run, stale)
            before = {place: picture(backend) for place, backend in backends().items()}
            answer = run()
            if answer.status < 400:
                return self._serve(call, answer, before)
            return answer

    def _read(self, call: Call, run: Callable[[], Answer], stale: float) -> Answer:
        if not stale:
            return run()
        then = self._past.at(_place_of(call), self._now() - stale)
        token = view.set(then)
        try:
            return run()
        finally:
            view.reset(token)

    def _serve(self, call: Call, answer: Answer, before: Mapping[Place, Any]) -> Answer:
        after = backends()
        wanted = balancing(after.values())
        if wanted != self._served:
            try:
                self._balancers.apply(wanted)
            except Exception as why:  # noqa: BLE001  # whatever it is, API and traffic must not disagree
                for place, backend in after.items():
                    restore(backend, before[place]) if place in before else backend.reset()
                reason = getattr(why, "why", "") or str(why)
                said = f"this twin cannot serve it, and nothing was changed: {reason}"
                return error(call, 501, NOT_MODELLED, said)
            self._served = wanted
        for place, picture_of in before.items():
            self._past.keep(place, self._now(), picture_of)
        return answer

    def wanted(self) -> Balancing:
        """What is to be served now."""
        with self._lock:
            return self._served


def backends() -> dict[Place, Any]:
    """Moto's ELBv2 backends, each region that was ever asked for."""
    from moto.elbv2.models import elbv2_backends  # noqa: PLC0415

    return {
        (account, region): backend
        for account, regions in list(elbv2_backends.items())
        for region, backend in list(_regions(regions))
    }


def _regions(regions: Any) -> Iterable[tuple[str, Any]]:
    found: list[tuple[str, Any]] = list(dict.items(regions))
    return found


def _place_of(call: Call) -> Place:
    here = [place for place in backends() if place[1] == call.region]
    return here[0] if here else ("", call.region)
