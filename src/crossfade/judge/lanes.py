"""
Two cheap lanes beside the tables, inside the same budget.

*Outage*: the candidate's share of failed requests in an interval, while stable is
below 5 %, is at most 15 % on average (20 % where there are no counts per
instance). Fast: two intervals. Failures beyond the missing successes do not
count, so that extra failing traffic is no outage; a stable that fails as well
puts the lane to sleep.

*Traffic*: the candidate gets at least half its weight of all completed requests.
Hung requests produce no counts at all; only this lane sees them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log

from crossfade.judge.inputs import Counts
from crossfade.judge.process import Blocks, Shares, log_add

SICK_STABLE = 0.05
BETS = (0.5, 0.95)
PRIOR = (0.25, 0.75)
INSTANCE_SHARE, LONE_SHARE = 0.15, 0.2
MOST_AT_ONCE = 3.7
LONG_S = 15.0
ALONE = 0.7
"""Part of the way to the threshold that one instance may bring alone."""
DOWN = (3.0, 30.0)
"""Traffic: how many times less than half the weight is bet on."""


def outage_share(errors: float, requests: float, wanted: float) -> float:
    """An instance's share of failures; `wanted` is how many requests it should have had."""
    share = errors / requests
    if wanted <= 0.0:
        return share
    missing = 1.0 - (requests - errors) / wanted
    return min(share, max(missing, 0.0))


def outage_shares(
    instances: Sequence[Counts], wanted: Sequence[float], *, by_traffic: bool
) -> list[float | None]:
    """Each instance's share of failures; None for one that answered nothing.

    `by_traffic`: their mean is no more than the arm's own share, so that instances with a
    request or two cannot outvote the one that has all the others.
    """
    shares = [
        outage_share(counts.errors, counts.requests, want) if counts.requests > 0.0 else None
        for counts, want in zip(instances, wanted, strict=True)
    ]
    known = [share for share in shares if share is not None]
    if not by_traffic or sum(known) <= 0.0:
        return shares
    asked, failed = sum(counts.requests for counts in instances), sum(counts.errors for counts in instances)
    part = min(1.0, len(known) * failed / asked / sum(known))
    return [None if share is None else share * part for share in shares]


def outage_bet(share: float, bet: float, null: float, times: float) -> float:
    """Log evidence of one interval.

    One that is `times` as long as 15 s is also read as so many bets whose shares are split in
    the worst way; both readings are bets, so their mean is one. There are no more bets in it
    than requests.
    """
    whole = log(1.0 - bet + bet * share / null)
    if times <= 1.0:
        return whole
    split = times * (share * log(1.0 - bet + bet / null) + (1.0 - share) * log(1.0 - bet))
    return log_add(whole, split) - log(2.0)


class Outage:
    """The outage lane."""

    def __init__(self) -> None:
        self.form = Shares(PRIOR)

    def step(
        self,
        names: Sequence[str],
        shares: Sequence[float | None],
        most_bets: Sequence[float],
        *,
        per_instance: bool,
        seconds: float,
        v: float,
        need: float,
        instances: int,
    ) -> None:
        """One interval; a share of None: the instance answered nothing. `most_bets`: for each
        instance, how many bets the interval may count as.
        """
        null = INSTANCE_SHARE if per_instance else LONE_SHARE
        rows = [
            [
                0.0 if share is None else outage_bet(share, bet, null, min(seconds / LONG_S, bets))
                for share, bets in zip(shares, most_bets, strict=True)
            ]
            for bet in BETS
        ]
        most = ALONE * need / (instances / 2.0) ** 0.5 if per_instance else inf
        depth = MOST_AT_ONCE if per_instance else inf
        self.form.step(rows, names, v=v, seconds=seconds, depth=depth, refill=depth, most=most)

    def log_m(self, unused: float) -> float:
        return self.form.log_m(unused)


class Traffic:
    """The lane of missing traffic."""

    def __init__(self) -> None:
        self.form = Blocks((0.5, 0.5))

    def step(
        self, requests: float, stable: float, weight: float, cap: float, *, opens: bool, v: float
    ) -> None:
        """One interval of completed requests of both arms."""
        if weight <= 0.0:
            rows = [[0.0] for _ in DOWN]
        else:
            least = weight / 2.0
            rows = []
            for times in DOWN:
                share = least / times
                rows.append([requests * -log(times) + stable * log((1.0 - share) / (1.0 - least))])
        self.form.step(rows, cap, opens=opens, v=v)

    def log_m(self, unused: float) -> float:
        return self.form.log_m(unused)
