"""Single users and background work across whole releases, as people type them."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from town import Town

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

STEPS = "[{weight: 10%, bake: 12s}, {weight: 50%, bake: 8s}]"


@dataclass
class Person:
    """Keeps their cookies; `met` is who answered, when, one entry a request."""

    cookie: str = ""
    met: list[tuple[float, str]] = field(default_factory=list)

    def asks(self, link: http.client.HTTPConnection) -> None:
        link.request("GET", "/", headers={"cookie": self.cookie} if self.cookie else {})
        reply = link.getresponse()
        reply.read()
        given = reply.headers.get("set-cookie")
        if given:
            self.cookie = given.partition(";")[0]
        self.met.append((time.time(), reply.headers["x-crossfade-revision"]))

    def changes(self) -> list[str]:
        """The versions in the order in which they were met, each run of one once."""
        seen = [revision for _, revision in self.met]
        return [revision for at, revision in enumerate(seen) if at == 0 or seen[at - 1] != revision]


@contextmanager
def crowd(port: int, number: int = 120) -> Iterator[list[Person]]:
    """So many people who go on asking, some hundred times a second together."""
    people, stop = [Person() for _ in range(number)], threading.Event()

    def ask(mine: list[Person]) -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while not stop.is_set():
            for person in mine:
                person.asks(link)
                if stop.wait(0.01):
                    break
        link.close()

    threads = [threading.Thread(target=ask, args=(people[one::3],)) for one in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield people
    finally:
        stop.set()
        for thread in threads:
            thread.join()


class TestSingleUsers:
    def test_a_user_moves_once_and_forward_a_rollback_recalls_all_and_work_changes_hands(
        self, town: Town
    ) -> None:
        town.write(
            strategy=f"{{canary: {{steps: {STEPS}, keep_old: 20s, sticky: cookie}}}}",
            more="hooks: {hand_over: [{command: ./hand.sh}]}",
        )
        script = town.folder / "hand.sh"
        script.write_text(
            '#!/bin/sh\necho "$CROSSFADE_FROM -> $CROSSFADE_TO in $CROSSFADE_DEADLINE_S s" >> hands.txt\n'
        )
        script.chmod(0o755)
        town.build("v3", "crash-loop")
        town.first()
        with crowd(town.port()) as people:
            good = town.run("deploy", "v2", "--output", "plain", patience=120)
            healthy = [person.changes() for person in people]
            bad = town.run("deploy", "v3", "--output", "plain", patience=120)

        assert good.code == 0, good
        assert bad.code == 4, bad
        assert all(met in (["v1", "v2"], ["v2"]) for met in healthy), "once, and forward"
        back = next(event for event in town.events() if event["type"] == "rollback.verified")
        assert back["weight"] == 0
        exposed = [person for person in people if "v3" in person.changes()]
        assert exposed
        for person in people:
            assert person.changes()[-1] == "v2", "everybody is back"
        for person in exposed:
            assert person.changes().count("v3") == 1, "and nobody was sent there again"
        hands = (town.folder / "hands.txt").read_text().splitlines()
        assert hands[-2:] == ["v1 -> v2 in 300 s", "v3 -> v2 in 300 s"]
