"""One JSON object per event and line, for programs. The fields are those of `fields.FIELDS`."""

from __future__ import annotations

import json

from crossfade.cli.render import fields
from crossfade.release.plan import Plan


def line(entry: fields.EntryLike, plan: Plan) -> str:
    """The event as one line of JSON in ASCII, without its end: nothing in it can move a cursor."""
    return json.dumps(fields.record(entry, plan), ensure_ascii=True, allow_nan=False)
