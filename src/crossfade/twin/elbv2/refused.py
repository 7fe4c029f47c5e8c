"""How ELBv2 refuses, with its own codes; and how the twin says that it does not do something."""

from __future__ import annotations

from typing import NoReturn

from moto.elbv2.exceptions import ELBClientError


class Refused(ELBClientError):  # noqa: N818  # reads as a sentence
    """A 4xx of the API."""


class NotModelledError(Exception):
    """The twin does not do this; answered 501, so that no SDK asks again."""


def refuse(code: str, message: str) -> NoReturn:
    """Raises `Refused`."""
    raise Refused(code, message)


def invalid(message: str) -> NoReturn:
    """Raises `Refused` as ValidationError."""
    raise Refused("ValidationError", message)


def not_modelled(what: str) -> NoReturn:
    """Raises `NotModelledError`."""
    raise NotModelledError(what)
