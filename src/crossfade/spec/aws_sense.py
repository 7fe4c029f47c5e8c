"""
What `aws:` and `platform: {alb: …}` must mean: one account, two groups, rules of one load balancer.

Called by `meaning.py`. Nothing is asked of AWS here: whether the resources exist is for the platform.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from typing import Final
from urllib.parse import urlsplit

from crossfade.spec import schema
from crossfade.spec.alb_forms import AlbForm, AwsForm, PairForm, TargetsForm
from crossfade.spec.arns import Arn, Kind, parse
from crossfade.spec.aws_models import AlbPlatform
from crossfade.spec.findings import KeyPath
from crossfade.spec.mistakes import EXAMPLES, Notes, exactly_one, missing
from crossfade.spec.models import Spec, WarmUp
from crossfade.spec.units import shown

_ACCOUNT: Final = re.compile(r"[0-9]{12}", re.ASCII)
_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+", re.ASCII)
_ROLE: Final = re.compile(r"[\w+=,.@/-]{1,512}", re.ASCII)
_LIKE: Final = {
    Kind.RULE: "arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener-rule/app/NAME/ID/ID/ID",
    Kind.LISTENER: "arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener/app/NAME/ID/ID",
    Kind.GROUP: "arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID",
}
_ROUTES: Final = (Kind.RULE, Kind.LISTENER)


def check(root: schema.Root, spec: Spec, notes: Notes) -> None:
    """Add a finding for everything about AWS that cannot be meant."""
    if root.aws is not None:
        _aws(root.aws, notes)
    alb = root.platform.alb if root.platform is not None else None
    if alb is None:
        return
    if root.aws is None:
        missing(notes, ("aws",), EXAMPLES["aws"])
    _alb(alb, root.aws or AwsForm(), notes)
    if isinstance(spec.platform, AlbPlatform):
        _single_users(root, spec, notes)


def _aws(form: AwsForm, notes: Notes) -> None:
    path = ("aws",)
    for name in ("account", "region"):
        if getattr(form, name) is None:
            missing(notes, (*path, name), EXAMPLES[name])
    if form.account is not None and not _ACCOUNT.fullmatch(form.account):
        notes.say(
            "CF2107", (*path, "account"), f"{shown(form.account)} is not an account",
            "an AWS account is twelve digits", 'write it like `"123456789012"`',
        )  # fmt: skip
    if form.region is not None and not _REGION.fullmatch(form.region):
        notes.say(
            "CF2107", (*path, "region"), f"{shown(form.region)} is not a region",
            "regions are named like eu-west-1, zones have a letter behind", "write it like `eu-west-1`",
        )  # fmt: skip
    if form.endpoint is not None and not _on_this_machine(form.endpoint):
        notes.say(
            "CF2107", (*path, "endpoint"), f"{shown(form.endpoint)} is not a twin's endpoint",
            "an endpoint may only be http:// and a port on this machine's loopback",
            "write what `crossfade twin up` prints, or leave it out for AWS itself",
        )  # fmt: skip
    if form.role is not None and not _ROLE.fullmatch(form.role):
        notes.say(
            "CF2107", (*path, "role"), f"{shown(form.role)} is not the name of a role",
            "a role of the account is named by its name alone", "write it like `crossfade-release`",
        )  # fmt: skip


def _on_this_machine(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
    plain = not (parts.username or parts.query or parts.fragment or parts.path.strip("/"))
    return parts.scheme == "http" and loopback and port is not None and plain


def _alb(form: AlbForm, aws: AwsForm, notes: Notes) -> None:
    path: KeyPath = ("platform", "alb")
    for name in ("rules", "test", "target_groups", "targets"):
        if getattr(form, name) is None:
            missing(notes, (*path, name), EXAMPLES[f"alb.{name}"])
    if form.rules is not None and not form.rules:
        notes.say(
            "CF2108", (*path, "rules"), "no rule sends traffic to this service", "its list of rules is empty",
            f"write e.g. `[{_LIKE[Kind.RULE]}]`",
        )  # fmt: skip
    places: list[tuple[KeyPath, str, tuple[Kind, ...]]] = [
        ((*path, "rules", i), text, _ROUTES) for i, text in enumerate(form.rules or ())
    ]
    if form.test is not None:
        places.append(((*path, "test"), form.test, _ROUTES))
    pair = form.target_groups
    if pair is not None:
        places += _groups(pair, (*path, "target_groups"), notes)
    found = [(place, _arn(text, kinds, place, aws, notes)) for place, text, kinds in places]
    _apart([(place, arn) for place, arn in found if arn is not None], notes)
    if form.targets is not None:
        _targets(form.targets, (*path, "targets"), notes)
    if form.health is not None and not (form.health.startswith("/") and form.health.isprintable()):
        notes.say(
            "CF2105", (*path, "health"), f"{shown(form.health)} is not a path", "a path starts with `/`",
            "write it like `/healthz`",
        )  # fmt: skip


def _groups(pair: PairForm, path: KeyPath, notes: Notes) -> list[tuple[KeyPath, str, tuple[Kind, ...]]]:
    found: list[tuple[KeyPath, str, tuple[Kind, ...]]] = []
    for name in ("blue", "green"):
        text = getattr(pair, name)
        if text is None:
            missing(notes, (*path, name), f"{name}: {_LIKE[Kind.GROUP]}")
        else:
            found.append(((*path, name), text, (Kind.GROUP,)))
    return found


def _arn(text: str, kinds: tuple[Kind, ...], path: KeyPath, aws: AwsForm, notes: Notes) -> Arn | None:
    found, wanted = parse(text), " or ".join(_NOUNS[kind] for kind in kinds)
    if found is None or found.kind not in kinds:
        is_a = (
            f"it names {_NOUNS[found.kind]}"
            if found is not None
            else "it is not an ARN of the load balancer's"
        )
        notes.say(
            "CF2108", path, f"{shown(text)} does not name {wanted}", is_a,
            f"write it like `{_LIKE[kinds[0]]}`",
        )  # fmt: skip
        return None
    if found.kind is not Kind.GROUP and found.family != "app":
        notes.say(
            "CF2108", path, f"{shown(text)} is not of an Application Load Balancer",
            "a Network Load Balancer shifts weights minutes after it says so, and gateways shift none",
            "name a rule or listener of an Application Load Balancer",
        )  # fmt: skip
        return None
    for name, form, mine, theirs in (
        ("account", _ACCOUNT, aws.account, found.account),
        ("region", _REGION, aws.region, found.region),
    ):
        if mine is not None and form.fullmatch(mine) and mine != theirs:
            notes.say(
                "CF2109", path, f"this is in {name} {theirs}, and `aws.{name}` is {mine}",
                "nothing outside the pinned account and region is written to (R47)",
                f"name the resource of {mine}, or correct `aws.{name}`", needs=[("aws", name)],
            )  # fmt: skip
            return None
    return found


_NOUNS: Final = {Kind.RULE: "a listener rule", Kind.LISTENER: "a listener", Kind.GROUP: "a target group"}


def _apart(found: list[tuple[KeyPath, Arn]], notes: Notes) -> None:
    """Everything is named once, and all routes are of one load balancer: a group belongs to one only."""
    first: dict[str, KeyPath] = {}
    balancer = ""
    for path, arn in found:
        if arn.text in first:
            why = (
                "staff would be sent wherever users are" if path[-1] == "test"
                else "both sides would be one" if arn.kind is Kind.GROUP
                else "it would be written twice"
            )  # fmt: skip
            notes.say(
                "CF2110", path, "this resource is named twice", why, "name another one, or remove it",
                needs=[first[arn.text]],
            )  # fmt: skip
            continue
        first[arn.text] = path
        if arn.kind is Kind.GROUP:
            continue
        balancer = balancer or arn.balancer
        if arn.balancer != balancer:
            notes.say(
                "CF2110", path, f"this is of load balancer {arn.balancer}, the first rule of {balancer}",
                "a target group belongs to one load balancer", "name rules and listeners of one of them",
            )  # fmt: skip


def _targets(form: TargetsForm, path: KeyPath, notes: Notes) -> None:
    exactly_one(notes, path, form, "CF2111", "source of targets")
    if form.file is not None and not form.file.strip():
        notes.say(
            "CF2111", (*path, "file"), "the file has no name", "nothing could be read",
            "write e.g. `targets/{revision}`",
        )  # fmt: skip
    if form.command is None:
        return
    try:
        words = shlex.split(form.command)
        why = "" if words and words[0] else "there is nothing to start"
    except ValueError as error:
        why = str(error)
    if why:
        notes.say(
            "CF2103", (*path, "command"), "the command cannot be started", why,
            "write the program and its arguments",
        )  # fmt: skip


def _single_users(root: schema.Root, spec: Spec, notes: Notes) -> None:
    """What our own proxy can do for single users and a load balancer of AWS cannot."""
    strategy = root.strategy
    for name in type(strategy).model_fields if strategy is not None else ():
        form = getattr(strategy, name)
        if form is not None and form.sticky is not None:
            notes.say(
                "CF2112", ("strategy", name, "sticky"), "`sticky` on an Application Load Balancer",
                "it keeps users by the stickiness of its own rules, which is kept as it is (R10)",
                "remove it; for sticky users turn on group stickiness on the rule itself",
            )  # fmt: skip
        if form is not None and form.preview is not None:
            notes.say(
                "CF2112", ("strategy", name, "preview"), "`preview` on an Application Load Balancer",
                "there a rule is what lets staff in",
                "remove it, and let `platform.alb.test` be a rule with this header as its condition",
            )  # fmt: skip
    for i, hook in enumerate(spec.hooks.before_traffic):
        if isinstance(hook, WarmUp) and hook.mirror:
            notes.say(
                "CF2112", ("hooks", "before_traffic", i, "warm_up", "mirror"),
                "`mirror` on an Application Load Balancer", "it cannot copy requests",
                "remove it, and name `paths` that are like what users ask for",
            )  # fmt: skip
