"""Which rules of squawk say the same as ours, so that nobody is told twice. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.migrations.lint.check import Place, Spoken

_SAME: Final = {
    "change-type": frozenset({"changing-column-type"}),
    "set-not-null": frozenset({"adding-not-nullable-field"}),
    "not-null-without-default": frozenset({"adding-required-field", "adding-not-nullable-field"}),
    "volatile-default": frozenset({"adding-field-with-default"}),
    "computed-column": frozenset({"adding-field-with-default", "adding-serial-primary-key-field"}),
    "column-with-constraint": frozenset({"adding-serial-primary-key-field", "disallowed-unique-constraint"}),
    "add-check": frozenset({"constraint-missing-not-valid"}),
    "add-foreign-key": frozenset({"adding-foreign-key-constraint", "constraint-missing-not-valid"}),
    "add-unique": frozenset(
        {"disallowed-unique-constraint", "adding-serial-primary-key-field", "constraint-missing-not-valid"}
    ),
    "add-exclude": frozenset({"constraint-missing-not-valid"}),
    "create-index": frozenset({"require-concurrent-index-creation"}),
    "rebuild": frozenset({"require-concurrent-reindex"}),
    "domain-constraint": frozenset({"ban-alter-domain-with-add-constraint"}),
    "validate-in-same-transaction": frozenset({"constraint-missing-not-valid"}),
    "concurrently-in-transaction": frozenset({"ban-concurrent-index-creation-in-transaction"}),
    "drop-column": frozenset({"ban-drop-column"}),
    "rename-column": frozenset({"renaming-column"}),
    "rename-table": frozenset({"renaming-table"}),
    "drop-object": frozenset({"ban-drop-table", "ban-drop-database", "ban-truncate-cascade"}),
    "rename-object": frozenset({"renaming-object"}),
    "drop-default": frozenset({"ban-drop-default"}),
    "rename-enum-value": frozenset({"renaming-object"}),
    "tighter": frozenset({"disallowed-unique-constraint"}),
    "drop-not-null": frozenset({"ban-drop-not-null"}),
    "maybe-rewrite": frozenset({"changing-column-type"}),
    "data-loss": frozenset({"ban-drop-column", "ban-drop-table"}),
    "drop-index": frozenset({"require-concurrent-index-deletion"}),
    "no-lock-timeout": frozenset({"require-timeout-settings", "require-lock-timeout"}),
}


def is_said(rule: str, at: Place, spoken: Sequence[Spoken]) -> bool:
    """Whether a rule of ours that means the same spoke on the statement that stands there."""
    return any(one.begin <= at <= one.end and rule in _SAME.get(one.rule, frozenset()) for one in spoken)
