"""The module roofline, as Ansible starts it: a server's header, this machine's memory, a stand-in for systemd."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hostproof.judge.roofline import from_json
from hostproof.shared import bandwidth, gguf
from hostproof.shared.bandwidth import Bandwidth, Rate
from hostproof.shared.facts import gather

from . import checkpoints, gguf_files

ROOT = Path(__file__).parents[3]
ABOUT = {
    "block_count": 4,
    "embedding_length": 256,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    "attention.key_length": 64,
    "attention.value_length": 64,
}
SYSTEMCTL = """\
#!/bin/sh
echo InvocationID=1234
echo ControlGroup=/system.slice/nobody-is-here.service
echo ActiveState=active
"""
JOURNALCTL = """\
#!/bin/sh
echo "system_info: n_threads = 1 | AVX2 = 1 |"
echo "system_info: n_threads = 2 | AVX2 = 1 | AVX512 = 1 |"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place")
    link = place / "ansible_collections/hostproof/core"
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)
    for name, script in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)):
        program = place / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(script)
        program.chmod(0o755)
    return place


@pytest.fixture
def model(tmp_path: Path) -> Path:
    data = gguf_files.header("llama", ABOUT, gguf_files.dense(ABOUT, 512, 1024, "Q8_0"))
    path = tmp_path / "m.gguf"
    path.write_bytes(data)
    with path.open("rb") as file:
        needs = gguf.read(file, "m.gguf")[1]
    os.truncate(path, needs)
    return path


def run(place: Path, endpoint: dict[str, Any], **arguments: object) -> dict[str, Any]:
    told = {"server": "llama_server", "unit": "llama-server.service", "flags": {}} | endpoint
    done = subprocess.run(
        [sys.executable, "-m", "ansible_collections.hostproof.core.plugins.modules.roofline"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {"endpoint": told, "measure": False, **arguments}}),
        env={**os.environ, "PYTHONPATH": str(place), "PATH": f"{place}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def of_this_machine(speed: float) -> str:
    facts = gather.to_json(gather.gather())
    where = bandwidth.place(facts, frozenset(os.sched_getaffinity(0)))
    found = Bandwidth(Rate(speed, speed, speed, 9, 2), Rate(speed, speed, speed, 3, 1), {})
    return bandwidth.record(found, bandwidth.key(facts, where), "2026-11-25T07:00:00+00:00")


def test_a_quiet_figure_of_before_makes_the_ceiling(place: Path, model: Path, tmp_path: Path) -> None:
    record = tmp_path / "bandwidth.json"
    record.write_text(of_this_machine(30e9))
    flags = {"--ubatch-size": "128", "--cache-type-k": "q8_0"}
    found = run(place, {"model_path": str(model), "flags": flags}, record=str(record))
    assert found["changed"] is False
    roof = from_json(json.dumps(found["roofline"]))  # the judge reads what the host wrote
    assert (roof.device, roof.batch, roof.quantisation) == ("cpu", 128, "Q8_0")
    assert roof.cache_element_bytes == (34 / 32 + 2) / 2
    # A layer: q and output 256², k and v 256 × 128, three of 256 × 512; an output of 256 × 1024.
    weights = 4 * (2 * 256 * 256 + 2 * 256 * 128 + 3 * 256 * 512) + 256 * 1024
    assert roof.read_bytes == pytest.approx(weights * 34 / 32 + 5 * 256 * 4 + 256 * 34 / 32, abs=1)
    assert found["ceiling"]["tokens_per_second"] == pytest.approx(30e9 / roof.read_bytes, abs=0.01)
    assert "at 30 GB/s (best of 9 rounds of reading with 2 cores)" in found["ceiling"]["why"]
    assert roof.seen == {"system_info": "system_info: n_threads = 2 | AVX2 = 1 | AVX512 = 1 |"}


def test_a_host_that_may_not_be_measured_says_that_its_bandwidth_is_not_known(
    place: Path, model: Path, tmp_path: Path
) -> None:
    found = run(place, {"model_path": str(model)}, record=str(tmp_path / "none.json"))
    roof = from_json(json.dumps(found["roofline"]))
    assert bool(roof.memory) is bool(roof.facts["memory"]["peak_bandwidth_bytes_per_second"])
    if not roof.memory:
        assert found["ceiling"] == {}
        assert roof.gaps == (
            "read bandwidth is not known: it was not to be measured, and no DIMM says its speed",
        )
    assert not (tmp_path / "none.json").exists()


def test_a_measured_figure_is_kept_only_if_the_host_was_quiet(
    place: Path, model: Path, tmp_path: Path
) -> None:
    record = tmp_path / "new" / "bandwidth.json"
    found = run(place, {"model_path": str(model)}, record=str(record), measure=True)
    memory = found["roofline"]["memory"]
    if memory["source"] == "measured":
        assert memory["bytes_per_second"] > 1e8
        assert record.exists() is not bool(memory["busy"])
        assert bool(found["ceiling"]) is not bool(memory["busy"])
    again = run(place, {"model_path": str(model)}, record=str(record), measure=True, _ansible_check_mode=True)
    assert record.exists() is (again["roofline"]["memory"].get("source") == "measured")


def test_a_checkpoint_is_read_by_the_same_means(place: Path, tmp_path: Path) -> None:
    config = {**checkpoints.SEED, "quantization_config": checkpoints.MODELOPT}
    checkpoints.write(tmp_path / "coder", checkpoints.nvfp4(checkpoints.SEED), config)
    flags = {"--kv-cache-dtype": "fp8_e4m3"}
    endpoint = {"server": "vllm_server", "model_path": str(tmp_path / "coder"), "flags": flags}
    roof = from_json(json.dumps(run(place, endpoint)["roofline"]))
    assert roof.read_bytes == pytest.approx(22.73e9, rel=0.001)
    assert (roof.quantisation, roof.cache_element_bytes, roof.batch) == ("nvfp4-w4a4", 1.0, 8192)


def test_what_the_role_found_stands(place: Path, model: Path, tmp_path: Path) -> None:
    ceiling = {"tokens_per_second": 78.84, "why": "22.73 GB a token at 1,792 GB/s"}
    record = tmp_path / "bandwidth.json"
    record.write_text(of_this_machine(30e9))
    found = run(place, {"model_path": str(model), "ceiling": ceiling}, record=str(record))
    assert found["ceiling"] == ceiling


@pytest.mark.parametrize("name", ["gone.gguf", "gone"])
def test_a_model_that_cannot_be_read_is_a_gap_and_no_failure(place: Path, tmp_path: Path, name: str) -> None:
    found = run(place, {"model_path": str(tmp_path / name)})
    assert "failed" not in found
    assert found["ceiling"] == {}
    assert found["roofline"]["gaps"][0].startswith(f"what a token costs is not known: {tmp_path / name}: ")
