"""A data plane in memory: documents under compare-and-set, instances ready at once, no traffic."""

from __future__ import annotations

from dataclasses import replace

from crossfade.dataplane import (
    GROUPS,
    Applied,
    Conflict,
    Counted,
    Instance,
    Observed,
    Proxy,
    Service,
    Silent,
    UnknownService,
)
from crossfade.dataplane.model import check
from crossfade.dataplane.store import Store


class MemoryDataplane:
    """Keeps its documents where the real one does: some calls read them from the disk."""

    def __init__(self, store: Store) -> None:
        store.create()
        self.store = store
        self.dead = False
        self.unready: set[str] = set()
        self.conflicts = 0

    def observe(self, name: str) -> Observed:
        self._alive()
        generation, service = self._find(name)
        instances = tuple(
            Instance(
                group=group,
                id=f"{group}-{number}",
                pid=100 + number,
                port=20_000 + number,
                revision=found.revision,
                state="starting" if group in self.unready else "ready",
                since=0.0,
                restarts=0,
                last_exit="",
                rss_bytes=0,
            )
            for group, found in service.groups.items()
            if found is not None
            for number in range(found.instances)
        )
        return Observed(
            generation=generation,
            service=service,
            applied=True,
            reason="",
            routes=dict(service.weights),
            test_route=service.test_group,
            listener_port=service.listener_port or 18_000,
            test_port=service.test_port or 18_001,
            instances=instances,
            restarts=dict.fromkeys(GROUPS, 0),
            active=dict.fromkeys(GROUPS, 0),
            silent_s=dict.fromkeys(GROUPS, 100.0),
            envoy=Proxy(pid=1, restarts=0, rss_bytes=0),
            sampled_at=0.0,
        )

    def apply(self, service: Service, expect_generation: int) -> Applied:
        self._alive()
        check(service)
        generation = self.store.services().get(service.name, (0, None))[0]
        if self.conflicts:
            self.conflicts -= 1
            generation += 1
            self.store.save_service(generation, self._find(service.name)[1])
        if generation != expect_generation:
            raise Conflict("CF4102", "the document was changed in between")
        self.store.save_service(generation + 1, service)
        return Applied(generation=generation + 1, applied=True, reason="")

    def counts(self, name: str, since: float) -> Counted:
        self._alive()
        return Counted(intervals=(), known_from=since, watermark=since, problem="")

    def foreign(self, name: str, **changes: object) -> None:
        """Another hand's write."""
        generation, service = self._find(name)
        self.store.save_service(generation + 1, replace(service, **changes))  # type: ignore[arg-type]

    def _find(self, name: str) -> tuple[int, Service]:
        try:
            return self.store.services()[name]
        except KeyError:
            raise UnknownService("CF4105", f"there is no service {name!r}") from None

    def _alive(self) -> None:
        if self.dead:
            raise Silent("CF4104", "the supervisor does not answer", "it is dead")
