"""A name may be longer than 60 characters. The old column stays: v1 still reads and writes it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("customers", sa.Column("full_name", sa.Text, nullable=True))
