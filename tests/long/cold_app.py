"""
The demo's app, but cold at first, as services are: lazy imports, an empty cache, no connections.

What is slow is slow for the usual reasons: the first request of a path imports modules (real
ones, on the event loop), an item that was never asked for is looked up in `MISS_S`, and a
connection that the pool lacks is opened in `CONNECT_S`. A process has met two thirds of its items
after `ITEMS` requests, and all that matter after four times as many.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from crossfade.demo import app

ITEMS = 24
MISS_S = 0.08
CONNECT_S = 0.05
IMPORTS = {
    "/": ("html.parser", "xml.dom.minidom"),
    "/search": ("difflib", "sqlite3", "unittest.mock"),
    "/checkout": ("decimal", "email.message", "smtplib"),
}


class Cold(app.App):
    """One process; warm once it has done everything once."""

    def __init__(self, settings: app.Settings) -> None:
        super().__init__(settings)
        self._items: set[int] = set()
        self._connected = 0

    def _work(self, connection: Any, request: Any, seconds: float) -> None:
        for name in IMPORTS.get(request.path, ()):
            importlib.import_module(name)
        item = self._rng.randrange(ITEMS)
        if item not in self._items:
            self._items.add(item)
            seconds += MISS_S
        if len(self.in_flight) > self._connected:
            self._connected = len(self.in_flight)
            seconds += CONNECT_S
        super()._work(connection, request, seconds)


if __name__ == "__main__":
    app.App = Cold  # type: ignore[misc]  # what `run` makes one of
    sys.exit(app.main())
