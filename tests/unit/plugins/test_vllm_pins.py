"""What makes a vLLM build one build."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hostproof.shared import vllm_pins
from hostproof.shared.vllm_pins import Pins

REPOSITORY = Path(__file__).parents[3]
LOCK = REPOSITORY / "roles/vllm_server/files/vllm-0.33.0.lock"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHA = "a" * 64
RELEASE = Pins(release="0.33.0", version="0.33.0", commit="", indexes=(), lock_path="/srv/vllm.lock")
NIGHTLY = Pins(
    release="nightly-1124",
    version="0.33.1rc1.dev12+g012345678.cu130",
    commit=COMMIT,
    indexes=(f"https://wheels.vllm.ai/{COMMIT}/cu130",),
    lock_path="/srv/vllm.lock",
)
ENVS = """
from collections.abc import Callable
VLLM_PORT: int | None = None
environment_variables: dict[str, Callable[[], object]] = {
    "VLLM_PORT": lambda: 1,
    "VLLM_CPU_KVCACHE_SPACE": lambda: os.getenv("VLLM_CPU_KVCACHE_SPACE", "0"),
}
"""


def complaints(**changes: object) -> str:
    base = NIGHTLY if changes.pop("nightly", False) else RELEASE
    return "\n".join(vllm_pins.complaints(dataclasses.replace(base, **changes)))


def test_a_release_and_a_nightly_of_one_commit_are_pinned() -> None:
    assert complaints() == ""
    assert complaints(nightly=True) == ""


@pytest.mark.parametrize("version", ["", ">=0.33", "0.33.*", "nightly", "latest", "v0.33.0"])
def test_what_names_no_single_build_is_refused(version: str) -> None:
    assert "names no single build" in complaints(version=version)


@pytest.mark.parametrize("release", ["", "a/b", "..", "../etc", "a b", "-x", "x%n"])
def test_a_release_is_the_name_of_a_folder(release: str) -> None:
    assert "vllm_server_release" in complaints(release=release)


def test_a_rolling_index_is_refused_with_the_one_that_stays() -> None:
    said = complaints(nightly=True, indexes=("https://wheels.vllm.ai/nightly/cu130",))
    assert "rolling" in said
    assert "https://wheels.vllm.ai/<all 40 digits of the commit>" in said


def test_an_index_of_another_commit_is_refused() -> None:
    assert "is not the index of vllm_server_commit" in complaints(
        nightly=True, indexes=(f"https://wheels.vllm.ai/{COMMIT[::-1]}/cu130",)
    )


def test_other_indexes_need_no_commit() -> None:
    assert complaints(indexes=("https://flashinfer.ai/whl/cu130",)) == ""


def test_a_short_commit_is_refused() -> None:
    assert "all of its 40 digits" in complaints(nightly=True, commit=COMMIT[:9])


def test_a_version_of_another_commit_is_refused() -> None:
    assert "was built from commit fedcba987" in complaints(nightly=True, version="0.33.1rc1.dev12+gfedcba987")


def test_a_nightly_without_its_commit_is_refused() -> None:
    assert "vllm_server_commit is empty" in complaints(nightly=True, commit="", indexes=())


def test_a_password_in_an_index_is_refused_and_not_repeated() -> None:
    said = complaints(indexes=("https://me:secret@wheels.example/simple",))
    assert "password" in said
    assert "secret" not in said


def test_an_index_is_reached_by_https() -> None:
    assert "no https address" in complaints(indexes=("http://wheels.example/simple",))


def lock_complaints(text: str, pins: Pins = RELEASE) -> str:
    return "\n".join(vllm_pins.lock_complaints(text, pins))


def test_the_lock_of_the_default_pins_everything() -> None:
    text = LOCK.read_text(encoding="utf-8")
    assert lock_complaints(text) == ""
    assert len(list(vllm_pins.requirements(text))) > 150


def test_the_default_is_the_lock_that_is_there() -> None:
    defaults = (REPOSITORY / "roles/vllm_server/defaults/main.yml").read_text(encoding="utf-8")
    assert f'vllm_server_version: "{LOCK.stem.removeprefix("vllm-")}"' in defaults


def test_a_line_without_a_hash_is_named() -> None:
    said = lock_complaints(f"vllm==0.33.0 --hash=sha256:{SHA}\nninja==1.13.2\n")
    assert "no sha256 for ninja" in said


@pytest.mark.parametrize(
    "line",
    [
        "ninja>=1.13",
        "ninja",
        "ninja==1.*",
        "-r more.txt",
        "--index-url https://x",
        "-e .",
        "ninja @ https://x/n.whl",
    ],
)
def test_a_line_that_pins_nothing_is_named(line: str) -> None:
    said = lock_complaints(f"vllm==0.33.0 \\\n    --hash=sha256:{SHA}\n{line} --hash=sha256:{SHA}\n")
    assert f"does not pin {line.split(' ', maxsplit=1)[0]}" in said


def test_a_short_hash_is_none() -> None:
    assert "does not pin vllm==0.33.0" in lock_complaints("vllm==0.33.0 --hash=sha256:abc\n")


def test_markers_and_comments_are_no_matter() -> None:
    text = f"# made by uv\nvllm==0.33.0 ; sys_platform == 'linux' \\\n    --hash=sha256:{SHA}  # of PyPI\n\n"
    assert lock_complaints(text) == ""


def test_a_lock_of_another_version_is_refused_with_the_command_that_makes_the_right_one() -> None:
    said = lock_complaints(f"vllm==0.33.0 --hash=sha256:{SHA}\n", NIGHTLY)
    assert "pins vllm 0.33.0, and vllm_server_version is 0.33.1rc1.dev12+g012345678.cu130" in said
    assert "echo vllm==0.33.1rc1.dev12+g012345678.cu130 | uv pip compile - " in said
    assert f"--index https://wheels.vllm.ai/{COMMIT}/cu130 " in said
    assert "--generate-hashes" in said


def test_an_empty_lock_pins_no_vllm() -> None:
    assert "pins no vllm" in lock_complaints("")


def test_names_are_read_without_running_anything() -> None:
    assert vllm_pins.known_names(ENVS) == {"VLLM_PORT", "VLLM_CPU_KVCACHE_SPACE"}
    assert vllm_pins.known_names("x = 1\nraise SystemExit") == frozenset()


def environment(*names: str, version: str = "0.33.0", known: frozenset[str] = frozenset()) -> list[str]:
    return list(vllm_pins.environment_complaints(names, version, known))


@pytest.mark.parametrize("name", vllm_pins.GONE)
def test_a_name_that_is_gone_is_refused_with_its_successor(name: str) -> None:
    (said,) = environment(name)
    assert name in said
    assert vllm_pins.GONE[name] in said


@pytest.mark.parametrize("version", ["0.32.0+cpu", "0.9.1"])
def test_before_it_was_gone_it_is_allowed(version: str) -> None:
    assert environment("VLLM_NVFP4_GEMM_BACKEND", version=version) == []


def test_with_the_release_at_hand_its_own_names_count() -> None:
    known = vllm_pins.known_names(ENVS)
    assert environment("VLLM_PORT", "HF_HUB_OFFLINE", "OMP_NUM_THREADS", known=known) == []
    (said,) = environment("VLLM_CPU_KVCACHE_SPAC", known=known)
    assert "The nearest that it reads: VLLM_CPU_KVCACHE_SPACE" in said
    (said,) = environment("VLLM_FLASHINFER_MOE_BACKEND", version="0.32.0", known=known)
    assert "--moe-backend" in said


def test_a_secret_has_no_place_in_a_unit() -> None:
    (said,) = environment("VLLM_API_KEY", known=frozenset({"VLLM_API_KEY"}))
    assert "vllm_server_api_key: true" in said
