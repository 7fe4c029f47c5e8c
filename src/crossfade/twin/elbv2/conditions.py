"""What the conditions of a rule may be, and how the API gives them back. Pure, but for moto's own checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crossfade.twin.elbv2.refused import invalid, not_modelled

CONFIG_OF: Final = {
    "host-header": "HostHeaderConfig",
    "path-pattern": "PathPatternConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}
MOST_VALUES: Final = 5
_PLAIN: Final = ("host-header", "path-pattern")  # may be given as bare `Values`, and are returned as both
_ONCE: Final = (*_PLAIN, "http-request-method", "source-ip")


def settled_conditions(conditions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The conditions as the API keeps them, after moto's checks of each; raises `Refused`."""
    if not conditions:
        invalid("A condition must be specified")
    fields = [str(one.get("Field", "")) for one in conditions]
    if twice := next((one for one in fields if one in _ONCE and fields.count(one) > 1), None):
        invalid(f"A rule has at most one condition of field '{twice}'")
    kept = [_settled(one) for one in conditions]
    total = sum(len(values_of(one)) for one in kept)
    if total > MOST_VALUES:
        invalid(f"A rule has at most {MOST_VALUES} condition values; {total} were given")
    return kept


def values_of(condition: Mapping[str, Any]) -> list[Any]:
    """The values of a settled condition: texts, or key and value of a query string."""
    config = condition.get(CONFIG_OF.get(str(condition.get("Field")), "")) or {}
    return list(config.get("Values") or condition.get("Values") or [])


def _settled(condition: Mapping[str, Any]) -> dict[str, Any]:
    name = str(condition.get("Field", ""))
    config = condition.get(CONFIG_OF.get(name, ""))
    if condition.get("RegexValues") or (config or {}).get("RegexValues"):
        not_modelled("conditions by regular expression")
    kept = dict(condition)
    if name in _PLAIN:
        values = values_of(condition)
        kept["Values"] = values
        kept[CONFIG_OF[name]] = {"Values": values}
    if not values_of(kept):
        invalid("A condition value must be specified")
    return kept
