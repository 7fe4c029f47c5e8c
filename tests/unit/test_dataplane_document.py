"""Documents: what is refused, what crosses the wire, what is kept on the disk."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.dataplane import (
    Conflict,
    Fault,
    Group,
    InvalidChange,
    PortTaken,
    Service,
    Unsupported,
    admission,
    ensure_supervisor,
)
from crossfade.dataplane.codec import decode, encode
from crossfade.dataplane.model import check
from crossfade.dataplane.store import SPARES, Store, write_whole
from crossfade.dataplane.weights import main, send_everybody

GROUP = Group(revision="v1", command=("serve", "{port}"), folder="/", env={"A": "b"})
SHOP = Service(
    name="shop",
    listener_port=8000,
    test_port=8001,
    groups={"blue": GROUP, "green": None},
    weights={"blue": 1000, "green": 0},
    fault={"blue": Fault(errors=0.5)},
    tags={"owner": "01JD"},
)


class TestCheck:
    def test_a_good_document_passes(self) -> None:
        check(SHOP)

    def test_all_mistakes_are_told_at_once(self) -> None:
        bad = replace(
            SHOP,
            listener_port=70_000,
            weights={"blue": 500, "green": 100},
            groups={"blue": replace(GROUP, command=(), instances=-1, health="x"), "green": None},
            fault={"blue": Fault(errors=2)},
        )
        with pytest.raises(InvalidChange) as raised:
            check(bad)

        for part in ("70000", "sum to 1000", "command", "-1 instances", "health", "green has", "share"):
            assert part in raised.value.why

    @pytest.mark.parametrize("name", ["", "a/b", "../x", "a.b", "a" * 64, "-a"])
    def test_a_name_cannot_leave_the_folder(self, name: str) -> None:
        with pytest.raises(InvalidChange):
            check(replace(SHOP, name=name))

    @given(blue=st.integers(-5, 1005), green=st.integers(-5, 1005))
    def test_weights_are_a_whole_or_nothing(self, blue: int, green: int) -> None:
        document = replace(
            SHOP, groups=dict.fromkeys(("blue", "green"), GROUP), weights={"blue": blue, "green": green}
        )
        good = min(blue, green) >= 0 and blue + green in (0, 1000)
        try:
            check(document)
        except InvalidChange:
            assert not good
        else:
            assert good


class TestAdmission:
    def test_R23_only_the_expected_generation_is_let_in(self) -> None:
        admission.expect("shop", 3, 3)
        with pytest.raises(Conflict):
            admission.expect("shop", 2, 3)

    def test_R01_a_group_with_weight_keeps_its_revision(self) -> None:
        other = replace(SHOP, groups={"blue": replace(GROUP, revision="v2"), "green": None})
        with pytest.raises(InvalidChange):
            admission.no_swap_under_traffic(SHOP, other)

    def test_more_instances_and_more_patience_are_the_same_revision(self) -> None:
        more = replace(GROUP, instances=5, drain_s=1.0, stop_grace_s=1.0)
        admission.no_swap_under_traffic(SHOP, replace(SHOP, groups={"blue": more, "green": None}))

    def test_ports_of_other_services_are_taken_even_before_they_are_bound(self) -> None:
        with pytest.raises(PortTaken):
            admission.with_ports(replace(SHOP, name="cart"), None, [SHOP], [])

    def test_a_port_of_zero_keeps_the_one_it_had(self) -> None:
        asked = replace(SHOP, listener_port=0, test_port=0)
        after = admission.with_ports(asked, SHOP, [], [])

        assert (after.listener_port, after.test_port) == (8000, 8001)


class TestWire:
    def test_a_document_survives_the_wire(self) -> None:
        assert decode(Service, json.loads(json.dumps(encode(SHOP)))) == SHOP

    def test_a_document_from_before_there_were_rules_and_numbers_is_read(self) -> None:
        fresh = ("rules", "sticky", "preview", "mirror")
        old = {key: value for key, value in encode(SHOP).items() if key not in fresh}

        assert decode(Service, old) == SHOP

    @pytest.mark.parametrize(
        "data",
        [
            [],
            {"name": 7},
            {"name": "shop", "more": 1},
            {"name": "shop", "weights": {"blue": "1000"}},
            {"name": "shop", "weights": {"blue": True}},
        ],
    )
    def test_another_shape_is_refused(self, data: object) -> None:
        with pytest.raises(ValueError):  # noqa: PT011  # the message is for the log only
            decode(Service, data)


class TestDisk:
    def test_a_document_is_replaced_whole_and_leaves_nothing_behind(self, tmp_path: Path) -> None:
        write_whole(tmp_path / "a.json", "old")
        write_whole(tmp_path / "a.json", "new", durable=True)

        assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.json", "new")]

    def test_on_a_full_disk_a_spare_becomes_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, opened = Store(tmp_path), Path.open
        store.create()
        store.lay_in()
        store.save_service(7, SHOP)

        def full(path: Path, mode: str = "r", **more: Any) -> Any:
            if mode == "wb":  # room for a new file is what there is not
                raise OSError(errno.ENOSPC, "No space left on device")
            return opened(path, mode, **more)

        monkeypatch.setattr(Path, "open", full)
        for generation in range(8, 8 + SPARES):
            store.save_service(generation, SHOP)
        with pytest.raises(OSError, match="No space left"):
            store.save_service(99, SHOP)
        monkeypatch.undo()
        found = store.services()["shop"]
        store.lay_in()

        assert found == (7 + SPARES, SHOP)
        assert len(list((tmp_path / "spare").iterdir())) == SPARES
        assert [path.name for path in (tmp_path / "services").iterdir()] == ["shop.json"]

    def test_R46_breaking_the_glass_moves_the_document_and_the_routes(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        store.create()
        both = replace(SHOP, groups={"blue": GROUP, "green": GROUP})
        store.save_service(7, both)
        generation = send_everybody(tmp_path, "shop", "green")
        routes = json.loads((tmp_path / "rds.json").read_text())["resources"][0]
        clusters = routes["virtual_hosts"][0]["routes"][0]["route"]["weighted_clusters"]["clusters"]

        assert generation == 8
        assert store.services()["shop"] == (
            8,
            replace(both, weights={"blue": 0, "green": 1000}),
        )
        assert [(c["name"], c["weight"]) for c in clusters] == [("shop.blue", 0), ("shop.green", 1000)]

    def test_R01_the_glass_cannot_be_broken_towards_nobody(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        store = Store(tmp_path)
        store.create()
        store.save_service(7, SHOP)

        assert main([str(tmp_path), "shop", "green"]) == 2
        assert main([str(tmp_path), "cart", "green"]) == 2
        assert main([]) == 2
        assert "CF4103" in capsys.readouterr().err
        assert store.services()["shop"] == (7, SHOP)


def test_an_unsupported_machine_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(Unsupported) as raised:
        ensure_supervisor(tmp_path / "state")

    assert raised.value.id == "CF4100"
    assert not (tmp_path / "state").exists()
