"""`can-rollback`: may I go back to this version, and if not, which statement says no."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossfade.cli.options import file_option, json_option
from crossfade.errors import UsageError

if TYPE_CHECKING:
    from crossfade.bootstrap import House
    from crossfade.engine.records import Row
    from crossfade.release.plan import Footing
    from crossfade.release.way_back import WayBack

_CODES = {"yes": 0, "no": 4, "unknown": 11}


@click.command(name="can-rollback", help="May I go back to REVISION, or to the one before the live one?")
@click.argument("revision", required=False)
@json_option
@file_option
def can_rollback(revision: str | None, as_json: bool, file: Path) -> int:
    """Exit 0 yes, 4 no, 11 nobody can tell."""
    from crossfade.bootstrap import House
    from crossfade.cli.migrate_kept import side_of
    from crossfade.cli.migrate_options import need_the_extra
    from crossfade.preconditions.answers import Answers
    from crossfade.spec.load import load_spec

    need_the_extra()
    side = side_of(file)
    spec = load_spec(file)
    house = House.of(spec)
    asked = revision or _before(house, spec.service)
    if asked is None:
        raise UsageError(
            "CF9314", "there is no version to go back to", "this service has had one release at most",
            "crossfade history",
        )  # fmt: skip
    found = _way(house, spec.service, asked, Answers(side).can_go_back(asked))
    if as_json:
        click.echo(json.dumps({
            "revision": asked, "can": found.can.value, "how_fast": found.how_fast, "why": found.why,
        }))  # fmt: skip
    else:
        click.echo(found.line())
    return _CODES[found.can.value]


def _before(house: House, service: str) -> str | None:
    """What a rollback would bring back now."""
    active = house.active(service)
    return active.plan.stable if active is not None else house.previous(service)


def _way(house: House, service: str, revision: str, footing: Footing) -> WayBack:
    """By traffic where a release could still turn back to it; else it would be started again."""
    from crossfade.release.way_back import by_hand, way_back

    row: Row | None = next(
        (one for one in house.store.releases(service) if one.plan.stable == revision), None
    )
    if row is not None and row.outcome is None:
        return way_back(row.plan, row.state, house.truth(row.plan), footing=footing)
    return by_hand(revision, footing)
