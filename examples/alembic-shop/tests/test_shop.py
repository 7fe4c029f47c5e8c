"""What every release of the shop does."""

import pytest
from flask.testing import FlaskClient


def added(client: FlaskClient, name: str) -> int:
    return client.post("/customers", json={"name": name}).get_json()["id"]


def test_it_serves(client: FlaskClient) -> None:
    assert client.get("/healthz").status_code == 200


def test_it_says_which_release_answered(client: FlaskClient, revision: str) -> None:
    assert client.get("/customers").headers["x-revision"] == revision


@pytest.mark.parametrize("name", ["Ada", "Grace Brewster Murray Hopper", "Łukasiewicz", "O'Neil", "x" * 60])
def test_a_customer_is_found_again(client: FlaskClient, name: str) -> None:
    number = added(client, name)

    assert client.get(f"/customers/{number}").get_json() == {"id": number, "name": name, "spent": 0}
    assert client.get("/customers").get_json()[0] == name


def test_a_customer_gets_another_name(client: FlaskClient) -> None:
    number = added(client, "Ada Byron")
    said = client.put(f"/customers/{number}", json={"name": "Ada Lovelace"})

    assert said.status_code == 200
    assert client.get(f"/customers/{number}").get_json()["name"] == "Ada Lovelace"


def test_what_a_customer_spent(client: FlaskClient) -> None:
    number = added(client, "Ada")
    for item, cents in (("engine", 1200), ("cards", 34)):
        assert (
            client.post(f"/customers/{number}/orders", json={"item": item, "cents": cents}).status_code == 201
        )

    assert client.get(f"/customers/{number}").get_json()["spent"] == 1234


@pytest.mark.parametrize("name", ["", "   ", "x" * 201])
def test_no_name_and_too_long_a_name_are_refused(client: FlaskClient, name: str) -> None:
    assert client.post("/customers", json={"name": name}).status_code == 422


def test_nobody_has_this_number(client: FlaskClient) -> None:
    assert client.get("/customers/999999999").status_code == 404
    assert client.put("/customers/999999999", json={"name": "Ada"}).status_code == 404
    assert client.post("/customers/999999999/orders", json={"item": "x", "cents": 1}).status_code == 404


def test_a_long_name(client: FlaskClient, revision: str) -> None:
    said = client.post("/customers", json={"name": "y" * 61})

    assert said.status_code == (422 if revision == "v1" else 201)
