"""
What came of a warm-up, in words and numbers: the result of the hook. Pure.

Failed: the candidate was worse than stable, and went on to be, or a path is answered by neither
side. Else passed, with what was seen, and with what was too little to know (R32).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crossfade.judge import Verdict
from crossfade.release.values import HookResult, HookSay, Side
from crossfade.signals.asking import Pair
from crossfade.signals.trial import AXIS_S, FIRST_MOST, JUDGED, Part, Trial

NEVER_ANSWERED: Final = 3
"""As many pairs of a path, failed on every side each time, make a path that nobody answers. A release
whose only judged requests are error pages was not judged (R41), and the users' paths stay cold."""

LISTED: Final = 3


def said(trial: Trial, files: Sequence[Path], *, fewer: int = 0, with_stable: bool) -> HookResult:
    """
    The result of a run that came to its end.

    `files` hold what was judged, one for each part. `fewer`: so many were asked for, but not sent; else 0.
    """
    last = trial.parts[-1]
    if broken := never_answered([pair for part in trial.parts for pair in part.pairs]):
        listed = ", ".join(
            f"{path} ({status or 'no answer'})" for path, status in list(broken.items())[:LISTED]
        )
        who = "either side" if with_stable else "the candidate"
        return HookResult(
            say=HookSay.FAILED,
            text=f"never answered well by {who}: {listed}. That warms nothing; correct the hook's `paths`",
        )
    where = f"counts: logs/{files[-1].name}"
    cold = trial.warming
    sides = "to each side" if with_stable else "to the candidate"
    before = sum(len(part.pairs) for part in trial.parts[:-1])
    if trial.bad and last.said is not None:
        twice = f", after {before:,} that said so too" if before else ""
        text = (
            f"{_headline(last, last.said)} over {len(last.pairs):,} warm-up requests {sides}{twice}; "
            f"{last.said['text']}; {len(cold):,} before were not judged; {where}"
        )
        return HookResult(say=HookSay.FAILED, text=text)
    few = f" (of {fewer:,} asked for: the clock is too fast)" if fewer else ""
    parts = [f"{trial.sent:,} requests {sides}{few}, the last {len(last.pairs):,}: {_seen(last.pairs)}"]
    if last.failed:
        parts.append("worse than stable, but less so each time it was judged: still warming, so not judged")
    else:
        parts.append(_known(trial, last, with_stable=with_stable))
    if before and not last.failed:
        parts.append(f"{before:,} before these were worse: still warming, or a bad moment")
    failed, _ = failed_of(cold, Side.CANDIDATE)
    first = quantile_ms(cold, Side.CANDIDATE, 0.99)
    if failed or first is not None:
        while_cold = [f"p99 {_ms(first)}"] if first is not None else []
        while_cold += [f"{failed:,} of {len(cold):,} failed"] if failed else []
        parts.append(f"while cold {', '.join(while_cold)}")
    return HookResult(say=HookSay.PASSED, text="; ".join((*parts, where)))


def _headline(part: Part, verdict: Verdict) -> str:
    at = verdict["at"]
    mine = None if at is None else quantile_ms(part.pairs, Side.CANDIDATE, at)
    theirs = None if at is None else quantile_ms(part.pairs, Side.STABLE, at)
    if at is not None and mine is not None and theirs:
        return f"p{at * 100:.4g} {mine / theirs:.1f}x of stable's ({_ms(mine)} against {_ms(theirs)})"
    if verdict["blame"] in {"errors", "outage"}:
        return f"errors {_failures(part.pairs)}, {_mostly(part.pairs)},"
    return f"{verdict['blame']} worse"


def _mostly(pairs: Sequence[Pair]) -> str:
    """The path that failed most often on the candidate, and how."""
    failed = Counter(
        (_shown(pair.path), pair.answers[Side.CANDIDATE].status)
        for pair in pairs
        if not pair.answers[Side.CANDIDATE].good
    )
    (path, status), number = failed.most_common(1)[0]
    return f"{number:,} of them {status or 'no answer'} on {path}"


def _shown(path: str) -> str:
    """Without its query, which may hold a secret: these words go into a journal."""
    return path.partition("?")[0]


def _seen(pairs: Sequence[Pair]) -> str:
    told = [f"errors {_failures(pairs)}"]
    for at in (0.5, 0.99):
        mine, theirs = (quantile_ms(pairs, side, at) for side in (Side.CANDIDATE, Side.STABLE))
        if mine is not None:
            told.append(f"p{at * 100:.4g} {_ms(mine)}" + (f" (stable {_ms(theirs)})" if theirs else ""))
    return ", ".join(told)


def _failures(pairs: Sequence[Pair]) -> str:
    failed, number = failed_of(pairs, Side.CANDIDATE)
    theirs, asked = failed_of(pairs, Side.STABLE)
    return f"{failed:,} of {number:,}" + (f" (stable {theirs:,})" if asked else "")


def _known(trial: Trial, last: Part, *, with_stable: bool) -> str:
    """What the judge can say of it; a gate that it could not know about is named."""
    if not with_stable:
        most = f"{FIRST_MOST * 100:g} %"
        return f"no stable to compare with, so only errors above {most} or a `max` would stop it"
    verdict, gates = last.said, last.header["gates"]
    if verdict is None:
        return "too few to judge, warmed only"
    asked = [name for name in JUDGED if trial.asks(name)]
    if not asked:
        return "no gate that could judge it, warmed only"
    unjudged = [name for name in asked if name not in gates]
    unsure = [name for name in asked if name in gates and verdict["gates"][name]["verdict"] != "pass"]
    told = ["nothing wrong seen" if len(unjudged) < len(asked) else "nothing judged"]
    if unsure:
        number = None if verdict["needs_s"] is None else verdict["needs_s"] / AXIS_S * len(last.pairs)
        more = "" if number is None else f" ({number:,.0f} more would do)"
        told.append(f"too few to be sure of must_see of {' and '.join(unsure)}{more}")
    if unjudged:
        told.append(f"too few to judge {' and '.join(unjudged)}, warmed only")
    return ", ".join(told) + ("" if unsure or unjudged else ", and must_see would have been")


def never_answered(pairs: Sequence[Pair]) -> dict[str, int]:
    """Paths that failed on every side every time, without their queries, each with the last status."""
    asked: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    status: dict[str, int] = {}
    for pair in pairs:
        asked[pair.path] += 1
        if not any(answer.good for answer in pair.answers.values()):
            failed[pair.path] += 1
            status[pair.path] = max(answer.status for answer in pair.answers.values())
    return {_shown(path): status[path] for path in failed if failed[path] == asked[path] >= NEVER_ANSWERED}


def failed_of(pairs: Sequence[Pair], side: Side) -> tuple[int, int]:
    """(failures, requests) of one side."""
    mine = [pair.answers[side] for pair in pairs if side in pair.answers]
    return sum(not answer.good for answer in mine), len(mine)


def quantile_ms(pairs: Sequence[Pair], side: Side, at: float) -> float | None:
    """The time at a quantile, nearest rank, of the pairs that were answered well; None of none."""
    times = sorted(pair.answers[side].ms for pair in pairs if pair.good and side in pair.answers)
    return times[min(len(times) - 1, int(at * len(times)))] if times else None


def _ms(value: float) -> str:
    return f"{value:.3g} ms" if value < 1000.0 else f"{value:,.0f} ms"
