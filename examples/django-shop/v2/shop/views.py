"""What this release answers."""

import json

from django.db.models import Sum
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404

from shop.models import Order


def orders(request: HttpRequest) -> JsonResponse:
    """A new order, or the newest ones and what all of them are worth."""
    if request.method == "POST":
        return _placed(request)
    newest = [_told(order) for order in Order.objects.order_by("-id")[:10]]
    worth = (
        Order.objects.filter(id__gte=newest[-1]["id"]).aggregate(cents=Sum("cents"))["cents"] if newest else 0
    )
    return JsonResponse({"orders": newest, "cents": worth})


def order(request: HttpRequest, number: int) -> JsonResponse:
    """One order; PUT changes what was bought."""
    found = get_object_or_404(Order, pk=number)
    if request.method == "PUT":
        found.item = json.loads(request.body)["item"]
        found.save()
    return JsonResponse(_told(found))


def _placed(request: HttpRequest) -> JsonResponse:
    wish = json.loads(request.body)
    if not 0 < len(wish["item"]) <= 80 or not 0 <= wish["cents"] < 100_000_000:
        return JsonResponse({"why": "no such item, or no such price"}, status=422)
    made = Order.objects.create(item=wish["item"], cents=wish["cents"], channel=wish.get("channel", "web"))
    return JsonResponse(_told(made), status=201)


def _told(order: Order) -> dict[str, object]:
    return {"id": order.pk, "item": order.item, "cents": order.cents, "channel": order.channel or "web"}
