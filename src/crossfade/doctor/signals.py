"""Who counts requests: whether it answers from here, and how soon it could stop a bad release."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

from crossfade.doctor.check import Check, State, failed, ok, unknown
from crossfade.engine.judging import source_of
from crossfade.errors import PlatformError
from crossfade.signals.fetching import fetch, reason
from crossfade.signals.reach import reach
from crossfade.spec import PrometheusSignals, ScrapeSignals, Spec

PATIENCE_S: Final = 3.0


def signals(spec: Spec, targets: Sequence[tuple[str, int]]) -> Iterator[Check]:
    """The source of counts; where it is asked directly, from here now: `targets` are those that serve."""
    found = reach(source_of(spec.signals))
    if found.within_minutes:
        yield ok("signals", found.text)
    else:
        yield Check(
            name="signals", state=State.WARN, said=found.text, id="CF4405",
            why="a fault that is seen minutes late is met by minutes of users", fix=found.advice,
        )  # fmt: skip
    match spec.signals:
        case ScrapeSignals(path=path, port=port):
            yield from _scrape([(host, port or own) for host, own in targets], path)
        case PrometheusSignals(url=url):
            yield from _prometheus(url)
        case _:
            return


def _scrape(targets: Sequence[tuple[str, int]], path: str) -> Iterator[Check]:
    if not targets:
        yield unknown("scrape", "nobody serves yet who could be asked")
        return
    lost = [said for host, port in targets if (said := _asked(f"http://{_host(host)}:{port}{path}"))]
    if lost:
        yield failed(
            "scrape",
            PlatformError(
                "CF3066",
                f"{len(lost)} of {len(targets)} instances do not show counters here: {lost[0]}",
                "a hosted runner mostly does not reach private addresses",
                "run the controller inside the network, or count by cloudwatch or prometheus",
            ),
        )
    else:
        yield ok("scrape", f"{len(targets)} of {len(targets)} instances answer {path} from here")


def _prometheus(url: str) -> Iterator[Check]:
    said = _asked(f"{url.rstrip('/')}/api/v1/query?query={quote('vector(1)')}")
    if said:
        why = "without counts every bake waits, and then turns back"
        fix = "correct signals.prometheus.url, or open the way from here"
        yield failed("prometheus", PlatformError("CF3066", f"{url} does not answer here: {said}", why, fix))
    else:
        yield ok("prometheus", f"{url} answers from here")


def _asked(url: str) -> str:
    """Why this page cannot be read; empty where it can."""
    try:
        fetch(url, PATIENCE_S, {})
    except (OSError, ValueError) as error:
        return f"{url}: {reason(error)}"
    return ""


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
