"""Where the database is, and what a release's sessions are called."""

import os

from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.orm import Session, sessionmaker


def url() -> URL:
    """DATABASE_URL, for psycopg 3."""
    return make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")


def sessions(revision: str) -> sessionmaker[Session]:
    """Sessions from a small pool, each naming its release to the database."""
    engine = create_engine(
        url(),
        pool_size=4,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"application_name": f"shop@{revision}"},
    )
    return sessionmaker(engine)
