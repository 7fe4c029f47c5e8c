"""The tests of an app as the recorder hears them: psycopg in both protocols, cursors, lists, mistakes."""

from __future__ import annotations

import os
import sys

import psycopg

EMAILS = 30


def main() -> int:
    with psycopg.connect(os.environ["DATABASE_URL"]) as server:
        for number in range(EMAILS):
            mail = f"e{number}@x"
            server.execute("INSERT INTO customers (name, email) VALUES (%s, %s)", (f"n{number}", mail))
        server.execute("SELECT id, name FROM customers WHERE email = %s", ("e1@x",)).fetchone()
        client = psycopg.ClientCursor(server)
        for cents in range(5):
            client.execute(
                "INSERT INTO orders (customer, cents, state) VALUES (%s, %s, %s)", (1, cents, "new")
            )
            client.execute("SELECT * FROM orders WHERE cents > %s ORDER BY 1 LIMIT 3", (cents,))
        client.execute(
            "SELECT date_trunc('month', joined), count(*) FROM customers GROUP BY date_trunc('month', joined)"
        )
        for length in (1, 2, 5):
            marks = ", ".join(["%s"] * length)
            client.execute(f"SELECT name FROM customers WHERE id IN ({marks})", list(range(length)))
        client.execute("SELECT count(*) FROM customers WHERE joined > now() - interval '1 day'")
        with server.cursor("cursor") as cursor:
            cursor.execute("SELECT name FROM customers WHERE age > %s", (3,))
            cursor.fetchall()
        server.execute("SELECT nextval('orders_id_seq')")
        server.execute("SELECT currval('orders_id_seq')")
        with server.cursor().copy("COPY customers (name) FROM STDIN") as copy:
            copy.write_row(("copied",))
        server.execute("SELECT version()")
        server.execute("CREATE ROLE heard PASSWORD 's3cret'")
        server.execute("SELECT name FROM customers WHERE nobody = 1") if "--wrong" in sys.argv else None
    return 1 if "--fail" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
