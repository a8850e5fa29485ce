"""On the controller: resolves a vLLM nightly once, and keeps everything that makes its release in a folder of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import urllib.error
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.hostproof.core.plugins.module_utils import nightly_pin, vllm_index
from ansible_collections.hostproof.core.plugins.module_utils.nightly_pin import NightlyPin, NightlyPinError
from ansible_collections.hostproof.core.plugins.module_utils.vllm_index import WheelIndexError

DOCUMENTATION = """
module: vllm_pin
short_description: Resolves a vLLM nightly once, and keeps its wheels
description:
  - Without O(pin) the newest build of O(variant) is looked up, and its version, its commit in full and the address that stays are written
    down. With it nobody is asked what is newest.
  - The wheel is fetched once from its commit's own address. The index has no hashes, so the sha256 of what came first is written into
    O(pin), and required from then on.
  - All that it needs is resolved and fetched into O(folder), with C(requirements.txt). Once that is whole, no network is needed, also when
    the index has long forgotten the build.
options:
  pin: {type: path, required: true, description: "The file that says which build; it belongs into the inventory's repository."}
  folder: {type: path, required: true, description: Where the wheels are kept, a folder a build.}
  variant: {type: str, default: cu130, description: "CUDA variant, as the index calls it."}
  index: {type: str, default: "https://wheels.vllm.ai", description: The index or a mirror of it.}
  indexes: {type: list, elements: str, default: [], description: "Further indexes, before PyPI."}
  packages:
    description: "Packages beside vLLM; C({flashinfer}) becomes the version of flashinfer-python that vLLM asks for."
    type: list
    elements: str
    default: []
  python: {type: str, default: "3.12", description: The host's Python.}
  platform: {type: str, default: x86_64-manylinux_2_39, description: "The host's platform, as uv calls it."}
  uv: {type: path, required: true, description: The controller's uv.}
  limit_seconds: {type: int, default: 3600, description: How long one step may take.}
attributes:
  check_mode: {support: full, description: "Asks which build it would be, and writes nothing."}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Pin the newest nightly, once
  hostproof.core.vllm_pin:
    pin: "{{ inventory_dir }}/vllm-nightly.json"
    folder: /srv/vllm-nightlies
    uv: /usr/local/bin/uv
  delegate_to: localhost
"""

RETURN = """
version: {description: The build's version., returned: success, type: str}
commit: {description: Its commit in full., returned: success, type: str}
wheelhouse: {description: "The folder with its wheels; empty in check mode while it is not there.", returned: success, type: str}
"""

ARGUMENTS = {
    "pin": {"type": "path", "required": True},
    "folder": {"type": "path", "required": True},
    "variant": {"type": "str", "default": "cu130"},
    "index": {"type": "str", "default": vllm_index.BASE},
    "indexes": {"type": "list", "elements": "str", "default": []},
    "packages": {"type": "list", "elements": "str", "default": []},
    "python": {"type": "str", "default": "3.12"},
    "platform": {"type": "str", "default": "x86_64-manylinux_2_39"},
    "uv": {"type": "path", "required": True},
    "limit_seconds": {"type": "int", "default": 3600},
}
LOCK = "requirements.txt"
WHOLE = ".whole"
BLOCK = 1024 * 1024
TAIL_LINES = 10
OLDEST_GLIBC = 17


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    path = Path(module.params["pin"])
    try:
        before = read(module, path)
        pin = before or newest(module)
    except WheelIndexError as error:
        module.fail_json(msg=str(error))
    folder = Path(module.params["folder"]).expanduser() / pin.version
    if (folder / WHOLE).exists():
        must_be_the_wheel(module, pin, sha256(folder / pin.filename), folder / pin.filename)
        finish(module, pin, folder, changed=before is None)
    if module.check_mode:
        finish(module, pin, None, changed=True)
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    digest = fetch(module, pin, folder / pin.filename)
    must_be_the_wheel(module, pin, digest, folder / pin.filename)
    pin = replace(pin, sha256=digest)
    keep(path, nightly_pin.render(pin))
    fill(module, pin, folder)
    finish(module, pin, folder, changed=True)


def read(module: AnsibleModule, path: Path) -> NightlyPin | None:
    try:
        return nightly_pin.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except NightlyPinError as error:
        module.fail_json(
            msg=f"{path} is no pin of a nightly: {error}. Mend it, or remove it to pin the newest one."
        )


def newest(module: AnsibleModule) -> NightlyPin:
    given = module.params
    where = vllm_index.metadata_url(vllm_index.ROLLING, given["variant"], given["index"])
    found = vllm_index.wheels(metadata(where), where)
    machine = given["platform"].partition("-")[0]
    return nightly_pin.of(
        vllm_index.choose(found, variant=given["variant"], machine=machine, where=where), given["variant"]
    )


def metadata(where: str) -> object:
    try:
        return json.loads(open_url(where, timeout=30).read())
    except urllib.error.HTTPError as error:
        raise WheelIndexError(
            f"{where} answers {error.code}. See the variant (vllm_server_variant)."
        ) from error
    except ValueError as error:
        raise WheelIndexError(f"{where} is no JSON ({error}). Is that vLLM's index?") from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise WheelIndexError(
            f"{where} cannot be reached ({reason}). A pin with its wheels needs no index: bring both from where they are."
        ) from error


def fetch(module: AnsibleModule, pin: NightlyPin, target: Path) -> str:
    """Its sha256. What is there already is not fetched again."""
    if target.exists():
        return sha256(target)
    partial = target.with_name(f".{target.name}.partial")
    try:
        answer = open_url(pin.url, timeout=60)
        with partial.open("wb") as file:
            shutil.copyfileobj(answer, file, BLOCK)
    except urllib.error.HTTPError as error:
        gone(module, pin, f"answers {error.code}")
    except OSError as error:
        gone(module, pin, f"cannot be read ({getattr(error, 'reason', error)})")
    partial.replace(target)
    return sha256(target)


def gone(module: AnsibleModule, pin: NightlyPin, why: str) -> NoReturn:
    leave_nothing(Path(module.params["folder"]).expanduser() / pin.version)
    module.fail_json(
        msg=f"vLLM {pin.version} (commit {pin.commit}) is not to be had: {pin.url} {why}, and {module.params['folder']} does not have its "
        f"wheels. Bring that folder from where it was pinned, or remove {module.params['pin']} to pin the newest build."
    )


def leave_nothing(folder: Path) -> None:
    """An empty folder would stand in the way of the one that is brought."""
    for partial in folder.glob(".*.partial"):
        partial.unlink()
    for place in (folder, folder.parent):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()


def must_be_the_wheel(module: AnsibleModule, pin: NightlyPin, digest: str, wheel: Path) -> None:
    if pin.sha256 and digest != pin.sha256:
        module.fail_json(
            msg=f"{wheel} is not the wheel that was pinned: its sha256 is {digest}, and {module.params['pin']} has {pin.sha256}. "
            "Remove it, to have it fetched again; if that gives the same, the index has another file in its place: do not install it."
        )


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def fill(module: AnsibleModule, pin: NightlyPin, folder: Path) -> None:
    """Resolves, resolves again with what goes with its FlashInfer, and fetches every wheel by its hash."""
    lock = folder / LOCK
    wanted = [f"vllm=={pin.version}"]
    resolve(module, wanted, folder, lock)
    if more := nightly_pin.beside(lock.read_text(encoding="utf-8"), module.params["packages"]):
        resolve(module, [*wanted, *more], folder, lock)
    download(module, folder, lock)
    (folder / WHOLE).write_text("", encoding="utf-8")


def resolve(module: AnsibleModule, wanted: list[str], folder: Path, lock: Path) -> None:
    given = module.params
    command = [
        *(given["uv"], "pip", "compile", "-", "--quiet", "--find-links", str(folder)),
        *nightly_pin.index_words(given["indexes"]),
        *(
            "--python-version",
            given["python"],
            "--python-platform",
            given["platform"],
            "--only-binary",
            ":all:",
        ),
        *("--generate-hashes", "--no-annotate", "--no-header", "--output-file", str(lock)),
    ]
    run(module, command, "\n".join([*wanted, ""]))


def download(module: AnsibleModule, folder: Path, lock: Path) -> None:
    """uv has no download; pip has, for another Python than its own too."""
    given = module.params
    short = given["python"].replace(".", "")
    machine, _, libc = given["platform"].partition("-")
    newest_glibc = int(libc.rpartition("_")[2]) if libc.startswith("manylinux_2_") else OLDEST_GLIBC
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(newest_glibc, OLDEST_GLIBC - 1, -1)]
    tags += [f"manylinux2014_{machine}", f"linux_{machine}"]
    with tempfile.TemporaryDirectory(prefix="hostproof-pip-") as place:
        run(module, [given["uv"], "venv", "--quiet", "--seed", place])
        command = [
            *(
                f"{place}/bin/python",
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--require-hashes",
                "--only-binary",
                ":all:",
            ),
            *("--dest", str(folder), "--find-links", str(folder), "--requirement", str(lock)),
            *("--python-version", given["python"], "--implementation", "cp"),
            *[word for abi in (f"cp{short}", "abi3", "none") for word in ("--abi", abi)],
            *[word for tag in tags for word in ("--platform", tag)],
            *[word for index in given["indexes"] for word in ("--extra-index-url", index)],
        ]
        run(module, command)


def run(module: AnsibleModule, command: list[str], data: str | None = None) -> None:
    limited = ["timeout", "--kill-after=30", str(module.params["limit_seconds"]), *command]
    rc, out, err = module.run_command(
        limited, data=data, environ_update={"UV_NO_PROGRESS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    )
    if rc != 0:
        said = "\n".join((out + err).strip().splitlines()[-TAIL_LINES:])
        step = " ".join([Path(command[0]).name, *command[1:4]])
        why = f"not within {module.params['limit_seconds']} s" if rc == 124 else f"status {rc}"
        module.fail_json(
            msg=f"The wheels of this nightly could not be had ({step}, {why}). What came is kept. It said:\n{said}"
        )


def keep(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def finish(module: AnsibleModule, pin: NightlyPin, folder: Path | None, *, changed: bool) -> NoReturn:
    path = Path(module.params["pin"])
    if changed and folder is not None and not path.exists():
        # The folder was brought without the pin that goes with it: what it has is what is required from now on.
        keep(path, nightly_pin.render(replace(pin, sha256=sha256(folder / pin.filename))))
    module.exit_json(
        changed=changed,
        version=pin.version,
        commit=pin.commit,
        wheelhouse=str(folder) if folder else "",
        diff={"before": "", "after": f"vLLM {pin.version}, commit {pin.commit}\n"} if changed else {},
    )


if __name__ == "__main__":
    main()
