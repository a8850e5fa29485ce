"""NVML through nvidia-ml-py: every answer, every refusal, and libraries that hang, crash or are none."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hostproof.shared.facts import nvml
from lab.gpu import profiles
from tests.unit.gpu.conftest import Nvml, compile_library


@pytest.mark.parametrize("name", profiles.names())
def test_every_profile_answers_what_it_says(host: Nvml, name: str) -> None:
    host.up(name)
    told = profiles.load(name).cards[0]["gpu"]
    said = host.ask()
    assert (said["state"], said["driver"], said["version"], said["cuda"]) == (
        "ok",
        "580.95.05",
        "13.580.95.05",
        13000,
    )
    (one,) = said["gpus"]
    values = one["values"]
    assert one["problems"] == {}
    for key in (
        "uuid",
        "name",
        "bus_id",
        "pci_device_id",
        "architecture",
        "vbios",
        "persistence",
        "compute_mode",
    ):
        assert values[key] == told[key], key
    assert values["memory"] == [told["vram_bytes"], 0, told["vram_bytes"]]
    assert values["memory_reserved"] == told["vram_reserved_bytes"]
    assert values["bar1"] == told["bar1_bytes"]
    assert values["compute_capability"] == [told["compute_major"], told["compute_minor"]]
    assert values["power_range"] == [told["power_min_mw"], told["power_max_mw"]]
    assert values["clock_maximum_memory"] == told["clock_memory_maximum"]
    assert values["gsp_firmware"] == "580.95.05"


def test_what_a_card_lacks_is_not_supported_and_no_error(host: Nvml) -> None:
    host.up("rtx-4090")
    (one,) = host.ask()["gpus"]
    # No MIG on such a card; with ECC off there are no counters.
    assert sorted(one["unsupported"]) == ["ecc_corrected", "ecc_uncorrected", "mig"]
    assert one["values"]["ecc"] == [0, 0]


def test_a_card_that_tells_nothing_but_its_name(host: Nvml) -> None:
    host.write("gpu-0.json", {"name": "NVIDIA New", "uuid": "GPU-1"})
    (one,) = host.ask()["gpus"]
    assert set(one["values"]) == {"name", "uuid", "index", "processes"}
    assert set(one["values"]) | set(one["unsupported"]) == set(nvml.QUESTIONS)
    assert one["problems"] == {}


def test_a_library_without_the_newer_functions(host: Nvml, old_library: Path) -> None:
    old = Nvml(old_library, host.state)
    (one,) = old.ask()["gpus"]
    assert one["unsupported"] == ["memory_reserved"]
    assert one["values"]["throttle"] == 1, "asked by its older name"


def test_eight_cards(host: Nvml) -> None:
    host.up("h200:8")
    said = host.ask()
    assert len({one["values"]["uuid"] for one in said["gpus"]}) == 8
    assert len({one["values"]["bus_id"] for one in said["gpus"]}) == 8
    assert [one["values"]["index"] for one in said["gpus"]] == list(range(8))


@pytest.mark.parametrize(
    ("driver", "state", "said"),
    [
        ({"loaded": "570.86.15"}, "mismatch", "RM has detected an NVML/RM version mismatch."),
        ({"loaded": ""}, "not-loaded", "Driver Not Loaded"),
        ({"init_error": 4}, "no-permission", "Insufficient Permissions"),
        ({"init_error": 255}, "failed", "Unknown Error"),
        ({"init_error": 999}, "failed", "Unknown Error"),
    ],
)
def test_a_driver_that_refuses(host: Nvml, driver: dict[str, object], state: str, said: str) -> None:
    host.change("driver.json", **driver)
    answer = host.ask()
    assert answer["state"] == state
    assert said in answer["said"]
    assert "gpus" not in answer


def test_no_state_is_no_driver(host: Nvml) -> None:
    (host.state / "driver.json").unlink()
    assert host.ask()["state"] == "not-loaded"


def test_no_device(host: Nvml) -> None:
    host.change("driver.json", count=0)
    assert (host.ask()["state"], host.ask()["gpus"]) == ("ok", [])


def test_a_lost_card_leaves_the_others_alone(host: Nvml) -> None:
    host.up("h200:3")
    host.change("gpu-1.json", lost=1)
    first, lost, last = host.ask()["gpus"]
    assert lost == {"values": {"index": 1}, "problems": {"handle": "GPU is lost"}}
    assert first["problems"] == last["problems"] == {}


def test_throttling_errors_and_processes(host: Nvml) -> None:
    host.change(
        "gpu-0.json",
        event_reasons=0x24,
        ecc_corrected=3,
        ecc_uncorrected=1,
        process0_pid=77,
        process0_bytes=5 << 30,
    )
    (one,) = host.ask()["gpus"]
    values = one["values"]
    assert (values["throttle"], values["ecc_corrected"], values["ecc_uncorrected"]) == (0x24, 3, 1)
    assert values["processes"] == [[77, 5 << 30]]


SET = "pynvml.nvmlInit(); g = pynvml.nvmlDeviceGetHandleByIndex(0)\n"
LIMIT = "print(pynvml.nvmlDeviceGetPowerManagementLimit(g))"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may set, on a card as here")
def test_what_is_set_holds_for_the_next_process(host: Nvml) -> None:
    host.python(
        f"{SET}pynvml.nvmlDeviceSetPowerManagementLimit(g, 275000); pynvml.nvmlDeviceSetPersistenceMode(g, 1); print(0)"
    )
    assert host.python(SET + LIMIT) == 275000
    (one,) = host.ask()["gpus"]
    assert (one["values"]["power_limit"], one["values"]["power_enforced"]) == (275000, 275000)
    assert one["values"]["persistence"] == 1
    host.change("gpu-0.json", power_mw=290000)
    assert host.ask()["gpus"][0]["values"]["power_draw"] == 275000, "a card draws no more than its limit"
    host.up("rtx-pro-6000-max-q")  # a reboot
    assert host.python(SET + LIMIT) == 300000


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may set, on a card as here")
@pytest.mark.parametrize(
    ("milliwatts", "fault", "code"), [(400000, 0, 2), (100000, 0, 2), (275000, 3, 3), (275000, 4, 4)]
)
def test_a_limit_that_is_refused_changes_nothing(host: Nvml, milliwatts: int, fault: int, code: int) -> None:
    host.change("gpu-0.json", power_refused=fault)
    refused = (
        f"{SET}code = 0\ntry:\n pynvml.nvmlDeviceSetPowerManagementLimit(g, {milliwatts})\n"
        "except pynvml.NVMLError as error:\n code = error.value\nprint(code)"
    )
    assert host.python(refused) == code
    assert host.python(SET + LIMIT) == 300000


def test_no_library(host: Nvml, tmp_path: Path) -> None:
    assert Nvml(tmp_path, host.state).ask()["state"] == "no-library"


def test_a_library_that_is_garbage(host: Nvml, tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"\x7fELF not at all")
    assert Nvml(tmp_path, host.state).ask()["state"] == "no-library"


@pytest.mark.parametrize(
    ("body", "state", "said"),
    [
        ("abort();", "failed", "the process that asked NVML ended by SIGABRT"),
        ("for (;;) pause();", "no-answer", "NVML did not answer within 1 s"),
        ("_exit(3);", "failed", "the process that asked NVML ended with status 3"),
    ],
)
def test_a_library_that_takes_its_process_with_it(
    host: Nvml, tmp_path: Path, body: str, state: str, said: str
) -> None:
    source = tmp_path / "bad.c"
    head = "#include <stdlib.h>\n#include <unistd.h>\n"
    source.write_text(
        head + f"int nvmlInitWithFlags(unsigned f) {{ (void)f; {body} return 0; }}\n", encoding="utf-8"
    )
    bad = Nvml(compile_library(tmp_path / "bad", source), host.state)
    begun = time.monotonic()
    answer = bad.ask(seconds=1)
    assert (answer["state"], answer["said"]) == (state, said)
    assert time.monotonic() - begun < 20


def test_an_empty_library_has_none_of_the_functions(host: Nvml, tmp_path: Path) -> None:
    source = tmp_path / "empty.c"
    source.write_text("int nothing;\n", encoding="utf-8")
    answer = Nvml(compile_library(tmp_path / "empty", source), host.state).ask()
    assert answer["state"] == "failed"
    assert "Function Not Found" in answer["said"]


@pytest.mark.parametrize("text", [None, "raise ImportError('old')", "this is no Python"])
def test_a_binding_that_cannot_be_loaded(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "pynvml.py"
    if text:
        file.write_text(text, encoding="utf-8")
    answer = nvml.ask_apart(str(file))
    assert answer["state"] == "no-binding"
    assert answer["said"].startswith("nvidia-ml-py cannot be loaded: ")


def test_the_binding_leaves_no_cache_beside_it(host: Nvml, tmp_path: Path) -> None:
    """Root would write it into a folder that its user could not clear away."""
    file = tmp_path / "pynvml.py"
    file.write_bytes(Path(nvml.binding_here()).read_bytes())
    assert host.python(f"print(json.dumps(nvml.ask_apart({str(file)!r})['state']))") == "ok"
    assert [path.name for path in tmp_path.iterdir() if "pycache" in path.name] == []
