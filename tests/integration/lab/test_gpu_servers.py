"""Servers on a GPU that is not there, and what goes wrong with them: each fault is told by provision, by status or by the verdict.

llama-server runs in a stand-in image (llama-gpu beside this file): podman, CDI, systemd, NVML's answers and the model are real.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.parts import gemma_gguf, llama_image, paths, tiny_llama
from lab.parts.part import obtain

from .gpu_host import ROOT, GpuHost

pytestmark = [pytest.mark.lab, pytest.mark.long]
NAME = "gpuserver"
MODEL = "gemma-3-270m-q4_k_m"
LIMIT_SECONDS = 1200
IMAGE = "localhost/hostproof/llama-server:lab-gpu"
# The driver's accounting: the last process of the unit holds so many bytes.
ACCOUNTING = """while sleep 0.5; do
pid=$(find /sys/fs/cgroup/system.slice/llama-server.service -name cgroup.procs -exec cat {} + 2>/dev/null | tail -1)
broken=$(lab-gpu show | sed -n 's/.*"cuda_broken": \\([0-9]*\\).*/\\1/p')
[ "$broken" = 1 ] && pid=0
lab-gpu set process0_pid "${pid:-0}"; lab-gpu set process0_bytes 300000000
done > /dev/null 2>&1"""
THRESHOLDS = """\
schema: hostproof.thresholds/2
hardware: lab
setup: gpu
model: gemma-3-270m-q4_k_m
workload: quick
source: a test
thresholds:
  - {cell: decode, metric: generation_throughput, statistic: median, min: 0.01, unit: tok/s}
"""


def podman(*words: str) -> str:
    return subprocess.run(["podman", *words], check=True, capture_output=True, text=True, timeout=300).stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The lab's image with the stand-in as its entrypoint."""
    for part in (llama_image.part(), gemma_gguf.part(), tiny_llama.part()):
        obtain(part)
    folder = tmp_path_factory.mktemp("image")
    shutil.copy2(Path(__file__).with_name("llama-gpu"), folder)
    (folder / "llama-gpu").chmod(0o755)
    (folder / "Containerfile").write_text(
        f'FROM {llama_image.REFERENCE}\nCOPY llama-gpu /usr/local/bin/llama-gpu\nENTRYPOINT ["/usr/local/bin/llama-gpu"]\n'
    )
    podman("load", "--quiet", "--input", str(paths.llama_server_image_archive()))
    podman("build", "--quiet", "--isolation=chroot", "--tag", IMAGE, str(folder))
    podman("save", "--quiet", "--output", str(folder / "image.tar"), IMAGE)
    podman("image", "rm", "--force", IMAGE, llama_image.REFERENCE)
    yield folder / "image.tar"


class Site:
    """A lab host with driver, toolkit and model, and the playbooks as a user runs them."""

    def __init__(self, host: GpuHost, archive: Path) -> None:
        self.host, self.archive = host, archive

    def play(self, book: Path, *words: str, **extra: Any) -> tuple[int, str]:
        given = {
            "vllm_server_model": "",
            "llama_server_devices": ["nvidia.com/gpu=all"],
            "llama_server_image_archive": str(self.archive),
            "validation_setups": {"gpu": {"title": "GPU", "server": "llama_server", "workload": "quick"}},
            "validation_thresholds_dir": str(self.host.checkout / "thresholds"),
            **extra,
        }
        done = subprocess.run(
            [
                *[str(Path(sys.executable).with_name("ansible-playbook")), str(book), *words, "--limit", NAME],
                *["-i", str(ROOT / "inventory"), "-i", self.host.record.inventory, "-e", json.dumps(given)],
            ],
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False, cwd=ROOT,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def roles(self, *names: str, **extra: Any) -> tuple[int, str]:
        """As provision plays them, without the rest of it."""
        book = self.host.checkout / "roles.yml"
        book.write_text(yaml.safe_dump([{"hosts": NAME, "gather_facts": False, "roles": list(names)}]))
        return self.play(book, **extra)

    def server(self, **extra: Any) -> tuple[int, str]:
        return self.roles("llama_server", **extra)

    def status(self) -> dict[str, Any]:
        """llama-server's row."""
        seen = self.host.task("gpu_facts")
        rows = self.host.task(
            "server_status", gpus=seen["gpus"], asked=seen["driver"]["nvml"]["state"] == "ok"
        )["servers"]
        (row,) = rows
        return dict(row)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> Iterator[Site]:
    host = GpuHost(NAME, tmp_path_factory.mktemp("checkout"))
    (host.checkout / "thresholds").mkdir()
    (host.checkout / "thresholds/t.yml").write_text(THRESHOLDS)
    made = Site(host, archive)
    yield made
    host.down()


def test_without_a_gpu_nothing_is_served_and_it_says_why(site: Site) -> None:
    status, said = site.server()
    assert status == 2
    assert (
        "llama-server is to run on the GPU (llama_server_devices), and there is none to run on: no NVIDIA driver is installed"
        in said
    )
    status, said = site.server(llama_server_devices=[], llama_server_gpu_layers="999")
    assert status == 2
    assert "the container has no GPU, so the server would say nothing and use the CPU" in said
    status, said = site.server(llama_server_context=0, llama_server_devices=[])
    assert (status, "write how many tokens are wanted" in said) == (2, True), said


def test_on_the_gpu_it_is_proved_and_the_second_run_changes_nothing(site: Site) -> None:
    site.host.driver()
    site.host.ok(
        f"cat > /usr/local/bin/accounting <<'END'\n{ACCOUNTING}\nEND\nsystemd-run --unit=accounting sh /usr/local/bin/accounting"
    )
    status, said = site.roles("podman", "nvidia_cdi", "model_store", "llama_server")
    assert status == 0, said
    row = site.status()
    assert (row["state"], row["verdict"], row["proved"]) == ("as proved", "gpu", "gpu")
    assert row["device"].startswith("GPU (NVIDIA RTX PRO 6000")
    status, said = site.server()
    assert (status, "changed=0 " in said) == (0, True), said


def test_vram_that_another_process_holds_is_told_before_the_server_is_touched(site: Site) -> None:
    before = site.status()["since"]
    # What the server itself holds would come back with its restart: it is somebody else's.
    site.host.ok(
        "systemctl stop accounting; lab-gpu set process0_pid 4242; lab-gpu set vram_used_bytes 102600000000"
    )
    status, said = site.server(llama_server_parallel=2)
    site.host.ok(
        "lab-gpu set vram_used_bytes 0; systemd-run --unit=accounting sh /usr/local/bin/accounting; sleep 2"
    )
    assert status == 2
    assert "GiB of VRAM are free, and the weights take 0.2 GiB." in said
    assert site.status()["since"] == before
    told = site.host.task(
        "server_budget",
        units=["vllm-server.service"],
        processes=[{"pid": 4242, "name": "python3", "vram_bytes": 60 * 1024**3}],
        free_bytes=30 * 1024**3,
        wanted_bytes=40 * 1024**3,
        why="a model",
    )
    assert (
        "30.0 GiB of VRAM are to be had, and at least 40.0 GiB are needed (a model). python3 (pid 4242) holds 60.0 GiB."
        in told["msg"]
    )


def test_a_silent_fallback_is_found_by_status_by_provision_and_by_the_verdict(
    site: Site, tmp_path: Path
) -> None:
    site.host.ok("lab-gpu set cuda_broken 1; systemctl restart llama-server; sleep 2")
    row = site.status()
    assert (row["active"], row["state"], row["device"]) == ("active", "differs", "CPU")
    assert row["why"][0] == "it is cpu, and gpu was proved"
    status, said = site.server()
    assert (status, "llama-server.service is cpu, and gpu is wanted." in said) == (2, True), said
    status, said = site.play(ROOT / "playbooks/validate.yml", validation_run_dir=str(tmp_path / "run"))
    site.host.ok("lab-gpu set cuda_broken 0; systemctl restart llama-server")
    assert status == 2
    assert "NOT PROVEN, another device or kernel" in said
    verdict = json.loads((tmp_path / "run/verdict.json").read_text())
    assert (verdict["outcome"], verdict["setups"][0]["proof"]["verdict"]) == ("below", "cpu")


def test_a_server_that_starts_before_the_driver_waits_for_it(site: Site) -> None:
    """As at a boot in which the driver is late: it is not served from the CPU meanwhile."""
    site.host.ok(
        "systemctl stop llama-server; lab-gpu unload; systemctl restart --no-block llama-server; sleep 7"
    )
    assert site.host.ok("systemctl show --property=SubState --value llama-server").strip() == "start-pre"
    site.host.ok(
        "modprobe nvidia; for try in 1 2 3 4 5 6 7 8 9 10; do systemctl is-active llama-server && break; sleep 2; done"
    )
    # The stand-in's accounting takes a moment on a busy machine.
    for _ in range(10):
        row = site.status()
        if row["state"] == "as proved":
            break
        time.sleep(3)
    assert (row["state"], row["verdict"]) == ("as proved", "gpu"), row


def test_the_specification_of_the_old_driver_is_told_by_status(site: Site) -> None:
    site.host.ok(
        "cp /var/run/cdi/nvidia.yaml /run/kept && sed -i s/580.95.05/570.86.15/g /var/run/cdi/nvidia.yaml"
    )
    (said, *_) = site.host.task("cdi_spec", state="looked")["problems"]
    site.host.ok("cp /run/kept /var/run/cdi/nvidia.yaml")
    assert "was made for driver 570.86.15, and 580.95.05 is loaded." in said


@pytest.mark.parametrize(
    ("spoil", "wish", "said"),
    [
        ("rm {m}/config.json", {}, "there is no config.json. Fetch the whole model"),
        ("truncate --size=-1000 {m}/model.safetensors", {}, "bytes, and its header says"),
        ("rm {m}/model.safetensors", {}, "has no .safetensors file."),
        (
            "true",
            {"quantisation": "nvfp4"},
            "is quantised as none (config.json has no quantization_config), and nvfp4 is wanted.",
        ),
        ("true", {"context": 10_000_000}, "A context of 10,000,000 tokens is wanted"),
    ],
)
def test_a_checkpoint_that_is_missing_cut_or_of_another_quantisation(
    site: Site, spoil: str, wish: dict[str, Any], said: str
) -> None:
    model = "/run/checkpoint"
    site.host.ok(f"rm -rf {model} && mkdir {model} && chmod 0777 {model}")
    for name in ("config.json", "model.safetensors"):
        site.host.put(paths.tiny_llama() / name, f"{model}/{name}")
    assert not site.host.task("checkpoint", folder=model).get("failed")
    site.host.ok(spoil.format(m=model))
    assert said in site.host.task("checkpoint", folder=model, **wish)["msg"]


def test_what_a_host_tells_is_packed_without_being_changed(site: Site) -> None:
    before = site.host.ok("find /etc /var/lib/hostproof -type f -exec sha256sum {} + | sort -k2")
    told = site.host.task("evidence")
    assert {
        "llama_server.log",
        "nvidia-smi-q.txt",
        "cdi-var-run-cdi-nvidia.yaml",
        "proof-llama_server.json",
    } <= set(told["texts"])
    assert "offloaded 19/19 layers to GPU" in told["texts"]["llama_server.log"]
    assert yaml.safe_load(told["texts"]["cdi-var-run-cdi-nvidia.yaml"])["kind"] == "nvidia.com/gpu"
    assert site.host.ok("find /etc /var/lib/hostproof -type f -exec sha256sum {} + | sort -k2") == before
