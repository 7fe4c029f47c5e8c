"""The shop, v3: one request in twelve meets a bug that no health check sees."""

from itertools import count

from flask import Flask

app = Flask(__name__)
_orders = count()


@app.get("/")
def home() -> str:
    if next(_orders) % 12 == 11:
        raise RuntimeError("the new discount code divides by zero")
    return "shop v3\n"


@app.get("/healthz")
def healthz() -> str:
    return "ok\n"
