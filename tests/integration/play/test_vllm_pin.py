"""A nightly is resolved once and kept: against an index on loopback that forgets, as the real one does. Wheels are made up and tiny."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
# uv makes an environment with pip in it, from PyPI.
pytestmark = pytest.mark.lab
UV = str(Path(sys.executable).with_name("uv"))


def wheel(
    folder: Path, name: str, version: str, needs: tuple[str, ...] = (), tag: str = "py3-none-any"
) -> Path:
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {each}\n" for each in needs)
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace('-', '_')}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD")))
    return path


class Index:
    """wheels.vllm.ai's layout: a rolling list, and each commit's own folder; beside it a PEP 503 index for FlashInfer."""

    def __init__(self, root: Path, url: str) -> None:
        self.root, self.url = root, url

    def nightly(self, commit: str, dev: int) -> str:
        """A new build; the rolling list has it alone."""
        version = f"0.33.1rc1.dev{dev}+g{commit[:9]}.cu130"
        tag = "cp38-abi3-manylinux_2_28_x86_64"
        made = wheel(self.root / commit, "vllm", version, ("flashinfer-python==0.7.2",), tag)
        entry = {
            "package_name": "vllm",
            "version": version,
            "platform_tag": "manylinux_2_28_x86_64",
            "variant": "cu130",
        }
        listed = self.root / "nightly/cu130/vllm"
        listed.mkdir(parents=True, exist_ok=True)
        where = f"../../../{commit}/{made.name.replace('+', '%2B')}"
        (listed / "metadata.json").write_text(json.dumps([{**entry, "filename": made.name, "path": where}]))
        return version

    def simple(self, made: Path) -> None:
        name = made.name.split("-")[0].replace("_", "-")
        page = self.root / "simple" / name
        page.mkdir(parents=True, exist_ok=True)
        (page / "index.html").write_text(
            f'<a href="../../flashinfer/{made.name.replace("+", "%2B")}">{made.name}</a>'
        )


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    root = tmp_path / "index"
    root.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    Thread(target=server.serve_forever, daemon=True).start()
    made = Index(root, f"http://127.0.0.1:{server.server_port}")
    for name, version in (
        ("flashinfer-python", "0.7.2"),
        ("flashinfer-cubin", "0.7.2"),
        ("flashinfer-cubin", "0.6.13"),
    ):
        made.simple(wheel(root / "flashinfer", name, version))
    made.simple(wheel(root / "flashinfer", "flashinfer-cubin", "0.7.2"))
    yield made
    server.shutdown()


@pytest.fixture
def pin(tmp_path: Path, index: Index) -> Any:
    link = tmp_path / "c/ansible_collections/hostproof/core"
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)

    def run(**more: Any) -> dict[str, Any]:
        given = {
            "pin": str(tmp_path / "inventory/vllm-nightly.json"),
            "folder": str(tmp_path / "wheels"),
            "index": index.url,
            "indexes": [f"{index.url}/simple"],
            "packages": ["flashinfer-cubin=={flashinfer}"],
            "python": "3.12",
            "uv": UV,
            **more,
        }
        done = subprocess.run(
            [sys.executable, "-m", "ansible_collections.hostproof.core.plugins.modules.vllm_pin"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
            env={**os.environ, "PYTHONPATH": str(tmp_path / "c")},
            capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))

    return run


ONE, TWO = "0123abcde" + "4" * 31, "fedcba987" + "5" * 31


def test_it_is_resolved_once_kept_whole_and_made_again_when_the_index_has_moved_on(
    tmp_path: Path, index: Index, pin: Any
) -> None:
    version = index.nightly(ONE, 12)
    asked = pin(_ansible_check_mode=True)
    assert (asked["changed"], asked["version"], asked["wheelhouse"]) == (True, version, "")
    assert not (tmp_path / "inventory").exists()
    assert not (tmp_path / "wheels").exists()

    first = pin()
    assert (first.get("msg"), first["changed"], first["version"], first["commit"]) == (
        None,
        True,
        version,
        ONE,
    )
    kept = json.loads((tmp_path / "inventory/vllm-nightly.json").read_text())
    made = tmp_path / "wheels" / version / kept["filename"]
    assert kept["sha256"] == hashlib.sha256(made.read_bytes()).hexdigest()
    assert kept["url"].startswith(f"{index.url}/{ONE}/"), "never the rolling address"
    lock = (made.parent / "requirements.txt").read_text()
    assert "flashinfer-cubin==0.7.2" in lock, "the one that fits FlashInfer, not the newest and not PyPI's"
    assert lock.count("--hash=sha256:") >= 3
    assert {each.name.split("-")[0] for each in made.parent.glob("*.whl")} == {
        "vllm",
        "flashinfer_python",
        "flashinfer_cubin",
    }

    index.nightly(TWO, 13)
    made_again = (index.root / ONE).rename(index.root / "gone")
    assert made_again
    again = pin()
    assert (again["changed"], again["version"], again["wheelhouse"]) == (False, version, str(made.parent))


def test_a_build_that_is_gone_from_the_index_with_its_wheels_is_one_sentence(
    tmp_path: Path, index: Index, pin: Any
) -> None:
    version = index.nightly(ONE, 12)
    assert not pin().get("failed")
    (tmp_path / "wheels").rename(tmp_path / "elsewhere")
    (index.root / ONE).rename(index.root / "gone")
    said = pin()
    assert said["failed"]
    assert f"vLLM {version} (commit {ONE}) is not to be had:" in said["msg"]
    assert "answers 404" in said["msg"]
    (tmp_path / "elsewhere").rename(tmp_path / "wheels")
    assert not pin().get("failed"), "brought from where it was pinned, it needs no index"


def test_another_file_under_the_same_name_is_refused(tmp_path: Path, index: Index, pin: Any) -> None:
    version = index.nightly(ONE, 12)
    assert not pin().get("failed")
    kept = json.loads((tmp_path / "inventory/vllm-nightly.json").read_text())
    wheel_kept = tmp_path / "wheels" / version / kept["filename"]
    wheel_kept.write_bytes(wheel_kept.read_bytes() + b"x")
    assert "is not the wheel that was pinned: its sha256 is" in pin()["msg"]
    # Nor may the index put another one in its place.
    (tmp_path / "wheels").rename(tmp_path / "elsewhere")
    served = index.root / ONE / kept["filename"]
    served.write_bytes(served.read_bytes() + b"y")
    assert "do not install it" in pin()["msg"]


def test_an_index_that_is_not_there_and_a_pin_that_is_none_are_told(tmp_path: Path, pin: Any) -> None:
    assert "answers 404" in pin()["msg"]
    assert "cannot be reached" in pin(index="http://127.0.0.1:9")["msg"]
    path = tmp_path / "inventory/vllm-nightly.json"
    path.parent.mkdir()
    path.write_text('{"schema": "other"}')
    assert "is no pin of a nightly: its schema is not hostproof.vllm-nightly/1." in pin()["msg"]
