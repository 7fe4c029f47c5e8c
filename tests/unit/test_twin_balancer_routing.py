"""When rules come into force."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crossfade.twin.balancer.model import FixedResponse, Rule
from crossfade.twin.balancer.routing import Routing


def rules(number: int) -> tuple[Rule, ...]:
    return (Rule(arn="r", priority=None, conditions=(), action=FixedResponse(status=200, body=str(number))),)


class TestRouting:
    def test_a_new_listener_is_there_at_once_and_its_changes_later(self) -> None:
        routing = Routing()
        routing.want([("a", rules(1))], 100, lambda: 3)
        assert routing.in_force("a") == rules(1)

        routing.want([("a", rules(2))], 100, lambda: 3)
        assert routing.in_force("a") == rules(1)
        assert routing.coming("a") == (rules(2),)
        assert routing.next_change() == 103
        assert not routing.elapse(102.9)
        assert routing.elapse(103)
        assert routing.in_force("a") == rules(2)

    def test_without_a_delay_it_is_in_force_when_asked(self) -> None:
        routing = Routing()
        routing.want([("a", rules(1))], 100, lambda: 0)
        routing.want([("a", rules(2))], 100, lambda: 0)

        assert routing.in_force("a") == rules(2)

    def test_only_a_listener_whose_rules_change_waits(self) -> None:
        routing = Routing()
        routing.want([("a", rules(1)), ("b", rules(1))], 100, lambda: 3)
        drawn = iter((3.0,))
        routing.want([("a", rules(1)), ("b", rules(2))], 100, lambda: next(drawn))

        assert next(drawn, None) is None
        assert routing.coming("a") == ()

    def test_a_listener_that_is_gone_is_gone_with_all_that_was_to_come(self) -> None:
        routing = Routing()
        routing.want([("a", rules(1))], 100, lambda: 3)
        routing.want([("a", rules(2))], 100, lambda: 3)
        routing.want([], 100, lambda: 3)

        assert routing.next_change() is None

    def test_a_copy_is_not_touched_by_what_follows(self) -> None:
        routing = Routing()
        routing.want([("a", rules(1))], 100, lambda: 3)
        routing.want([("a", rules(2))], 100, lambda: 3)
        before = routing.copy()
        routing.want([("a", rules(3))], 100, lambda: 3)
        routing.elapse(103)

        assert before.in_force("a") == rules(1)
        assert before.coming("a") == (rules(2),)

    @given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 60)), min_size=1, max_size=20))
    def test_no_change_overtakes_an_earlier_one(self, asked: list[tuple[float, float]]) -> None:
        routing = Routing()
        now = 0.0
        routing.want([("a", rules(-1))], now, lambda: 0)
        seen = []
        for number, (pause, delay) in enumerate(asked):
            now += pause
            routing.want([("a", rules(number))], now, lambda delay=delay: delay)  # type: ignore[misc]
            seen.append(routing.in_force("a"))
        while (due := routing.next_change()) is not None:
            routing.elapse(due)
            seen.append(routing.in_force("a"))

        order = [int(one[0].action.body) for one in seen if isinstance(one[0].action, FixedResponse)]
        assert order == sorted(order)
        assert order[-1] == len(asked) - 1
