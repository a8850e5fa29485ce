"""What a host with a card must show, from what it said; and that the page for people has the same checks."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hostproof.exits import ExitStatus
from hostproof.judge.model import Outcome
from hostproof.play import accept, acceptance
from hostproof.play.ending import Ending
from hostproof.shared.facts.recording import SCHEMA as RECORDING

ROOT = Path(__file__).parents[3]
CARD: dict[str, Any] = {
    "answers": True,
    "name": "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
    "compute_capability": "12.0",
    "open_modules_only": True,
    "persistence": True,
    "bar1_bytes": 137438953472,
    "vram": {"total_bytes": 102641958912},
    "link": {"width": 16, "maximum_width": 16},
    "ecc": {"uncorrected_errors": 0},
}
DRIVER: dict[str, Any] = {
    "state": "ok",
    "why": "",
    "loaded": "580.95.05",
    "flavour": "open",
    "kernels_without": [],
    "toolkit": "1.20.0-1",
}
SERVER = {
    "server": "vllm_server",
    "verdict": "native",
    "active": "active",
    "device": "GPU (x, 80.0 GiB)",
    "state": "as proved",
}
EMPTY = {"schema": RECORDING, "files": {}, "links": {}, "folders": []}


def seen(**more: Any) -> dict[str, Any]:
    whole = {
        "gpus": [CARD],
        "driver": DRIVER,
        "cdi": [],
        "container": {"evidence": ["root: podman init and run take nvidia.com/gpu=all"], "problem": ""},
        "servers": [SERVER],
        "xids": [],
        "texts": {"vllm_server.log": "Authorization: Bearer abcdef0123456789\nUsing Cutlass…\n"},
        "facts": {},
        "recording": EMPTY,
        "gpu_recording": EMPTY,
    }
    return {**whole, **more}


def outcomes(**more: Any) -> dict[str, Outcome]:
    return {check.name: check.outcome for check in acceptance.checks(seen(**more))}


def test_a_good_host_passes_every_check() -> None:
    assert set(outcomes().values()) == {Outcome.PROVEN}
    ended = accept.closing("epyc01", acceptance.checks(seen()))
    assert ended == Ending(ExitStatus.YES, "epyc01 is accepted: 10 of 10 checks pass.")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("card", {"gpus": []}),
        ("driver", {"driver": {**DRIVER, "state": "reboot-required", "why": "580 is loaded; 595 on disk"}}),
        ("open modules", {"driver": {**DRIVER, "flavour": "proprietary"}}),
        ("open modules", {"driver": {**DRIVER, "loaded": "570.86.15"}}),
        ("next kernels", {"driver": {**DRIVER, "kernels_without": ["6.8.0-91-generic"]}}),
        ("persistence", {"gpus": [{**CARD, "persistence": False}]}),
        ("resizable BAR", {"gpus": [{**CARD, "bar1_bytes": 268435456}]}),
        ("PCIe width", {"gpus": [{**CARD, "link": {"width": 8, "maximum_width": 16}}]}),
        ("errors", {"xids": ["NVRM: Xid (PCI:0000:c1:00): 79"]}),
        ("errors", {"gpus": [{**CARD, "ecc": {"uncorrected_errors": 2}}]}),
        ("container", {"cdi": ["It was made for driver 570."]}),
        ("container", {"container": {"evidence": [], "problem": "podman init refuses"}}),
        ("servers", {"servers": [{**SERVER, "device": "CPU", "verdict": "cpu", "state": "differs"}]}),
    ],
)
def test_what_is_wrong_fails_its_own_check(name: str, change: dict[str, Any]) -> None:
    assert outcomes(**change)[name] is Outcome.BELOW
    assert accept.closing("h", acceptance.checks(seen(**change))).status is ExitStatus.NO


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("persistence", {"gpus": [{**CARD, "persistence": None}]}),
        ("resizable BAR", {"gpus": [{**CARD, "bar1_bytes": None}]}),
        ("container", {"driver": {**DRIVER, "toolkit": ""}}),
        ("servers", {"servers": []}),
    ],
)
def test_what_nobody_could_look_at_is_no_pass(name: str, change: dict[str, Any]) -> None:
    assert outcomes(**change)[name] is Outcome.UNMEASURED
    assert accept.closing("h", acceptance.checks(seen(**change))).status is ExitStatus.COULD_NOT


def test_the_validation_is_one_of_the_checks() -> None:
    words = {
        ExitStatus.YES: Outcome.PROVEN,
        ExitStatus.NO: Outcome.BELOW,
        ExitStatus.INCONCLUSIVE: Outcome.INCONCLUSIVE,
        ExitStatus.COULD_NOT: Outcome.UNMEASURED,
    }
    assert {status: accept.of_validation(Ending(status, "x")).outcome for status in words} == words
    unsettled = [*acceptance.checks(seen()), accept.of_validation(Ending(ExitStatus.INCONCLUSIVE, "x"))]
    assert accept.closing("h", unsettled).status is ExitStatus.INCONCLUSIVE


def test_the_archive_has_what_was_said_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "results/h").mkdir(parents=True)
    (tmp_path / "results/h/gpu.json").write_text("{}")
    found = acceptance.checks(seen())
    with tarfile.open(fileobj=io.BytesIO(accept.packed(seen(), found, tmp_path))) as archive:
        names = archive.getnames()
        log = archive.extractfile("said/vllm_server.log")
        about = archive.extractfile("checks.json")
        assert log is not None
        assert about is not None
        assert log.read() == b"Authorization: Bearer [hidden]\nUsing Cutlass\xe2\x80\xa6\n"
        assert json.loads(about.read())[0]["check"] == "card"
    assert {"checks.json", "seen.json", "facts.tar", "gpus.tar", "validation/results/h/gpu.json"} <= set(
        names
    )


def test_the_page_names_every_check_in_order() -> None:
    page = (ROOT / "docs/gpu-acceptance.md").read_text(encoding="utf-8")
    table = page.partition("## What it must print")[2].partition("\n## ")[0]
    named = re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)[1:]
    assert [name for name in named if name != "---"] == [*acceptance.CHECKS, accept.VALIDATED]
