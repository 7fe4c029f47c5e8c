"""
The form of `crossfade.yaml`: which keys there are, what kind of value each takes.

One pydantic model per mapping. Each setting carries its unit, its default and the reason for
it, in one place: the JSON schema, `lint --resolved` and the editor's help all read it here.
Everything is optional to pydantic and unset values stay None, because a file is checked in
full even where parts are missing: `meaning.py` asks for what is required, `build.py` fills in
defaults from `models.py`. `later` names keys of the full interface that are not in this version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BeforeValidator, ConfigDict

from crossfade.spec import units
from crossfade.spec.alb_forms import AlbForm, AwsForm
from crossfade.spec.database_forms import DatabaseForm
from crossfade.spec.fields import Duration, Form, Percent, Quantile, Rate, Ratio, Size, mistake, setting
from crossfade.spec.models import (
    Deadlines,
    ErrorsGate,
    Judging,
    LatencyGate,
    LocalPlatform,
    Policy,
    UnhealthyGate,
    WarmUp,
)
from crossfade.spec.signal_forms import MODE, CustomGateForm, ModeWord, SignalsForm
from crossfade.spec.strategy_forms import StrategyForm

_LOCAL: Final = LocalPlatform(command="", port=0)
_ERRORS: Final = ErrorsGate()
_LATENCY: Final = LatencyGate()
_UNHEALTHY: Final = UnhealthyGate()
_JUDGING: Final = Judging()
_DEADLINES: Final = Deadlines()
_WARM_UP: Final = WarmUp(paths=())
_POLICY: Final = Policy()


class RuleForm(Form):
    """Requests that are this service's: by host, by path, or both."""

    host: str | None = setting("Exact host of the request.", because="any host")
    path: str | None = setting("Prefix of the path.", default="/", because="every path")


class LocalForm(Form):
    """Processes on this machine behind a private Envoy."""

    model_config = ConfigDict(json_schema_extra={"required": ["command", "port"]})

    command: str | None = setting(
        "How one instance is started: shell words, without a shell. `{port}` is its own port, "
        "`{revision}` the revision."
    )
    port: int | None = setting(
        "Port of the production listener on this machine; 0 takes a free one.", ge=0, le=65535
    )
    test_port: int | None = setting(
        "Port of the test listener, which reaches only the candidate.",
        default=_LOCAL.test_port, because="a free port is taken", ge=0, le=65535,
    )  # fmt: skip
    instances: int | None = setting(
        "How many instances serve on each side.", default=_LOCAL.instances,
        because="one may die and the service still answers", ge=1, le=1000,
    )  # fmt: skip
    health: str | None = setting(
        "Path that answers 2xx or 3xx when an instance can serve.", default=_LOCAL.health,
        because="every HTTP program answers something there",
    )  # fmt: skip
    stop_grace: Duration | None = setting(
        "Time from SIGTERM to SIGKILL.", default=units.duration_text(_LOCAL.stop_grace),
        because="what container platforms give",
    )  # fmt: skip
    drain: Duration | None = setting(
        "Longest wait for requests in flight before SIGTERM.",
        default=units.duration_text(_LOCAL.drain), because="longer than most requests live",
    )  # fmt: skip
    rules: list[RuleForm] | None = setting(
        "Which requests are this service's; all rules shift together, others are answered 404.",
        default=[{"path": "/"}], because="every request of the listener",
    )  # fmt: skip


_LATER_PLATFORM: Final = "this version releases on `local`, this machine, and `alb`, two target groups on AWS"


class PlatformForm(Form):
    """Where the service runs: exactly one platform."""

    local: LocalForm | None = setting("Processes on this machine behind a private Envoy.")
    alb: AlbForm | None = setting("Two target groups behind an Application Load Balancer.")
    later: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("ecs", "codedeploy", "lambda", "argo", "flagger", "kubernetes"), _LATER_PLATFORM
    )


_ALWAYS: Final = "always in force unless its mode says otherwise"


class ErrorsForm(Form):
    """Failed requests of the candidate against those of stable."""

    against: Literal["stable"] | None = setting(
        "What the candidate is compared with.", default="stable",
        because="both serve in the same window",
    )  # fmt: skip
    at_most: Ratio | None = setting(
        "Failure odds of the candidate over those of stable.",
        default=units.ratio_text(_ERRORS.at_most), because="half as many again is no longer noise",
    )  # fmt: skip
    ignore_below: Percent | None = setting(
        "Share of failed requests below which nothing is compared.",
        default=units.percent_text(_ERRORS.ignore_below),
        because="a ratio of two tiny shares means nothing",
    )
    must_see: Percent | None = setting(
        "Share of failed requests that a bake has to be able to see.",
        default=units.percent_text(_ERRORS.must_see),
        because="a service that fails one request in a hundred is broken",
    )
    max: Percent | None = setting(
        "Share of failed requests the candidate may never exceed, whatever stable does.",
        because="no absolute limit, stable is the measure",
    )
    mode: ModeWord | None = setting("`observe` reports and never stops.", **MODE)


class LatencyForm(Form):
    """Slow requests of the candidate against stable's own quantiles."""

    against: Literal["stable"] | None = setting(
        "What the candidate is compared with.", default="stable",
        because="both serve in the same window",
    )  # fmt: skip
    at_most: Ratio | None = setting(
        "The candidate's time over stable's, at each quantile.",
        default=units.ratio_text(_LATENCY.at_most), because="a quarter slower is felt by users",
    )  # fmt: skip
    at: list[Quantile] | None = setting(
        "Quantiles that are compared.", default=[units.quantile_text(q) for q in _LATENCY.at],
        because="the usual request, the slow one, and the slowest in a hundred",
    )  # fmt: skip
    must_see: Ratio | None = setting(
        "Slow-down that a bake has to be able to see.",
        default=units.ratio_text(_LATENCY.must_see), because="twice as slow must never pass",
    )  # fmt: skip
    max: dict[str, Duration] | None = setting(
        "Absolute limits by quantile, e.g. {p99: 800ms}.",
        because="no absolute limit, stable is the measure",
    )
    mode: ModeWord | None = setting("`observe` reports and never stops.", **MODE)


class UnhealthyForm(Form):
    """Instances of the candidate that are unhealthy, crash, or run out of memory."""

    of: Literal["candidate"] | None = setting(
        "Whose instances are watched.", default="candidate", because="stable is not on trial"
    )
    max: int | None = setting(
        "How many instances may be unhealthy.", default=_UNHEALTHY.max,
        because="a new version has no reason to lose one", ge=0, le=1000,
    )  # fmt: skip
    hold_for: Duration | None = setting(
        "How long an instance must be unhealthy to count.",
        default=units.duration_text(_UNHEALTHY.hold_for), because="one missed check is no illness",
        alias="for",
    )  # fmt: skip
    memory: Size | None = setting(
        "Memory at which an instance is lost: growth that reaches it within an hour fails.",
        because="memory is not watched, the limit is yours to know",
    )
    mode: ModeWord | None = setting("`observe` reports and never stops.", **MODE)


class GatesForm(Form):
    """What must hold for a release to go on. A gate that is not written keeps its defaults."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, CustomGateForm]

    errors: ErrorsForm | None = setting("Failed requests against stable.", because=_ALWAYS)
    latency: LatencyForm | None = setting("Slow requests against stable.", because=_ALWAYS)
    unhealthy: UnhealthyForm | None = setting("Unhealthy instances.", because=_ALWAYS)
    none: str | None = setting("Switches all gates off, with the reason, shown everywhere.")


class JudgingForm(Form):
    """How evidence becomes a verdict."""

    false_stops: Percent | None = setting(
        "Chance that a healthy release is stopped, over all gates and looks; 0.1% to 10%.",
        default=units.percent_text(_JUDGING.false_stops),
        because="one needless rollback in a hundred releases costs less than a slow verdict",
    )
    warm_up: Duration | None = setting(
        "Latency of new instances is ignored for so long after they take traffic.",
        default=units.duration_text(_JUDGING.warm_up),
        because="caches, pools and compilers warm up in about a minute",
    )
    preset: Literal["normal", "careful"] | None = setting(
        "`careful` sits out an incident of some seconds on all new instances, and stops later.",
        default=_JUDGING.preset.value, because="a service that was quiet for a quarter of an hour mostly is",
    )  # fmt: skip
    no_data: Literal["rollback", "hold"] | None = setting(
        "What to do when a gate has had no data until its deadline.",
        default=_JUDGING.no_data.value, because="what nobody can see must not serve",
    )  # fmt: skip
    inconclusive: Literal["hold", "rollback"] | None = setting(
        "What to do when the longest bake ends without a verdict.",
        default=_JUDGING.inconclusive.value, because="a person may know more than the figures",
    )  # fmt: skip


class DeadlinesForm(Form):
    """How long each wait may last at most."""

    ready: Duration | None = setting(
        "Until the candidate's instances are healthy.",
        default=units.duration_text(_DEADLINES.ready), because="slow starts take minutes, not more",
    )  # fmt: skip
    hook: Duration | None = setting(
        "Until a hook has ended.", default=units.duration_text(_DEADLINES.hook),
        because="a smoke test is short",
    )  # fmt: skip
    no_data: Duration | None = setting(
        "Until missing data takes its action.", default=units.duration_text(_DEADLINES.no_data),
        because="a metrics source restarts in less",
    )  # fmt: skip
    hold: Duration | None = setting(
        "How long a pause or an approval may wait.", default=units.duration_text(_DEADLINES.hold),
        because="two versions side by side over a night is nobody's plan",
    )  # fmt: skip
    rollback: Duration | None = setting(
        "Until a rollback is proved; then a person is paged and it goes on.",
        default=units.duration_text(_DEADLINES.rollback), because="the old side is still warm",
    )  # fmt: skip


class WarmUpForm(Form):
    """Requests of our own before any user's: the candidate gets warm, and is judged beside stable."""

    model_config = ConfigDict(json_schema_extra={"required": ["paths"]})

    paths: list[str] | None = setting("Paths asked in turn, by GET, on both sides.")
    hold_for: Duration | None = setting(
        "How long; the second half is judged.", default=units.duration_text(_WARM_UP.hold_for),
        because="caches, pools and compilers warm up in about a minute", alias="for",
    )  # fmt: skip
    rate: Rate | None = setting(
        "Requests per second to each side.", default=units.rate_text(_WARM_UP.rate),
        because="enough to judge by, too few to disturb users",
    )  # fmt: skip
    mirror: Percent | None = setting(
        "Share of production GET and HEAD requests that the candidate gets a copy of meanwhile.",
        default=units.percent_text(_WARM_UP.mirror), because="only you know that a GET changes nothing",
    )  # fmt: skip


class HookForm(Form):
    """One check or command of your own."""

    http: str | None = setting("Path that must answer 2xx on the test listener.")
    command: str | None = setting(
        "Shell words, without a shell, that must exit 0. CROSSFADE_TEST_URL, on alb also "
        "CROSSFADE_TEST_HEADERS (a header a line), CROSSFADE_REVISION and CROSSFADE_RELEASE are set."
    )
    warm_up: WarmUpForm | None = setting(
        "The same requests to idle candidate and stable, judged against each other."
    )


class HooksForm(Form):
    """Checks and commands of your own, in the order written."""

    before_traffic: list[HookForm] | None = setting(
        "Before any user reaches the candidate.", default=[], because="nothing is known of your app"
    )
    after_traffic: list[HookForm] | None = setting(
        "After all traffic is on the candidate.", default=[], because="nothing is known of your app"
    )
    on_rollback: list[HookForm] | None = setting(
        "After traffic is back on stable.", default=[], because="nothing is known of your app"
    )
    hand_over: list[HookForm] | None = setting(
        "Background work changes hands, from CROSSFADE_FROM to CROSSFADE_TO: at promotion, at a rollback.",
        default=[], because="nothing is known of your app",
    )  # fmt: skip


class PolicyForm(Form):
    """What people have to do."""

    approvals: int | None = setting(
        "How many people pass an `approval` step, none of them the one who released; 0 = anyone, alone.",
        default=_POLICY.approvals, because="a small team has no second pair of eyes at night", ge=0, le=9,
    )  # fmt: skip
    later: ClassVar[Mapping[str, str]] = {
        "drill_max_age": "drills are not part of this version; remove the key",
        "freeze": "no deploy is started by itself; remove the key",
    }


def _word(value: object) -> object:
    # A bare word means what it names with its defaults; an unknown one is refused as a key would be.
    return {value: {}} if isinstance(value, str) else value


def _gates(value: object) -> object:
    if value == "none":
        raise mistake(
            "CF2301", "`gates: none` stands without a reason",
            "a release that nothing can stop is only for those who can say why (R26)",
            'write `gates: {none: "why nothing is watched"}`, or remove it for the default gates',
        )  # fmt: skip
    return value


class Root(Form):
    """One service and how it is released."""

    model_config = ConfigDict(
        json_schema_extra={"required": ["apiVersion", "service", "platform", "strategy"]}
    )

    apiVersion: Literal["crossfade/v1"] | None = setting("Version of this form.")  # noqa: N815 - the file's spelling
    service: str | None = setting(
        "Name of the service: a letter, then letters, digits or `-`, lower case, at most 63.",
        pattern=r"^[a-z][a-z0-9-]{0,62}$",
    )
    state: str | None = setting(
        "Folder of the journal, relative to this file: on one machine, never a network file system. "
        "Or `s3://bucket/prefix`, which any machine reaches.",
        default=".crossfade", because="beside this file, so that every command finds it",
    )  # fmt: skip
    platform: PlatformForm | None = setting("Where the service runs.")
    aws: AwsForm | None = setting("The AWS account that is written to.", because="nothing is on AWS")
    strategy: Annotated[StrategyForm | None, BeforeValidator(_word)] = setting(
        "How traffic moves: `canary`, `blue_green`, `linear`, `rolling`, `hybrid`, or one with settings."
    )
    gates: Annotated[GatesForm | None, BeforeValidator(_gates)] = setting(
        "What must hold for a release to go on.",
        because="errors, latency and unhealthy instances, against stable",
    )
    signals: Annotated[SignalsForm | None, BeforeValidator(_word)] = setting(
        "Who counts requests: `access_log`, `cloudwatch`, `scrape`, `prometheus`, or one with settings.",
        because="our own proxy's log on `local`, CloudWatch on `alb`",
    )
    judging: JudgingForm | None = setting("How evidence becomes a verdict.")
    deadlines: DeadlinesForm | None = setting("How long each wait may last at most.")
    hooks: HooksForm | None = setting("Checks and commands of your own.")
    database: DatabaseForm | None = setting(
        "The schema that versions run on.", because="no version has a database of its own"
    )
    policy: PolicyForm | None = setting("What people have to do.")
    after: list[str] | None = setting(
        "Services of this state folder whose running release has to end well before this one begins.",
        default=[], because="services are released each for itself",
    )  # fmt: skip
    on_interrupt: Literal["rollback", "hold"] | None = setting(
        "What the first Ctrl-C or SIGTERM does.", default="rollback",
        because="a release nobody drives must not stay half done",
    )  # fmt: skip
    later: ClassVar[Mapping[str, str]] = {
        "notify": "tell people from a `hooks: {on_rollback: […]}` command",
    }
