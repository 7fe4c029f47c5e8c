"""The shop, v2."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def home() -> str:
    return "shop v2\n"


@app.get("/healthz")
def healthz() -> str:
    return "ok\n"
