"""`python walk.py`: the whole walk, unattended. `walk.py database`, `walk.py users SECONDS`: a part of it."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from walking import Door, Shop, expect, main  # noqa: E402 it lies beside this folder


def visit(door: Door, number: int) -> None:
    """Somebody orders, changes the order, and looks at it and at what others bought."""
    item = f"tea {number}"
    order = door.ask("POST", "/orders", {"item": item, "cents": number})["id"]
    expect(door.ask("GET", f"/orders/{order}")["item"], item, "the item")
    door.ask("PUT", f"/orders/{order}", {"item": f"green {item}"})
    seen = door.ask("GET", f"/orders/{order}")
    expect((seen["item"], seen["cents"]), (f"green {item}", number), "the order")
    expect(seen.get("channel", "web"), "web", "the channel")
    door.ask("GET", "/orders")


SHOP = Shop(
    folder=HERE,
    change="0002_channel",
    schema="python manage.py migrate --pythonpath v1",
    record={
        revision: f"crossfade migrate record --revision {revision} "
        f'--schema-from "python manage.py migrate --pythonpath {revision}" '
        f"-- python manage.py test --pythonpath {revision} shop"
        for revision in ("v1", "v2", "v3")
    },
    rows="INSERT INTO shop_order (item, cents, placed) "
    "SELECT 'item ' || n, n, now() FROM generate_series(1, 20000) AS n",
    visit=visit,
    waiver=' --despite-versions "v2 and v3 never write NULL"',
)


if __name__ == "__main__":
    main(SHOP)
