"""The page that tells where a change belongs knows every room and every file that stands in none."""

from __future__ import annotations

from pathlib import Path

import pytest

import crossfade

HOUSE = Path(crossfade.__file__).parent
DESIGN = HOUSE.parents[1] / "docs" / "design.md"
ROOMS = sorted(f"{place.parent.name}/" for place in HOUSE.glob("*/__init__.py"))
FILES = sorted(place.name for place in HOUSE.glob("*.py") if not place.name.startswith("__"))


@pytest.mark.parametrize("name", [*ROOMS, *FILES])
def test_it_is_in_the_table_of_the_design(name: str) -> None:
    assert f"`{name}`" in DESIGN.read_text()
