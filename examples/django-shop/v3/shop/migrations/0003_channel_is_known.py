"""
Every order says where it came from.

`SET NOT NULL` alone reads the whole table while nobody may write. A check that is added unvalidated and
validated afterwards reads it with everybody at work, and PostgreSQL takes its word for the NOT NULL.
"""

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models

KNOWN = "shop_order_channel_known"


class Migration(migrations.Migration):
    """Contract."""

    atomic = False
    dependencies = [("shop", "0002_channel")]
    operations = [
        AddConstraintNotValid(
            "order", models.CheckConstraint(condition=models.Q(channel__isnull=False), name=KNOWN)
        ),
        ValidateConstraint("order", KNOWN),
        migrations.AlterField("order", "channel", models.CharField(max_length=12)),
        migrations.RemoveConstraint("order", KNOWN),
    ]
