"""Every error id of crossfade.yaml is explained, provoked here, and shown at its place."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from spec_mistakes import BASE, CASES, based

import crossfade.spec
from crossfade.spec.ids import IDS
from crossfade.spec.load import Finding, SpecError, load_spec

# Provoked by a path, not by a text: see below.
BY_PATH = {"CF1001", "CF1002"}


def findings_of(path: Path) -> tuple[Finding, ...]:
    with pytest.raises(SpecError) as raised:
        load_spec(path)
    return raised.value.findings


def test_the_base_of_all_cases_is_good(tmp_path: Path) -> None:
    file = tmp_path / "crossfade.yaml"
    file.write_text(BASE)

    assert load_spec(file).service == "shop"


@pytest.mark.parametrize(("error_id", "text", "where"), CASES)
def test_a_mistake_is_found_alone_and_at_its_place(
    tmp_path: Path, error_id: str, text: str | bytes, where: str
) -> None:
    file = tmp_path / "crossfade.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())

    findings = findings_of(file)

    assert [finding.id for finding in findings] == [error_id]
    assert where in {findings[0].key_path, f"{findings[0].line}:{findings[0].column}"}
    assert findings[0].why
    assert findings[0].fix


def test_a_missing_file_is_answered_with_init(tmp_path: Path) -> None:
    [finding] = findings_of(tmp_path / "crossfade.yaml")

    assert finding.id == "CF1001"
    assert "crossfade init" in finding.fix
    assert finding.lines()[0] == f"{tmp_path}/crossfade.yaml  CF1001 there is no such file"


def test_what_is_not_a_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert [f.id for f in findings_of(tmp_path)] == ["CF1002"]
    assert [f.id for f in findings_of(tmp_path / "pipe")] == ["CF1002"]
    assert [f.id for f in findings_of(tmp_path / "a\0b")] == ["CF1002"]


@pytest.mark.parametrize(
    "text",
    [
        based(gates="{paging: {alarms: [{http: 'https://u:sesame@x/y'}]}}"),
        based(signals="{prometheus: {url: 'http://u:sesame@p', stable: 'a=\"b\"', candidate: 'a=\"c\"'}}"),
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    file = tmp_path / "crossfade.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as refused:
        load_spec(file)

    assert "holds a user or a password" in str(refused.value.lines())
    assert "sesame" not in str(refused.value.lines())


def test_every_id_that_is_explained_is_provoked() -> None:
    assert {error_id for error_id, _, _ in CASES} | BY_PATH == set(IDS)


def test_every_id_in_the_code_is_explained() -> None:
    folder = Path(crossfade.spec.__file__).parent
    raised = {
        found
        for file in folder.glob("*.py")
        if file.name not in {"ids.py", "changes.py"}  # schema changes: `crossfade.ids` explains those
        for found in re.findall(r'"(CF\d{4})"', file.read_text())
    }

    assert raised == set(IDS)


def test_explanations_are_sentences() -> None:
    for error_id, explained in IDS.items():
        assert explained.id == error_id
        assert explained.meaning
        assert explained.explanation.endswith("."), error_id
