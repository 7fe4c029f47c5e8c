"""
Which declared calls the credentials may make: asked of IAM, or for reads by making them.

What changes something is never tried out: there is no dry run of it. IAM answers for a role when it may be
asked; LIMITS: it leaves out policies of the organization's and of buckets in some accounts, so a call
that it allows may still be denied, and one that it denies is denied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossfade.aws import ANY, Call, calling
from crossfade.doctor.check import Check, State, ok, unknown
from crossfade.errors import AccessError, PlatformError

_ASSUMED: Final = re.compile(r"arn:(aws[a-z-]*):sts::([0-9]{12}):assumed-role/([^/]+)/.+", re.ASCII)
_MOST: Final = 40
"""Actions in one question; IAM takes more, and answers pages of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """A permission on resources, and IAM's word: allowed, explicitDeny, implicitDeny."""

    permission: str
    on: tuple[str, ...]
    decision: str


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Why IAM was of no use."""

    why: str
    fix: str = "allow iam:SimulatePrincipalPolicy on this role, or compare with crossfade render iam"


def principal(arn: str, iam: Any) -> str:
    """Whom policies are attached to: the role behind an assumed role, else the caller itself."""
    found = _ASSUMED.fullmatch(arn)
    if found is None:
        return arn
    partition, account, role = found.groups()
    try:
        with calling("iam", "GetRole", role):
            return str(iam.get_role(RoleName=role)["Role"]["Arn"])
    except (AccessError, PlatformError):
        # A role under a path is named otherwise; then IAM does not know this one and says so.
        return f"arn:{partition}:iam::{account}:role/{role}"


def simulated(iam: Any, who: str, calls: Sequence[Call], region: str) -> list[Permitted]:
    """IAM's word for each. Raises `AccessError`, `PlatformError` where it does not say."""
    grounds: dict[tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]], set[str]] = {}
    for call in calls:
        if call.permission is not None:
            given = tuple((one.key, one.values) for one in call.given)
            grounds.setdefault((tuple(sorted(call.on)), given), set()).add(call.permission)
    found: list[Permitted] = []
    for (on, given), actions in sorted(grounds.items()):
        ordered = sorted(actions)
        for at in range(0, len(ordered), _MOST):
            found += _asked(
                iam, who, ordered[at : at + _MOST], on, {"aws:RequestedRegion": (region,), **dict(given)}
            )
    return found


def _asked(
    iam: Any, who: str, actions: Sequence[str], on: tuple[str, ...], context: Mapping[str, tuple[str, ...]]
) -> Iterator[Permitted]:
    entries = [
        {
            "ContextKeyName": key,
            "ContextKeyValues": [value.replace("*", "x") for value in values],
            "ContextKeyType": "stringList" if key == "aws:TagKeys" else "string",
        }
        for key, values in context.items()
    ]
    more: dict[str, str] = {}
    while True:
        with calling("iam", "SimulatePrincipalPolicy", who):
            page = iam.simulate_principal_policy(
                PolicySourceArn=who,
                ActionNames=list(actions),
                ResourceArns=[arn.replace("*", "x") if on != ANY else arn for arn in on],
                ContextEntries=entries,
                **more,
            )
        for one in page["EvaluationResults"]:
            yield Permitted(permission=str(one["EvalActionName"]), on=on, decision=str(one["EvalDecision"]))
        if not page.get("IsTruncated"):
            return
        more = {"Marker": str(page["Marker"])}


def permissions(
    calls: Sequence[Call], answers: Sequence[Permitted] | NotAsked, made: Sequence[tuple[Call, str]]
) -> Iterator[Check]:
    """
    What is known together: IAM's answers, or why there are none, and the reads that were made.

    `made` holds each read with the error it met; empty = it was answered.
    """
    denied = {call.permission: why for call, why in made if why}
    if isinstance(answers, NotAsked):
        yield from _by_trying(calls, denied, made, answers)
        return
    refused = [one for one in answers if one.decision != "allowed"]
    names = sorted({one.permission for one in refused} | {str(name) for name in denied})
    if names:
        yield _denied(
            names, "; ".join(sorted({f"IAM: {one.decision}" for one in refused} | set(denied.values())))
        )
        return
    changing = sum(1 for call in calls if call.mutating)
    yield ok("permissions", f"IAM allows all {len(calls)} calls, {changing} of which change something")


def _by_trying(
    calls: Sequence[Call],
    denied: Mapping[str | None, str],
    made: Sequence[tuple[Call, str]],
    said: NotAsked,
) -> Iterator[Check]:
    if denied:
        yield _denied(sorted(map(str, denied)), "; ".join(sorted(set(denied.values()))))
    else:
        yield ok("permissions to read", f"{len(made)} calls were made and answered")
    rest = sorted({str(call.permission) for call in calls if call.mutating and call.permission})
    if rest:
        yield unknown(
            "permissions to change",
            f"{len(rest)} calls: {', '.join(rest)}",
            f"they cannot be tried without doing them, and IAM was not asked: {said.why}",
            said.fix,
        )


def _denied(names: Sequence[str], why: str) -> Check:
    return Check(
        name="permissions",
        state=State.FAIL,
        said=f"denied: {', '.join(names)}",
        id="CF4305",
        why=why,
        fix="crossfade render iam prints the policy that allows just this",
        denied=True,
    )
