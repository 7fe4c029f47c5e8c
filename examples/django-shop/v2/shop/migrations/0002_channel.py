"""Where an order came from. Not known of older ones, and not said by v1: NULL is allowed for now."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Expand."""

    dependencies = [("shop", "0001_orders")]
    operations = [
        migrations.AddField("order", "channel", models.CharField(max_length=12, null=True)),
    ]
