"""Alembic, told where the database is by DATABASE_URL."""

from alembic import context
from shop.database import url
from sqlalchemy import create_engine, pool

engine = create_engine(url(), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
