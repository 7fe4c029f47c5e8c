"""
The forms of `aws:` and of `platform: {alb: …}`.

`schema.py` holds the rest of the file and says how forms are read.
"""

from __future__ import annotations

from pydantic import ConfigDict

from crossfade.spec.aws_models import AlbPlatform, TargetsFile
from crossfade.spec.fields import Form, setting

_ALB = AlbPlatform(rules=(), test="", blue="", green="", targets=TargetsFile(file=""))


class AwsForm(Form):
    """The account that is written to; any other is refused."""

    model_config = ConfigDict(json_schema_extra={"required": ["account", "region"]})

    account: str | None = setting(
        "The account's twelve digits, in quotes.", pattern=r"^[0-9]{12}$",
    )  # fmt: skip
    region: str | None = setting("The region, e.g. eu-west-1.", pattern=r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$")
    endpoint: str | None = setting(
        "The endpoint of a twin on this machine, as `crossfade twin up` prints it.",
        because="AWS itself", pattern=r"^http://",
    )  # fmt: skip
    role: str | None = setting(
        "Name of a role of this account which is assumed.",
        because="whoever the normal chain of credentials finds",
    )


class PairForm(Form):
    """The two permanent target groups."""

    model_config = ConfigDict(json_schema_extra={"required": ["blue", "green"]})

    blue: str | None = setting("ARN of one target group; its tags keep the service's seat.")
    green: str | None = setting("ARN of the other.")


class TargetsForm(Form):
    """Where a revision's targets are found: one of the two. One `ip:port` a line."""

    file: str | None = setting("A file, relative to this one; `{revision}` is filled in.")
    command: str | None = setting("Shell words, without a shell; `{revision}` is filled in.")


class AlbForm(Form):
    """Two target groups behind an Application Load Balancer."""

    model_config = ConfigDict(
        json_schema_extra={"required": ["rules", "test", "target_groups", "targets"]}
    )  # fmt: skip

    rules: list[str] | None = setting(
        "ARNs of listener rules, or of listeners for their default action; all shift together."
    )
    test: str | None = setting(
        "ARN of the rule or listener that staff and smoke tests use; it reaches the candidate while it "
        "is on trial, else the version that serves."
    )
    target_groups: PairForm | None = setting("The two permanent target groups; only weights move.")
    targets: TargetsForm | None = setting("Where a revision's targets are found.")
    health: str | None = setting(
        "Path of the smoke test where no hook is written.", default=_ALB.health,
        because="every HTTP program answers something there",
    )  # fmt: skip
