"""An event as public JSON and as one plain line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from render_journals import (
    HOOK,
    LATENCY,
    RELEASE,
    Entry,
    at,
    baking,
    journal,
    plan,
    rolled_back,
    screens,
    stuck,
)

from crossfade.cli.render import fields, ndjson, plain
from crossfade.release.values import Cause, Event, EventType, Share

EVERYTHING = Event(
    type=EventType.ROLLBACK_STARTED,
    ts=datetime(2026, 11, 24, 4, 7, 32, 123_000, tzinfo=UTC),
    step="10 %",
    weight=Share(100),
    gate="latency",
    cause=Cause.GATE,
    key="k",
    verb="abort",
    seconds=1.5,
    actor="ada",
    reason="because",
    message="said",
    numbers=LATENCY | {"n_stable": 5940.0, "n_candidate": 660.0},
)


def test_the_record_holds_every_documented_field_and_no_other() -> None:
    record = fields.record(Entry(7, "checkout-api", RELEASE, EVERYTHING), plan())

    assert list(record) == list(fields.FIELDS)
    assert all(fields.FIELDS.values())
    assert record["ts"] == "2026-11-24T04:07:32.123Z"
    assert (record["v"], record["seq"], record["weight"], record["ratio"]) == (1, 7, 10.0, 3.1)
    assert (record["stable"], record["verdict"]) == (0.01, "fail")


def test_absent_fields_are_left_out() -> None:
    record = fields.record(journal([at(EventType.RELEASE_SUCCEEDED, 0)])[0], plan())

    assert list(record) == ["v", "seq", "ts", "service", "release", "type", "prev_hash"]


@pytest.mark.parametrize("kind", EventType)
def test_every_type_of_event_has_a_line_and_a_record(kind: EventType) -> None:
    entry = journal([at(kind, 0)])[0]

    assert plain.line(entry, plan()).startswith("2026-11-24T12:03:00Z shop 7F3AQK ")
    assert json.loads(ndjson.line(entry, plan()))["type"] == kind.value


def test_a_gate_line_reads_as_documented() -> None:
    event = Event(
        type=EventType.GATE_FAILED,
        ts=EVERYTHING.ts,
        step="10 %",
        weight=Share(100),
        gate="latency",
        message="in the numbers already",
        numbers=EVERYTHING.numbers,
    )

    assert plain.line(Entry(7, "checkout-api", RELEASE, event), plan()) == (
        "2026-11-24T04:07:32Z checkout-api 7F3AQK GATE failed step=1/3 weight=10% gate=latency at=p99 "
        "ratio=3.1 limit=1.25 n_stable=5940 n_candidate=660 evidence=8300/100"
    )


@pytest.mark.parametrize(("name", "events"), [("rolled back", rolled_back()), ("stuck", stuck())])
def test_a_whole_journal_in_plain_lines(name: str, events: list[Event]) -> None:
    assert "\n".join(plain.line(entry, plan()) for entry in journal(events)) == screens("lines")[name]


def test_a_message_with_escapes_and_line_breaks_stays_one_harmless_line() -> None:
    hostile = 'bad\n::error::x\r\x1b[2J\x1b]0;t\x07 "gate=fake\\'
    entry = journal(
        [at(EventType.HOOK_FAILED, 0, step="verifying", key=HOOK, message=hostile, reason=hostile)]
    )[0]

    line = plain.line(entry, plan())
    assert line == (
        '2026-11-24T12:03:00Z shop 7F3AQK HOOK failed step=verifying key=before:0 reason="bad ::error::x '
        '\\"gate=fake\\\\" message="bad ::error::x \\"gate=fake\\\\"'
    )
    raw = ndjson.line(entry, plan())
    assert raw.isascii()
    assert raw.isprintable()
    assert json.loads(raw)["message"] == hostile


@given(st.text(), st.dictionaries(st.text(), st.floats() | st.text() | st.none()))
def test_whatever_is_in_an_event_it_is_one_line(text: str, numbers: dict[str, Any]) -> None:
    said: dict[str, Any] = dict.fromkeys(("step", "gate", "key", "verb", "actor", "reason", "message"), text)
    event = at(EventType.GATE_WAITING, 0, seconds=float("nan"), numbers=numbers | {"at": text}, **said)
    entry = Entry(1, text, text, event)

    assert plain.line(entry, plan()).isprintable()
    assert ndjson.line(entry, plan()).isprintable()
    json.loads(ndjson.line(entry, plan()))


def test_the_heartbeat_says_in_one_line_that_it_lives_and_why_it_waits() -> None:
    note = {
        "phase": "awaiting approval",
        "weight": 100,
        "gates": {"latency": LATENCY | {"say": "not_yet", "evidence": 10.0}, "alarms": {"say": "pass"}},
        "waits_for": ["a person"],
        "way_back": "can go back: yes, to v2, in seconds (v2 is warm)",
    }

    assert plain.heartbeat(note, plan(), EVERYTHING.ts) == (
        "2026-11-24T04:07:32Z shop 7F3AQK STILL awaiting_approval weight=10% latency=not_yet:50% alarms=pass "
        'waits="a person" way_back="yes, to v2, in seconds (v2 is warm)"'
    )
    assert plain.heartbeat({}, plan(), EVERYTHING.ts) == "2026-11-24T04:07:32Z shop 7F3AQK STILL running"


def test_steps_that_move_weight_are_counted_and_others_named() -> None:
    assert fields.place(plan(), "10 %") == (1, 3)
    assert fields.place(plan(), "promoting") == (3, 3)
    assert fields.place(plan(), "keeping") is None
    assert "step=verifying" in plain.line(journal(baking())[3], plan())


def test_the_engines_own_note_is_read_as_it_is() -> None:
    numbers = {"stable": 0.01, "candidate": 0.02, "evidence": 10.0, "bound": 100.0}
    verdict = {"gate": "errors", "say": "not_yet", "covers": 5.0, "numbers": numbers}
    note = {"at": "2026-11-24T04:07:32Z", "phase": "baking", "weight": 100, "truth": {"verdicts": [verdict]}}

    assert plain.heartbeat(note, plan()) == (
        "2026-11-24T04:07:32Z shop 7F3AQK STILL baking weight=10% errors=not_yet:50%"
    )
    assert plain.gates_of(note)["errors"]["window_s"] == 5.0


def test_what_a_gate_saw_is_found_under_the_names_of_judge_and_signals() -> None:
    for numbers in ({"observed_stable": 0.01, "observed_candidate": 2.0}, {"stable": 0.01, "candidate": 2.0}):
        record = fields.record(journal([at(EventType.GATE_PASSED, 0, gate="x", numbers=numbers)])[0], plan())

        assert (record["stable"], record["candidate"]) == (0.01, 2.0)
