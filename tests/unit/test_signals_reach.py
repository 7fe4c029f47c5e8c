"""How soon a source can stop a release: what is promised before is what then happens."""

from __future__ import annotations

from decimal import Decimal

import pytest
from metrics_world import ARMS, Release
from prometheus_world import SOURCE, FakePrometheus
from prometheus_world import Desk as PrometheusDesk
from prometheus_world import Fleet as PrometheusFleet
from scrape_world import Desk as ScrapeDesk
from scrape_world import Fleet

from crossfade.release.values import Say
from crossfade.signals.cloudwatch_asked import asked
from crossfade.signals.reach import USUAL_METRICS, reach, usd_an_hour

SCRAPE = {"kind": "scrape", "every_s": 5.0}
CLOUDWATCH = {"kind": "cloudwatch", "settle_s": 120.0}


def test_cloudwatch_stops_a_dead_candidate_when_it_says_and_not_within_a_minute() -> None:
    promised = reach(CLOUDWATCH)
    seconds, _ = Release(rate=60.0, candidate_errors=1.0).until_said("errors", Say.FAIL)

    assert promised.stopped_s - 60 - 20 <= seconds <= promised.stopped_s
    assert not promised.within_a_minute
    assert not promised.instances
    assert "cannot stop a release within a minute" in promised.advice


def test_a_scrape_does_within_seconds() -> None:
    promised = reach(SCRAPE)
    seconds, _ = ScrapeDesk(Fleet(candidate_errors=1.0)).until_said("errors", Say.FAIL)

    assert seconds <= promised.stopped_s <= 30
    assert promised.within_a_minute
    assert not promised.advice


def test_a_prometheus_within_as_many_scrapes() -> None:
    promised = reach(SOURCE)
    fleet = PrometheusFleet(FakePrometheus(), errors=1.0)
    seconds, _ = PrometheusDesk(fleet).until_said("errors", Say.FAIL)

    assert seconds <= promised.stopped_s <= 80


def test_a_plan_from_before_there_was_a_choice_has_the_proxy_s_log() -> None:
    assert reach(None).source == "access log"
    assert reach(None).stopped_s <= 20


@pytest.mark.parametrize("source", [None, SCRAPE, CLOUDWATCH, SOURCE])
def test_it_is_a_sentence_with_where_the_time_goes(source: dict[str, object] | None) -> None:
    found = reach(source)

    assert found.text.startswith(f"{found.source}: a candidate that answers nothing is stopped in up to ")
    assert all(part in found.text for part in found.because)
    assert found.seen_s < found.stopped_s


def test_what_asking_costs_is_the_length_of_the_list() -> None:
    edges = tuple(10.0 * 1.25**k for k in range(20))

    assert len(asked(ARMS, edges).metrics) == USUAL_METRICS
    assert usd_an_hour(USUAL_METRICS) == Decimal("0.0732")
    assert "0.07 USD an hour" in reach(CLOUDWATCH).text
    assert "USD" not in reach(SCRAPE).text


def test_a_longer_settle_is_a_later_stop() -> None:
    longer = reach({**CLOUDWATCH, "settle_s": 300.0})

    assert longer.stopped_s == reach(CLOUDWATCH).stopped_s + 180
