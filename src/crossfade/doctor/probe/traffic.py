"""Requests to the probe's own front, a few a second: who answered, and when. Bounded in time and number."""

from __future__ import annotations

import http.client
import threading
from dataclasses import dataclass
from typing import Final

from crossfade.doctor.probe.tape import Time

PER_S: Final = 20.0
"""Real requests a second."""

MOST: Final = 60_000
PATIENCE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer: `who` is `blue` or `green`, or what went wrong."""

    at: float
    who: str
    cookie: str = ""

    @property
    def lost(self) -> bool:
        return self.who not in {"blue", "green"}


class Traffic:
    """A thread that asks, from `start` to `stop`."""

    def __init__(self, host: str, port: int, clock: Time) -> None:
        self._host, self._port, self._clock = host, port, clock
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._thread = threading.Thread(target=self._run, name="probe-traffic", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Nothing is asked any more when this returns. Repeat-safe."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def since(self, at: float) -> tuple[Seen, ...]:
        """Everything that was asked at or after an instant of the clock."""
        with self._lock:
            return tuple(one for one in self._seen if one.at >= at)

    def ask(self, cookie: str = "") -> Seen:
        """One request, on a connection of its own."""
        at = self._clock.now()
        line = http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE_S)
        try:
            line.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
            reply = line.getresponse()
            body = reply.read(200).decode("utf-8", "replace").strip()
        except (OSError, http.client.HTTPException) as error:
            return Seen(at, type(error).__name__)
        finally:
            line.close()
        named = (text.partition(";")[0] for text in reply.msg.get_all("set-cookie", ()))
        kept = "; ".join(one for one in named if one.startswith("AWSALBTG"))
        return Seen(at, body if reply.status == http.client.OK else f"{reply.status}", kept)

    def _run(self) -> None:
        while not self._stopped.wait(1.0 / PER_S) and len(self._seen) < MOST:
            one = self.ask()
            with self._lock:
                self._seen.append(one)
