"""Bus, NVML, modules and packages put together, from trees and answers; what differs, and what follows from it."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hostproof.play import gpu_passport
from hostproof.shared.facts import dpkg, driver, gather, gpu, gpu_cards, recording
from hostproof.shared.facts.gpu_model import Driver, Gpu, KernelModule, Nvml
from hostproof.shared.facts.tree import Tree
from lab.gpu import profiles

KERNEL = "6.8.0-90-generic"
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (dvs-builder@x)\n"
CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.90.07  Fri May 31 09:35:42 UTC 2024\n"
CARD = "sys/bus/pci/devices/{}"
OK = {"state": "ok", "code": 0, "said": "", "version": "13.580.95.05", "driver": "580.95.05", "cuda": 13000}


def tree(root: Path, files: Mapping[str, str | bytes], answers: Mapping[str, Any] | None = None) -> Tree:
    kept = {"proc/sys/kernel/osrelease": KERNEL, **files}
    if answers is not None:
        kept["hostproof-gpu.json"] = json.dumps({"schema": "hostproof.gpu-answers/1", **answers})
    for path, content in kept.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Tree(root)


def card(address: str, device: str = "2bb4") -> dict[str, str]:
    here = CARD.format(address)
    return {
        f"{here}/class": "0x030000",
        f"{here}/vendor": "0x10de",
        f"{here}/device": f"0x{device}",
        f"{here}/numa_node": "1",
    }


def told(profile: str, number: int = 0) -> dict[str, Any]:
    """A card's answers as nvml.ask gives them, in brief."""
    one = profiles.load(profile).cards[number]["gpu"]
    values = {"uuid": one["uuid"], "name": one["name"], "index": number, "bus_id": one["bus_id"]}
    memory = [one["vram_bytes"], 0, one["vram_bytes"]]
    return {
        "values": {
            **values,
            "pci_device_id": one["pci_device_id"],
            "memory": memory,
            "bar1": one["bar1_bytes"],
        }
    }


def look(root: Path, files: Mapping[str, str | bytes], answers: Mapping[str, Any] | None = None) -> gpu.Seen:
    return gpu.look(tree(root, files, answers), gpu.asking())


def loaded(version: str = "580.95.05", said: str = OPEN) -> dict[str, str]:
    return {
        "sys/module/nvidia/version": version,
        "sys/module/nvidia/refcnt": "2",
        "proc/driver/nvidia/version": said,
    }


def test_neither_card_nor_driver(tmp_path: Path) -> None:
    seen = look(tmp_path, {})
    assert seen.gpus == ()
    assert (seen.driver.state, seen.driver.loaded, seen.driver.nvml.state) == ("no-card", "", "not-asked")
    assert [line.text for line in gpu_passport.driver(seen.driver)] == ["no NVIDIA card"]


def test_a_live_host_without_anything_of_nvidia_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = tree(tmp_path, {})
    monkeypatch.setattr(made, "live", True)
    monkeypatch.setattr(made, "exists", lambda _: False)
    monkeypatch.setattr(made, "names", lambda *_, **__: ())

    def never(*_: object) -> Mapping[str, Any]:
        raise AssertionError("asked")

    assert gpu.look(made, gpu.Ask(never, never)).driver.state == "no-card"


def test_a_card_without_a_driver_is_what_the_bus_says(tmp_path: Path) -> None:
    seen = look(tmp_path, card("0000:c1:00.0"))
    (one,) = seen.gpus
    assert (one.address, one.device_id, one.node) == ("0000:c1:00.0", "10de:2bb4", 1)
    assert (one.card, one.architecture) == ("RTX PRO 6000 Blackwell Max-Q Workstation Edition", "Blackwell")
    assert (one.open_modules_only, one.answers, one.vram.total_bytes) == (True, False, None)
    assert seen.driver.state == "not-installed"


def test_a_card_that_is_in_no_table_works_and_is_marked(tmp_path: Path) -> None:
    (one,) = look(tmp_path, card("0000:01:00.0", "9999")).gpus
    assert (one.card, one.architecture, one.open_modules_only, one.device_id) == ("", "", None, "10de:9999")


def test_other_vendors_cards_are_left_out(tmp_path: Path) -> None:
    files = card("0000:01:00.0") | {f"{CARD.format('0000:01:00.0')}/vendor": "0x1002"}
    assert look(tmp_path, files).gpus == ()


def test_eight_cards_in_nvml_s_order_with_what_the_bus_knows(tmp_path: Path) -> None:
    cards = profiles.load("h200:8").cards
    files = {key: value for one in cards for key, value in card(one["address"], "2335").items()}
    answers = {"nvml": {**OK, "gpus": [told("h200:8", number) for number in reversed(range(8))]}}
    seen = look(tmp_path, files | loaded(), answers)
    assert [one.index for one in seen.gpus] == [7, 6, 5, 4, 3, 2, 1, 0]
    assert all(one.answers and one.node == 1 and one.resizable_bar for one in seen.gpus)
    assert seen.driver.state == "ok"


def test_a_lost_card_is_the_one_that_nobody_else_claims(tmp_path: Path) -> None:
    cards = profiles.load("h200:2").cards
    files = {key: value for one in cards for key, value in card(one["address"], "2335").items()}
    lost = {"values": {"index": 0}, "problems": {"handle": "GPU is lost"}}
    seen = look(tmp_path, files | loaded(), {"nvml": {**OK, "gpus": [lost, told("h200:2", 1)]}})
    assert [one.address for one in seen.gpus] == [cards[0]["address"], cards[1]["address"]]
    assert seen.gpus[0].problems == {"handle": "GPU is lost"}
    assert seen.driver.state == "broken"
    assert cards[0]["address"] in seen.driver.why


def test_uuids_and_processes_stay_out_of_a_recording(tmp_path: Path) -> None:
    one = told("h200")
    one["values"]["processes"] = [[4242, 1]]
    made = tree(tmp_path, card("0000:1b:00.0", "2335") | loaded(), {"nvml": {**OK, "gpus": [one]}})
    seen = gpu.look(made, gpu.asking())
    assert seen.gpus[0].uuid == one["values"]["uuid"]
    assert seen.gpus[0].processes[0].pid == 4242
    kept = made.files["/hostproof-gpu.json"].decode()
    assert "GPU-00000000-0000-0000-0000-000000000000" in kept
    assert one["values"]["uuid"] not in kept
    assert "4242" not in kept


def test_the_json_comes_back(tmp_path: Path) -> None:
    seen = look(tmp_path, card("0000:1b:00.0") | loaded(), {"nvml": {**OK, "gpus": [told("h200")]}})
    assert gather.gpus_from_json(json.loads(json.dumps(gather.gpus_to_json(seen)))) == seen


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", "null", '{"schema": "x"}', '{"nvml": 7, "modinfo": []}', '{"nvml": {"gpus": 3}}',
     '{"nvml": {"gpus": [null, 1, {"values": []}, {"values": {"memory": "x", "ecc": [1], "uuid": 5, "index": -1}}]}}',
     '{"modinfo": {"6.8.0-90-generic": 5}}', "[" * 100_000],
)  # fmt: skip
def test_damaged_answers_are_none(tmp_path: Path, text: str) -> None:
    seen = look(tmp_path, card("0000:01:00.0") | loaded() | {"hostproof-gpu.json": text})
    assert seen.gpus[-1].device_id == "10de:2bb4"
    assert json.dumps(gather.gpus_to_json(seen))


@pytest.mark.parametrize(
    ("text", "version", "flavour"),
    [(OPEN, "580.95.05", "open"), (CLOSED, "550.90.07", "proprietary"), ("?", "", "")],
)
def test_both_forms_of_proc(tmp_path: Path, text: str, version: str, flavour: str) -> None:
    seen = look(tmp_path, {"proc/driver/nvidia/version": text})
    assert (seen.driver.loaded, seen.driver.flavour) == (version, flavour if version else "")


def test_modules_of_every_kernel_and_those_without(tmp_path: Path) -> None:
    files = {f"boot/vmlinuz-{name}": "" for name in ("6.8.0-87-generic", KERNEL, "6.8.0-100-generic")}
    answer = {"version": "580.95.05", "license": "Dual MIT/GPL"}
    seen = look(
        tmp_path, card("0000:c1:00.0") | files, {"modinfo": {KERNEL: answer, "6.8.0-100-generic": {}}}
    )
    assert [(one.kernel, one.version, one.flavour, one.running) for one in seen.driver.modules] == [
        ("6.8.0-87-generic", "", "", False), (KERNEL, "580.95.05", "open", True), ("6.8.0-100-generic", "", "", False),
    ]  # fmt: skip
    # The older kernel is nobody's next boot.
    assert seen.driver.kernels_without == ("6.8.0-100-generic",)
    assert (seen.driver.state, seen.driver.on_disk, seen.driver.flavour) == (
        "not-loaded",
        "580.95.05",
        "open",
    )


def test_a_kernel_that_could_not_be_asked_is_not_said_to_be_without(tmp_path: Path) -> None:
    made = tree(
        tmp_path, card("0000:c1:00.0"), {"modinfo": {KERNEL: {"problem": "modinfo is not installed"}}}
    )
    (tmp_path / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    (tmp_path / "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1").symlink_to("libnvidia-ml.so.580.95.05")
    seen = gpu.look(made, gpu.asking())
    assert (seen.driver.library, seen.driver.kernels_without) == ("580.95.05", ())
    assert made.unreadable[f"/lib/modules/{KERNEL}"] == "modinfo is not installed"


STATUS = """Package: libc6
Status: install ok installed
Version: 2.39-0ubuntu8.4
Description: GNU C Library

Package: bash
Status: install ok installed
Version: 5.2
Description: x

Package: nvidia-utils-580-server
Status: hold ok installed
Version: 580.95.05-0ubuntu0.24.04.2
Conffiles:
 /etc/secret 0123
Description: NVIDIA Server Driver support binaries

Package: nvidia-headless-no-dkms-570-server-open
Status: install ok installed
Version: 580.95.05-0ubuntu0.24.04.2
Description: Transitional package for nvidia-headless-no-dkms-580-server-open

Package: libnvidia-compute-580-server
Status: install ok half-configured
Version: 580.95.05-0ubuntu0.24.04.2
Description: NVIDIA libcompute package

Package: nvidia-utils-560
Status: deinstall ok config-files
Version: 560.35.03-0ubuntu1
Description: x

Package: linux-image-generic
Status: hold ok installed
Version: 6.8.0-90.91
Description: Generic Linux kernel image
"""


def test_packages(tmp_path: Path) -> None:
    seen = look(tmp_path, {"var/lib/dpkg/status": STATUS} | card("0000:c1:00.0")).driver
    assert seen.packages == {
        "nvidia-headless-no-dkms-570-server-open": "580.95.05-0ubuntu0.24.04.2",
        "nvidia-utils-580-server": "580.95.05-0ubuntu0.24.04.2",
    }
    assert seen.held == ("linux-image-generic", "nvidia-utils-580-server")
    assert seen.transitional == ("nvidia-headless-no-dkms-570-server-open",)
    assert seen.half_installed == ("libnvidia-compute-580-server",)


def test_of_dpkg_s_list_only_what_counts_is_kept() -> None:
    kept = dpkg.distil(STATUS.encode())
    assert dpkg.distil(kept) == kept
    assert b"bash" not in kept
    assert b"secret" not in kept
    assert dpkg.parse(kept.decode())["libc6"].version == "2.39-0ubuntu8.4"


def test_what_came_past_the_archive(tmp_path: Path) -> None:
    url = "https://me:word@developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64/"
    files: dict[str, str | bytes] = {
        "usr/bin/nvidia-uninstall": "",
        "var/lib/dkms/nvidia/580.95.05/x": "",
        "etc/apt/sources.list.d/cuda.list": f"deb [signed-by=/k] {url} /\n",
        "etc/apt/sources.list.d/off.list": f"# deb {url} /\n",
    }
    made = tree(tmp_path, files)
    found = gpu.look(made, gpu.asking()).driver.foreign
    assert [one.split(" (")[0] for one in found] == [
        "NVIDIA's runfile", "DKMS module 580.95.05 of no package", "NVIDIA's CUDA repository",
    ]  # fmt: skip
    assert "word" not in json.dumps(recording.of(made))


def test_a_key_is_enrolled_when_it_is_in_the_firmware_s_list(tmp_path: Path) -> None:
    mine, other = b"my certificate", b"another one of that length"

    def listed(data: bytes) -> bytes:
        return bytes(16) + struct.pack("<III", 28 + 16 + len(data), 0, 16 + len(data)) + bytes(16) + data

    key = {"var/lib/shim-signed/mok/MOK.der": mine}
    path = driver.MOK_LIST.lstrip("/")
    assert look(tmp_path / "a", key).driver.module_key == "not-enrolled"
    assert look(tmp_path / "b", key | {path: bytes(4) + listed(other)}).driver.module_key == "not-enrolled"
    both = bytes(4) + listed(other) + listed(mine)
    assert look(tmp_path / "c", key | {path: both}).driver.module_key == "enrolled"
    assert hashlib.sha256(mine).hexdigest().encode() in driver.distil_mok_list(both)
    assert look(tmp_path / "d", key | {path: b"\0" * 40 + b"\xff" * 30}).driver.module_key == "not-enrolled"
    assert look(tmp_path / "e", {}).driver.module_key == ""


def test_wanted_is_what_apt_is_told_to_stay_at(tmp_path: Path) -> None:
    pin = "Package: *nvidia*\nPin: version 580.95.05*\nPin-Priority: 1001\n"
    made = tree(tmp_path, {driver.PIN.lstrip("/"): pin})
    assert gpu.look(made, gpu.asking()).driver.wanted == "580.95.05"
    assert gpu.look(made, gpu.asking(), "595.71.05").driver.wanted == "595.71.05"


CARDS = (Gpu(address="0000:c1:00.0", open_modules_only=True, answers=True),)
FINE = Driver(
    loaded="580.95.05", library="580.95.05", flavour="open", nvml=Nvml("ok"),
    modules=(KernelModule(KERNEL, "580.95.05", "open", running=True),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "cards", "state", "why"),
    [
        ({}, CARDS, "ok", ""),
        ({"library": "580.173.02"}, CARDS, "reboot-required", "libraries on disk: 580.173.02"),
        ({"modules": (KernelModule(KERNEL, "580.173.02", "open", running=True),)}, CARDS, "reboot-required", "module"),
        ({"nvml": Nvml("mismatch", "RM has …", 18), "library": ""}, CARDS, "reboot-required", "another version"),
        ({"nvml": Nvml("failed", "Unknown Error", 999)}, CARDS, "broken", "Unknown Error"),
        ({"nvml": Nvml("no-answer", "NVML did not answer within 60 s")}, CARDS, "broken", "did not answer"),
        ({"nvml": Nvml("no-library", "not found", 12), "library": ""}, CARDS, "broken", "not found"),
        ({"flavour": "proprietary"}, CARDS, "wrong-flavour", "needs the open one"),
        ({}, (Gpu(address="0000:c1:00.0"),), "broken", "0000:c1:00.0"),
        ({"loaded": ""}, CARDS, "not-loaded", "580.95.05 is on disk"),
        ({"loaded": "", "modules": (KernelModule(KERNEL, running=True),)}, CARDS, "no-module", KERNEL),
        ({"loaded": "", "modules": (), "library": ""}, CARDS, "not-installed", "no NVIDIA driver"),
        ({"loaded": ""}, (), "no-card", "no NVIDIA card"),
        ({}, (), "ok", ""),
    ],
)  # fmt: skip
def test_what_follows(changes: dict[str, Any], cards: tuple[Gpu, ...], state: str, why: str) -> None:
    found = driver.verdict(Driver(**{**vars(FINE), **changes}), cards)
    assert found[0] == state
    assert why in found[1]
    assert bool(found[1]) == (state != "ok")


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ({"performance_state": 8, "utilization": 0}, "idle"),
        ({"performance_state": 0, "utilization": 0}, "loaded"),
        ({"performance_state": 8, "utilization": 40}, "loaded"),
        ({}, "unknown"),
    ],
)
def test_a_link_says_whether_it_was_read_at_work(tmp_path: Path, values: dict[str, int], read: str) -> None:
    one = told("h200")
    one["values"] |= {
        "link_generation": 1,
        "link_width": 8,
        "link_maximum_width": 16,
        "link_maximum_generation": 5,
        **values,
    }
    (found,) = look(tmp_path, loaded(), {"nvml": {**OK, "gpus": [one]}}).gpus
    assert found.link.read == read
    (shown,) = [line for line in gpu_passport.gpus((found,)) if line.label == "link"]
    assert shown.worth_a_look, "width counts at rest, too"


def test_the_lab_s_profiles_agree_with_the_table_of_cards() -> None:
    for name in profiles.names():
        (one,) = profiles.load(name).cards
        known = gpu_cards.CARDS[one["device"]]
        assert one["gpu"]["vram_bytes"] >> 20 == known.vram_mib, name
        assert (
            gpu_cards.architecture(one["device"]) == gpu_cards.NVML_ARCHITECTURES[one["gpu"]["architecture"]]
        ), name
