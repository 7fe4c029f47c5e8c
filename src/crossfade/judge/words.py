"""One sentence for people, in words and numbers. It never decides anything."""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.judge.cuts import DEEP
from crossfade.judge.types import GateVerdict, Say


def sentence(
    verdict: Say,
    *,
    name: str,
    shown: GateVerdict,
    evidence: float,
    bound: float,
    covers_s: float,
    bake_s: float,
    needs_s: float | None,
    instance: str | None,
    unread: bool,
    silent: bool,
    missing: bool,
    mute: bool,
    seen_any: bool,
    lacking: Sequence[str],
) -> str:
    """What the verdict means; `name` and `shown` are the gate it is about."""
    done = f"{covers_s:g} s of {bake_s:g} s"
    if verdict == "fail":
        return f"{seen(name, shown)}; evidence {_count(evidence)}, stops at {bound:g}"
    if instance is not None:
        return (
            f"instance {instance} alone is sick, the others are fine: held, not rolled back; "
            f"replace it ({done} of bake seen)"
        )
    if verdict == "no_data":
        what = "counts could not be read" if unread else "no request has come"
        if not unread and seen_any:
            what = "no request in the last interval"
        return f"no data: {what} ({done} of bake seen)"
    if verdict == "inconclusive":
        if missing:
            return f"too little to know: no request has come to the candidate in {covers_s:g} s"
        if mute:
            return (
                f"the candidate has stopped answering: no request in the last interval ({done} of bake seen)"
            )
        about = f"too little to know about {', '.join(lacking)}" if lacking else "too little to know"
        if needs_s is None:
            why = "the last interval was empty" if silent else "this traffic can never show it"
            return f"{about}: {why} ({done} of bake seen)"
        return f"{about}: needs {needs_s:.0f} s more at this traffic"
    if verdict == "pass":
        return f"nothing wrong in {covers_s:g} s of bake, and must_see would have been seen"
    return f"baking, {done}; evidence {_count(evidence)} of {bound:g}; {seen(name, shown)}"


def seen(name: str, shown: GateVerdict) -> str:
    """A gate's numbers, both arms in one window."""
    ours, theirs = shown["observed_candidate"], shown["observed_stable"]
    if ours is None:
        return f"{name}: no request of the candidate seen"
    of = f"{_count(shown['n_candidate'])}"
    if name == "traffic":
        return f"traffic: {_percent(ours)} of completed requests are the candidate's"
    if shown["limit_ms"] is not None:
        at = shown["at"]
        head = name if at is None else f"{name} {_quantile(at)}"
        tail = f"{_percent(ours)} of the candidate's {of} requests slower than {_ms(shown['limit_ms'])}"
        if shown["cut_ms"] is None:
            return f"{head}: {tail} (absolute limit)"
        if shown["ratio"] is not None:
            head += f": {shown['ratio']:.2f}x of stable's (limit {shown['limit']:.3g}x)"
        if theirs is not None:
            tail += f", {_percent(theirs)} of stable's slower than {_ms(shown['cut_ms'])}"
        return f"{head}; {tail}"
    text = f"{name}: {_percent(ours)} of the candidate's {of} failed"
    if theirs is not None:
        text += f", {_percent(theirs)} of stable's {_count(shown['n_stable'])}"
    if shown["ratio"] is not None:
        text += f": {shown['ratio']:.2f}x (limit {shown['limit']:.3g}x)"
    return text


def _quantile(at: float) -> str:
    return "deep tail" if at == DEEP else f"p{at * 100.0:.4g}"


def _percent(share: float) -> str:
    return f"{share * 100.0:.3g} %"


def _count(number: float) -> str:
    if number >= 1e9:
        return f"{number:.1e}"
    return f"{number:,.0f}" if number >= 10.0 or number == int(number) else f"{number:.2g}"


def _ms(value: float) -> str:
    return f"{value:.3g} ms" if value < 1000.0 else f"{value:,.0f} ms"
