"""The tables."""

from django.db import models


class Order(models.Model):
    """Something bought."""

    item = models.CharField(max_length=80)
    cents = models.PositiveIntegerField()
    placed = models.DateTimeField(auto_now_add=True)
