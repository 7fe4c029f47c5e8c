"""
How numbers, times and strangers' text are said, once for every renderer.

Text that comes from hooks, people or sources may hold escapes, line breaks or marks that
reorder a line: `clean` makes it one harmless line before it is shown to a terminal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

CLIP = 400
"""Letters of a stranger's message that are shown; the journal keeps all of it."""

SHORT = 6
"""Letters by which a release is called: 30 bits of chance."""

_ESCAPE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles and links; one without an end hides nothing
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours and cursor moves
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # strings to the device
    r"|\x1b."
)


def clean(text: object, clip: int = CLIP) -> str:
    """One line without escapes, controls or marks that reorder it; longer than `clip` is cut and says so."""
    bare = _ESCAPE.sub("", str(text))
    # Not printable: controls, invisible marks (direction too), line ends, and what no font shows.
    shown = "".join(letter if letter.isprintable() else " " for letter in bare)
    line = " ".join(shown.split())
    return line if len(line) <= clip else line[: clip - 4].rstrip() + " ..."


def short(release: str) -> str:
    """
    What people call a release: the last six letters of its id.

    A ULID begins with the time, so that the first six are the same for 17 minutes; its end is chance.
    """
    return clean(release)[-SHORT:]


def stamp(at: datetime, *, millis: bool = False) -> str:
    """RFC 3339 in UTC with a Z, to the second or the millisecond; cut, never rounded into the future."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds" if millis else "seconds")
    return text.removesuffix("+00:00") + "Z"


def clock(at: datetime) -> str:
    """The time of day in UTC."""
    return f"{at.astimezone(UTC):%H:%M:%S}Z"


def duration(time: timedelta | float) -> str:
    """A length of time as people say it: `9 ms`, `0.4 s`, `50 s`, `2m30s`, `1h05m`, `3d`."""
    seconds = time.total_seconds() if isinstance(time, timedelta) else time
    if seconds < 0.1:
        return f"{max(seconds, 0.0) * 1000:.0f} ms"
    if seconds < 60 and round(seconds) < 60:
        return f"{seconds:.1f} s" if seconds < 10 and seconds != int(seconds) else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s" if rest else f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h{minutes:02d}m" if minutes else f"{hours}h"
    return f"{hours // 24}d{hours % 24}h" if hours % 24 else f"{hours // 24}d"


def weight(share: int) -> str:
    """A share in thousandths as percent."""
    return f"{share / 10:g} %"


def bar(share: int, cells: int = 20) -> str:
    """A share in thousandths as a bar; any traffic at all is seen, and all only when it is all."""
    full = round(share * cells / 1000)
    full = min(max(full, 1 if share > 0 else 0), cells if share >= 1000 else cells - 1)
    return "#" * full + "-" * (cells - full)


def number(numbers: Mapping[str, object], key: str) -> float | None:
    """A finite number under this key, or None: absent, null, NaN and words are all no number."""
    value = numbers.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def count(value: float) -> str:
    """A count or a degree of evidence: `8,300`, `0.31`; beyond a thousand million as a power."""
    if value >= 1e9:
        return f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def share(value: float) -> str:
    """A share of requests, 0 to 1, as percent."""
    return f"{value * 100:.1f} %" if value == 0 or value >= 0.001 else f"{value * 100:.2g} %"


def times(value: float) -> str:
    """A ratio as `1.25x`."""
    return f"{value:.0f}x" if value >= 100 else f"{value:.3g}x"


def millis(value: float) -> str:
    """Milliseconds."""
    return f"{value:.3g} ms" if value < 1000 else f"{value:,.0f} ms"


def quantile(at: object) -> str | None:
    """The quantile a latency verdict is about, `p99`, however the source wrote it."""
    if isinstance(at, str):
        return clean(at, 12) or None
    if isinstance(at, bool) or not isinstance(at, int | float) or not math.isfinite(at):
        return None
    return f"p{at * 100:.4g}" if at <= 1 else f"p{at:.4g}"


def progress(numbers: Mapping[str, object]) -> str | None:
    """
    How far the evidence is on its way to the stop, as percent of its logarithm; 100 % stops.

    Evidence multiplies, so its logarithm is what grows evenly with requests. None where it is not given.
    """
    evidence, bound = number(numbers, "evidence"), number(numbers, "bound")
    if evidence is None or bound is None or bound <= 1:
        return None
    done = math.log(evidence) / math.log(bound) if evidence > 1 else 0.0
    return f"{100 * min(done, 1.0):.0f} %" if evidence >= bound else f"{min(99, math.floor(100 * done))} %"


def seen(numbers: Mapping[str, object], side: str) -> float | None:
    """What one side of a gate showed, as the judge names it, as signals do, or as unhealthy instances."""
    names = (f"observed_{side}", side, *(("unhealthy",) if side == "candidate" else ()))
    return next((value for name in names if (value := number(numbers, name)) is not None), None)


def observed(numbers: Mapping[str, object], side: str) -> str | None:
    """The same in words: a share of its requests, or a plain number where none were counted."""
    value = seen(numbers, side)
    if value is None:
        return None
    counted = number(numbers, "n_stable") is not None or number(numbers, "n_candidate") is not None
    return share(value) if counted else f"{value:g}"


def limit_of(numbers: Mapping[str, object]) -> str | None:
    """The limit: a ratio where a ratio was tested, else the plain number it is."""
    limit = number(numbers, "limit")
    if limit is None:
        return None
    return times(limit) if number(numbers, "ratio") is not None else f"{limit:g}"
