"""What a service on a load balancer is, told from what stands there; and what to do where it is none yet."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from aws_world import (
    NOT_FOUND,
    REDIRECT,
    a_group,
    a_place,
    a_way,
    arn_of,
    forward,
    header,
    path,
)

from crossfade.errors import RefusedError, UsageError
from crossfade.platforms.alb.choice import Choice, choose, service_name
from crossfade.platforms.alb.commands import Shell
from crossfade.platforms.alb.found import Found

LACKING = Path(__file__).parent / "screens" / "init-alb-lacking.txt"
SHELL = Shell(region="eu-west-1")
USERS = a_way(443, forward(shop_blue=999, shop_green=0))
TEST = a_way(8443, forward(shop_blue=1))
STAFF = a_way(443, forward(shop_blue=1), priority=4, conditions=[header("x-test", "1")])


def chosen(found: Found, asked: str, **more: object) -> Choice:
    return choose(found, asked, SHELL, test=more.get("test"), free=more.get("free", ()))  # type: ignore[arg-type]


class TestAPairThatIsThere:
    def test_the_default_action_shifts_and_the_other_port_is_the_test(self) -> None:
        found = a_place(a_way(80, REDIRECT), USERS, TEST)
        choice = chosen(found, USERS.arn)

        assert [one.arn for one in choice.rules] == [USERS.arn]
        assert choice.test == TEST
        assert (choice.blue.name, choice.green.name) == ("shop-blue", "shop-green")
        assert [one.said for one in choice.aside] == ["HTTP:80 default action"]
        assert service_name(choice) == "shop"

    def test_the_default_rules_own_arn_means_the_listener(self) -> None:
        choice = chosen(a_place(USERS, TEST), USERS.rule)

        assert [one.arn for one in choice.rules] == [USERS.listener]

    def test_a_rule_that_asks_for_a_header_is_for_staff(self) -> None:
        assert chosen(a_place(STAFF, USERS), USERS.arn).test == STAFF

    def test_every_rule_that_names_both_groups_shifts_along(self) -> None:
        api = a_way(443, forward(shop_blue=999, shop_green=0), priority=7, conditions=[path("/api/*")])
        plain = a_way(80, forward(shop_blue=999, shop_green=0))
        choice = chosen(a_place(plain, api, USERS, TEST), api.arn)

        assert {one.arn for one in choice.rules} == {plain.arn, api.arn, USERS.arn}

    def test_a_listener_that_answers_404_leads_to_its_only_service(self) -> None:
        api = a_way(443, forward(shop_blue=999, shop_green=0), priority=7, conditions=[path("/api/*")])
        closed = a_way(443, NOT_FOUND)

        assert [one.arn for one in chosen(a_place(api, closed, TEST), closed.arn).rules] == [api.arn]

    def test_colours_go_by_name_and_else_by_the_alphabet(self) -> None:
        one = a_way(443, forward(shop_x=1, shop_a_blue=1))
        two = a_way(443, forward(zebra=1, adder=1))

        assert chosen(a_place(one, a_way(81, forward(shop_x=1))), one.arn).blue.name == "shop-a-blue"
        assert chosen(a_place(two, a_way(81, forward(zebra=1))), two.arn).blue.name == "adder"

    @pytest.mark.parametrize(
        ("names", "blue", "service"),
        [
            (("green", "blue"), "blue", ""),
            (("shop_a", "shop_b"), "shop_a", "shop"),
            (("blue_green", "blue"), "blue", ""),
            (("web_1", "web_2"), "web_1", "web"),
        ],
    )
    def test_a_colour_is_the_last_word(self, names: tuple[str, str], blue: str, service: str) -> None:
        users = a_way(443, forward(**dict.fromkeys(names, 1)))
        choice = chosen(a_place(users, a_way(81, forward(**{names[0]: 1}))), users.arn)

        assert choice.blue.name == blue.replace("_", "-")
        assert service_name(choice) == service

    def test_the_test_way_may_be_named(self) -> None:
        found = a_place(STAFF, USERS, TEST)

        with pytest.raises(UsageError, match="several ways could be the test") as caught:
            chosen(found, USERS.arn)

        assert f"--test {STAFF.arn}   # HTTPS:443 rule 4 (header x-test: 1)" in caught.value.fix
        assert f"--test {TEST.arn}   # HTTP:8443 default action" in caught.value.fix
        with pytest.raises(
            RefusedError, match="HTTP:8443 default action is neither for users nor the test"
        ) as left:
            chosen(found, USERS.arn, test=STAFF.arn)
        assert left.value.fix.splitlines()[1:] == [
            f"       aws elbv2 delete-listener --region eu-west-1 --listener-arn {TEST.arn}"
        ]
        choice = chosen(a_place(STAFF, USERS), USERS.arn, test=STAFF.arn)
        assert (choice.test, choice.rules, choice.aside) == (STAFF, (USERS,), ())

    def test_where_users_come_in_is_no_test(self) -> None:
        with pytest.raises(UsageError, match="is not a way to try the candidate"):
            chosen(a_place(USERS, TEST), USERS.arn, test=USERS.arn)


class TestNothingIsGuessed:
    def test_several_services_on_one_listener_are_listed(self) -> None:
        shop = a_way(443, forward(shop_blue=1, shop_green=0), priority=1, conditions=[path("/shop/*")])
        blog = a_way(443, forward(blog_blue=1, blog_green=0), priority=2, conditions=[path("/blog/*")])
        closed = a_way(443, NOT_FOUND)

        with pytest.raises(UsageError) as caught:
            chosen(a_place(shop, blog, closed), closed.arn)

        assert (
            caught.value.what
            == "HTTPS:443 default action answers by fixed-response, and 2 rules of it forward"
        )
        assert f"crossfade init --from alb:{blog.arn}   # HTTPS:443 rule 2 (path /blog/*)" in caught.value.fix

    def test_what_is_not_there_is_said(self) -> None:
        with pytest.raises(UsageError, match="is not there"):
            chosen(a_place(USERS, TEST), USERS.arn + "/1")

    @pytest.mark.parametrize(
        ("way", "what"),
        [
            (
                a_way(443, REDIRECT, priority=1, conditions=[path("/old")]),
                "HTTPS:443 rule 1 (path /old) answers by redirect",
            ),
            (a_way(443, forward(a=1, b=1, c=1)), "HTTPS:443 default action forwards to 3 groups"),
        ],
    )
    def test_what_is_no_pair_is_refused(self, way: object, what: str) -> None:
        with pytest.raises(RefusedError) as caught:
            chosen(a_place(way), way.arn)  # type: ignore[arg-type, attr-defined]

        assert (caught.value.id, caught.value.what) == ("CF3062", what)

    def test_groups_of_instances_are_refused(self) -> None:
        found = a_place(USERS, TEST, one=a_group("shop-blue", kind="instance"))

        with pytest.raises(RefusedError, match="target group shop-blue is of type instance"):
            chosen(found, USERS.arn)

    def test_a_group_that_another_service_uses_as_well_is_refused(self) -> None:
        mixed = a_way(443, forward(shop_blue=1, blog=1), priority=1, conditions=[path("/mixed")])

        with pytest.raises(RefusedError, match="forwards to this pair and to blog as well"):
            chosen(a_place(mixed, USERS, TEST), USERS.arn)


class TestWhatIsMissing:
    def test_a_single_group_is_answered_by_the_commands_that_make_a_pair(self) -> None:
        users = a_way(443, forward(shop_blue=1))

        with pytest.raises(RefusedError) as caught:
            chosen(a_place(users), users.arn)

        said = caught.value
        assert said.id == "CF3061"
        assert said.what == (
            "there is one target group, shop-blue; HTTPS:443 default action names one group only; "
            "no way in is for staff alone"
        )
        assert said.fix + "\n" == LACKING.read_text()

    def test_a_free_group_of_the_other_colour_is_used_instead_of_a_new_one(self) -> None:
        users = a_way(443, forward(shop_blue=1))
        free = (a_group("blog-green"), a_group("shop-green"))

        with pytest.raises(RefusedError) as caught:
            chosen(a_place(users, TEST), users.arn, free=free)

        assert "shop-green is not used yet" in caught.value.what
        assert "create-target-group" not in caught.value.fix
        assert arn_of("shop-green") in caught.value.fix

    def test_what_a_rule_does_besides_is_kept(self) -> None:
        login = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {"ClientId": "me"}}
        only = {**forward(shop_blue=1), "Order": 2}
        only["ForwardConfig"]["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": 60}
        users = a_way(443, login, only)

        with pytest.raises(RefusedError) as caught:
            chosen(a_place(users, TEST), users.arn, free=(a_group("shop-green"),))

        line = next(line for line in caught.value.fix.splitlines() if "modify-listener" in line)
        kept, forwarding = json.loads(shlex.split(line)[-1])
        assert kept == {
            **login,
            "AuthenticateOidcConfig": {"ClientId": "me", "UseExistingClientSecret": True},
        }
        assert forwarding["ForwardConfig"]["TargetGroupStickinessConfig"] == {
            "Enabled": True,
            "DurationSeconds": 60,
        }

    def test_the_test_rule_goes_to_who_serves_and_asks_for_what_the_users_rule_asks(self) -> None:
        users = a_way(443, forward(shop_blue=0, shop_green=999), priority=5, conditions=[path("/shop/*")])
        others = a_way(443, forward(blog=1), priority=4, conditions=[path("/blog/*")])

        with pytest.raises(RefusedError, match="no way in is for staff alone") as caught:
            chosen(a_place(others, users, a_way(443, NOT_FOUND)), users.arn)

        words = shlex.split(caught.value.fix.splitlines()[-1])
        conditions, actions = (
            json.loads(words[words.index(one) + 1]) for one in ("--conditions", "--actions")
        )
        assert words[words.index("--priority") + 1] == "3"
        assert [one["Field"] for one in conditions] == ["path-pattern", "http-header"]
        assert "Values" not in conditions[0]
        assert actions == [{"Type": "forward", "TargetGroupArn": arn_of("shop-green")}]

    def test_where_no_priority_is_free_before_the_rule_the_next_ones_move(self) -> None:
        ways = [
            a_way(443, forward(shop_blue=1, shop_green=0), priority=1, conditions=[path("/shop/*")]),
            a_way(443, forward(blog=1), priority=2, conditions=[path("/blog/*")]),
            a_way(443, forward(news=1), priority=4, conditions=[path("/news/*")]),
            a_way(443, NOT_FOUND),
        ]

        with pytest.raises(RefusedError) as caught:
            chosen(a_place(*ways), ways[0].arn)

        *_, moved, made = caught.value.fix.splitlines()
        assert (
            moved.split("--rule-priorities ")[1]
            == f"RuleArn={ways[0].arn},Priority=2 RuleArn={ways[1].arn},Priority=3"
        )
        assert "--priority 1 " in made

    def test_a_long_name_stays_within_what_aws_takes(self) -> None:
        name = "a-very-long-name-of-a-service-12"
        users = a_way(443, forward(**{name.replace("-", "_"): 1}))

        with pytest.raises(RefusedError) as caught:
            chosen(a_place(users, TEST), users.arn)

        words = shlex.split(caught.value.fix.splitlines()[1])
        assert len(words[words.index("--name") + 1]) <= 32

    def test_a_twins_endpoint_is_in_every_command(self) -> None:
        users = a_way(443, forward(shop_blue=1))
        shell = replace(SHELL, endpoint="http://127.0.0.1:4566")

        with pytest.raises(RefusedError) as caught:
            choose(a_place(users), users.arn, shell, test=None)

        commands = caught.value.fix.splitlines()[1:]
        assert all("--endpoint-url http://127.0.0.1:4566" in command for command in commands)
