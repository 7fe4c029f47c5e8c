"""
The name by which a database tells the sessions of one version from those of another.

Instances get it as `PGAPPNAME` where the platform starts them; libpq and what is built on it takes it from
there. PostgreSQL keeps 63 bytes of printable ASCII: a longer name ends in a digest of the whole.
"""

from __future__ import annotations

import hashlib
from typing import Final

VARIABLE: Final = "PGAPPNAME"
_LONGEST: Final = 63
_DIGEST: Final = 8
_KEPT: Final = _LONGEST - _DIGEST - 1


def session_name(service: str, revision: str) -> str:
    """`shop/v41`, as `pg_stat_activity.application_name` shows it."""
    whole = f"{service}/{revision}"
    plain = "".join(one if " " <= one <= "~" else "?" for one in whole)
    if plain == whole and len(plain) <= _LONGEST:
        return plain
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{plain[:_KEPT]}~{digest}"


def beginning(service: str) -> str:
    """How all names of a service begin."""
    return f"{service}/"[:_KEPT]
