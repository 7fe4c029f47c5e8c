"""Nobody reads the old column any more."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_column("customers", "name")
