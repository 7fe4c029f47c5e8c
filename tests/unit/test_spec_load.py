"""crossfade.yaml becomes a complete spec, or one error that shows every mistake in its place."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossfade.spec import (
    AlarmsGate,
    ApprovalStep,
    BlueGreen,
    Canary,
    CommandHook,
    Deadlines,
    ErrorsGate,
    Hooks,
    HttpHook,
    Judging,
    LatencyGate,
    LocalPlatform,
    Mode,
    NoGates,
    OnInconclusive,
    OnInterrupt,
    OnNoData,
    Policy,
    Preset,
    Preview,
    PreviewKind,
    Rule,
    Spec,
    UnhealthyGate,
    WarmUp,
    WeightStep,
)
from crossfade.spec.ids import IDS
from crossfade.spec.load import Finding, SpecError, load_spec

SPECS = Path(__file__).parent / "specs"


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "crossfade.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def ids_of(folder: Path, text: str | bytes) -> list[str]:
    with pytest.raises(SpecError) as raised:
        load_spec(written(folder, text))
    return [finding.id for finding in raised.value.findings]


def test_four_lines_are_a_complete_spec() -> None:
    expected = Spec(
        service="shop",
        folder=SPECS,
        state=SPECS / ".crossfade",
        platform=LocalPlatform(command="./serve --port {port}", port=8000),
        strategy=Canary(
            steps=(
                WeightStep(weight=100, bake=minutes(5), max_bake=minutes(30)),
                WeightStep(weight=500, bake=minutes(5), max_bake=minutes(30)),
            ),
            keep_old=minutes(10),
        ),
        gates=(ErrorsGate(), LatencyGate(), UnhealthyGate()),
    )

    assert load_spec(SPECS / "minimal.yaml") == expected


def test_every_setting_of_this_version_is_read() -> None:
    second = timedelta(seconds=1)
    expected = Spec(
        service="checkout-api",
        folder=SPECS,
        state=SPECS / ".state/releases",
        platform=LocalPlatform(
            command="env LOG=info ./serve --port {port} --version {revision}",
            port=8000,
            test_port=8001,
            instances=3,
            health="/healthz",
            stop_grace=10 * second,
            drain=90 * second,
            rules=(Rule(host="shop.example.com", path="/checkout"), Rule(path="/api/checkout")),
        ),
        strategy=Canary(
            steps=(
                WeightStep(weight=1, bake=minutes(1), max_bake=minutes(6)),
                ApprovalStep(),
                WeightStep(weight=100, bake=minutes(5), max_bake=minutes(20)),
                WeightStep(weight=500, bake=minutes(5), max_bake=minutes(30)),
                ApprovalStep(),
            ),
            keep_old=minutes(15),
            hold_back=50,
            sticky=True,
            preview=Preview(kind=PreviewKind.HEADER, name="x-crossfade", value="candidate"),
        ),
        gates=(
            ErrorsGate(at_most=1.2, ignore_below=0.002, must_see=0.02, max=0.05),
            LatencyGate(
                at_most=1.1,
                at=(0.5, 0.999),
                must_see=3.0,
                max=((0.99, 0.8 * second), (0.5, second)),
                mode=Mode.OBSERVE,
            ),
            UnhealthyGate(max=1, hold_for=45 * second, memory=3 * 2**29),
            AlarmsGate(name="paging", urls=("http://127.0.0.1:9/alarm", "https://alerts.example:8443/a?b=c")),
        ),
        judging=Judging(
            false_stops=0.005,
            warm_up=10 * second,
            preset=Preset.CAREFUL,
            no_data=OnNoData.HOLD,
            inconclusive=OnInconclusive.ROLLBACK,
        ),
        deadlines=Deadlines(
            ready=minutes(90),
            hook=minutes(6),
            no_data=minutes(7),
            hold=timedelta(days=2),
            rollback=minutes(8),
        ),
        hooks=Hooks(
            before_traffic=(
                HttpHook(path="/healthz"),
                CommandHook(command='./smoke.sh --url "a b"'),
                WarmUp(paths=("/", "/search?q=a"), hold_for=90 * second, rate=7.5, mirror=0.1),
            ),
            after_traffic=(CommandHook(command="./post.sh"),),
            on_rollback=(CommandHook(command="./tell.sh"),),
            hand_over=(CommandHook(command="./queues.sh"),),
        ),
        policy=Policy(approvals=2),
        after=("catalogue", "pricing"),
        on_interrupt=OnInterrupt.HOLD,
    )

    assert load_spec(SPECS / "full.yaml") == expected


def test_blue_green_takes_its_bake_and_no_gates_take_their_reason() -> None:
    spec = load_spec(SPECS / "blue_green.yaml")

    assert spec.strategy == BlueGreen(bake=minutes(15), max_bake=minutes(90), keep_old=minutes(60))
    assert spec.gates == NoGates(reason="read-only mirror, nobody uses it")


def test_all_mistakes_of_a_file_are_shown_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SPECS)
    with pytest.raises(SpecError) as raised:
        load_spec("many_mistakes.yaml")

    assert "\n".join(raised.value.lines()) + "\n" == (SPECS / "many_mistakes.txt").read_text()
    assert raised.value.exit_code == 2


def test_what_this_version_lacks_is_never_called_a_slip() -> None:
    expected = [
        "state",
        "platform.ecs",
        "policy.drill_max_age",
        "policy.freeze",
        "notify",
    ]

    findings = mistakes_in(SPECS / "later.yaml")

    assert [finding.key_path for finding in findings] == expected
    assert {finding.id for finding in findings} == {"CF1102"}


BASE = (SPECS / "minimal.yaml").read_text()


def test_R26_a_gate_that_is_not_written_stays_in_force(tmp_path: Path) -> None:
    """Tuning one gate must not switch the others off unseen."""
    spec = load_spec(written(tmp_path, BASE + "gates: {latency: {at_most: 2x, must_see: 3x}}\n"))

    assert isinstance(spec.gates, tuple)
    assert [gate.name for gate in spec.gates] == ["errors", "latency", "unhealthy"]
    assert all(gate.mode is Mode.STOP for gate in spec.gates)


def test_memory_is_watched_only_where_a_limit_is_written(tmp_path: Path) -> None:
    def limit(text: str) -> int | None:
        gates = load_spec(written(tmp_path, BASE + text)).gates
        assert not isinstance(gates, NoGates)
        return next(gate.memory for gate in gates if isinstance(gate, UnhealthyGate))

    assert limit("") is limit("gates: {unhealthy: {max: 1}}\n") is None
    assert limit("gates: {unhealthy: {memory: 512MB}}\n") == 512_000_000


def test_R26_gates_none_needs_a_reason(tmp_path: Path) -> None:
    assert ids_of(tmp_path, BASE + "gates: none\n") == ["CF2301"]
    assert ids_of(tmp_path, BASE + "gates: {none: ' '}\n") == ["CF2301"]


def test_R26_gates_that_only_observe_are_no_gates(tmp_path: Path) -> None:
    observing = ", ".join(f"{name}: {{mode: observe}}" for name in ("errors", "latency", "unhealthy"))

    assert ids_of(tmp_path, BASE + f"gates: {{{observing}}}\n") == ["CF2302"]


def test_anchors_and_merges_are_written_out(tmp_path: Path) -> None:
    spec = load_spec(
        written(
            tmp_path,
            "apiVersion: crossfade/v1\nservice: shop\n"
            'platform: {local: {command: "./serve {port}", port: 0}}\n'
            "strategy:\n  canary:\n    steps:\n"
            "      - &step {weight: 10%, bake: &bake 7m}\n      - {<<: *step, weight: 20%}\n"
            "    keep_old: *bake\n",
        )
    )

    assert isinstance(spec.strategy, Canary)
    assert spec.strategy.keep_old == minutes(7)
    assert spec.strategy.steps[1] == WeightStep(weight=200, bake=minutes(7), max_bake=minutes(42))


def test_a_misspelt_key_is_one_finding_not_also_a_missing_key(tmp_path: Path) -> None:
    assert ids_of(tmp_path, BASE.replace("service:", "servce:")) == ["CF1101"]


def test_a_key_that_was_dropped_is_not_called_missing(tmp_path: Path) -> None:
    assert ids_of(tmp_path, BASE.replace("service: shop", "service: [shop]")) == ["CF1105"]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert load_spec(written(tmp_path, b"\xef\xbb\xbf" + BASE.encode())).service == "shop"


def test_windows_line_ends_keep_their_places(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        load_spec(written(tmp_path, BASE.replace("\n", "\r\n").replace("canary", "canari")))

    finding = raised.value.findings[0]
    assert (finding.line, finding.column) == (4, 11)


def test_the_state_folder_is_absolute_whatever_was_written(tmp_path: Path) -> None:
    spec = load_spec(written(tmp_path, BASE + "state: /var/lib/crossfade\n"))

    assert spec.state == Path("/var/lib/crossfade")


def test_sources_tell_what_was_written_and_where(tmp_path: Path) -> None:
    sources = dict(load_spec(written(tmp_path, BASE)).sources)

    assert sources["platform.local.port"] == "crossfade.yaml:3"
    assert "platform.local.instances" not in sources


def test_the_heart_can_import_the_models_without_pydantic_and_yaml() -> None:
    code = (
        "import sys, crossfade.spec; "
        "sys.exit(any(m.split('.')[0] in {'pydantic', 'ruamel'} for m in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


KEYS = st.sampled_from(
    """apiVersion service platform local command port test_port instances health stop_grace strategy
    canary blue_green steps weight bake max_bake approval keep_old gates errors latency unhealthy
    none paging alarms http at_most at max memory must_see ignore_below for mode judging false_stops preset
    careful warm_up no_data deadlines ready hooks before_traffic on_rollback on_interrupt state env aws
    linear rolling hybrid step every surge unavailable hold_back sticky preview header cookie rules host path
    warm_up paths rate mirror hand_over policy approvals after rds success on << servce""".split()  # noqa: SIM905 - words read better
)
WORDS = st.sampled_from(
    ["crossfade/v1", "shop", "./serve {port}", "canary", "blue_green", "none", "observe", "stop",
     "required", "10%", "50%", "0%", "5m", "0s", "1.5x", "p99", "hold", "rollback", "/healthz", "yes",
     "linear", "rolling", "hybrid", "20/s", "25%", "cookie", "x-crossfade: candidate", "a=b", "//a", "/..",
     "http://127.0.0.1:9/a", "s3://b/c", "sh -c 'exec postgres'", "'", "", "~", "\t", "*a", "&a b"]
)  # fmt: skip
SCALARS = st.one_of(WORDS, st.integers(-5, 70000), st.floats(), st.booleans(), st.none(), st.text(max_size=8))


def flow(value: object) -> str:
    """Random values as YAML; strings sometimes bare, so that they are read as YAML would."""
    match value:
        case dict():
            return "{" + ", ".join(f"{flow(k)}: {flow(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(flow, value)) + "]"
        case _:
            return str(value)


VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=20,
)


def mistakes_in(file: Path) -> tuple[Finding, ...]:
    try:
        load_spec(file)
    except SpecError as error:
        return error.findings
    return ()


def check_places(file: Path) -> None:
    text = file.read_bytes().decode("utf-8-sig", "replace")
    lines = re.split("\r\n|[\r\n]", text)
    for finding in mistakes_in(file):
        assert all((finding.what, finding.why, finding.fix)), finding
        assert finding.id in IDS
        assert 1 <= finding.line <= len(lines), finding
        assert 1 <= finding.column <= len(lines[finding.line - 1]) + 1, finding


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.dictionaries(KEYS, VALUES, max_size=8))
def test_any_mapping_is_a_spec_or_an_error_with_places(tmp_path: Path, value: dict[str, object]) -> None:
    check_places(written(tmp_path, flow(value).encode("utf-8", "surrogatepass")))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_a_good_file_is_a_spec_or_an_error_with_places(
    tmp_path: Path, data: st.DataObject
) -> None:
    good = (SPECS / "full.yaml").read_bytes()
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 40)))
    patch = data.draw(st.one_of(st.binary(max_size=6), WORDS.map(str.encode)))

    check_places(written(tmp_path, good[:start] + patch + good[end:]))
