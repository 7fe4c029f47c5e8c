"""What the two shops with a database share: a PostgreSQL for the laptop, users, the walk itself."""

from __future__ import annotations

import sys
import time

from walking.database import keep
from walking.story import Shop, walk
from walking.users import Door, Users, expect

__all__ = ["Door", "Shop", "expect", "main"]


def main(shop: Shop) -> None:
    """The walk; or, for those who walk themselves, its database or its users."""
    match sys.argv[1:]:
        case []:
            walk(shop)
        case ["database"]:
            keep()
        case ["users", seconds]:
            with Users(port=8000, visit=shop.visit) as users:
                time.sleep(min(float(seconds), 300))
            print(users)
        case _:
            raise SystemExit("walk.py · walk.py database · walk.py users SECONDS")
