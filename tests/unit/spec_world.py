"""Any spec that could be written: what is printed from it, or checked on it, is checked on all of them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from crossfade.spec import (
    AccessLog,
    AlarmsGate,
    AlbPlatform,
    ApprovalStep,
    Aws,
    BlueGreen,
    Canary,
    CloudWatchSignals,
    CommandHook,
    CounterNames,
    Deadlines,
    ErrorsGate,
    Gate,
    Hook,
    Hooks,
    HttpHook,
    Hybrid,
    Judging,
    KpiGate,
    LatencyGate,
    Linear,
    LocalPlatform,
    MetricGate,
    Mode,
    NoGates,
    OnInconclusive,
    OnInterrupt,
    OnNoData,
    Policy,
    Preset,
    Preview,
    PreviewKind,
    PrometheusSignals,
    Rolling,
    Rule,
    ScrapeSignals,
    Signals,
    Spec,
    Strategy,
    TargetsCommand,
    TargetsFile,
    UnhealthyGate,
    WarmUp,
    WeightStep,
    units,
)
from crossfade.spec.load import load_spec

SPECS = Path(__file__).parent / "specs"
GOOD = [
    SPECS / f"{name}.yaml"
    for name in (
        "minimal",
        "full",
        "blue_green",
        "linear",
        "rolling",
        "hybrid",
        "alb",
        "figures",
        "scrape",
        "prometheus",
    )
]


def loaded(folder: Path, text: str) -> Spec:
    file = folder / "crossfade.yaml"
    file.write_text(text, encoding="utf-8")
    return load_spec(file)


NAMES = st.from_regex(r"\A[a-z][a-z0-9-]{0,20}\Z")
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n"), min_size=1, max_size=12
).filter(str.strip)
TIMES = st.integers(1, 10**9).map(lambda ms: timedelta(milliseconds=ms))
HOOK_TIMES = st.integers(120_001, 10**9).map(lambda ms: timedelta(milliseconds=ms))
"""Longer than any warm-up here."""
SHARES = st.integers(2, 999).map(lambda n: n / 1000)
MODES = st.sampled_from(Mode)


def words(text: str) -> str:
    """Any text as one shell word."""
    return "'" + text.replace("'", "'\\''") + "'"


PATHS = st.from_regex(r"\A/[!-~]{0,12}\Z").filter(lambda path: not re.search(r"\s", path))
ASKED: st.SearchStrategy[Hook] = st.one_of(
    st.builds(HttpHook, path=PATHS),
    st.builds(CommandHook, command=TEXTS.map(lambda text: "./hook " + words(text))),
)
WARM_UPS: st.SearchStrategy[Hook] = st.builds(
    WarmUp,
    paths=st.lists(PATHS, min_size=1, max_size=3).map(tuple),
    hold_for=st.integers(3000, 66_000).map(lambda ms: timedelta(milliseconds=ms)),
    rate=st.integers(1_000_000, 9_999_999_999).map(lambda n: n / 10**6),
    mirror=st.integers(0, 10**6).map(lambda n: n / 10**6),
)


def unmirrored(hook: Hook) -> Hook:
    return replace(hook, mirror=0.0) if isinstance(hook, WarmUp) else hook


def hooks(*kinds: st.SearchStrategy[Hook]) -> st.SearchStrategy[tuple[Hook, ...]]:
    return st.lists(st.one_of(*kinds), max_size=2).map(tuple)


SEGMENTS = st.from_regex(r"\A[A-Za-z0-9~_-][A-Za-z0-9.;@]{0,5}\Z")
RULES = st.lists(
    st.builds(
        Rule,
        host=st.just("") | st.from_regex(r"\A[a-z0-9]{1,5}(\.[a-z0-9]{1,5}){0,2}\Z"),
        path=st.lists(SEGMENTS, max_size=3).map(lambda segments: "/" + "/".join(segments)),
    ),
    min_size=1,
    max_size=3,
    unique=True,
).map(tuple)
PREVIEWS = st.none() | st.builds(
    Preview,
    kind=st.sampled_from(PreviewKind),
    name=st.from_regex(r"\Ax-[A-Za-z0-9!#$%&'*+.^_`|~-]{1,8}\Z").filter(
        lambda name: not name.lower().startswith(("x-forwarded-", "x-request-", "x-envoy-", "x-crossfade-"))
    ),
    value=st.from_regex(r"\A[!#-+./:<-\[\]-~0-9-]{1,8}\Z"),
)


def kept(draw: st.DrawFn, *, users: bool = True) -> dict[str, Any]:
    """`users`: single users may be told apart; a load balancer of AWS does it by itself."""
    if not users:
        return {"keep_old": draw(TIMES)}
    return {"keep_old": draw(TIMES), "sticky": draw(st.booleans()), "preview": draw(PREVIEWS)}


@st.composite
def stepped(draw: st.DrawFn, kind: type[Canary | Hybrid], *, users: bool) -> Canary | Hybrid:
    weights = sorted(draw(st.sets(st.integers(1, 999), min_size=1, max_size=4)))
    steps: list[WeightStep | ApprovalStep] = []
    for weight in weights:
        steps.append(WeightStep(weight=weight, **bakes(draw)))
        if draw(st.booleans()):
            steps.append(ApprovalStep())
    most = min(500, 1000 - weights[-1])
    return kind(steps=tuple(steps), hold_back=draw(st.integers(0, most)), **kept(draw, users=users))


def bakes(draw: st.DrawFn) -> dict[str, Any]:
    bake = draw(TIMES)
    return {"bake": bake, "max_bake": bake + draw(TIMES)}


@st.composite
def strategies(draw: st.DrawFn, instances: int | None) -> Strategy:
    """`instances` None: a revision brings its own number, and parts of it stay parts."""
    kind = draw(st.sampled_from([Canary, Hybrid, Linear, BlueGreen, Rolling]))
    local = instances is not None
    if kind is Canary or kind is Hybrid:
        return draw(stepped(kind, users=local))
    if kind is Rolling:
        parts = st.integers(1, 999).map(lambda n: Decimal(n) / 1000)
        surge = draw(st.integers(1, instances or 9) | (st.nothing() if local else parts))
        missing = draw(st.integers(0, (instances or 9) - 1) | (st.nothing() if local else parts))
        return Rolling(surge=surge, unavailable=missing, **bakes(draw), **kept(draw, users=local))
    if kind is BlueGreen:
        return BlueGreen(hold_back=draw(st.integers(0, 500)), **bakes(draw), **kept(draw, users=local))
    step, bake = draw(st.integers(1, 999)), bakes(draw)
    held = draw(st.integers(0, min(500, 999 - step)))
    times = {"every": bake["bake"], "max_bake": bake["max_bake"]}
    return Linear(step=step, **times, hold_back=held, **kept(draw, users=local))


def asks(strategy: Strategy) -> bool:
    """Whether a person's approval is asked for anywhere."""
    return isinstance(strategy, Canary | Hybrid) and ApprovalStep() in strategy.steps


@st.composite
def gates(draw: st.DrawFn, source: Signals, *, aws: bool) -> tuple[Gate, ...] | NoGates:
    if draw(st.integers(0, 4)) == 0:
        return NoGates(reason=draw(TEXTS))
    ignored = draw(SHARES)
    ratio = draw(st.integers(100, 900))
    own = sorted(draw(st.sets(NAMES, max_size=3)) - TAKEN)
    return (
        ErrorsGate(
            at_most=draw(st.integers(100, 900)) / 100,
            ignore_below=ignored / 2,
            must_see=ignored,
            max=draw(st.none() | SHARES),
            mode=draw(MODES),
        ),
        LatencyGate(
            at_most=ratio / 100,
            at=tuple(draw(st.lists(SHARES, min_size=1, max_size=3, unique=True))),
            must_see=(ratio + 1) / 100,
            max=tuple(draw(st.dictionaries(SHARES, TIMES, max_size=2)).items()),
            mode=draw(MODES),
        ),
        # One gate at least is in force.
        UnhealthyGate(
            max=draw(st.integers(0, 9)),
            hold_for=draw(TIMES),
            memory=draw(st.none() | st.integers(1, units.LARGEST)),
        ),
        *(draw(own_gates(name, source, aws=aws)) for name in own),
    )


TAKEN = {"errors", "latency", "unhealthy", "none", "on", "off", "no", "yes", "traffic", "outage"}
WORDS = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9 #_.-]{0,8}[a-z]\Z")
NUMBERS = st.integers(-(10**6), 10**6).map(lambda n: n / 1000)
PERIODS = st.integers(60_000, 3_600_000).map(lambda ms: timedelta(milliseconds=ms))
COUNTERS = st.from_regex(r"\A[a-z_:][a-z0-9_:]{0,9}_total\Z")


@st.composite
def own_gates(draw: st.DrawFn, name: str, source: Signals, *, aws: bool) -> Gate:
    kinds = ["urls"] + ["names", "metric"] * aws + ["pair"] * (not isinstance(source, AccessLog))
    cloudwatch = isinstance(source, CloudWatchSignals)
    dimensions = st.dictionaries(WORDS, WORDS, max_size=2).map(lambda given: tuple(sorted(given.items())))
    metrics = st.builds("{}/{}".format, WORDS, WORDS)
    match draw(st.sampled_from(kinds)):
        case "urls":
            return AlarmsGate(name=name, urls=("http://127.0.0.1:9/a?b=#c",), mode=draw(MODES))
        case "names":
            names = draw(st.lists(WORDS, min_size=1, max_size=3))
            return AlarmsGate(name=name, urls=("http://127.0.0.1:9/",), names=tuple(names), mode=draw(MODES))
        case "metric":
            low, span = draw(NUMBERS), draw(st.integers(1, 10**6)) / 1000
            least = draw(st.none() | st.just(low))
            return MetricGate(
                name=name,
                metric=draw(metrics),
                stat=draw(st.sampled_from(["Average", "p99", "p99.95", "TC(0.1:0.5)", "tm90"])),
                max=None if least is not None and draw(st.booleans()) else round(low + span, 3),
                min=least,
                hold_for=draw(PERIODS),
                dimensions=draw(dimensions),
                mode=draw(MODES),
            )
        case _:
            seen = draw(st.integers(2, 400)) / 1000
            given = tuple(sorted({**dict(draw(dimensions)), "Group": "{target_group}"}.items()))
            return KpiGate(
                name=name,
                total=draw(metrics if cloudwatch else COUNTERS),
                part=draw(metrics) if cloudwatch else draw(COUNTERS) + '{a="b#"}',
                part_is_failure=draw(st.booleans()),
                dimensions=given if cloudwatch else (),
                at_most=draw(st.integers(100, 900)) / 100,
                ignore_below=seen / 2,
                must_see=seen,
                mode=draw(MODES),
            )


NAMED = st.builds(
    CounterNames,
    requests=st.just("") | COUNTERS,
    errors=st.sampled_from(["", 'code=~"5..", a!="b#c"']),
    latency=st.just("") | st.just("took_seconds"),
)
SPANS = st.integers(1000, 60_000).map(lambda ms: timedelta(milliseconds=ms))
SCRAPES = st.builds(
    ScrapeSignals, path=PATHS, every=SPANS, port=st.none() | st.integers(1, 65535), names=NAMED
)
PROMETHEUSES = st.builds(
    PrometheusSignals,
    url=st.sampled_from(["http://127.0.0.1:9090", "https://p.example/a#b".replace("#", "/")]),
    stable=st.just('version="{revision}"'),
    candidate=st.just('version="{revision}", a=~"b{2}"'),
    every=SPANS,
    names=NAMED,
)
CLOUDWATCHES = st.builds(
    CloudWatchSignals, settle=st.integers(60_000, 900_000).map(lambda ms: timedelta(milliseconds=ms))
)


HERE = "eu-west-1:123456789012"
IDS = st.from_regex(r"\A[0-9a-f]{4,16}\Z")


@st.composite
def albs(draw: st.DrawFn) -> AlbPlatform:
    front = f"app/{draw(NAMES).strip('-')}/{draw(IDS)}"
    listeners = [f"{front}/{one}" for one in draw(st.sets(IDS, min_size=3, max_size=5))]
    routes = [
        f"arn:aws:elasticloadbalancing:{HERE}:listener/{listener}"
        if draw(st.booleans())
        else f"arn:aws:elasticloadbalancing:{HERE}:listener-rule/{listener}/{draw(IDS)}"
        for listener in listeners
    ]
    blue, green = draw(st.sets(IDS, min_size=2, max_size=2))
    said = draw(TEXTS)
    return AlbPlatform(
        rules=tuple(routes[1:]),
        test=routes[0],
        blue=f"arn:aws:elasticloadbalancing:{HERE}:targetgroup/shop/{blue}",
        green=f"arn:aws:elasticloadbalancing:{HERE}:targetgroup/shop/{green}",
        targets=TargetsFile(file=said)
        if draw(st.booleans())
        else TargetsCommand(command="./t " + words(said)),
        health=draw(PATHS),
    )


AWSES = st.builds(
    Aws,
    account=st.just("123456789012"),
    region=st.just("eu-west-1"),
    endpoint=st.none() | st.integers(1, 65535).map(lambda port: f"http://127.0.0.1:{port}"),
    role=st.none() | st.from_regex(r"\A[A-Za-z0-9+=,.@_-]{1,9}\Z"),
)


@st.composite
def specs(draw: st.DrawFn, folder: Path) -> Spec:
    command = "./serve {port} " + words(draw(TEXTS))
    service, instances = draw(NAMES), draw(st.integers(1, 9))
    local = draw(st.booleans())
    strategy = draw(strategies(instances if local else None))
    others = draw(st.lists(NAMES, max_size=3, unique=True))
    aws = draw(AWSES) if not local else draw(st.none() | AWSES)
    usual: st.SearchStrategy[Signals] = st.just(AccessLog()) if local else CLOUDWATCHES
    sources: st.SearchStrategy[Signals] = st.one_of(usual, SCRAPES, PROMETHEUSES)
    source = draw(sources)
    return Spec(
        service=service,
        folder=folder,
        state=folder / draw(st.from_regex(r"\A[a-z#: é]{1,9}x\Z")),
        platform=draw(albs())
        if not local
        else LocalPlatform(
            command=command,
            port=draw(st.integers(0, 30000)),
            test_port=draw(st.integers(30001, 65535)),
            instances=instances,
            health=draw(PATHS),
            stop_grace=draw(TIMES),
            drain=draw(TIMES),
            rules=draw(RULES),
        ),
        strategy=strategy,
        gates=draw(gates(source, aws=aws is not None)),
        signals=source,
        judging=Judging(
            false_stops=draw(st.integers(1, 100)) / 1000,
            warm_up=timedelta(),
            preset=draw(st.sampled_from(Preset)),
            no_data=draw(st.sampled_from(OnNoData)),
            inconclusive=draw(st.sampled_from(OnInconclusive)),
        ),
        deadlines=draw(
            st.builds(Deadlines, ready=TIMES, hook=HOOK_TIMES, no_data=TIMES, hold=TIMES, rollback=TIMES)
        ),
        hooks=Hooks(
            before_traffic=draw(hooks(ASKED, WARM_UPS if local else WARM_UPS.map(unmirrored))),
            after_traffic=draw(hooks(ASKED)),
            on_rollback=draw(hooks(ASKED)),
            hand_over=draw(hooks(ASKED)),
        ),
        policy=Policy(approvals=draw(st.integers(0, 9)) if asks(strategy) else 0),
        aws=aws,
        after=tuple(name for name in others if name != service),
        on_interrupt=draw(st.sampled_from(OnInterrupt)),
    )
