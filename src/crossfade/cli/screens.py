"""Where progress goes: a tree that redraws, one line an event, NDJSON, or nothing; all from one journal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from crossfade.cli.render import ndjson, plain
from crossfade.engine.records import Entry
from crossfade.release.plan import Plan
from crossfade.release.state import State

HEARTBEAT_S = 30.0


class Screen(Protocol):
    """What following needs of any output."""

    def entry(self, item: Entry) -> None: ...

    def note(self, note: Mapping[str, object]) -> None: ...

    def say(self, text: str) -> None: ...

    def ended(self, state: State) -> None: ...


class Plain:
    """One line an event on stdout, and a heartbeat every 30 s so that a CI log shows life."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._beat = time.monotonic()

    def entry(self, item: Entry) -> None:
        print(plain.line(item, self._plan), flush=True)
        self._beat = time.monotonic()

    def note(self, note: Mapping[str, object]) -> None:
        if time.monotonic() - self._beat >= HEARTBEAT_S:
            print(plain.heartbeat(note, self._plan), flush=True)
            self._beat = time.monotonic()

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def ended(self, state: State) -> None:
        del state


class Ndjson(Plain):
    """One JSON object an event on stdout."""

    def entry(self, item: Entry) -> None:
        print(ndjson.line(item, self._plan), flush=True)

    def note(self, note: Mapping[str, object]) -> None:
        del note


class Quiet(Plain):
    """Only what a person must read, on stderr."""

    def entry(self, item: Entry) -> None:
        del item

    def note(self, note: Mapping[str, object]) -> None:
        del note


@contextmanager
def _tree(plan: Plan) -> Iterator[Screen]:
    from rich.console import Console
    from rich.live import Live

    from crossfade.cli.render.tty import Screen as Drawing

    drawing = Drawing(plan)
    with Live(drawing.render(), console=Console(), refresh_per_second=4, transient=False) as live:

        class Tree:
            def entry(self, item: Entry) -> None:
                drawing.feed(item)
                live.update(drawing.render())

            def note(self, note: Mapping[str, object]) -> None:
                drawing.note(note)
                live.update(drawing.render())

            def say(self, text: str) -> None:
                live.console.print(text, markup=False)

            def ended(self, state: State) -> None:
                del state
                live.update(drawing.render())

        yield Tree()


@contextmanager
def open_screen(output: str, plan: Plan) -> Iterator[Screen]:
    """The renderer for this output; `auto` draws a tree only where a person sits."""
    if output == "auto":
        output = "tty" if sys.stdout.isatty() and not os.environ.get("CI") else "plain"
    match output:
        case "tty":
            with _tree(plan) as tree:
                yield tree
        case "json":
            yield Ndjson(plan)
        case "quiet":
            yield Quiet(plan)
        case _:
            yield Plain(plan)
