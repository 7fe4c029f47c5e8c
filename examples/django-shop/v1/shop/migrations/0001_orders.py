"""Orders."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """The first table."""

    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        primary_key=True, auto_created=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("item", models.CharField(max_length=80)),
                ("cents", models.PositiveIntegerField()),
                ("placed", models.DateTimeField(auto_now_add=True)),
            ],
        ),
    ]
