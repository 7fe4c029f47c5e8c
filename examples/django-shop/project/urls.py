"""The shop's addresses."""

from django.http import HttpRequest, HttpResponse
from django.urls import path
from shop import views


def health(_: HttpRequest) -> HttpResponse:
    """An instance can serve."""
    return HttpResponse("ok")


urlpatterns = [
    path("healthz", health),
    path("orders", views.orders),
    path("orders/<int:number>", views.order),
]
