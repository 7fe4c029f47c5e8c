"""
What happened in one sentence, and what to do next in one line, for every end and every cause.

A new end breaks the build here, a new cause a test, until both are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from crossfade.cli.render import fields, words
from crossfade.cli.render import story as tale
from crossfade.cli.render.story import Story
from crossfade.engine.emergency import ACTOR as EMERGENCY
from crossfade.release.state import Hold, Outcome, Road
from crossfade.release.values import NOTHING, Cause

_BECAUSE: Mapping[Cause, str] = {
    Cause.GATE: "by gate `{gate}`",
    Cause.HOOK: "because hook `{hook}` failed",
    Cause.PERSON: "by a person, {asked}",
    Cause.SUPERSEDED: "for a newer revision, by {asked}",
    Cause.LATE: "because it was late: {why}",
    Cause.LOST: "because {candidate} was lost: {why}",
    Cause.TAKEN: "because another hand took its traffic: {why}",
    Cause.FOREIGN: "because another hand was at work: {why}",
    Cause.NO_DATA: "because nobody could see how it did: {why}",
    Cause.INCONCLUSIVE: "because it could not be known whether it is good: {why}",
    Cause.PAUSE: "because nobody resumed it: {why}",
}

_REMEDIES: Mapping[Cause, str] = {
    Cause.GATE: "fix, {newer}; {again}",
    Cause.HOOK: "run the hook by hand, fix, {newer}; {again}",
    Cause.PERSON: "{newer}; {again}",
    Cause.SUPERSEDED: "`crossfade status` shows the newer release; {again}",
    Cause.LATE: "find out what was late (above); {again}",
    Cause.LOST: "see in its logs why its instances died, fix, {newer}; {again}",
    Cause.TAKEN: "ask who lowered the weight; {again}",
    Cause.FOREIGN: "find the other hand and stop it first; {again}",
    Cause.NO_DATA: "mend the source of the numbers; {again}",
    Cause.INCONCLUSIVE: "a longer max_bake, more weight or more traffic; {again}",
    Cause.PAUSE: "{again}",
}


def headline(story: Story) -> tuple[str, ...]:
    """What happened, and who takes the traffic: one sentence each."""
    if story.refused is not None:
        why = words.clean(story.refused.message or "no reason in the journal")
        return (f"{story.title} was refused before anything moved: {why}.",)
    state = story.state
    if state is None:
        return (f"{story.title} has no journal: nothing was opened and nothing moved.",)
    match state.outcome:
        case Outcome.SUCCEEDED:
            old = f", {story.stable} is {story.plan.gone}" if story.plan.stable else ""
            return (f"{story.title} succeeded: {story.candidate} takes all traffic{old}.",)
        case Outcome.ROLLED_BACK:
            return (
                f"{story.title} was rolled back at {_turned_at(story)} {because(story)}.",
                _traffic(story),
            )
        case Outcome.CLOSED:
            closed = story.ended
            who = words.clean(closed.actor or "nobody named") if closed else "nobody named"
            why = f": {words.clean(closed.reason)}" if closed and closed.reason else ""
            turned = f"It had turned back at {_turned_at(story)} {because(story)}." if story.turned else ""
            proof = _failed_hook(story) or "It is NOT proved that exactly one version serves."
            return tuple(line for line in (f"{story.title} was closed by {who}{why}.", turned, proof) if line)
        case None:
            return _unfinished(story)


def _unfinished(story: Story) -> tuple[str, ...]:
    if story.stuck is not None:
        missing = words.clean(story.stuck.message or "the world was not reached in time")
        at = fields.where(story.plan, story.stuck.step)
        if failed := _failed_hook(story):
            return (
                f"{story.title} is STUCK at {at}: it serves, and no way leads back.",
                f"{failed} Page someone.",
            )
        turned = f"It turned back at {_turned_at(story)} {because(story)}." if story.turned else ""
        page = "It is NOT proved that exactly one version serves: page someone. Crossfade goes on trying."
        return tuple(line for line in (f"{story.title} is STUCK at {at}: {missing}.", turned, page) if line)
    if story.turned is not None:
        turned = f"it turned at {_turned_at(story)} {because(story)}"
        return f"{story.title} is on its way back ({story.word}): {turned}.", _traffic(story)
    return (f"{story.title} still runs: {standing(story)}.",)


def _failed_hook(story: Story) -> str:
    """The hook that failed where nothing turns back any more, as a sentence; empty where there is none."""
    key = story.state.failed_hook(story.plan) if story.state is not None else None
    if key is None:
        return ""
    said = next((one.message for one in reversed(story.events) if one.key == key and one.message), None)
    return f"Hook {fields.hook_name(story.plan, key)} failed{f': {words.clean(said)}' if said else ''}."


def standing(story: Story) -> str:
    """Phase and place: `baking at step 1 of 3 (10 %)`, `keeping (100 %)`; once turned, where from."""
    at, word = fields.where(story.plan, tale.standing(story)), story.word
    if at.startswith(f"{word} "):
        return at
    return f"{word} {'at' if story.turned is None else 'from'} {at}"


def _turned_at(story: Story) -> str:
    return fields.where(story.plan, tale.standing(story))


def because(story: Story) -> str:
    """The cause as a phrase after `rolled back at ...`."""
    turned = story.turned
    if turned is None or turned.cause is None:
        return "for a cause that the journal does not name"
    words_given = f': "{words.clean(turned.reason)}"' if turned.reason else ""
    phrase = _BECAUSE[turned.cause]
    if turned.actor == EMERGENCY:
        phrase = "by {asked}"
    return phrase.format(
        gate=words.clean(turned.gate or "unnamed"),
        hook=fields.hook_name(story.plan, turned.gate),
        asked=words.clean(turned.actor or "nobody named") + words_given,
        candidate=story.candidate,
        why=words.clean(turned.message).rstrip(".") if turned.message else "no more is in the journal",
    )


def _traffic(story: Story) -> str:
    if story.plan.stable is None:
        return f"{story.candidate} was the first release: there is no older version to serve."
    if story.most == NOTHING:
        return f"{story.candidate} was never given production traffic: {story.stable} kept all of it."
    if story.home is None:
        return f"It is not yet proved that all traffic is on {story.stable}."
    since = words.clock(story.home.ts)
    return f"All traffic is on {story.stable}: no request has reached {story.candidate} since {since}."


def next_steps(story: Story, *, watching: bool = False) -> Iterator[str]:
    """What to type or do now; who is `watching` is not told to watch."""
    shown = words.short(story.plan.release)
    if story.refused is None and story.state is None:
        yield f"`crossfade deploy {story.candidate}`"
    elif story.refused is not None or story.state is None:
        yield f"mend what was refused, then `crossfade deploy {story.candidate}`"
    elif story.outcome is Outcome.ROLLED_BACK:
        yield _remedy(story)
    elif story.outcome is Outcome.SUCCEEDED:
        undo = "; to undo: `crossfade rollback --reason TEXT`, in minutes" if story.plan.stable else ""
        yield f"`crossfade deploy {newer_than(story.plan.candidate)}`{undo}"
    elif story.outcome is Outcome.CLOSED:
        yield "`crossfade status` shows who serves; make it one version before the next deploy"
    elif story.stuck is not None and _failed_hook(story):
        yield f"`crossfade close {shown} --reason TEXT`, then `crossfade deploy` of what mends it"
    elif story.stuck is not None:
        yield f"mend what it names and it goes on; or, by your word, `crossfade close {shown} --reason TEXT`"
    elif story.state.road is Road.BACK:
        yield ("" if watching else f"`crossfade watch {shown}`; ") + "nothing stops the way back"
    else:
        yield from _steer(story, shown, watching=watching)


def _steer(story: Story, shown: str, *, watching: bool) -> Iterator[str]:
    state = story.state
    if state is None:
        return
    if state.step(story.plan).point_of_no_return:
        yield f"`crossfade watch {shown}`; after the end `crossfade rollback --reason TEXT`, in minutes"
        return
    go_on = "hold: `crossfade pause --reason TEXT`" if watching else f"`crossfade watch {shown}`"
    if state.hold is Hold.APPROVAL:
        go_on = "`crossfade approve --reason TEXT`"
    elif state.hold is Hold.INCONCLUSIVE:
        go_on = "more traffic, or `crossfade promote --full --reason TEXT`, an override"
    if state.paused is not None:
        go_on = "`crossfade resume --reason TEXT`"
    yield f"{go_on}; back: `crossfade abort --reason TEXT`"


def _remedy(story: Story) -> str:
    """What to do about this cause; R21 holds whatever the cause was."""
    again = f"{story.candidate} again needs --retry --reason (R21)"
    return (
        again
        if story.cause is None
        else _REMEDIES[story.cause].format(
            newer=f"`crossfade deploy {newer_than(story.plan.candidate)}`", again=again
        )
    )


def newer_than(revision: str) -> str:
    """The revision after a numbered one, `v4` after `v3`; of any other name nobody knows the next."""
    found = re.fullmatch(r"(v?)(\d{1,6})", revision)
    return f"{found[1]}{int(found[2]) + 1}" if found else "REVISION"
