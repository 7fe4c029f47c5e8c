"""
`crossfade.yaml` → `Spec`, or one error with every mistake in it.

Four passes, each in its own module: bytes to values with places (`reading`), values to form
(`mistakes`, `schema`), defaults (`build`), sense (`meaning`). This is the only door that
imports pydantic and YAML: verbs import it when they need a spec.
"""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path

from crossfade.spec import build, meaning
from crossfade.spec.findings import Finding, SpecError, dotted
from crossfade.spec.mistakes import Notes, formed
from crossfade.spec.models import Spec
from crossfade.spec.reading import read

__all__ = ["Finding", "SpecError", "load_spec"]


def load_spec(path: str | PathLike[str]) -> Spec:
    """
    The spec in this file, complete, with where each written value stands in `sources`.

    Reads the one file and nothing else: whether ports are free, programs exist or the state
    folder suits is for the platform and the engine to see. Raises SpecError with all mistakes.
    """
    file = Path(path)
    document = read(file)
    notes = Notes(document)
    root = formed(document, notes)
    spec = build.spec(root, file)
    meaning.check(root, spec, notes)
    if notes.findings:
        raise SpecError(notes.findings)
    name = "".join(c if c.isprintable() else "?" for c in file.name)
    sources = tuple(
        (dotted(place), f"{name}:{where.line}") for place, where in document.places.items() if place
    )
    return replace(spec, sources=sources)
