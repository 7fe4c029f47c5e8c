"""Alarms: the same whichever colour serves, deaf to small numbers, and limited by what was normal."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import botocore.session  # type: ignore[import-untyped]
import pytest
from botocore.validate import ParamValidator  # type: ignore[import-untyped]
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from crossfade.cli.render_alarms import alarms
from crossfade.errors import UsageError
from crossfade.render import Hand, hand_of
from crossfade.render import alarms as made
from crossfade.render.alarm_limits import (
    ENOUGH,
    MARGIN,
    WINDOWS,
    Limit,
    Past,
    levels,
    limit,
    rounded_up,
    stood_above,
    window_for,
)
from crossfade.render.flow import as_yaml

GOLDEN = Path(__file__).parent / "screens" / "alarms.yaml"
PAIR = made.Pair(
    service="shop", balancer="app/web/1", blue="targetgroup/shop-blue/2", green="targetgroup/shop-green/3"
)
MINUTES = WINDOWS[0]
DAY = 86_400
AT = Limit(value=5.0, because="a default: the past was not asked for", from_history=False)


def every_alarm() -> list[dict[str, Any]]:
    return [
        made.failed_alarm(PAIR, AT),
        made.balancer_alarm(PAIR, AT),
        made.p99_alarm(PAIR, Limit(value=0.25, because="from history", from_history=True), MINUTES, 0.93),
        made.unhealthy(PAIR, "blue"),
        made.unhealthy(PAIR, "green"),
    ]


class TestWhatIsRendered:
    def test_the_template_is_this(self) -> None:
        assert as_yaml(made.template(every_alarm(), "shop")) == GOLDEN.read_text()

    def test_the_text_is_the_value_to_a_yaml_reader(self) -> None:
        value = made.template(every_alarm(), "shop")

        assert YAML(typ="safe").load(as_yaml(value)) == value

    def test_botocores_model_of_the_api_takes_every_alarm(self) -> None:
        shape = (
            botocore.session.get_session().get_service_model("cloudwatch").operation_model("PutMetricAlarm")
        )
        for alarm in every_alarm():
            report = ParamValidator().validate(alarm, shape.input_shape)

            assert not report.has_errors(), report.generate_report()
            assert len(alarm["AlarmDescription"]) <= 1024

    def test_an_alarm_reads_at_most_ten_metrics_and_watches_one_figure(self) -> None:
        for alarm in every_alarm():
            queries = alarm.get("Metrics", [])
            if not queries:
                continue
            named = {query["Id"] for query in queries}
            used = {
                word
                for query in queries
                for word in re.findall(r"\b[a-z][a-z0-9_]*", query.get("Expression", ""))
            }

            assert sum("MetricStat" in query for query in queries) <= 10
            assert [query["Id"] for query in queries if query["ReturnData"]] == ["watched"]
            assert used == named - {"watched"}

    def test_both_groups_are_read_alike_so_that_colours_may_alternate(self) -> None:
        swapped = made.Pair(service="shop", balancer=PAIR.balancer, blue=PAIR.green, green=PAIR.blue)
        for one in (made.failed_alarm, made.balancer_alarm):
            read = [sorted(map(str, _stats(one(pair, AT)))) for pair in (PAIR, swapped)]

            assert read[0] == read[1]

    def test_logical_names_are_letters_and_digits(self) -> None:
        names = list(made.template(every_alarm(), "shop-2")["Resources"])

        assert all(name.isalnum() for name in names)
        assert len(names) == 5


def _stats(alarm: dict[str, Any]) -> list[Any]:
    return [query["MetricStat"]["Metric"] for query in alarm["Metrics"] if "MetricStat" in query]


def a_past(values: dict[int, float], days: int = 14, requests: float = 100.0) -> Past:
    until = days * DAY
    return Past(
        since=0.0, until=float(until), value=values, requests=dict.fromkeys(range(0, until, 60), requests)
    )


class TestLimitsFromThePast:
    def test_without_a_past_the_default_is_labelled(self) -> None:
        found = limit(None, MINUTES, least=1.0, usual=5.0, requests=20)

        assert found == AT

    def test_a_past_with_too_little_traffic_is_not_believed_and_says_so(self) -> None:
        past = Past(
            since=0.0,
            until=float(DAY),
            value={},
            requests=dict.fromkeys(range(0, 60 * (ENOUGH - 1), 60), 20.0),
        )
        found = limit(past, MINUTES, least=1.0, usual=5.0, requests=20)

        assert found.value == 5.0
        assert found.because == "a default: in the last 1 d only 199 periods had 20 requests, of 200 needed"
        assert not found.from_history

    def test_a_clean_past_gives_the_least_limit(self) -> None:
        found = limit(a_past({}), MINUTES, least=1.0, usual=5.0, requests=20)

        assert found.value == 1.0
        assert found.because == "from the last 14 d, in which it would not have fired"

    def test_an_outage_of_an_hour_does_not_raise_the_limit_and_is_told(self) -> None:
        outage = dict.fromkeys(range(DAY, DAY + 3600, 60), 80.0)
        found = limit(a_past(outage), MINUTES, least=1.0, usual=5.0, requests=20)

        assert found.value == 1.0
        # 3 of 5: it begins in its third minute and lasts two minutes longer.
        assert found.because == "from the last 14 d, in which it would have fired once, 60 min in all"

    def test_what_was_normal_all_the_time_is_the_limit_with_a_margin(self) -> None:
        found = limit(
            a_past(dict.fromkeys(range(0, 14 * DAY, 60), 0.4)), MINUTES, least=0.1, usual=1.0, requests=20
        )

        assert found.value == pytest.approx(0.4 * MARGIN)

    def test_spikes_shorter_than_the_window_needs_do_not_count(self) -> None:
        spikes = {at: 50.0 for start in range(0, 14 * DAY, 600) for at in (start, start + 60)}
        found = limit(a_past(spikes), MINUTES, least=1.0, usual=5.0, requests=20)

        assert found.value == 1.0

    @given(st.lists(st.floats(0.0, 100.0), min_size=5, max_size=200), st.sampled_from(WINDOWS))
    def test_an_alarm_at_a_level_fires_exactly_above_it(self, values: list[float], window: Any) -> None:
        past = Past(
            since=0.0,
            until=float(len(values) * window.period_s),
            value={at * window.period_s: value for at, value in enumerate(values)},
            requests={},
        )
        for at, level in enumerate(levels(past, window)):
            seen = values[at : at + window.looked_at]

            assert sum(value > level for value in seen) < window.needed
            assert sum(value >= level for value in seen) >= window.needed

    @given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=400), st.floats(0.0, 0.5))
    def test_at_most_the_allowed_part_stood_above(self, seen: list[float], part: float) -> None:
        level = stood_above(seen, part)

        assert sum(one > level for one in seen) <= part * len(seen)
        assert level in seen

    @given(st.floats(1e-6, 1e6))
    def test_a_limit_is_rounded_up_to_two_figures(self, value: float) -> None:
        rounded = rounded_up(value)

        assert value * (1 - 1e-8) <= rounded <= value * 1.1 + 1e-12
        assert len(f"{rounded:.6e}".rpartition("e")[0].rstrip("0").replace(".", "")) <= 2

    @pytest.mark.parametrize(
        ("value", "said"), [(0.5, 0.5), (0.101, 0.11), (1.0, 1.0), (99.1, 100.0), (0.0, 0.0)]
    )
    def test_round_numbers_stay(self, value: float, said: float) -> None:
        assert rounded_up(value) == said


class TestTheShortestWindow:
    def test_busy_services_are_watched_by_the_minute(self) -> None:
        assert window_for(dict.fromkeys(range(0, DAY, 60), 400.0), 300) == (WINDOWS[0], 1.0)

    def test_quiet_ones_by_as_long_as_it_takes(self) -> None:
        assert window_for(dict.fromkeys(range(0, DAY, 60), 70.0), 300) == (WINDOWS[1], 1.0)
        assert window_for(dict.fromkeys(range(0, DAY, 60), 6.0), 300) == (WINDOWS[3], 1.0)

    def test_where_even_an_hour_is_too_short_the_part_says_so(self) -> None:
        assert window_for(dict.fromkeys(range(0, DAY, 60), 1.0), 300) == (WINDOWS[3], 0.0)

    def test_without_any_figures_five_minutes(self) -> None:
        assert window_for({}, 300) == (WINDOWS[1], 0.0)

    def test_no_window_needs_all_its_periods(self) -> None:
        assert all(window.needed < window.looked_at for window in WINDOWS)


class TestTheVerb:
    def run(self, folder: Path, *args: str, spec: str = "alb") -> Any:
        file = folder / "crossfade.yaml"
        file.write_text((Path(__file__).parent / "specs" / f"{spec}.yaml").read_text())
        return CliRunner().invoke(alarms, ["--file", str(file), *args], catch_exceptions=False)

    def test_no_days_ask_nothing_and_label_every_limit(self, tmp_path: Path) -> None:
        result = self.run(tmp_path, "--days", "0")
        properties = [one["Properties"] for one in YAML(typ="safe").load(result.stdout)["Resources"].values()]

        assert result.stderr == (
            "shop-5xx  above 5 %: a default: the past was not asked for\n"
            "shop-balancer-5xx  above 5 %: a default: the past was not asked for\n"
            "shop-p99  above 1 s: a default: the past was not asked for\n"
            "next: aws cloudformation deploy --stack-name shop-alarms --template-file alarms.yaml "
            "--parameter-overrides Topic=ARN\n"
            "      then in crossfade.yaml: gates: {paging: {alarms: [shop-5xx, shop-balancer-5xx, shop-p99, "
            "shop-unhealthy-blue, shop-unhealthy-green]}}\n"
        )
        assert hand_of(result.stdout) is Hand.OURS
        assert {one["Value"] for one in properties[-1]["Dimensions"]} == {
            "app/front/50dc6c495c0c9188",
            "targetgroup/shop-green/2453ed029918f21f",
        }

    def test_json_is_the_same_template(self, tmp_path: Path) -> None:
        as_json = json.loads(self.run(tmp_path, "--days", "0", "--format", "json").stdout)

        assert as_json == YAML(typ="safe").load(self.run(tmp_path, "--days", "0").stdout)

    def test_it_is_written_beside_the_file_and_a_changed_one_is_kept(self, tmp_path: Path) -> None:
        assert f"wrote {tmp_path}/alarms.yaml" in self.run(tmp_path, "--days", "0", "--write").stderr
        assert f"unchanged {tmp_path}/alarms.yaml" in self.run(tmp_path, "--days", "0", "--write").stderr
        with (tmp_path / "alarms.yaml").open("a") as out:
            out.write("# mine\n")

        with pytest.raises(UsageError, match="is kept as it is"):
            self.run(tmp_path, "--days", "0", "--write")

    def test_a_service_of_this_machine_has_nothing_to_watch_there(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError) as caught:
            self.run(tmp_path, "--days", "0", spec="minimal")

        assert (caught.value.id, caught.value.exit_code) == ("CF8005", 2)


PLAIN = st.recursive(
    st.one_of(st.text(max_size=8), st.integers(-5, 5), st.booleans(), st.floats(0.0, 9.0)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.from_regex(r"[A-Z][a-z]{1,5}", fullmatch=True), inner, max_size=3),
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.from_regex(r"[A-Z][a-z]{1,5}", fullmatch=True), PLAIN, min_size=1, max_size=4))
def test_any_plain_value_is_read_back_as_it_was(value: dict[str, Any]) -> None:
    assert YAML(typ="safe").load(as_yaml(value)) == value
