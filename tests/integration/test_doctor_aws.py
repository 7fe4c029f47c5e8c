"""`doctor` and `render iam` of a service on AWS, against a twin's API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from twin_world import Shop, World, forward, world

from crossfade.cli.doctor import doctor
from crossfade.cli.render_iam import iam

SCREENS = Path(__file__).parent / "screens"


@pytest.fixture
def twin() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture
def shop(twin: World) -> Shop:
    made = twin.shop()
    made.elb.register_targets(TargetGroupArn=made.blue, Targets=[{"Id": "127.0.0.1", "Port": 9001}])
    return made


@pytest.fixture
def file(twin: World, shop: Shop, tmp_path: Path) -> Path:
    """Both of the shop's routes, and a listener of its own for staff."""
    test = shop.elb.create_listener(
        LoadBalancerArn=shop.balancer, Protocol="HTTP", Port=8081, DefaultActions=[forward((shop.blue, 1))]
    )["Listeners"][0]["ListenerArn"]
    twin.client("s3").create_bucket(
        Bucket="acme", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    at = f"account=123456789012&region=eu-west-1&endpoint={twin.server.endpoint}"
    written = tmp_path / "crossfade.yaml"
    written.write_text(
        "apiVersion: crossfade/v1\n"
        "service: shop\n"
        f'state: "s3://acme/prod?{at}"\n'
        f'aws: {{account: "123456789012", region: eu-west-1, endpoint: "{twin.server.endpoint}"}}\n'
        "platform:\n"
        "  alb:\n"
        f"    rules: [{shop.rule}, {shop.listener}]\n"
        f"    test: {test}\n"
        f"    target_groups: {{blue: {shop.blue}, green: {shop.green}}}\n"
        "    targets: {file: targets}\n"
        "strategy: canary\n"
    )
    return written


def run(verb: Any, file: Path, *args: str) -> tuple[int, str]:
    result = CliRunner().invoke(
        verb, ["--file", str(file), *args], catch_exceptions=False, standalone_mode=False
    )
    return result.return_value, result.output


def checks(file: Path) -> dict[str, dict[str, str]]:
    return {one["name"]: one for one in json.loads(run(doctor, file, "--json")[1])["checks"]}


def plain(text: str, twin: World) -> str:
    return re.sub(r"/[0-9a-f]{16}", "/ID", text.replace(twin.server.endpoint, "http://127.0.0.1:4566"))


def test_a_service_in_order_is_exit_0_and_this_screen(twin: World, file: Path) -> None:
    code, said = run(doctor, file)

    assert plain(said, twin) == (SCREENS / "doctor-aws.txt").read_text()
    assert code == 0


def test_it_changes_nothing_but_the_object_that_every_release_writes(
    twin: World, shop: Shop, file: Path
) -> None:
    twin.server.recorder.forget()
    run(doctor, file)

    changed = {
        one["action"] for one in twin.actions() if not one["action"].startswith(("Describe", "Get", "List"))
    }
    assert changed == {"PutObject"}
    listed = twin.client("s3").list_objects_v2(Bucket="acme")["Contents"]
    assert [one["Key"] for one in listed] == ["prod/probe.json"]


def test_R47_another_account_is_exit_3_and_nothing_else_is_asked(twin: World, file: Path) -> None:
    file.write_text(file.read_text().replace("123456789012", "210987654321"))
    twin.server.recorder.forget()
    code, said = run(doctor, file)

    assert code == 3
    assert "CF4303 these credentials are of account 123456789012" in said
    assert [one["action"] for one in twin.actions() if one["service"] == "elbv2"] == []


def test_a_twin_that_is_not_there_is_exit_3(twin: World, file: Path) -> None:
    file.write_text(file.read_text().replace(twin.server.endpoint, "http://127.0.0.1:9"))

    assert run(doctor, file)[0] == 3


def test_a_group_of_another_service_is_in_the_way(twin: World, shop: Shop, file: Path) -> None:
    shop.elb.add_tags(ResourceArns=[shop.blue], Tags=[{"Key": "crossfade:service", "Value": "blog"}])
    found = checks(file)

    assert found["preflight"]["state"] == "fail"
    assert found["preflight"]["id"] == "CF4424"


def test_a_bucket_that_is_not_there_is_in_the_way(twin: World, shop: Shop, file: Path) -> None:
    file.write_text(file.read_text().replace("s3://acme/", "s3://nowhere/"))

    assert checks(file)["state"]["id"] == "CF5041"


def test_R07_a_rule_that_the_file_leaves_out_is_in_the_way(twin: World, shop: Shop, file: Path) -> None:
    file.write_text(file.read_text().replace(f"[{shop.rule}, ", "["))
    code, said = run(doctor, file)

    assert code == 11
    assert f"CF4432 listener-rule {shop.rule} forwards to the blue and green group too" in said


def test_the_policy_names_just_these_resources(twin: World, shop: Shop, file: Path) -> None:
    policy = json.loads(run(iam, file)[1])
    on = {action: one["Resource"] for one in policy["Statement"] for action in one["Action"]}

    assert on["elasticloadbalancing:ModifyRule"] == [shop.rule]
    assert sorted(on["elasticloadbalancing:RegisterTargets"]) == sorted([shop.blue, shop.green])
    assert shop.listener in on["elasticloadbalancing:ModifyListener"]
    assert on["s3:PutObject"] == ["arn:aws:s3:::acme/prod/*"]
    tagging = next(one for one in policy["Statement"] if "elasticloadbalancing:AddTags" in one["Action"])
    assert tagging["Condition"] == {"ForAllValues:StringLike": {"aws:TagKeys": ["crossfade:*"]}}
    assert "sts:GetCallerIdentity" not in on
    assert all("*" not in one["Resource"] for one in policy["Statement"] if one["Sid"].startswith("Change"))
