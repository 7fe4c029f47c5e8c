"""Waiting as long as there is a reason to: said at once, when the reason is another one, and now and then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from crossfade.migrations.backfill.clock import Pulse
from crossfade.migrations.backfill.pauses import Pauses
from crossfade.migrations.backfill.telling import Told, Waiting, WentOn

LOOK_S: Final = 1.0
"""Between two looks at the reasons: they are questions to a busy server too."""
_REMIND_S: Final = 30.0


@dataclass(slots=True)
class Waits:
    """The waits of one walk."""

    pauses: Pauses
    pulse: Pulse
    tell: Callable[[Told], None]
    looked: float = float("-inf")

    def for_others(self) -> None:
        """As long as the server or its replicas need us to, looked at once a second."""
        if self.pulse.now() - self.looked < LOOK_S:
            return
        self.until_none(lambda: self.pauses.reason(self.pulse.now()))
        self.looked = self.pulse.now()

    def until_none(self, reason: Callable[[], str | None]) -> None:
        """Until there is no reason any more, or somebody stops us."""
        why = reason()
        if why is None:
            return
        began = told = self.pulse.now()
        said = None
        while why is not None and not self.pulse.stopped:
            now = self.pulse.now()
            if said is None or _kind(why) != _kind(said) or now - told >= _REMIND_S:
                self.tell(Waiting(why=why, for_s=now - began))
                said, told = why, now
            self.pulse.rest(LOOK_S)
            why = reason()
        self.tell(WentOn(waited_s=self.pulse.now() - began))


def _kind(why: str) -> str:
    """The reason without its figures."""
    return "".join(one for one in why if not one.isdigit())
