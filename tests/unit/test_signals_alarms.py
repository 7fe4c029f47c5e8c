"""Alarms elsewhere: OK is the only pass, and each way of not knowing has its own words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from signals_world import PLAN, Desk

from crossfade.release.values import Say
from crossfade.signals import Alarms
from crossfade.signals.alarms import PATIENCE_S, _complete, _state, get

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def answering(*answers: str | Exception) -> tuple[Alarms, list[str]]:
    asked: list[str] = []
    left = list(answers)

    def fetch(url: str, patience_s: float) -> str:
        asked.append(url)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Alarms(fetch=fetch, monotonic=lambda: 0.0), asked


@pytest.mark.parametrize(
    ("answer", "say", "words"),
    [
        ("OK", Say.PASS, "OK"),
        ("ALARM", Say.FAIL, "in ALARM"),
        ("INSUFFICIENT_DATA", Say.NO_DATA, "INSUFFICIENT_DATA"),
        ("", Say.NO_DATA, "answered nothing"),
        ("fine, thanks", Say.NO_DATA, "garbled: 'fine, thanks'"),
        ("ok", Say.NO_DATA, "garbled"),
        (TimeoutError(), Say.NO_DATA, "did not answer within 2.0 s"),
        (ConnectionRefusedError("refused"), Say.NO_DATA, "cannot be reached: refused"),
        (ValueError("it answered 503"), Say.NO_DATA, "garbled: it answered 503"),
    ],
)
def test_R24_each_answer_has_its_say_and_its_words(answer: str | Exception, say: Say, words: str) -> None:
    alarms, _ = answering(answer)
    found = alarms.gate(["http://a"], NOW)

    assert found.say is say
    assert words in found.text


def test_the_worst_of_several_alarms_speaks() -> None:
    alarms, _ = answering("OK", "INSUFFICIENT_DATA", "ALARM")

    assert alarms.gate(["http://a", "http://b"], NOW).say is Say.NO_DATA
    assert alarms.gate(["http://a", "http://b", "http://c"], NOW).say is Say.FAIL


def test_an_alarm_is_asked_every_five_seconds_of_clock_and_its_answer_has_its_time() -> None:
    alarms, asked = answering("OK", "ALARM")
    said = [alarms.gate(["http://a"], NOW + timedelta(seconds=s)) for s in (0, 3, 4.9, 5)]

    assert [answer.say for answer in said] == [Say.PASS, Say.PASS, Say.PASS, Say.FAIL]
    assert said[2].at == NOW
    assert len(asked) == 2


def test_slow_alarms_hold_a_tick_up_for_two_seconds_in_all_and_take_turns() -> None:
    clock = [0.0]
    asked: list[str] = []

    def slow(url: str, patience_s: float) -> str:
        asked.append(url)
        clock[0] += patience_s
        raise TimeoutError

    alarms, urls = Alarms(fetch=slow, monotonic=lambda: clock[0]), ["http://a", "http://b"]
    alarms.begin()
    found = alarms.gate(urls, NOW)
    spent = clock[0]
    alarms.begin()
    alarms.gate(urls, NOW + timedelta(seconds=6))

    assert spent == PATIENCE_S
    assert found.say is Say.NO_DATA
    assert "was not asked" in found.states["http://b"]
    assert asked == ["http://a", "http://b"]


def test_R18_before_a_release_every_alarm_gate_is_asked() -> None:
    assert Desk(alarm="ALARM").signals.before(PLAN, NOW) == {"paging": Say.FAIL}
    assert Desk().signals.before(PLAN, NOW) == {"paging": Say.PASS}


def test_an_alarm_covers_the_step_up_to_its_last_answer() -> None:
    desk = Desk()
    state = desk.baking(index=0)
    desk.look(20, state)

    assert desk.look(23, state)["paging"].covers == timedelta(seconds=19.5)


def raw(body: str, head: str = "HTTP/1.1 200 OK", length: bool = True) -> bytes:
    return f"{head}\r\n{f'content-length: {len(body)}' if length else 'x: y'}\r\n\r\n{body}".encode()


class TestHttp:
    def test_text_and_json_are_read(self) -> None:
        assert _state(raw("ALARM\n")) == "ALARM"
        assert _state(raw('{"state": "OK", "since": 3}')) == "OK"
        assert _state(raw("OK", length=False)) == "OK"

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"garbage\r\n\r\n",
            raw("OK", head="HTTP/1.1 302 Found"),
            raw("OK", head="HTTP/1.1 503 Busy"),
            raw("{"),
            raw('{"status": "OK"}'),
            raw('{"state": 1}'),
            raw("OK")[:-1],
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xff",
        ],
    )
    def test_what_is_no_answer_is_refused(self, answer: bytes) -> None:
        with pytest.raises(ValueError, match=r".+"):
            _state(answer)

    def test_an_answer_is_complete_with_its_length_or_with_the_end_of_the_line(self) -> None:
        assert _complete(raw("OK"))
        assert not _complete(raw("OK")[:-1])
        assert not _complete(raw("OK", length=False))

    @pytest.mark.parametrize("url", ["ftp://a/b", "file:///etc/passwd", "http://", "nonsense"])
    def test_other_urls_are_not_asked(self, url: str) -> None:
        with pytest.raises(ValueError, match="not an http"):
            get(url, 1.0)
