"""
Where the state is, and the store that is opened there: a folder of this machine, or a place in a bucket.

Whatever names it (a file, a folder, a URL) becomes one `State`; only here is it looked at which.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from crossfade.engine.clock import EngineClock, real_span
from crossfade.engine.store import FILE, SqliteStore
from crossfade.errors import UsageError
from crossfade.spec.places import NoPlaceError, S3Place, is_place, s3_place

if TYPE_CHECKING:
    from crossfade.engine.ports import Store

State = Path | S3Place

BESIDE = ".crossfade"
"""The folder beside crossfade.yaml: the state itself, or what this machine keeps where that is elsewhere."""


def state_named(text: str) -> State:
    """What `--state` means. Raises `UsageError` CF7007 for a URL that is none of ours."""
    if not is_place(text):
        return Path(text)
    try:
        return s3_place(text)
    except NoPlaceError as error:
        raise UsageError(
            "CF7007",
            f"--state {text} is not a place for the state",
            str(error),
            '--state "s3://bucket/prefix?account=123456789012&region=eu-west-1", or --file FILE',
        ) from error


def name_of(state: State) -> str:
    """The same as `--state` takes it."""
    return state.url if isinstance(state, S3Place) else str(state)


def folder_of(state: State, beside: Path) -> Path:
    """What this machine keeps there: all of it, or logs and the local platform."""
    return beside / BESIDE if isinstance(state, S3Place) else state


def twin_of(state: State) -> str | None:
    """The twin in which the state lies, whose time it is then told in; None anywhere else."""
    return state.endpoint if isinstance(state, S3Place) else None


def begun(state: State) -> bool:
    """Whether there may be a journal; looking for one makes none."""
    return isinstance(state, S3Place) or (state / FILE).exists()


def open_store(state: State, folder: Path, clock: EngineClock) -> Store:
    """The store; a folder is made by whoever first asks for it, a bucket never."""
    if not isinstance(state, S3Place):
        store = SqliteStore(state)
        (state / "logs").mkdir(exist_ok=True)
        return store
    from crossfade.aws import Door, Where
    from crossfade.engine.s3 import MARGIN, S3Objects, S3Store

    where = Where(account=state.account, region=state.region, endpoint=state.endpoint, role=state.role)
    margin: timedelta = real_span(clock, MARGIN)
    return S3Store(S3Objects(Door(where), state.bucket, state.prefix), folder, margin=margin)
