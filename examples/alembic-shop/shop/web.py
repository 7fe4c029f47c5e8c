"""The shop's HTTP side, the same in every release."""

from typing import Protocol

from flask import Flask, Response, abort, jsonify, request


class Desk(Protocol):
    """What a release does in the database."""

    revision: str
    longest_name: int

    def add(self, name: str) -> int:
        """A new customer's number."""

    def rename(self, customer: int, name: str) -> bool:
        """Whether there is such a customer."""

    def name_of(self, customer: int) -> str | None:
        """None where nobody has this number."""

    def newest(self) -> list[str]:
        """The names of those who came last."""

    def order(self, customer: int, item: str, cents: int) -> int:
        """An order's number."""

    def spent(self, customer: int) -> int:
        """Cents."""


def app_of(desk: Desk) -> Flask:
    """The WSGI application of one release."""
    app = Flask("shop")

    @app.after_request
    def signed(response: Response) -> Response:
        response.headers["x-revision"] = desk.revision
        return response

    @app.get("/healthz")
    def health() -> str:
        return "ok"

    @app.get("/customers")
    def newest() -> Response:
        return jsonify(desk.newest())

    @app.post("/customers")
    def add() -> tuple[Response, int]:
        return jsonify(id=desk.add(_named(desk.longest_name))), 201

    @app.get("/customers/<int:customer>")
    def show(customer: int) -> Response:
        name = desk.name_of(customer)
        if name is None:
            abort(404)
        return jsonify(id=customer, name=name, spent=desk.spent(customer))

    @app.put("/customers/<int:customer>")
    def rename(customer: int) -> Response:
        name = _named(desk.longest_name)
        if not desk.rename(customer, name):
            abort(404)
        return jsonify(id=customer, name=name)

    @app.post("/customers/<int:customer>/orders")
    def order(customer: int) -> tuple[Response, int]:
        wish = request.get_json() or {}
        if desk.name_of(customer) is None:
            abort(404)
        number = desk.order(customer, str(wish["item"]), int(wish["cents"]))
        return jsonify(id=number), 201

    return app


def _named(longest: int) -> str:
    """The name that a request gives."""
    name = str((request.get_json() or {}).get("name", "")).strip()
    if not 0 < len(name) <= longest:
        abort(422)
    return name
