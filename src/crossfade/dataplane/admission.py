"""
Which documents are let in: the rules between the old document, the new one and the machine.

What is wrong in a document by itself is found by `model.check`. Each rule here either holds or
raises, and nothing was written yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from crossfade.dataplane import ports
from crossfade.dataplane.failures import Conflict, InvalidChange
from crossfade.dataplane.member import key_of
from crossfade.dataplane.model import GROUPS, Service


def expect(name: str, expected: int, generation: int) -> None:
    if expected != generation:
        raise Conflict(
            "CF4102",
            f"service {name} was changed in between; nothing was written",
            why=f"generation {expected} was expected, it is {generation}",
            fix="observe it again, and decide again",
        )


def no_swap_under_traffic(before: Service, after: Service) -> None:
    """A group that serves users is not re-pointed: the new one has nobody healthy yet (R01)."""
    for name in GROUPS:
        old, new = before.groups[name], after.groups[name]
        swapped = old is not None and new is not None and key_of(old) != key_of(new)
        if swapped and (before.weights[name] or after.weights[name]):
            raise InvalidChange(
                "CF4103",
                f"group {name} of {after.name} has weight and would become another revision",
                why="its users would be sent to a revision with nobody healthy",
                fix="send everybody to the other group first",
            )


def with_ports(
    service: Service, before: Service | None, others: Iterable[Service], apps: Iterable[int]
) -> Service:
    """Free ports for the zeros; the others must be this service's already, or free to take."""
    mine = {before.listener_port, before.test_port} if before else set()
    taken = {*apps, *(port for o in others for port in (o.listener_port, o.test_port))}

    def choose(asked: int, had: int) -> int:
        port = asked or had or ports.free_port(taken)
        if asked in taken:
            ports.refuse(asked, "it belongs to another service or app in this folder")
        if asked and asked not in mine:
            ports.claim(asked)
        taken.add(port)
        return port

    live = choose(service.listener_port, before.listener_port if before else 0)
    test = choose(service.test_port, before.test_port if before else 0)
    return replace(service, listener_port=live, test_port=test)
