"""`status`, `history` and the job summary."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

from render_journals import (
    ERRORS,
    HOOK,
    LATENCY,
    T0,
    at,
    baking,
    home,
    journal,
    plan,
    ready,
    rolled_back,
    screens,
    stuck,
    succeeded,
    turned,
)

from crossfade.cli.render import history, markdown, status
from crossfade.release.values import Cause, EventType, Share

WARM = "can go back: yes, to v2, in seconds (v2 is warm at full capacity; rollback: never rehearsed)"


def row(**changed: Any) -> status.Row:
    said: dict[str, Any] = {
        "service": "shop",
        "serving": "v2",
        "now": T0 + timedelta(seconds=90),
        "plan": plan(),
        "entries": journal(baking()),
        "weight": 100,
        "gates": {
            "errors": ERRORS | {"say": "not_yet"},
            "latency": LATENCY | {"say": "not_yet", "evidence": 5.8},
            "unhealthy": {"say": "pass"},
        },
        "waits_for": ("errors: not_yet", "latency: not_yet"),
        "way_back": WARM,
        "driven_by": "this machine, pid 4711",
    }
    return status.Row(**(said | changed))


class TestStatus:
    def test_whole(self) -> None:
        ended: dict[str, Any] = {
            "now": T0 + timedelta(hours=1),
            "weight": 0,
            "gates": {},
            "waits_for": (),
            "driven_by": None,
        }
        rows = [
            row(),
            row(entries=journal(stuck()), weight=None, gates={}, waits_for=("weight is 10 %",), way_back=""),
            row(entries=journal(rolled_back()), way_back="can go back: yes, to v2, it is back", **ended),
            row(entries=journal(succeeded()), serving="v3", way_back="", drill="drilled 3 d ago", **ended),
            status.Row(service="web", now=T0),
        ]

        assert status.text(rows) == screens("status")["five services"]

    def test_nothing_at_all_says_what_to_do(self) -> None:
        assert "crossfade init && crossfade deploy REVISION" in status.text([])

    def test_R42_never_rehearsed_is_said_in_every_block_until_there_is_a_drill(self) -> None:
        assert (
            status.text([row(), row(way_back=""), status.Row(service="web", now=T0)]).count(status.NEVER) == 3
        )

    def test_the_json_says_what_is_not_known_as_null(self) -> None:
        said = json.loads(json.dumps(status.record(row(weight=None)), allow_nan=False))

        assert said["weight"] is None
        assert (said["phase"], said["step"], said["over"]) == ("baking", "10 %", False)
        assert said["since"] == "2026-11-24T12:03:10.000Z"
        assert said["way_back"] == WARM
        assert said["gates"]["latency"]["ratio"] == 3.1


class TestHistory:
    def test_whole(self) -> None:
        hook = [*ready(), turned(Cause.HOOK, 9, "verifying", 0, gate=HOOK), *home(9.4)]
        rows = [
            history.row(plan(), journal(events)) for events in (baking(), rolled_back(), hook, succeeded())
        ]

        assert history.text(rows) == screens("history")["four releases"]

    def test_the_json_leaves_out_what_does_not_apply(self) -> None:
        said = history.record(history.row(plan(), journal(rolled_back())))

        assert said["took_s"] == 81.409
        assert said["cause"] == "gate latency"
        assert "took_s" not in history.record(history.row(plan(), journal(baking())))

    def test_no_release_says_what_to_do(self) -> None:
        assert "crossfade deploy REVISION" in history.text([])


class TestMarkdown:
    def test_whole(self) -> None:
        said = markdown.summary(
            plan(), journal(rolled_back()), way_back_line="can go back: yes, to v2, it is back"
        )

        assert said == screens("markdown")["rolled back"]

    def test_a_strangers_text_obeys_nothing(self) -> None:
        hostile = "|<b>@team</b> [x](http://evil) #12 `a` ![i](j)\n## no"
        failed = at(EventType.GATE_FAILED, 60, step="10 %", weight=Share(100), gate=hostile, message=hostile)
        whole = markdown.summary(plan(), journal([*baking(), failed, turned(Cause.GATE, gate=hostile)]))
        said = re.sub(r"(?<!\\)`[^`]*`", "", whole)  # in code nothing is obeyed

        assert "<b>" not in said
        assert re.search(r"(?<!\\)\]\(", said) is None
        assert "\n## no" not in said
        assert "@team" not in said
        table = [line for line in said.splitlines() if line.startswith("| ")]
        assert {line.replace("\\|", "").count("|") for line in table} == {6, 10}

    def test_it_stays_below_the_limit_of_a_comment(self) -> None:
        many = [
            at(EventType.COMMAND_RECEIVED, 30 + n, verb="pause", actor="bob", reason="again " * 60)
            for n in range(400)
        ]
        said = markdown.summary(plan(), journal([*baking(), *many]))

        assert len(said) <= markdown.LIMIT
        assert said.endswith("(cut: `crossfade explain` shows all of it)")

    def test_of_no_journal_there_is_a_title_and_a_next_step(self) -> None:
        said = markdown.summary(plan(), [])

        assert said.startswith("## RUNNING shop v2 -> v3: not opened\n")
        assert "`crossfade deploy v3`" in said
