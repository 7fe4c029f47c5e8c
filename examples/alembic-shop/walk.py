"""`python walk.py`: the whole walk, unattended. `walk.py database`, `walk.py users SECONDS`: a part of it."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from walking import Door, Shop, expect, main  # noqa: E402 it lies beside this folder


def visit(door: Door, number: int) -> None:
    """Somebody joins, is found again under the name given, marries, and buys."""
    name = f"visitor {number}" + " of a long family" * (number % 3)
    customer = door.ask("POST", "/customers", {"name": name})["id"]
    expect(door.ask("GET", f"/customers/{customer}")["name"], name, "the name")
    door.ask("PUT", f"/customers/{customer}", {"name": f"{name}-Lovelace"})
    expect(door.ask("GET", f"/customers/{customer}")["name"], f"{name}-Lovelace", "the new name")
    door.ask("POST", f"/customers/{customer}/orders", {"item": "tea", "cents": number})
    expect(door.ask("GET", f"/customers/{customer}")["spent"], number, "the sum")
    door.ask("GET", "/customers")


SHOP = Shop(
    folder=HERE,
    change="0002_full_name",
    schema="alembic upgrade 0001",
    record={
        revision: f"REVISION={revision} crossfade migrate record --revision {revision} "
        f'--schema-from "{schema}" -- pytest'
        for revision, schema in {"v1": "alembic upgrade 0001", "v2": "./expanded", "v3": "./expanded"}.items()
    },
    rows="INSERT INTO customers (name) SELECT 'customer ' || n FROM generate_series(1, 20000) AS n",
    visit=visit,
    window_s=180,  # v2 reads the old column too
)


if __name__ == "__main__":
    main(SHOP)
