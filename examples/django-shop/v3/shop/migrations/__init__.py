"""Migrations up to this release."""
