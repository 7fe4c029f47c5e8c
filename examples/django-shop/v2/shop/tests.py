"""What this release does, for its users."""

from django.test import TestCase

from shop.models import Order


class Orders(TestCase):
    """Through the front door."""

    def placed(self, **wish: object) -> dict[str, object]:
        said = self.client.post("/orders", wish, content_type="application/json")
        self.assertEqual(said.status_code, 201)
        return said.json()

    def test_an_order_is_found_again(self) -> None:
        for item in ("shoes", "Łódź", "it's", "x" * 80):
            made = self.placed(item=item, cents=1299)

            self.assertEqual(self.client.get(f"/orders/{made['id']}").json(), made)
            self.assertEqual((made["item"], made["cents"]), (item, 1299))

    def test_an_order_changes(self) -> None:
        made = self.placed(item="shoes", cents=1299)
        self.client.put(f"/orders/{made['id']}", {"item": "boots"}, content_type="application/json")

        self.assertEqual(self.client.get(f"/orders/{made['id']}").json(), made | {"item": "boots"})

    def test_the_newest_orders_and_their_worth(self) -> None:
        self.assertEqual(self.client.get("/orders").json(), {"orders": [], "cents": 0})
        made = [self.placed(item=str(number), cents=number) for number in range(12)]
        said = self.client.get("/orders").json()

        self.assertEqual(said["orders"], made[:1:-1])
        self.assertEqual(said["cents"], sum(range(2, 12)))

    def test_what_cannot_be_bought(self) -> None:
        for wish in ({"item": "", "cents": 1}, {"item": "x" * 81, "cents": 1}, {"item": "x", "cents": -1}):
            said = self.client.post("/orders", wish, content_type="application/json")

            self.assertEqual(said.status_code, 422)
        self.assertEqual(Order.objects.count(), 0)

    def test_no_such_order(self) -> None:
        self.assertEqual(self.client.get("/orders/999").status_code, 404)

    def test_where_an_order_came_from(self) -> None:
        self.assertEqual(self.placed(item="shoes", cents=1299)["channel"], "web")
        self.assertEqual(self.placed(item="shoes", cents=1299, channel="phone")["channel"], "phone")

    def test_an_order_of_the_first_release_came_from_the_web(self) -> None:
        old = Order.objects.create(item="shoes", cents=1299, channel=None)

        self.assertEqual(self.client.get(f"/orders/{old.pk}").json()["channel"], "web")
