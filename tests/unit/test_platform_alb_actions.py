"""Weights in a list of actions: read as shares, written as numbers, and everything else is kept."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from alb_cloud import GROUPS, forward
from hypothesis import given
from hypothesis import strategies as st

from crossfade.platforms.alb import actions as routes
from crossfade.platforms.alb.model import Actions
from crossfade.release.values import ALL, NOTHING, Share, Span

BLUE, GREEN = GROUPS["blue"], GROUPS["green"]
PAIR = (BLUE, GREEN)
LOGIN: dict[str, Any] = {
    "Type": "authenticate-oidc",
    "Order": 1,
    "AuthenticateOidcConfig": {"Issuer": "https://id.example", "ClientId": "shop"},
}
SHARES = st.integers(0, 1000).map(Share)


@st.composite
def lists(draw: st.DrawFn) -> Actions:
    """Any list of actions that forwards to our pair alone, as an answer has it."""
    weights = draw(
        st.sampled_from([{"blue": 1}, {"green": 5}, {"blue": 999, "green": 0}, {"green": 3, "blue": 9}])
    )
    action = {**forward(draw(st.sampled_from([0, 60])), **weights), "Order": 2}
    return (*draw(st.sampled_from([(), (LOGIN,)])), action)


def forward_of(actions: Actions) -> Any:
    return next(action for action in actions if action["Type"] == "forward")


@given(actions=lists(), weight=SHARES)
def test_R02_what_is_written_reads_back_as_that_share(actions: Actions, weight: Share) -> None:
    written = routes.weighted(actions, candidate=GREEN, stable=BLUE, weight=weight)

    assert routes.share(written, GREEN).at(weight)
    assert routes.share(written, BLUE).at(Share(ALL - weight))
    numbers = (routes.forwards(written) or {}).values()
    assert all(0 <= number <= 999 for number in numbers)
    assert max(numbers) >= 1


@given(actions=lists(), weight=SHARES)
def test_R10_everything_else_is_kept_and_writing_again_changes_nothing(
    actions: Actions, weight: Share
) -> None:
    before = copy.deepcopy(actions)
    written = routes.weighted(actions, candidate=GREEN, stable=BLUE, weight=weight)

    assert actions == before
    assert [one["Type"] for one in written] == [one["Type"] for one in before]
    assert [one.get("Order") for one in written] == [one.get("Order") for one in before]
    assert [one for one in written if one["Type"] != "forward"] == [
        one for one in before if one["Type"] != "forward"
    ]
    stickiness = "TargetGroupStickinessConfig"
    assert forward_of(written)["ForwardConfig"][stickiness] == forward_of(before)["ForwardConfig"][stickiness]
    assert routes.weighted(written, candidate=GREEN, stable=BLUE, weight=weight) is written


@pytest.mark.parametrize(("weight", "kept"), [(0, BLUE), (1000, GREEN)])
def test_R20_nobody_can_be_kept_on_a_side_without_weight(weight: int, kept: str) -> None:
    """A cookie that names a group beats its weight; a group that is not named is beyond every cookie."""
    before = (forward(3600, blue=500, green=500),)

    written = routes.weighted(before, candidate=GREEN, stable=BLUE, weight=weight)

    assert list(routes.forwards(written) or ()) == [kept]
    assert routes.sticky(written)


def test_without_stickiness_a_side_without_weight_stays_named() -> None:
    """A group that no rule names is not checked for health."""
    for before in (forward(blue=1), forward(blue=1, green=1), forward(green=1)):
        written = routes.weighted((before,), candidate=GREEN, stable=BLUE, weight=0)

        assert routes.forwards(written) == {BLUE: 999, GREEN: 0}


@pytest.mark.parametrize(
    ("actions", "ours"),
    [
        ((forward(blue=1),), True),
        ((forward(blue=1, green=0),), True),
        ((forward(blue=1, green=1, **{"arn:third": 0}),), False),
        ((forward(**{"arn:third": 1}),), False),
        (({"Type": "fixed-response"},), False),
        ((forward(blue=1), forward(green=1)), False),
        ((), False),
        (None, False),
    ],
)
def test_R49_a_route_is_ours_where_it_forwards_to_the_pair_alone(actions: Any, ours: bool) -> None:
    assert routes.names_only(actions, PAIR) is ours


@pytest.mark.parametrize(
    ("weights", "low", "high"),
    [
        ({"blue": 2, "green": 1}, 333, 334),
        ({"blue": 1, "green": 2}, 666, 667),
        ({"blue": 0, "green": 0}, 0, 0),
    ],
)
def test_a_share_that_is_no_thousandth_is_a_span_around_it(
    weights: dict[str, int], low: int, high: int
) -> None:
    assert routes.share((forward(**weights),), GREEN) == Span(low=Share(low), high=Share(high))


def test_a_lone_group_gets_everything_whatever_its_weight_is() -> None:
    assert routes.share((forward(green=0),), GREEN).at(ALL)
    assert routes.share(({"Type": "forward", "TargetGroupArn": GREEN},), GREEN).at(ALL)
    assert routes.share(({"Type": "forward", "TargetGroupArn": GREEN},), BLUE).at(NOTHING)


def test_a_test_route_names_both_groups_at_either_side() -> None:
    for to, beside in (PAIR, PAIR[::-1]):
        pointed = routes.pointed((LOGIN, forward(blue=1)), to=to, beside=beside)

        assert routes.forwards(pointed) == {to: 999, beside: 0}
        assert pointed[0] == LOGIN
        assert routes.pointed(pointed, to=to, beside=beside) is pointed


def test_what_is_read_is_made_writable() -> None:
    """An answer names a lone group twice, and keeps the secret of a login to itself."""
    login, action = routes.writable((LOGIN, forward(blue=1)))

    assert "TargetGroupArn" not in action
    assert login["AuthenticateOidcConfig"] == {
        "Issuer": "https://id.example",
        "ClientId": "shop",
        "UseExistingClientSecret": True,
    }
    assert "UseExistingClientSecret" not in LOGIN["AuthenticateOidcConfig"]


def test_a_fingerprint_knows_any_change_and_no_order_of_keys() -> None:
    one, same = {"a": (forward(blue=1),), "b": None}, {"b": None, "a": (forward(blue=1),)}

    assert routes.fingerprint(one, {}) == routes.fingerprint(same, {})
    assert routes.fingerprint(one, {}) != routes.fingerprint({**one, "b": ()}, {})
    assert routes.fingerprint(one, {}) != routes.fingerprint(one, {"blue": {"crossfade:release": "r1"}})
