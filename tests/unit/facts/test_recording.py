"""A recording gives the same facts again, holds only what the readers opened, and nothing secret."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hostproof.errors import HostproofError
from hostproof.play import recordings
from hostproof.shared.facts import dmi, dpkg, driver, gather, kernel, pci, recording, system
from tests.unit.facts.synthetic import GPU, dmi_table

SERIALS = (b"SERIAL0003", b"ASSET0003")
UUID = "5d2f3bb1-7ab0-4b0e-9a3c-7f5c2b1c1a11"


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.xz", ".tar.bz2"])
def test_the_same_facts_again(root: Path, tmp_path: Path, suffix: str) -> None:
    facts, made = recording.record(root)
    file = tmp_path / f"host{suffix}"
    recordings.write(json.loads(json.dumps(made)), file)
    with recordings.opened(file) as unpacked:
        assert gather.gather(unpacked) == facts


def test_this_machine_s_facts_again(tmp_path: Path) -> None:
    facts, made = recording.record()
    assert facts.cpu.threads > 0
    recordings.write(made, tmp_path / "here.tar")
    with recordings.opened(tmp_path / "here.tar") as unpacked:
        assert gather.gather(unpacked) == facts


def test_the_same_recording_is_the_same_archive(root: Path) -> None:
    assert recordings.packed(recording.record(root)[1]) == recordings.packed(recording.record(root)[1])


def test_a_recording_of_a_recording(root: Path, tmp_path: Path) -> None:
    made = recording.record(root)[1]
    recordings.write(made, tmp_path / "one.tar")
    with recordings.opened(tmp_path / "one.tar") as unpacked:
        assert recording.record(unpacked)[1] == made


def test_why_a_file_was_closed_is_remembered(root: Path, tmp_path: Path) -> None:
    table = "/sys/firmware/dmi/tables/DMI"
    (root / table.lstrip("/")).unlink()
    made = recording.record(root)[1]
    reasons = json.loads(base64.b64decode(made["files"]["/hostproof-recording.json"]))
    reasons["unreadable"][table] = "permission denied; root may read it"
    made["files"]["/hostproof-recording.json"] = base64.b64encode(json.dumps(reasons).encode()).decode()
    recordings.write(made, tmp_path / "x.tar")
    with recordings.opened(tmp_path / "x.tar") as unpacked:
        assert gather.gather(unpacked).unreadable[table] == "permission denied; root may read it"


def test_nothing_secret_is_in_it(root: Path) -> None:
    packed = recordings.packed(recording.record(root)[1])
    assert b"M321R8GA0PB2" in packed
    for secret in (*SERIALS, UUID.encode(), b"bash"):
        assert secret not in packed


def test_only_what_was_opened_is_in_it(root: Path) -> None:
    (root / "etc/shadow").write_text("root:x:\n", encoding="utf-8")
    (root / "sys/class/dmi/id").mkdir(parents=True)
    (root / "sys/class/dmi/id/product_uuid").write_text(UUID, encoding="utf-8")
    made = recording.record(root)[1]
    assert {"/etc/shadow", "/sys/class/dmi/id/product_uuid"} & {*made["files"], *made["folders"]} == set()


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (f"root=UUID={UUID} ro quiet", "root=UUID=[hidden] ro quiet"),
        ("root=UUID=AB12-34CD iommu=pt", "root=UUID=[hidden] iommu=pt"),
        ("root=PARTUUID=1234abcd-02 ro", "root=PARTUUID=[hidden] ro"),
        ("root=LABEL=mine hugepages=4", "root=LABEL=[hidden] hugepages=4"),
        ("BOOTIF=01-52-54-00-12-34-56 ro", "BOOTIF=[hidden] ro"),
        ("ifname=eth0:52:54:00:12:34:56 ro", "ifname=eth0:[hidden] ro"),
        ("root=/dev/disk/by-id/nvme-Samsung_S6Z ro", "root=/dev/disk/by-id/[hidden] ro"),
        ("ds_token=abc wifi_password=x ro", "ds_token=[hidden] wifi_password=[hidden] ro"),
        ("hugepagesz=1G hugepages=0:4,1:4 isolcpus=2-15", "hugepagesz=1G hugepages=0:4,1:4 isolcpus=2-15"),
    ],
)
def test_command_lines_are_scrubbed(line: str, kept: str) -> None:
    assert kernel.scrub(line.encode()).decode() == kept
    assert kernel.scrub(kept.encode()).decode() == kept


def config(*capabilities: tuple[int, bytes]) -> bytes:
    """A bridge's configuration space with these extended capabilities, in a chain."""
    raw = bytearray(b"\x22\x10" + bytes(0xFE))
    for number, (kind, body) in enumerate(capabilities):
        at = 0x100 + number * 0x40
        following = at + 0x40 if number + 1 < len(capabilities) else 0
        raw += bytes(at - len(raw)) + (kind | 1 << 16 | following << 20).to_bytes(4, "little") + body
    return bytes(raw).ljust(4096, b"\0")


SERIAL = (0x0003, b"\xde\xad\xbe\xef\xde\xad\xbe\xef")
ACS_ON, ACS_OFF = (0x000D, b"\x1f\0\x1d\0"), (0x000D, b"\x1f\0\0\0")


def test_access_control_is_found_behind_other_capabilities() -> None:
    assert pci.acs_control(config(SERIAL, ACS_ON)) == 0x1D
    assert pci.acs_control(config(SERIAL)) is None
    assert pci.acs_control(config()) is None
    # A chain that bites its own tail.
    looped = bytearray(config(SERIAL))
    looped[0x100:0x104] = (3 | 1 << 16 | 0x100 << 20).to_bytes(4, "little")
    assert pci.acs_control(bytes(looped)) is None


def test_a_device_s_serial_number_is_not_kept() -> None:
    kept = pci.distil_config(config(SERIAL, ACS_ON))
    assert b"\xde\xad\xbe\xef" not in kept
    assert pci.acs_control(kept) == 0x1D
    assert pci.distil_config(kept) == kept
    assert pci.distil_config(b"x" * 64) == b"x" * 64


def test_bridges_that_redirect_are_counted(root: Path) -> None:
    for number, raw in enumerate((config(ACS_ON), config(ACS_OFF), config(SERIAL))):
        folder = root / f"sys/bus/pci/devices/0000:00:0{number}.0"
        folder.mkdir()
        (folder / "class").write_text("0x060400\n", encoding="utf-8")
        (folder / "config").write_bytes(raw)
    acs = gather.gather(root).pci.acs
    assert acs
    assert (acs.bridges, acs.capable, acs.redirecting) == (3, 2, 1)


def test_a_bridge_that_shows_its_head_only_leaves_the_answer_open(root: Path) -> None:
    folder = root / "sys/bus/pci/devices/0000:00:01.0"
    folder.mkdir()
    (folder / "class").write_text("0x060400\n", encoding="utf-8")
    (folder / "config").write_bytes(b"\0" * 64)
    facts = gather.gather(root)
    assert facts.pci.acs is None
    assert "root sees" in facts.unreadable["/sys/bus/pci/devices/0000:00:01.0/config"]


@pytest.mark.parametrize(
    "distil",
    [
        dmi.distil,
        kernel.scrub,
        kernel.distil_grub,
        dpkg.distil,
        driver.distil_key,
        driver.distil_mok_list,
        driver.distil_pin,
        driver.distil_source,
        system.distil_limits_d,
        pci.distil_config,
    ],
)
def test_distilling_twice_changes_nothing(distil: Any) -> None:
    inputs = [
        dmi_table(12, 6400),
        b"",
        b"a\nGRUB_X=1 \n  export GRUB_Y=b\n",
        b"u - memlock 5 # x\n",
        config(SERIAL, ACS_ON),
    ]
    inputs += [b"Package: a\n\nPackage: libc6\nVersion: 2.39-1\nX: y\n", b"\xff\xfe\0"]
    for raw in inputs:
        assert distil(distil(raw)) == distil(raw)


def archive(*members: tuple[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return target.getvalue()


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"not an archive", "cannot be read"),
        (b"", "cannot be read"),
        (archive(("etc/passwd", b"x")), "no recorded tree"),
        (archive(("../sys/x", b"x")), "cannot be read"),
    ],
)
def test_other_archives_are_refused(tmp_path: Path, raw: bytes, what: str) -> None:
    file = tmp_path / "x.tar"
    file.write_bytes(raw)
    with pytest.raises(HostproofError, match=what), recordings.opened(file):
        pass


def test_an_archive_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "MOST_BYTES", 10)
    file = tmp_path / "x.tar"
    file.write_bytes(archive(("sys/x", b"0123456789ABC")))
    with pytest.raises(HostproofError, match="larger than any recording"), recordings.opened(file):
        pass


def test_a_dump_with_a_folder_around_it(tmp_path: Path) -> None:
    """As lscpu's and lstopo's tests pack theirs."""
    file = tmp_path / "x.tar"
    file.write_bytes(archive(("machine/proc/cpuinfo", b"processor : 0\n")))
    with recordings.opened(file) as root:
        assert gather.gather(root).cpu.threads == 1


def test_the_folder_around_a_tree_is_recognised(root: Path) -> None:
    with pytest.raises(HostproofError, match=rf"Did you mean {root}\?"), recordings.opened(root.parent):
        pass


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HostproofError, match="no such folder"), recordings.opened(tmp_path / "x"):
        pass


def test_a_place_that_cannot_be_written(root: Path, tmp_path: Path) -> None:
    with pytest.raises(HostproofError, match="could not be written"):
        recordings.write(recording.record(root)[1], tmp_path / "no" / "x.tar")


def test_only_json_of_this_schema_is_read(root: Path) -> None:
    raw = gather.to_json(gather.gather(root))
    assert next(iter(raw)) == "schema"
    for change, complaint in (
        ({"schema": "hostproof.facts/2"}, "schema is 'hostproof.facts/2'"),
        ({"colour": 1}, "unknown key 'colour'"),
        ({"cpu": {**raw["cpu"], "cores": "16"}}, r"facts\.cpu\.cores is '16' and not int"),
        ({"cpu": {**raw["cpu"], "cores": True}}, r"facts\.cpu\.cores"),
        ({"numa": {"nodes": [{"id": 0}]}}, r"facts\.numa\.nodes\[0\]"),
    ):
        with pytest.raises(ValueError, match=complaint):
            gather.from_json({**raw, **change})


def test_the_gpu_s_links_are_in_the_archive(root: Path) -> None:
    links = recording.record(root)[1]["links"]
    assert links[f"/sys/bus/pci/devices/{GPU}/driver"] == "nvidia"
