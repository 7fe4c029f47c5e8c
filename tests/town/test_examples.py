"""The examples, released as their READMEs say: third-party servers, a good release and a bad one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossfade.clocks import set_clock
from town import Town

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(request: pytest.FixtureRequest, town: Town) -> Town:
    """The town with an example instead of the shop, on a free port."""
    name: str = request.param
    shutil.copytree(EXAMPLES / name, town.folder, dirs_exist_ok=True)
    file = town.folder / "crossfade.yaml"
    file.write_text("".join(_free_port(file.read_text())))
    set_clock(town.state, 8.0)
    return town


def _free_port(text: str) -> Iterator[str]:
    for line in text.splitlines(keepends=True):
        yield "    port: 0\n" if line.startswith("    port: ") else line


@pytest.mark.parametrize("example", ["flask-gunicorn", "static-files"], indirect=True)
def test_a_first_release_serves(example: Town) -> None:
    assert example.run("deploy", "v1", "--output", "quiet").code == 0
    assert "v1" in example.run("status").out


@pytest.mark.long
@pytest.mark.parametrize("example", ["flask-gunicorn"], indirect=True)
def test_flask_behind_gunicorn(example: Town) -> None:
    first = example.run("deploy", "v1", "--output", "quiet")
    with example.users(200, slow_share=0.0, service="shop", paths=("/",)):
        good = example.run("deploy", "v2", "--output", "quiet", patience=180)
        bad = example.run("deploy", "v3", "--output", "quiet", patience=180)
    said = example.run("explain").out
    served = [line for line in example.client() if line["outcome"] != "answered"]

    assert (first.code, good.code, bad.code) == (0, 0, 4)
    assert "by gate `errors`" in said
    assert served == []


@pytest.mark.long
@pytest.mark.parametrize("example", ["static-files"], indirect=True)
def test_plain_files_blue_green(example: Town) -> None:
    first = example.run("deploy", "v1", "--output", "quiet")
    with example.users(100, slow_share=0.0, service="site", paths=("/",)):
        good = example.run("deploy", "v2", "--output", "quiet", patience=180)
        bad = example.run("deploy", "v3", "--output", "quiet", patience=180)
    said = example.run("explain").out
    answers = example.client("site")
    failed = [line for line in answers if line["outcome"] != "answered" or line["status"] >= 400]

    assert (first.code, good.code, bad.code) == (0, 0, 4)
    assert "late" in said or "not reached" in said
    assert failed == []
