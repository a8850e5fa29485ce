"""What makes a vLLM build one build: version, commit, indexes, lock with hashes; and its environment's names. Pure."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

VERSION = re.compile(r"\d+(\.\d+)+((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[0-9a-z][0-9a-z.]*)?")
RELEASE = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")
BUILT_FROM = re.compile(r"\+g([0-9a-f]{7,40})(?:\.|$)")
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;]+)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}(?=\s|$)")
ROLLING: Final = "nightly"
VLLM_WHEELS: Final = "wheels.vllm.ai"

GONE: Final[Mapping[str, str]] = {
    "VLLM_NVFP4_GEMM_BACKEND": "the flag --linear-backend",
    "VLLM_USE_NVFP4_CT_EMULATIONS": "the flag --linear-backend=emulation",
    "VLLM_USE_FLASHINFER_MOE_FP4": "the flag --moe-backend",
    "VLLM_FLASHINFER_MOE_BACKEND": "the flag --moe-backend",
}
"""Not in vLLM 0.33 any more: there, setting them does nothing. Looked up in the wheel vllm 0.33.0 of PyPI."""
GONE_SINCE: Final = (0, 33)

SECRET: Final[Mapping[str, str]] = {
    "VLLM_API_KEY": "vllm_server_api_key: true makes a key on the host",
    "HF_TOKEN": "model_store_huggingface_token is what fetches models; the server itself stays offline",
}
"""Must not stand in a unit file, which everybody on the host may read."""


@dataclass(frozen=True)
class Pins:
    release: str
    """Name of the release's folder."""
    version: str
    commit: str
    """Of a nightly build; else empty."""
    indexes: tuple[str, ...]
    """Asked before PyPI."""
    lock_path: str
    python: str = "3.12"
    """For the command that makes a lock."""


@dataclass(frozen=True)
class Requirement:
    name: str
    version: str
    hashes: int
    text: str


def complaints(pins: Pins) -> Iterator[str]:
    """What is not pinned or contradicts itself, before any lock is read. A sentence each, with its mend."""
    if not VERSION.fullmatch(pins.version):
        yield (
            f"vllm_server_version is {pins.version or 'empty'}, which names no single build. "
            "Write it out, such as 0.33.0 or 0.33.1rc1.dev12+g0123abcde."
        )
    if not RELEASE.fullmatch(pins.release) or ".." in pins.release:
        yield f"vllm_server_release is {pins.release or 'empty'}: letters, digits, and . + _ - alone, as it names a folder."
    if pins.commit and not COMMIT.fullmatch(pins.commit):
        yield f"vllm_server_commit is {pins.commit}, no full commit. Write all of its 40 digits, or leave it empty."
    for index in pins.indexes:
        yield from _index(index, pins.commit)
    built = BUILT_FROM.search(pins.version)
    if built and not pins.commit.startswith(built[1]):
        yield (
            f"vllm_server_version {pins.version} was built from commit {built[1]}, and vllm_server_commit is "
            f"{pins.commit or 'empty'}. Set it to that commit's 40 digits: a nightly's index goes by them."
        )


def _index(index: str, commit: str) -> Iterator[str]:
    where = urlsplit(index)
    parts = [part for part in where.path.split("/") if part]
    if where.scheme != "https" or not where.hostname:
        yield f"{index} in vllm_server_indexes is no https address."
    if where.username or where.password:
        yield (
            f"An address at {where.hostname} in vllm_server_indexes carries a password, which would show in logs. "
            "Put it into root's ~/.netrc on the host."
        )
    if ROLLING in parts:
        yield (
            f"{index} is a rolling index: it keeps the newest build alone, and this one would be gone within hours. "
            f"Use https://{VLLM_WHEELS}/<all 40 digits of the commit>/<variant, such as cu130>."
        )
    elif where.hostname == VLLM_WHEELS and (not commit or commit not in parts):
        yield f"{index} is not the index of vllm_server_commit: put its 40 digits there (https://{VLLM_WHEELS}/<commit>)."


def lock_complaints(text: str, pins: Pins) -> Iterator[str]:
    """What a lock lacks: a version or a hash somewhere, or vLLM itself in the version that is wanted."""
    wanted = list(requirements(text))
    loose = [one.text for one in wanted if not one.version]
    bare = [one.name for one in wanted if one.version and not one.hashes]
    if loose:
        yield f"{pins.lock_path} does not pin {_few(loose)}: name==version and its sha256 alone may stand there. {remade(pins)}"
    if bare:
        yield f"{pins.lock_path} has no sha256 for {_few(bare)}. {remade(pins)}"
    found = next((one.version for one in wanted if one.name == "vllm"), "")
    if found != pins.version and not loose:
        yield (
            f"{pins.lock_path} pins {f'vllm {found}' if found else 'no vllm'}, and vllm_server_version is {pins.version}. "
            f"Set the one that you mean. {remade(pins)}"
        )


def remade(pins: Pins) -> str:
    return f"This makes it: {lock_command(pins)}"


def lock_command(pins: Pins) -> str:
    """Resolves once, with every wheel's sha256; run where the indexes can be reached."""
    indexes = "".join(f" --index {index}" for index in pins.indexes)
    return (
        f"echo vllm=={pins.version} | uv pip compile -{indexes} --python-version {pins.python} "
        "--python-platform x86_64-manylinux_2_39 --only-binary :all: --generate-hashes --no-annotate "
        f"--output-file {pins.lock_path}"
    )


def requirements(lock: str) -> Iterator[Requirement]:
    """One a logical line. What is no `name==version` has no version."""
    for line in re.sub(r"\\\r?\n", " ", lock).splitlines():
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if not text:
            continue
        pin = PIN.match(text)
        rest = HASH.sub("", text[pin.end() :]).split(";")[0].strip() if pin else text
        name = re.sub(r"[-_.]+", "-", pin[1]).lower() if pin else text.split()[0]
        version = pin[2] if pin and not rest and "*" not in pin[2] else ""
        yield Requirement(name, version, len(HASH.findall(text)), text.split(" ")[0])


def known_names(envs: str) -> frozenset[str]:
    """Every name in `environment_variables` of a build's vllm/envs.py, which is read and not run."""
    for node in ast.parse(envs).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        value = getattr(node, "value", None)
        if "environment_variables" in names and isinstance(value, ast.Dict):
            keys = (key.value for key in value.keys if isinstance(key, ast.Constant))
            return frozenset(key for key in keys if isinstance(key, str))
    return frozenset()


def environment_complaints(
    names: Iterable[str], version: str, known: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Names that this build does not read, that moved, or that are secrets. `known` is empty while it is not there."""
    for name in names:
        if name in SECRET:
            yield f"vllm_server_environment has {name}, a secret that everybody on the host could read: {SECRET[name]}."
        elif known:
            if name.startswith("VLLM_") and name not in known:
                yield f"vLLM {version} does not read {name} (vllm_server_environment). {_instead(name, known)}"
        elif name in GONE and release_numbers(version) >= GONE_SINCE:
            yield f"vLLM {version} does not read {name} any more (vllm_server_environment). {_instead(name, known)}"


def _instead(name: str, known: frozenset[str]) -> str:
    if name in GONE:
        return f"Use {GONE[name]} in its place, in vllm_server_extra_args."
    near = difflib.get_close_matches(name, sorted(known), n=2)
    return f"The nearest that it reads: {', '.join(near)}." if near else "Take it out."


def release_numbers(version: str) -> tuple[int, ...]:
    """`0.33.1rc1.dev12+g…` → (0, 33, 1)."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found.group().split("."))) if found else ()


def _few(names: list[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
