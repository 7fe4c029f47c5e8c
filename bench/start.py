"""How long a person waits for `crossfade --version`, against a bare interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator


def lines(*, short: bool) -> Iterator[tuple[str, str, str]]:
    """Median of several runs, alternating."""
    rounds = 3 if short else 15
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(_run("-m", "crossfade", "--version"))
        bare.append(_run("-c", "pass"))
    here, plain = statistics.median(ours), statistics.median(bare)
    yield "crossfade --version", f"{here * 1e3:.0f} ms", f"{here / plain:.1f} x an empty Python program"


def _run(*words: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start
