"""The tests of one release, which REVISION names, on the database of DATABASE_URL, migrated for it."""

import importlib
import os

import pytest
from flask.testing import FlaskClient

REVISION = os.environ.get("REVISION", "v3")


@pytest.fixture(scope="session")
def revision() -> str:
    return REVISION


@pytest.fixture
def client() -> FlaskClient:
    return importlib.import_module(f"shop.{REVISION}").app.test_client()
