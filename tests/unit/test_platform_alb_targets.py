"""A revision is the list of its targets: read whole, refused whole, known by its addresses."""

from __future__ import annotations

import sys
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.errors import UsageError
from crossfade.platforms.alb.model import Address, Listed, listed
from crossfade.platforms.alb.targets import found_as, identity, parsed, resolve
from crossfade.spec import TargetsCommand, TargetsFile

ADDRESSES = st.builds(
    Address,
    st.integers(0, 2**32 - 1).map(lambda n: str(IPv4Address(n)))
    | st.integers(0, 2**128 - 1).map(lambda n: str(IPv6Address(n))),
    st.integers(1, 65535),
)
LISTS = st.lists(
    st.builds(Listed, address=ADDRESSES, zone=st.sampled_from(["", "all", "eu-west-1a"])),
    min_size=1,
    max_size=9,
    unique_by=lambda one: one.address,
)


@given(targets=LISTS)
def test_what_is_printed_is_read_again_in_its_order(targets: list[Listed]) -> None:
    text = "\n".join(["# of today", "", *map(str, targets)])

    assert parsed(text, "it") == tuple(targets)
    assert listed({"targets": [str(one) for one in targets]}) == tuple(targets)


@given(targets=LISTS, data=st.data())
def test_R35_a_build_is_its_addresses_in_any_order(targets: list[Listed], data: st.DataObject) -> None:
    addresses = [one.address for one in targets]
    first = data.draw(st.integers(0, len(addresses) - 1))
    shuffled = [*addresses[first:], *addresses[:first]]

    assert identity(shuffled) == identity(addresses)
    assert identity(addresses[1:]) != identity(addresses)
    assert found_as(addresses) == f"found-{identity(addresses)[:7]}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no target"),
        ("# nothing\n\n", "no target"),
        ("10.0.0.1", "is not `ip:port`"),
        ("10.0.0.256:80", "is not `ip:port`"),
        ("10.0.0.1:0", "is not `ip:port`"),
        ("10.0.0.1:70000", "is not `ip:port`"),
        ("i-0123456789abcdef0:80", "is not `ip:port`"),
        ("10.0.0.1:80 all more", "is not `ip:port`"),
        ("10.0.0.1:80\n10.0.0.1:80 all", "line 2: 10.0.0.1:80 stands twice"),
        ("\n".join(f"10.0.{n // 250}.{n % 250 + 1}:80" for n in range(1001)), "1001 targets"),
        ("\n".join("x" * 9), "and 4 more"),
    ],
)
def test_a_list_with_anything_wrong_in_it_is_no_list(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        parsed(text, "targets/v1")

    assert refused.value.id == "CF4422"
    assert said in refused.value.why


class TestSources:
    def test_a_file_is_named_by_the_revision(self, tmp_path: Path) -> None:
        (tmp_path / "v7").write_text("10.0.0.1:80\n")

        assert resolve(TargetsFile(file="{revision}"), "v7", tmp_path) == (
            Listed(address=Address("10.0.0.1", 80)),
        )

    @pytest.mark.parametrize("name", ["nowhere", "."])
    def test_a_file_that_cannot_be_read_is_said_by_name(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(UsageError) as refused:
            resolve(TargetsFile(file="{revision}"), name, tmp_path)

        assert refused.value.id == "CF4421"
        assert name in refused.value.what

    def test_a_command_is_told_the_revision_and_run_in_the_files_folder(self, tmp_path: Path) -> None:
        (tmp_path / "ask.py").write_text(
            "import sys; print('10.0.0.1:80 all' if sys.argv[1] == 'v7' else '')"
        )

        found = resolve(TargetsCommand(command=f"{sys.executable} ask.py {{revision}}"), "v7", tmp_path)

        assert found == (Listed(address=Address("10.0.0.1", 80), zone="all"),)

    @pytest.mark.parametrize(
        ("program", "said"),
        [("import sys; sys.exit('no such build')", "exit 1: no such build"), ("print('x')", "ip:port")],
    )
    def test_a_command_that_fails_says_its_own_words(self, tmp_path: Path, program: str, said: str) -> None:
        (tmp_path / "ask.py").write_text(program)

        with pytest.raises(UsageError) as refused:
            resolve(TargetsCommand(command=f"{sys.executable} ask.py"), "v7", tmp_path)

        assert said in refused.value.why

    def test_a_command_that_is_nowhere_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError) as refused:
            resolve(TargetsCommand(command="./nowhere"), "v7", tmp_path)

        assert refused.value.id == "CF4421"
