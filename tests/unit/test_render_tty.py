"""The live screen, compared whole at fixed widths without colour."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from render_journals import (
    ERRORS,
    LATENCY,
    asked,
    baking,
    failed_gate,
    held,
    journal,
    plan,
    promoted,
    ready,
    rolled_back,
    screens,
    stuck,
    succeeded,
)
from rich.console import Console

from crossfade.cli.render import tty
from crossfade.release.plan import Plan
from crossfade.release.values import Event

NOTE: dict[str, object] = {
    "gates": {
        "errors": ERRORS | {"say": "not_yet", "needs_s": 120.0},
        "latency": LATENCY | {"evidence": 1.9, "ratio": 1.02, "observed_candidate": 0.011, "say": "not_yet"},
        "unhealthy": {"observed_candidate": 0, "say": "pass"},
    },
    "phase": "baking",
    "weight": 100,
    "way_back": "can go back: yes, to v2, in seconds (v2 is warm; rollback: never rehearsed)",
    "waits_for": ["errors: not_yet", "latency: not_yet"],
    "instances": {"stable": [4, 4], "candidate": [2, 2]},
}
GOING = NOTE | {
    "waits_for": ["weight is 10 %, not 0 %"],
    "way_back": "can go back: yes, to v2, going back now",
}


def screen(
    events: list[Event], note: Mapping[str, object] | None = None, release: Plan | None = None
) -> tty.Frame:
    made = tty.Screen(release or plan())
    for entry in journal(events):
        made.feed(entry)
    if note is not None:
        made.note(note)
    return made.render()


def shown(frame: tty.Frame, width: int = 100, **more: Any) -> str:
    console = Console(file=io.StringIO(), width=width, height=30, **more)
    console.print(frame)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip("\n")


PICTURES = {
    "a good canary in mid-bake": (baking(), NOTE, 100),
    "a failing gate": (failed_gate(), GOING, 100),
    "a failing gate on a narrow terminal": (failed_gate(), GOING, 80),
    "rolled back": (rolled_back(), None, 110),
    "succeeded": (succeeded(), None, 100),
    "stuck": (stuck(), None, 100),
    "paused": ([*baking(), asked("pause", 30, "bob", "wait for finance")], None, 100),
    "waits for approval": (held("approval", "10 % is baked and waits for a person"), None, 100),
    "the old is kept": (promoted(), None, 100),
    "in a hook": (ready(), None, 100),
    "nothing yet": ([], None, 100),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_whole_screen(name: str) -> None:
    events, note, width = PICTURES[name]

    assert shown(screen(events, note), width, no_color=True) == screens("tty")[name]


@pytest.mark.parametrize("name", PICTURES)
def test_colour_is_never_the_only_carrier_and_every_picture_fits(name: str) -> None:
    events, note, width = PICTURES[name]
    plainly = shown(screen(events, note), width, no_color=True, force_terminal=False)

    assert plainly.isascii()
    assert "\x1b" not in plainly
    assert len(plainly.splitlines()) <= tty.LINES
    assert max(len(line) for line in plainly.splitlines()) <= min(width, tty.WIDE)


def test_many_steps_many_gates_and_long_texts_still_fit() -> None:
    base = plan()
    shift = base.on[2]
    many = tuple(replace(shift, name=f"{n} %") for n in range(11, 40))
    long = replace(base, on=(*base.on[:3], *many, *base.on[3:]), break_glass="x" * 900)
    gates = {f"kpi-{n}": LATENCY | {"say": "fail"} for n in range(30)}
    note = NOTE | {"gates": gates, "waits_for": ["y" * 300] * 9}

    lines = shown(screen(failed_gate(), note, long), 200).splitlines()

    assert len(lines) <= tty.LINES
    assert max(len(line) for line in lines) <= tty.WIDE
    assert any("later steps not shown" in line for line in lines)
    assert any("more gates: crossfade status" in line for line in lines)


def test_R06_a_weight_that_could_not_be_read_is_not_shown_as_a_number() -> None:
    unknown = NOTE | {"truth": {"weights": {"is": "Unknown", "why": "no answer"}}}
    known = NOTE | {"truth": {"weights": {"is": "Known", "value": {"low": 0, "high": 200}}}}

    assert "\n      ?  weight not known" in shown(screen(baking(), unknown))
    assert "\n   20 %  ####----------------" in shown(screen(baking(), known))


def test_rich_is_imported_by_the_screen_alone() -> None:
    room = Path(tty.__file__).parent
    sources = {module.name: module.read_text() for module in room.glob("*.py")}
    importing = {name for name, source in sources.items() if re.search(r"(from|import) rich", source)}

    assert importing == {"tty.py"}


def test_a_note_of_strange_shape_breaks_nothing() -> None:
    strange = {
        "gates": ["x"],
        "weight": "ten",
        "waits_for": 3,
        "instances": {"stable": [1]},
        "way_back": None,
    }

    assert "BAKING at step 1 of 3 (10 %)" in shown(screen(baking(), strange))


def test_an_entry_fed_twice_is_shown_once() -> None:
    made = tty.Screen(plan())
    for entry in (*journal(baking()), *journal(baking())):
        made.feed(entry)

    assert shown(made.render()).count("WEIGHT verified") == 1


def test_a_hostile_message_moves_no_cursor() -> None:
    note = NOTE | {"waits_for": ["\x1b[2Jgone\nnext"], "way_back": "\x1b]0;title\x07[bold]kept[/bold]"}

    said = shown(screen(baking(), note), no_color=True)

    assert "\x1b" not in said
    assert "waits for  gone next" in said
    assert "  [bold]kept[/bold]" in said
