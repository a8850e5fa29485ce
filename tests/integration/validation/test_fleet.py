"""Two lab hosts with a real llama-server each: measured side by side, and the failure of one does not stop the other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import hosts

from .conftest import ROOT
from .test_on_a_lab_host import LIMIT_SECONDS, THRESHOLDS, Host

pytestmark = [pytest.mark.lab, pytest.mark.long]
NAMES = ("fleet-1", "fleet-2")
ENDPOINT = "/etc/hostproof/servers/llama_server.json"


class Fleet(Host):
    """The same for two hosts at once."""

    def command(self, playbook: str, **extra: Any) -> list[str]:
        words = super().command(playbook, **extra)
        words[words.index("--limit") + 1] = ",".join(NAMES)
        return words

    def on(self, name: str, line: str) -> str:
        code = (
            "from lab import hosts; from pathlib import Path; import sys; "
            "sys.exit(hosts.ssh(sys.argv[1], [sys.argv[3]], checkout=Path(sys.argv[2])))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, name, str(self.place), line],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            cwd=ROOT,
        )
        return done.stdout


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    place = tmp_path_factory.mktemp("checkout")
    (place / "thresholds").mkdir()
    (place / "thresholds/cpu.yml").write_text(THRESHOLDS)
    made = Fleet(place)
    try:
        hosts.up("fleet", 2, checkout=place)
        subprocess.run(
            [sys.executable, "-m", "lab.parts.llama_image"], check=True, cwd=ROOT, timeout=LIMIT_SECONDS
        )
        status, said = made.play("provision.yml")
        assert status == 0, said
        yield made
    finally:
        hosts.down(list(NAMES), checkout=place)


def result(run: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "results" / name / "cpu.json").read_text())
    return found


def outcomes(run: Path) -> dict[str, str]:
    raw = json.loads((run / "verdict.json").read_text())
    return {setup["host"]: setup["outcome"] for setup in raw["setups"]}


def test_hosts_are_measured_side_by_side_and_one_page_ranks_them(fleet: Fleet, tmp_path: Path) -> None:
    status, said = fleet.validate(tmp_path)
    assert status in (0, 2), (
        said
    )  # 2 is Ansible's own for a verdict that is not proven: two hosts on one machine disturb each other
    one, other = (result(tmp_path, name) for name in NAMES)
    assert one["started"] < other["finished"], "the second was measured after the first"
    assert other["started"] < one["finished"], "the first was measured after the second"
    page = (tmp_path / "report.html").read_text()
    assert "The hosts side by side" in page
    assert "with fewer than 4 nobody can say which of them is the odd one" in page
    assert {path.name for path in tmp_path.glob("report-*.html")} == {f"report-{name}.html" for name in NAMES}
    assert {path.stem for path in (tmp_path / "facts").iterdir()} == set(NAMES)


def test_a_host_that_fails_before_it_is_measured_stops_no_other(fleet: Fleet, tmp_path: Path) -> None:
    fleet.on("fleet-2", f"sudo mv {ENDPOINT} /root/")
    try:
        status, said = fleet.validate(tmp_path)
    finally:
        fleet.on("fleet-2", f"sudo mv /root/llama_server.json {ENDPOINT}")
    assert status == 2, said
    assert result(tmp_path, "fleet-1")["measurements"]
    assert outcomes(tmp_path)["fleet-2"] == "unmeasured"
    assert outcomes(tmp_path)["fleet-1"] != "unmeasured"
    assert "NOT PROVEN, not measured" in said


def test_a_host_whose_server_dies_stops_no_other(fleet: Fleet, tmp_path: Path) -> None:
    fleet.on("fleet-2", "sudo systemctl mask --runtime --now llama-server")
    try:
        status, said = fleet.validate(tmp_path)
    finally:
        fleet.on("fleet-2", "sudo systemctl unmask --runtime llama-server; sudo systemctl start llama-server")
    assert status == 2, said
    assert outcomes(tmp_path)["fleet-2"] == "unmeasured"
    assert outcomes(tmp_path)["fleet-1"] != "unmeasured"
    assert "fleet-2" in (tmp_path / "report.html").read_text()
