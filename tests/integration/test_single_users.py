"""What one user meets, through the real Envoy: their number, a preview, rules, copies of requests."""

from __future__ import annotations

import http.client
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from dataplane_world import APP, get, ready, until

from crossfade.dataplane import Client, Group, Observed, Preview, Rule, Service, down, ensure_supervisor
from crossfade.dataplane.store import Store, write_whole

pytestmark = pytest.mark.real

ECHO = APP.replace(
    'body = f"{sys.argv[2]} {os.getpid()}".encode()',
    "body = f\"{sys.argv[2]} {self.headers.get('x-crossfade-number')}\".encode(); "
    "print(self.command, self.path, flush=True)",
).replace("def log_message", "do_HEAD = do_POST = do_GET\n    def log_message")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Path]]:
    """One shop for all tests of this file: v1 in blue, v2 in green."""
    folder = tmp_path_factory.mktemp("users")
    (folder / "app.py").write_text(ECHO)
    client = ensure_supervisor(folder / "state")
    try:
        groups = {
            name: Group(
                revision=revision,
                command=(sys.executable, str(folder / "app.py"), "{port}", "{revision}"),
                folder=str(folder),
                health="/healthz",
            )
            for name, revision in (("blue", "v1"), ("green", "v2"))
        }
        client.apply(Service(name="shop", groups=groups, weights={"blue": 1000, "green": 0}), 0)
        until(lambda: all(len(ready(client.observe("shop"), name)) == 1 for name in groups))
        yield client, folder
    finally:
        down(folder / "state")


LINKS: list[http.client.HTTPConnection] = []


def connected(port: int | None) -> http.client.HTTPConnection:
    """A connection that is closed with its test."""
    LINKS.append(http.client.HTTPConnection("127.0.0.1", port, timeout=10))
    return LINKS[-1]


@pytest.fixture
def shop(town: tuple[Client, Path]) -> Iterator[Client]:
    yield town[0]
    while LINKS:
        LINKS.pop().close()
    change(town[0], weight=0, rules=(Rule(),), sticky="", preview=None, mirror=0.0, test_group=None)


def change(client: Client, *, weight: int | None = None, **fields: object) -> Observed:
    seen = client.observe("shop")
    weights = dict(seen.service.weights) if weight is None else {"blue": 1000 - weight, "green": weight}
    wanted = replace(seen.service, weights=weights, **fields)  # type: ignore[arg-type]  # fields of Service
    assert client.apply(wanted, seen.generation).applied
    return client.observe("shop")


class User:
    """Keeps cookies, as a browser does; a connection of their own."""

    def __init__(self, port: int | None) -> None:
        self.link = connected(port)
        self.cookies: dict[str, str] = {"theme": "dark"}
        self.met: list[str] = []
        self.given = 0

    def asks(self, **headers: str) -> str:
        """The revision that answered."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self.link.request("GET", "/", headers={"cookie": cookie, **headers})
        reply = self.link.getresponse()
        for value in reply.headers.get_all("set-cookie") or ():
            name, _, rest = value.partition("=")
            self.cookies[name] = rest.partition(";")[0]
            self.given += 1
        revision, _, number = reply.read().decode().partition(" ")
        assert number == "None", "the proxy's own header stays inside"
        self.met.append(revision)
        return revision


def all_ask(users: list[User]) -> list[str]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(User.asks, users))


class TestStickyUsers:
    def test_nobody_goes_back_and_forth_and_a_rollback_recalls_all_at_once(self, shop: Client) -> None:
        port = change(shop, weight=100, sticky="one").listener_port
        users = [User(port) for _ in range(400)]
        for weight in (100, 300, 700):
            change(shop, weight=weight)
            first = all_ask(users)
            for _ in range(3):
                assert all_ask(users) == first, "between two steps nobody changes version"
            share = first.count("v2") / len(users)
            assert abs(share - weight / 1000) < 0.09, "a weight means what it says"

        steps = ["".join(revision[1] for revision in user.met) for user in users]
        assert all("21" not in step for step in steps), "nobody goes back"
        assert {user.given for user in users} == {1}, "a number is drawn once"
        change(shop, weight=0)
        assert set(all_ask(users)) == {"v1"}, "with the very next request"
        change(shop, weight=1000)
        assert set(all_ask(users)) == {"v2"}

    def test_the_next_release_draws_anew_and_a_number_cannot_be_chosen(self, shop: Client) -> None:
        port = change(shop, weight=500, sticky="one").listener_port
        user = User(port)
        user.asks()
        drawn = user.cookies["crossfade-shop"]
        change(shop, sticky="two")
        user.asks()
        assert drawn.startswith("one.")
        assert user.cookies["crossfade-shop"].startswith("two.")

        change(shop, weight=1)
        for bad in ("two.1000", "two.-1", "two.0x1", "two.", "two.1.2", "one.0", "two.0;two.5" * 20):
            user.cookies = {"crossfade-shop": bad}
            user.asks(**{"x-crossfade-number": "0"})
        assert user.met.count("v2") <= 3, "each was drawn anew, none was believed"

    def test_a_first_request_already_belongs_to_its_number(self, shop: Client) -> None:
        port = change(shop, weight=500, sticky="three").listener_port
        for _ in range(60):
            user = User(port)
            assert user.asks() == user.asks() == user.asks()


class TestPreview:
    @pytest.mark.parametrize("kind", ["header", "cookie"])
    def test_staff_reach_the_candidate_and_are_not_counted(self, shop: Client, kind: str) -> None:
        mark = Preview(kind=kind, name="x-look", value="candidate")  # type: ignore[arg-type]  # one of the two
        seen = change(shop, preview=mark, test_group="green")
        user = User(seen.listener_port)
        headers = {"x-look": "candidate"} if kind == "header" else {}
        user.cookies["x-look"] = "candidate" if kind == "cookie" else "no"

        begun = math.ceil(time.time()) + 0.0
        until(lambda: time.time() > begun, 2)
        assert {user.asks(**headers) for _ in range(5)} == {"v2"}
        assert User(seen.listener_port).asks(**{"x-look": "other"}) == "v1"
        until(lambda: shop.counts("shop", begun).watermark > begun + 2)
        slots = shop.counts("shop", begun).intervals
        assert sum(slot.test["green"].requests for slot in slots if "green" in slot.test) == 5
        assert not any("green" in slot.groups for slot in slots)
        change(shop, test_group=None)
        assert user.asks(**headers) == "v1", "closed, it is a request like others"


class TestTheOtherSide:
    def test_the_test_listener_reaches_both_sides_alike(self, shop: Client) -> None:
        port = change(shop, test_group="green").test_port
        assert get(port)[1].startswith("v2")
        link = connected(port)
        link.request("GET", "/", headers={"x-crossfade-side": "stable"})
        assert link.getresponse().read().startswith(b"v1")


class TestRules:
    def asked(self, port: int | None, host: str, path: str) -> int:
        link = connected(port)
        link.request("GET", path, headers={"host": host})
        return link.getresponse().status

    def test_only_what_a_rule_names_is_the_service_s(self, shop: Client) -> None:
        rules = (Rule(path="/api"), Rule(host="shop.example.com"), Rule(host="shop.example.com", path="/x"))
        port = change(shop, rules=rules).listener_port
        assert self.asked(port, "shop.example.com:8000", "/anything") == 200
        assert self.asked(port, "SHOP.example.com", "/") == 200
        assert self.asked(port, "other.example.com", "/api/v2") == 200
        assert self.asked(port, "other.example.com", "/apis") == 404
        assert self.asked(port, "xshop.example.com", "/") == 404
        mark = Preview(kind="header", name="host", value="other.example.com")
        change(shop, preview=mark, test_group="green")
        assert self.asked(port, "other.example.com", "/apis") == 404, "a preview opens no other rule"

    def test_R07_all_rules_shift_together_and_one_that_disagrees_is_seen(
        self, shop: Client, town: tuple[Client, Path]
    ) -> None:
        rules = (Rule(path="/api"), Rule(host="shop.example.com"))
        seen = change(shop, rules=rules, weight=300)
        assert (seen.routes, seen.others) == ({"blue": 700, "green": 300}, ())

        file = Store(town[1] / "state").folder / "rds.json"
        document = json.loads(file.read_text())
        live = next(h for h in document["resources"][0]["virtual_hosts"] if h["name"] == "shop.live")
        weighted = [one for one in live["routes"] if "weighted_clusters" in one.get("route", {})]
        for entry, weight in zip(
            weighted[-1]["route"]["weighted_clusters"]["clusters"], (1000, 0), strict=True
        ):
            entry["weight"] = weight
        document["version_info"] = "a hand"
        write_whole(file, json.dumps(document))

        until(lambda: bool(shop.observe("shop").others))
        seen = shop.observe("shop")
        assert {rule["green"] for rule in (seen.routes or {}, *seen.others)} == {300, 0}


class TestMirror:
    def test_only_safe_requests_are_copied_and_only_to_an_idle_candidate(
        self, shop: Client, town: tuple[Client, Path]
    ) -> None:
        port = change(shop, test_group="green", mirror=1.0).listener_port
        log = next(Store(town[1] / "state").folder.glob("logs/shop-green-*.log"))

        def copies() -> Counter[str]:
            return Counter(line for line in log.read_text().splitlines() if "/copy" in line)

        for method in ("GET", "HEAD", "POST", "GET"):
            link = connected(port)
            link.request(method, f"/copy-{method}")
            reply = link.getresponse()
            assert reply.read()[:2] in (b"v1", b""), "users are answered by stable alone"
        until(lambda: sum(copies().values()) >= 3)
        change(shop, weight=100)
        for _ in range(20):
            get(port, "/later")
        assert copies() == {"GET /copy-GET": 2, "HEAD /copy-HEAD": 1}
