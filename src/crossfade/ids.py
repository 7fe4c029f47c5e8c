"""Every error id and what it means, for `crossfade explain CF2107`. Ids are public API and never reused."""

from __future__ import annotations


def explanation(error_id: str) -> str | None:
    """The explanation of one id; None where no error has it."""
    from crossfade.spec.ids import IDS

    found = IDS.get(error_id)
    if found is None:
        return None
    return f"{found.id}  {found.meaning}\n{found.explanation}"
