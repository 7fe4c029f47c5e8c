"""`explain`: every end and every cause, told whole, from the journal alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from render_journals import (
    ERRORS,
    HOOK,
    LATENCY,
    asked,
    at,
    baking,
    failed_gate,
    first_road,
    held,
    home,
    journal,
    plan,
    promoted,
    ready,
    rolled_back,
    screens,
    stuck,
    succeeded,
    turned,
)

from crossfade.cli.render import causes, explain
from crossfade.release.values import Cause, Event, EventType, Share

WAYS = {
    "back": "can go back: yes, to v2, it is back (v2 never left)",
    "going": "can go back: yes, to v2, going back now (turned back: gate)",
    "unknown": "can go back: unknown, because the proxy does not answer",
    "yes": "can go back: yes, to v2, in seconds (v2 is warm at full capacity; rollback: never rehearsed)",
    "minutes": "can go back: yes, to v2, in minutes (v2 is stopped and would be started and released again; "
    "rollback: never rehearsed)",
}
AT_10: dict[str, Any] = {"step": "10 %", "weight": Share(100)}
NO_DATA = at(EventType.GATE_NO_DATA, 20, gate="errors", message="no data: counts could not be read", **AT_10)

ENDINGS: dict[str, tuple[list[Event], str]] = {
    "gate": (rolled_back(), "back"),
    "hook": (
        [
            *ready(),
            at(EventType.HOOK_FAILED, 9, step="verifying", key=HOOK, message="answered 500"),
            turned(Cause.HOOK, 9.1, "verifying", 0, gate=HOOK, message=f"hook {HOOK} failed"),
            *home(9.4),
        ],
        "back",
    ),
    "person": (
        [
            *baking(),
            asked("abort", 50, "bob", "phones ring"),
            turned(Cause.PERSON, actor="bob", reason="phones ring", message="aborted by bob"),
            *home(),
        ],
        "back",
    ),
    "superseded": (
        [
            *baking(),
            asked("supersede", 50, "ci", "v4 is out"),
            turned(Cause.SUPERSEDED, actor="ci", reason="v4 is out", message="superseded by ci"),
            *home(),
        ],
        "back",
    ),
    "late": (
        [
            *ready()[:2],
            turned(Cause.LATE, 601, "provisioning", 0, message="provisioning was not reached within 0:10:00"),
            *home(602),
        ],
        "back",
    ),
    "lost": (rolled_back(Cause.LOST, message="no instance of v3 is healthy any more"), "back"),
    "taken": (
        rolled_back(Cause.TAKEN, message="somebody lowered the candidate's weight below 10 %"),
        "back",
    ),
    "foreign": (rolled_back(Cause.FOREIGN, message="another hand changed the world 4 times"), "back"),
    "no_data": (
        [
            *baking(),
            NO_DATA,
            turned(Cause.NO_DATA, 321, message="a gate had no data for 0:05:00"),
            *home(321.2),
        ],
        "back",
    ),
    "inconclusive": (
        [
            *held("inconclusive", "errors: too little traffic to know"),
            turned(Cause.INCONCLUSIVE, 15000, message="nobody decided within 4:00:00"),
            *home(15001),
        ],
        "back",
    ),
    "pause": (
        [
            *baking(),
            asked("pause", 30, "bob", "wait for finance"),
            turned(Cause.PAUSE, 14431, message="paused for more than 4:00:00"),
            *home(14431.5),
        ],
        "back",
    ),
    "gate while the old is kept": (
        [
            *promoted(),
            at(
                EventType.GATE_FAILED,
                700,
                step="keeping",
                weight=Share(1000),
                gate="errors",
                numbers=ERRORS
                | {"verdict": "fail", "ratio": 4.2, "evidence": 120.0, "baseline": "v2's last window"},
            ),
            turned(Cause.GATE, 700, "keeping", 1000, gate="errors"),
            *home(701),
        ],
        "back",
    ),
    "succeeded": (succeeded(), "minutes"),
    "succeeded by override": (
        [
            ready()[0],
            asked("deploy", 0, "ada", "pager storm", key="latency", message="opened by a person's word"),
            *baking()[1:],
            asked("promote_full", 40, "bob", "hotfix"),
            at(EventType.WEIGHT_REQUESTED, 41, step="50 %", weight=Share(500)),
            at(EventType.WEIGHT_VERIFIED, 42, step="50 %", weight=Share(500)),
            *succeeded()[len(promoted()) - 3 :],
        ],
        "minutes",
    ),
    "closed": (
        [
            *stuck(),
            asked("close", 900, "bob", "fixed by hand", step="rolling back"),
            at(EventType.RELEASE_CLOSED, 900, step="rolling back", actor="bob", reason="fixed by hand"),
        ],
        "unknown",
    ),
    "stuck": (stuck(), "unknown"),
    "on its way back": (failed_gate(), "going"),
    "running": (baking(), "yes"),
    "paused": ([*baking(), asked("pause", 30, "bob", "wait for finance")], "yes"),
    "waits for approval": (held("approval", "10 % is baked and waits for a person"), "yes"),
    "held, inconclusive": (held("inconclusive", "errors: too little traffic to know"), "yes"),
    "no data": ([*baking(), NO_DATA], "yes"),
    "in a hook": (ready(), "yes"),
    "shifting": (baking()[:-2], "yes"),
    "after a gap": ([*baking(), at(EventType.CONTROLLER_LOST, 200, seconds=95.0)], "yes"),
    "refused": (
        [
            at(
                EventType.RELEASE_REFUSED,
                0,
                actor="ada",
                message="CF3018 gate paging is failing before the release has begun",
            )
        ],
        "yes",
    ),
    "no journal": ([], "unknown"),
}


def told(name: str, **more: Any) -> str:
    events, way = ENDINGS[name]
    return explain.text(plan(), journal(events), way_back_line=WAYS[way], **more)


@pytest.mark.parametrize("name", ENDINGS)
def test_every_ending_is_told_whole(name: str) -> None:
    assert told(name) == screens("explain")[name]


def test_every_cause_has_an_ending_here_a_sentence_and_a_remedy() -> None:
    for cause in Cause:
        assert cause.value in ENDINGS
        assert causes._BECAUSE[cause]
        assert causes._REMEDIES[cause]


@pytest.mark.parametrize("name", [name for name in ENDINGS if name not in {"refused", "no journal"}])
def test_R45_R46_the_way_back_always_and_the_raw_command_unless_it_succeeded(name: str) -> None:
    said = told(name)

    assert "\nCan go back  " in said
    assert ("\nBreak glass  cp home.yaml envoy/routes.yaml" in said) is ("succeeded" not in name)


def test_R44_an_override_names_who_and_why() -> None:
    said = told("succeeded by override")

    assert 'deploy --despite latency by ada: "pager storm"' in said
    assert 'promote --full by bob: "hotfix"' in said


def test_a_fast_clock_is_said_and_what_machines_did_is_told_in_real_time() -> None:
    said = told("gate", time_compression=5.0)

    assert "50 s evidence (10 s here, clock x5) + 80 ms tick + 2 ms back" in said


def test_no_number_is_said_that_the_journal_does_not_hold() -> None:
    bare = [
        *baking(),
        at(EventType.GATE_FAILED, 60, gate="latency", **AT_10),
        turned(Cause.GATE, 60, gate="latency"),
    ]

    said = explain.text(plan(), journal(bare), way_back_line="")

    assert "Seen" not in said
    assert "Evidence" not in said
    assert "Took         50 s evidence and tick\n" in said


def test_home_is_not_claimed_while_another_hand_disturbs_it() -> None:
    drift = at(EventType.WORLD_CHANGED, 65, step="rolling back", message="the weight is 5 %, not 0 %")

    said = explain.text(plan(), journal([*failed_gate(), home()[0], drift]), way_back_line=WAYS["going"])

    assert "It is not yet proved that all traffic is on v2." in said


def test_other_gates_of_the_same_look_are_cleared_with_their_numbers() -> None:
    beside = {"gates": {"errors": ERRORS, "latency": LATENCY, "unhealthy": {"verdict": "pass"}}}
    turn = turned(Cause.GATE, gate="latency", numbers=LATENCY | beside)

    said = explain.text(plan(), journal([*baking(), turn]), way_back_line="")

    assert "Not it       errors 0.9x of 1.5x, not yet; unhealthy pass\n" in said


def test_of_a_first_release_nobody_is_said_to_have_gone_back_to_nothing() -> None:
    first = plan(stable=None)

    said = explain.text(first, journal(rolled_back()), way_back_line="")

    assert "shop nothing -> v3 was rolled back" in said
    assert "v3 was the first release: there is no older version to serve." in said


def test_R15_a_first_release_whose_last_hook_failed_serves_and_is_a_person_s_to_end() -> None:
    hook = f"{HOOK.partition(':')[0]}:over:0"
    first = plan(stable=None, hooks={hook: {"command": "./post.sh"}}, on=first_road(after=(hook,)))
    promoting: dict[str, Any] = {"step": "promoting", "weight": Share(1000)}
    events = [
        *ready()[:-1],
        at(EventType.PROMOTE_REQUESTED, 8, **promoting),
        at(EventType.PROMOTE_VERIFIED, 9, **promoting),
        at(EventType.HOOK_STARTED, 9, step="promoting", key=hook),
        at(EventType.HOOK_FAILED, 10, step="promoting", key=hook, message="exit 1"),
        at(EventType.RELEASE_STUCK, 10, message="hook failed, and no way leads back", **promoting),
    ]
    closed = at(EventType.RELEASE_CLOSED, 90, step="promoting", actor="bob", reason="v4 mends it")

    stuck_ = explain.text(first, journal(events), way_back_line="")
    ended = explain.text(first, journal([*events, closed]), way_back_line="")

    assert "is STUCK at step 1 of 1 (100 %): it serves, and no way leads back." in stuck_
    assert "Hook hand_over 1, command ./post.sh failed: exit 1. Page someone." in stuck_
    assert "Crossfade goes on trying" not in stuck_
    assert "crossfade close" in stuck_
    assert "Hook hand_over 1, command ./post.sh failed: exit 1." in ended
    assert "NOT proved" not in stuck_ + ended


def test_only_a_numbered_revision_has_a_next_one() -> None:
    assert causes.newer_than("v3") == "v4"
    assert causes.newer_than("41") == "42"
    assert causes.newer_than("a1b2c3") == "REVISION"
    assert causes.newer_than("2.4.1") == "REVISION"


def test_the_json_holds_what_is_said_and_every_event_it_is_said_from() -> None:
    entries = journal(rolled_back())

    said = json.loads(
        json.dumps(explain.record(plan(), entries, way_back_line=WAYS["back"]), allow_nan=False)
    )

    assert said["outcome"] == "rolled_back"
    assert said["cause"] == "gate"
    assert ["Took", "50 s evidence + 0.4 s tick + 9 ms back"] in said["facts"]
    assert [event["seq"] for event in said["events"]] == list(range(1, len(entries) + 1))
