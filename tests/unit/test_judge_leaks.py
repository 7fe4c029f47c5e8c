"""An instance that will be out of memory within the hour, while stable's will not, is a leak."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.judge import MemorySample, MemoryVerdict, memory

MB = 1_000_000
LIMIT = 512 * MB
WARM_UP = 30.0

Use = Callable[[float], float]
"""MB that an instance uses at a second; below zero: it is not there."""


def flat(level: float, noise: Callable[[], float] = lambda: 0.0) -> Use:
    return lambda _at: level + noise()


def leak(level: float, a_minute: float, noise: Callable[[], float] = lambda: 0.0) -> Use:
    return lambda at: level + a_minute * at / 60 + noise()


def samples(
    candidate: dict[str, Use], stable: dict[str, Use] | None = None, until: int = 200
) -> list[MemorySample]:
    def used(side: dict[str, Use], at: float) -> dict[str, int]:
        there = {name: use(at) for name, use in side.items()}
        return {name: int(size * MB) for name, size in there.items() if size > 0}

    beside = {"s1": flat(40.0)} if stable is None else stable
    return [
        {"at": float(at), "candidate": used(candidate, at), "stable": used(beside, at)}
        for at in range(0, until, 5)
    ]


def judged(looks: Sequence[MemorySample]) -> MemoryVerdict:
    return memory(looks, LIMIT, warm_up_s=WARM_UP)


def ever(looks: Sequence[MemorySample]) -> set[str]:
    """Everything that was said at any sample."""
    return {judged(looks[:end])["verdict"] for end in range(1, len(looks) + 1)}


def test_a_leak_fails_and_says_how_fast_and_when() -> None:
    said = judged(samples({"c1": flat(40), "c2": leak(120, 24)}))

    assert (said["verdict"], said["instance"], said["looks"]) == ("fail", "c2", 5)
    assert said["per_minute"] == pytest.approx(24 * MB, rel=0.01)
    assert said["text"] == (
        "memory of instance c2 grows 24 MB a minute: 512 MB in 13 minutes; stable's does not grow "
        "(a rule outside the false-stop budget)"
    )


def test_growth_that_takes_longer_than_an_hour_passes_and_is_shown() -> None:
    said = judged(samples({"c1": leak(100, 4)}))

    assert said["verdict"] == "pass"
    assert said["text"] == "memory 113 MB of 512 MB, grows 4 MB a minute"


def test_growth_that_takes_days_is_told_without_a_figure() -> None:
    said = judged(samples({"c1": leak(100, 0.06)}))

    assert (said["verdict"], said["text"]) == ("pass", "memory 100 MB of 512 MB, hardly grows")


def test_nothing_is_said_before_a_minute_after_the_warm_up() -> None:
    looks = samples({"c1": leak(100, 24)})

    assert ever(looks[: int((WARM_UP + 60) / 5)]) == {"not_yet"}
    assert judged(looks[:12])["text"] == "memory 122 MB of 512 MB, watched for 25 s of 60 s after the warm-up"


def test_it_fails_at_the_third_look_that_says_so() -> None:
    looks = samples({"c1": leak(100, 24)})
    first = int((WARM_UP + 60) / 5) + 1

    assert [judged(looks[: first + n])["verdict"] for n in range(3)] == ["not_yet", "not_yet", "fail"]
    assert "seen 2 times of 3" in judged(looks[: first + 1])["text"]


def test_growth_while_warming_up_is_normal() -> None:
    def warming(at: float) -> float:
        return min(40 + 5 * at, 190)

    assert ever(samples({"c1": warming})) == {"not_yet", "pass"}


def test_a_jump_is_no_growth() -> None:
    assert ever(samples({"c1": lambda at: 60.0 if at < 110 else 260.0}, until=400)) == {"not_yet", "pass"}


def test_filling_up_to_what_stable_uses_is_no_leak_and_beyond_it_is() -> None:
    looks = samples({"c1": leak(100, 24)}, {"s1": flat(250)}, until=900)

    assert ever([look for look in looks if look["candidate"]["c1"] < 250 * MB]) == {"not_yet", "pass"}
    assert judged(looks[:100])["verdict"] == "fail"


def test_stable_leaking_alike_is_not_the_candidates_fault() -> None:
    assert ever(samples({"c1": leak(150, 24)}, {"s1": leak(100, 24)})) == {"not_yet", "pass"}


def test_above_the_limit_fails_without_growth_unless_stable_is_too() -> None:
    over = samples({"c1": flat(600)}, until=15)

    assert judged(over)["verdict"] == "fail"
    assert judged(over)["text"].startswith("memory of instance c1 is 600 MB, above 512 MB; stable's is 40 MB")
    assert judged(samples({"c1": flat(600)}, {"s1": flat(590)}))["verdict"] == "pass"


def test_a_new_process_starts_anew() -> None:
    looks = samples(
        {"c1": lambda at: 100 + 0.4 * at if at < 90 else -1, "c2": lambda at: -1 if at < 90 else 60 + at}
    )

    assert ever(looks[: 18 + 18]) == {"not_yet"}


def test_R24_nothing_read_is_no_data_and_a_stable_that_was_not_read_is_said() -> None:
    assert judged([])["verdict"] == "no_data"
    assert judged(samples({}))["verdict"] == "no_data"
    assert judged([*samples({"c1": flat(40)}), *samples({})[-1:]])["verdict"] == "no_data"

    alone = judged(samples({"c1": leak(100, 24)}, {}))
    assert alone["verdict"] == "fail"
    assert "stable's was not read" in alone["text"]


@given(
    st.lists(st.integers(-1_000_000, 1_000_000), min_size=1, max_size=80),
    st.lists(st.floats(0.1, 30), min_size=80, max_size=80),
)
def test_a_flat_noisy_series_never_fails(noise: list[int], steps: list[float]) -> None:
    """Within 2 MB no line over 60 s reaches a limit 400 MB away in an hour, whatever the noise."""
    at, looks = 0.0, list[MemorySample]()
    for up, step in zip(noise, steps, strict=False):
        at += step
        looks.append({"at": at, "candidate": {"c1": 100 * MB + up}, "stable": {"s1": 40 * MB}})

    assert ever(looks) <= {"not_yet", "pass"}


@given(st.integers(0, 10_000), st.integers(8, 100), st.floats(0, 2))
def test_every_leak_that_stands_out_of_its_noise_fails(seed: int, a_minute: int, noise: float) -> None:
    rng = random.Random(seed)
    looks = samples({"c1": leak(100, a_minute, lambda: rng.gauss(0, noise))}, until=600)

    assert "fail" in ever(looks[60:])


@given(st.integers(0, 10_000), st.integers(0, 40), st.randoms(use_true_random=False))
def test_the_order_of_samples_and_instances_changes_nothing(
    seed: int, a_minute: int, shuffled: random.Random
) -> None:
    rng = random.Random(seed)
    looks = samples({"c1": leak(90, a_minute, lambda: rng.gauss(0, 3)), "c2": leak(90, 9)})
    mixed = [
        MemorySample(
            at=look["at"], candidate=dict(reversed(list(look["candidate"].items()))), stable=look["stable"]
        )
        for look in looks
    ]
    shuffled.shuffle(mixed)

    assert judged(mixed) == judged(looks)
