"""
The errors of the data plane, each an id that is stable for ever.

    DataplaneError (PlatformError)
    ├── Unsupported     CF4100  no Envoy for this machine
    ├── PortTaken       CF4101  somebody else listens there
    ├── Conflict        CF4102  the document was changed in between; read again
    ├── InvalidChange   CF4103  the document makes no sense, or would send users to nobody
    ├── Silent          CF4104  the supervisor does not answer (in time)
    └── UnknownService  CF4105
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from datetime import UTC, datetime

from crossfade.errors import PlatformError


class DataplaneError(PlatformError):
    """The data plane did not do as asked."""


class Unsupported(DataplaneError):  # noqa: N818  # reads as a sentence
    """There is no Envoy for this machine."""


class PortTaken(DataplaneError):  # noqa: N818  # reads as a sentence
    """Another process listens on the port."""


class Conflict(DataplaneError):  # noqa: N818  # reads as a sentence
    """The document was changed by somebody else; nothing was written."""


class InvalidChange(DataplaneError):  # noqa: N818  # reads as a sentence
    """The document was refused; nothing was written."""


class Silent(DataplaneError):  # noqa: N818  # reads as a sentence
    """The supervisor does not answer."""


class UnknownService(DataplaneError):  # noqa: N818  # reads as a sentence
    """There is no such service in this folder."""


BY_NAME = {
    kind.__name__: kind
    for kind in (DataplaneError, Unsupported, PortTaken, Conflict, InvalidChange, Silent, UnknownService)
}


def tell(what: str) -> None:
    """A line to stderr, which is a log, with the time; what cannot be written there is no failure."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {what}\n")
        sys.stderr.flush()


def complain() -> None:
    """The exception at hand to stderr, which is a log: that a disk is full must not become a second one."""
    with contextlib.suppress(OSError, ValueError):
        traceback.print_exc()
