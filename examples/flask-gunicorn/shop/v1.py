"""The shop, v1."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def home() -> str:
    return "shop v1\n"


@app.get("/healthz")
def healthz() -> str:
    return "ok\n"
