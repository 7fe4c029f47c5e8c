"""
What `signals:` must mean: exactly one source of counts, one that this platform has.

Called by `meaning.py`. Nothing is asked here: whether anybody answers is for signals.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from crossfade.spec import schema
from crossfade.spec.aws_models import AlbPlatform
from crossfade.spec.findings import KeyPath
from crossfade.spec.mistakes import EXAMPLES, Notes, exactly_one, missing
from crossfade.spec.models import Spec
from crossfade.spec.selectors import matchers
from crossfade.spec.signal_forms import PrometheusForm, ScrapeForm, SignalsForm
from crossfade.spec.units import duration_text, shown

SECOND: Final = timedelta(seconds=1)
PERIOD: Final = timedelta(minutes=1)
"""CloudWatch's."""

_COUNTER: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_FILLED: Final = ("revision", "target_group", "load_balancer")


def check(root: schema.Root, spec: Spec, notes: Notes) -> None:
    """Add a finding for everything about the source of counts that cannot be meant."""
    if root.signals is not None:
        _signals(root.signals, spec, notes)


def _signals(form: SignalsForm, spec: Spec, notes: Notes) -> None:
    path = ("signals",)
    exactly_one(notes, path, form, "CF2701", "source of counts")
    alb = isinstance(spec.platform, AlbPlatform)
    if form.access_log is not None and alb:
        notes.say(
            "CF2702", (*path, "access_log"), "`access_log` on an Application Load Balancer",
            "it hands its log over minutes late, in files",
            "write `cloudwatch`, or `scrape` for a stop in seconds",
        )  # fmt: skip
    if form.cloudwatch is not None and not alb:
        notes.say(
            "CF2702", (*path, "cloudwatch"), "`cloudwatch` on `local`",
            "no load balancer reports there", "write `access_log`, or leave `signals` out",
        )  # fmt: skip
    if form.cloudwatch is not None and form.cloudwatch.settle is not None:
        within(form.cloudwatch.settle, PERIOD, 15 * PERIOD, (*path, "cloudwatch", "settle"), notes)
    if form.scrape is not None:
        _scrape(form.scrape, (*path, "scrape"), notes)
    if form.prometheus is not None:
        _prometheus(form.prometheus, spec, (*path, "prometheus"), notes)


def within(time: timedelta, least: timedelta, most: timedelta, path: KeyPath, notes: Notes) -> None:
    """Add a finding for a time that is out of range."""
    if not least <= time <= most:
        notes.say(
            "CF2703", path, f"{duration_text(time)} is out of range",
            f"it lies between {duration_text(least)} and {duration_text(most)}",
            f"write e.g. `{duration_text(max(least, min(time, most)))}`",
        )  # fmt: skip


def _scrape(form: ScrapeForm, path: KeyPath, notes: Notes) -> None:
    if form.path is not None and not re.fullmatch(r"/[!-~]*", form.path):
        notes.say(
            "CF2105", (*path, "path"), f"{shown(form.path)} is not a path",
            "a path starts with `/` and holds neither blanks nor letters beyond ASCII",
            "write it like `/metrics`",
        )  # fmt: skip
    if form.every is not None:
        within(form.every, SECOND, PERIOD, (*path, "every"), notes)
    _counters(form, path, notes)


def _prometheus(form: PrometheusForm, spec: Spec, path: KeyPath, notes: Notes) -> None:
    for name in ("url", "stable", "candidate"):
        if getattr(form, name) is None:
            missing(notes, (*path, name), EXAMPLES[f"prometheus.{name}"])
    if form.url is not None and names_somebody(form.url):
        notes.say(
            "CF2704", (*path, "url"), "the address holds a user or a password",
            "Prometheus is asked without either, and the address is shown with every verdict",
            "leave out what stands before `@`",
        )  # fmt: skip
    elif form.url is not None and not _is_url(form.url):
        notes.say(
            "CF2704", (*path, "url"), f"{shown(form.url)} is not the address of a Prometheus",
            "it is http or https, a host, and no query", 'write it like "http://prometheus:9090"',
        )  # fmt: skip
    for name in ("stable", "candidate"):
        text = getattr(form, name)
        if text is not None and conditions(text, (*path, name), notes):
            placeholders(text, spec, (*path, name), notes)
    if form.stable is not None and form.stable == form.candidate and not _PLACEHOLDER.search(form.stable):
        notes.say(
            "CF2704", (*path, "candidate"), "both versions have the same conditions",
            "then both are counted as one",
            "name a label that tells them apart, e.g. 'version=\"{revision}\"'",
        )  # fmt: skip
    if form.every is not None:
        within(form.every, SECOND, 5 * PERIOD, (*path, "every"), notes)
    _counters(form, path, notes)


def names_somebody(text: str) -> bool:
    """Whether an address holds a user or a password: it would stand in every journal and page."""
    try:
        return "@" in urlsplit(text).netloc
    except ValueError:
        return False


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    plain = text.isascii() and not any(c.isspace() for c in text) and not (parts.query or parts.fragment)
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


def _counters(form: ScrapeForm | PrometheusForm, path: KeyPath, notes: Notes) -> None:
    for name in ("requests", "latency"):
        text = getattr(form, name)
        if text is not None and not _COUNTER.fullmatch(text):
            notes.say(
                "CF2704", (*path, name), f"{shown(text)} is not the name of a metric",
                "letters, digits, `_` and `:`", "write it like `http_requests_total`",
            )  # fmt: skip
    if form.latency is not None and form.latency.endswith(("_bucket", "_sum", "_count")):
        notes.say(
            "CF2704", (*path, "latency"), f"{shown(form.latency)} is a part of a histogram",
            "its buckets, sum and count have the name of the whole in front",
            f"write `{form.latency.rpartition('_')[0]}`",
        )  # fmt: skip
    if form.errors is not None:
        conditions(form.errors, (*path, "errors"), notes)


def conditions(text: str, path: KeyPath, notes: Notes) -> bool:
    """Whether a text is a list of conditions on labels; if not, a finding is added."""
    try:
        found = matchers(text)
        why = "" if found else "it holds none, so everything fits"
    except ValueError as error:
        why = str(error)
    if why:
        notes.say(
            "CF2704", path, f"{shown(text)} is not a list of conditions on labels", why,
            "write them as in PromQL, e.g. 'code=~\"5..\"'",
        )  # fmt: skip
    return not why


def placeholders(text: str, spec: Spec, path: KeyPath, notes: Notes) -> None:
    """Add a finding for every word in braces that is not filled in on this platform."""
    alb = isinstance(spec.platform, AlbPlatform)
    for name in _PLACEHOLDER.findall(text):
        if re.fullmatch(r"[0-9, ]*", name):
            continue  # a regular expression counts with braces
        if name not in _FILLED or (name != "revision" and not alb):
            allowed = [f"`{{{one}}}`" for one in (_FILLED if alb else _FILLED[:1])]
            notes.say(
                "CF2314", path, f"`{{{name}}}` is not filled in", f"known here: {', '.join(allowed)}",
                f"write {allowed[0]}",
            )  # fmt: skip
