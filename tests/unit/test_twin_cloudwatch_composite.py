"""Composite alarms: their grammar, and how they follow their children."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from cloudwatch_world import START, World, described, history, put_alarm, state
from hypothesis import given
from hypothesis import strategies as st

from crossfade.twin.cloudwatch import ApiError
from crossfade.twin.cloudwatch.composite import Rule, children, holds, parse
from crossfade.twin.cloudwatch.judging import State

STATES: dict[str, State] = {"a": "ALARM", "b": "OK", "c": "INSUFFICIENT_DATA"}


def true(text: str) -> bool:
    return holds(parse(text), STATES.get)


class TestRules:
    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            ("ALARM(a)", True),
            ('ALARM("a")', True),
            ("ALARM( a )", True),
            ("OK(a)", False),
            ("OK(b)", True),
            ("INSUFFICIENT_DATA(c)", True),
            ("ALARM(arn:aws:cloudwatch:eu-central-1:123456789012:alarm:a)", True),
            ("TRUE", True),
            ("FALSE", False),
            ("NOT ALARM(a)", False),
            ("NOT NOT ALARM(a)", True),
            ("ALARM(a) AND OK(b)", True),
            ("ALARM(a) AND ALARM(b)", False),
            ("ALARM(b) OR ALARM(a)", True),
            ("ALARM(b) OR OK(b) AND ALARM(c)", False),
            ("(ALARM(a) OR OK(b)) AND NOT (ALARM(c) OR FALSE)", True),
            ("ALARM(a) OR ALARM(b) AND FALSE", True),
            ("NOT ALARM(b) AND NOT ALARM(c)", True),
            ("ALARM(gone) OR OK(gone) OR INSUFFICIENT_DATA(gone)", False),
            ("(((TRUE)))", True),
        ],
    )
    def test_what_they_say(self, rule: str, expected: bool) -> None:
        assert true(rule) == expected

    @pytest.mark.parametrize(
        "rule",
        [
            *("", "a", "ALARM", "ALARM()", 'ALARM("")', "ALARM(a", "ALARM(a))", "(ALARM(a)", "AND", "NOT"),
            *(
                "ALARM(a) ALARM(b)",
                "ALARM(a) AND",
                "OR ALARM(a)",
                "ALARM(a) XOR ALARM(b)",
                "alarm(a)",
                "true",
            ),
            "ALARM(a) && ALARM(b)",
        ],
    )
    def test_what_is_no_rule_is_refused(self, rule: str) -> None:
        with pytest.raises(ApiError) as refused:
            parse(rule)

        assert refused.value.code == "ValidationError"

    def test_a_hundred_children_and_no_more(self) -> None:
        assert len(children(parse(" OR ".join(f"ALARM(n{number})" for number in range(100))))) == 100
        with pytest.raises(ApiError, match="100 children"):
            parse(" OR ".join(f"ALARM(n{number})" for number in range(101)))

    @given(st.text('ALRMOKNTDSUEF()"ab ', max_size=40))
    def test_no_text_breaks_the_reader(self, text: str) -> None:
        with suppress(ApiError):
            rule: Rule = parse(text)
            holds(rule, STATES.get)


class TestFollowing:
    def put(self, world: World, rule: str, name: str = "all") -> None:
        world.call("PutCompositeAlarm", AlarmName=name, AlarmRule=rule)

    def move(self, world: World, name: str, to: str) -> None:
        world.call("SetAlarmState", AlarmName=name, StateValue=to, StateReason="by hand")

    @pytest.fixture
    def world(self) -> World:
        """Two metric alarms without data: they move by hand alone."""
        world = World()
        put_alarm(world, "a", TreatMissingData="ignore")
        put_alarm(world, "b", TreatMissingData="ignore")
        return world

    def test_it_begins_without_data_and_is_soon_evaluated(self, world: World) -> None:
        self.put(world, "ALARM(a) OR ALARM(b)")
        new = described(world, "all")
        world.at(5)
        soon = described(world, "all")

        assert (new["StateValue"], new["StateReason"]) == (
            "INSUFFICIENT_DATA",
            "Unchecked: Initial alarm creation",
        )
        assert soon["StateValue"] == "OK"
        assert soon["StateReason"].endswith(":alarm:all was created and its alarm rule evaluates to OK")

    def test_it_moves_with_its_children_and_says_which(self, world: World) -> None:
        self.put(world, "ALARM(a) AND ALARM(b)")
        world.at(5)
        self.move(world, "a", "ALARM")
        first = state(world, "all")
        world.at(10)
        self.move(world, "b", "ALARM")
        alarm: dict[str, Any] = described(world, "all")
        triggering = json.loads(alarm["StateReasonData"])["triggeringAlarms"]
        self.move(world, "a", "OK")

        assert (first, alarm["StateValue"], state(world, "all")) == ("OK", "ALARM", "OK")
        assert ":alarm:b transitioned to ALARM at " in alarm["StateReason"]
        assert alarm["StateReason"].endswith(" UTC")
        assert [one["arn"][-1] for one in triggering] == ["b", "a"]
        assert triggering[0]["state"]["value"] == "ALARM"
        assert history(world, "all") == [
            'Alarm "all" created',
            "Alarm updated from INSUFFICIENT_DATA to OK",
            "Alarm updated from OK to ALARM",
            "Alarm updated from ALARM to OK",
        ]

    def test_composites_of_composites_move_together(self, world: World) -> None:
        self.put(world, "ALARM(a)", "one")
        self.put(world, "ALARM(one) AND NOT ALARM(b)", "two")
        world.at(5)
        self.move(world, "a", "ALARM")
        both = (state(world, "one"), state(world, "two"))
        self.move(world, "b", "ALARM")

        assert both == ("ALARM", "ALARM")
        assert (state(world, "one"), state(world, "two")) == ("ALARM", "OK")

    def test_set_by_hand_it_stays_until_a_child_moves(self, world: World) -> None:
        self.put(world, "ALARM(a)")
        world.at(5)
        self.move(world, "all", "ALARM")

        assert state(world.at(3600), "all") == "ALARM"
        self.move(world, "a", "INSUFFICIENT_DATA")
        assert state(world, "all") == "ALARM"
        self.move(world, "a", "OK")
        assert state(world, "all") == "OK"

    def test_an_update_is_evaluated_too(self, world: World) -> None:
        self.put(world, "ALARM(a)")
        world.at(5)
        self.put(world, "TRUE")

        assert state(world, "all") == "OK"
        assert state(world.at(10), "all") == "ALARM"
        assert described(world, "all")["StateReason"].endswith(
            "was updated and its alarm rule evaluates to ALARM"
        )

    def test_children_must_exist(self, world: World) -> None:
        with pytest.raises(ApiError, match=r"alarms \[x, y\] in the alarm rule do not exist"):
            self.put(world, "ALARM(a) OR ALARM(x) OR OK(y)")

    def test_a_circle_is_taken_and_evaluated_no_more(self, world: World) -> None:
        self.put(world, "ALARM(a)", "one")
        self.put(world, "ALARM(one)", "two")
        self.put(world, "ALARM(two) OR ALARM(a)", "one")
        world.at(5)
        self.move(world, "a", "ALARM")

        assert (state(world, "one"), state(world, "two")) == ("INSUFFICIENT_DATA", "INSUFFICIENT_DATA")
        with pytest.raises(ApiError, match="depending on it"):
            world.call("DeleteAlarms", AlarmNames=["one"])

    def test_what_a_composite_needs_is_not_deleted_but_with_it(self, world: World) -> None:
        self.put(world, "ALARM(a) OR ALARM(b)")
        with pytest.raises(ApiError, match="Cannot delete a as there are composite alarm"):
            world.call("DeleteAlarms", AlarmNames=["a"])
        with pytest.raises(ApiError, match="Cannot delete a,b as there are composite alarm"):
            world.call("DeleteAlarms", AlarmNames=["a", "b"])

        world.call("DeleteAlarms", AlarmNames=["a", "all", "nobody"])

        left = world.call("DescribeAlarms", AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        assert [alarm["AlarmName"] for alarm in left["MetricAlarms"]] == ["b"]
        assert left["CompositeAlarms"] == []

    def test_one_composite_is_deleted_by_one_call(self, world: World) -> None:
        self.put(world, "TRUE", "one")
        self.put(world, "TRUE", "two")

        with pytest.raises(ApiError, match="one composite alarm"):
            world.call("DeleteAlarms", AlarmNames=["one", "two"])

    def test_a_name_is_of_one_kind(self, world: World) -> None:
        with pytest.raises(ApiError, match="of another kind"):
            self.put(world, "TRUE", "a")

    def test_actions_suppressors_are_not_modelled(self, world: World) -> None:
        with pytest.raises(ApiError, match="not modelled"):
            world.call("PutCompositeAlarm", AlarmName="x", AlarmRule="TRUE", ActionsSuppressor="a")

    @pytest.mark.parametrize(
        ("params", "code"),
        [
            ({"AlarmName": "nobody", "StateValue": "OK", "StateReason": "x"}, "ResourceNotFound"),
            ({"AlarmName": "a", "StateValue": "FINE", "StateReason": "x"}, "ValidationError"),
            ({"AlarmName": "a", "StateValue": "OK"}, "MissingParameter"),
            (
                {"AlarmName": "a", "StateValue": "OK", "StateReason": "x", "StateReasonData": "{"},
                "InvalidFormat",
            ),
        ],
    )
    def test_a_state_set_wrongly_is_refused(self, world: World, params: dict[str, Any], code: str) -> None:
        with pytest.raises(ApiError) as refused:
            world.call("SetAlarmState", **params)

        assert refused.value.code == code

    def test_its_day_is_written_as_aws_does(self, world: World) -> None:
        self.put(world, "ALARM(a)")
        world.at(5)
        self.move(world, "a", "ALARM")
        day = described(world, "all")["StateUpdatedTimestamp"]

        assert day.timestamp() == START + 5
        assert described(world, "all")["StateReason"].endswith(
            f"at {day:%A} {day.day} {day:%B, %Y %H:%M:%S} UTC"
        )
