"""Every error id is explained, and every explanation belongs to an error."""

from __future__ import annotations

import re
from pathlib import Path

import crossfade
from crossfade.ids import BEYOND_THE_SPEC, explanation

SOURCE = Path(crossfade.__file__).parent


def raised() -> set[str]:
    """Ids that the code names, but for the tables themselves."""
    tables = {SOURCE / "ids.py", SOURCE / "spec" / "ids.py"}
    texts = (path.read_text() for path in SOURCE.rglob("*.py") if path not in tables)
    return {found for text in texts for found in re.findall(r"CF\d{4}", text)}


def test_every_id_that_is_raised_is_explained() -> None:
    ids = raised() - {"CF2107"}  # the example in help texts

    assert {one for one in ids if explanation(one) is None} == set()


def test_every_explanation_beyond_the_spec_belongs_to_an_error() -> None:
    assert set(BEYOND_THE_SPEC) - raised() == set()
