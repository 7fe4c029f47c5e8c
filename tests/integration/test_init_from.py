"""`init --from alb:…` against a twin's API: the whole file, and what is said where it cannot be written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_tool import run_aws
from click.testing import CliRunner
from twin_world import Shop, World, forward, world

from crossfade.cli.init import init
from crossfade.errors import AccessError, PlatformError, RefusedError, UsageError
from crossfade.spec import AlbPlatform
from crossfade.spec.load import load_spec

SCREENS = Path(__file__).parent / "screens"


@pytest.fixture
def twin() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture
def shop(twin: World) -> Shop:
    """With a listener for staff beside the shop's own, and one that redirects."""
    made = twin.shop()
    redirect = {
        "Type": "redirect",
        "RedirectConfig": {"Protocol": "HTTP", "Port": "8080", "StatusCode": "HTTP_301"},
    }
    for port, action in ((8081, forward((made.blue, 1))), (8079, redirect)):
        made.elb.create_listener(
            LoadBalancerArn=made.balancer, Protocol="HTTP", Port=port, DefaultActions=[action]
        )
    made.elb.register_targets(TargetGroupArn=made.blue, Targets=[{"Id": "127.0.0.1", "Port": 9001}])
    return made


def run(twin: World, folder: Path, *args: str) -> str:
    """What is said on stderr; the file lies in the folder."""
    words = ["--file", str(folder / "crossfade.yaml"), "--endpoint", twin.server.endpoint, *args]
    result = CliRunner().invoke(init, words, catch_exceptions=False)
    assert result.stdout == ""
    return result.stderr


def plain(text: str, twin: World) -> str:
    """Without what differs from run to run."""
    return re.sub(r"/[0-9a-f]{16}", "/ID", text.replace(twin.server.endpoint, "http://127.0.0.1:4566"))


def test_the_file_is_this_and_loads(twin: World, shop: Shop, tmp_path: Path) -> None:
    said = run(
        twin, tmp_path, "--from", f"alb:{shop.rule}", "--targets", "targets/{revision}", "--service", "shop"
    )
    written = (tmp_path / "crossfade.yaml").read_text()

    assert plain(written, twin) == (SCREENS / "init-alb.yaml").read_text()
    assert said == (
        f"wrote {tmp_path}/crossfade.yaml and crossfade.schema.json\n"
        "next: crossfade doctor; crossfade plan REVISION; crossfade deploy REVISION  (shop)\n"
    )
    spec = load_spec(tmp_path / "crossfade.yaml")
    assert isinstance(spec.platform, AlbPlatform)
    assert spec.platform.rules == (shop.rule, shop.listener)
    assert spec.aws is not None
    assert (spec.aws.account, spec.aws.region) == ("123456789012", "eu-west-1")


def test_only_describe_calls_are_made(twin: World, shop: Shop, tmp_path: Path) -> None:
    twin.server.recorder.forget()
    run(twin, tmp_path, "--from", f"alb:{shop.listener}", "--targets-command", "./list {revision}")

    made = {one["action"] for one in twin.actions()}
    assert made == {
        "GetCallerIdentity",
        "DescribeListeners",
        "DescribeRules",
        "DescribeTargetGroups",
        "DescribeTargetGroupAttributes",
        "DescribeTargetHealth",
    }


def test_a_file_that_is_there_is_kept(twin: World, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "crossfade.yaml").write_text("mine\n")

    with pytest.raises(UsageError, match="exists already"):
        run(twin, tmp_path, "--from", f"alb:{shop.rule}", "--targets", "t")
    assert (tmp_path / "crossfade.yaml").read_text() == "mine\n"
    run(twin, tmp_path, "--from", f"alb:{shop.rule}", "--targets", "t", "--force")
    assert "mine" not in (tmp_path / "crossfade.yaml").read_text()


def test_a_single_group_is_exit_11_with_commands_that_work_and_no_file(twin: World, tmp_path: Path) -> None:
    made = twin.shop()
    made.elb.modify_rule(RuleArn=made.rule, Actions=[forward((made.blue, 1))])
    made.elb.modify_listener(ListenerArn=made.listener, DefaultActions=[forward((made.blue, 1))])
    made.elb.delete_target_group(TargetGroupArn=made.green)
    asked = ("--from", f"alb:{made.rule}", "--targets", "targets/{revision}")

    with pytest.raises(RefusedError) as caught:
        run(twin, tmp_path, *asked)

    assert caught.value.exit_code == 11
    assert not list(tmp_path.iterdir())
    assert "NEW=$(aws elbv2 create-target-group --region eu-west-1 --endpoint-url http" in caught.value.fix
    done = run_aws(caught.value.fix, made.elb)
    assert done == [
        "CreateTargetGroup",
        "ModifyTargetGroupAttributes",
        "ModifyRule",
        "ModifyListener",
        "CreateRule",
    ]
    run(twin, tmp_path, *asked)
    spec = load_spec(tmp_path / "crossfade.yaml")
    assert isinstance(spec.platform, AlbPlatform)
    assert spec.platform.blue == made.blue


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("ecs:prod/shop", "--from ecs:prod/shop cannot be read"),
        ("alb:web", "web is not the ARN of a listener or rule"),
        ("alb:", "nothing is not the ARN"),
        (
            "alb:arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/1",
            "is not the ARN of a listener or rule",
        ),
        (
            "alb:arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/net/a/1/2",
            "is not the ARN of a listener or rule",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_before_anything_is_asked(
    twin: World, tmp_path: Path, source: str, said: str
) -> None:
    twin.server.recorder.forget()

    with pytest.raises(UsageError, match=re.escape(said)):
        run(twin, tmp_path, "--from", source)
    assert twin.actions() == []


def test_R47_another_account_than_the_credentials_is_refused(twin: World, shop: Shop, tmp_path: Path) -> None:
    foreign = shop.listener.replace("123456789012", "210987654321")

    with pytest.raises(AccessError, match="these credentials are of account 123456789012"):
        run(twin, tmp_path, "--from", f"alb:{foreign}", "--targets", "t")


def test_a_listener_that_is_not_there_is_said(twin: World, shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="ListenerNotFound"):
        run(twin, tmp_path, "--from", f"alb:{shop.listener[:-1]}x", "--targets", "t")


def test_without_targets_and_nobody_to_ask_it_says_which_option(
    twin: World, shop: Shop, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--targets is missing"):
        run(twin, tmp_path, "--from", f"alb:{shop.rule}")
    assert not list(tmp_path.iterdir())
