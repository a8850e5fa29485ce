"""On the controller: a model's files, found or generated, ready to be pushed."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import catalogue, model_files
from ansible_collections.hostproof.core.plugins.module_utils.model_files import Model, StoreError

DOCUMENTATION = """
module: model_source
short_description: A model's files on the controller, found or generated
description:
  - For sources of kind C(controller) checks that the files are there and right.
  - For kind C(generator) runs the generator as C(argv --out FOLDER), once; what it made is cached and
    proved by its sha256. Several hosts may ask at the same time, the first one generates.
options:
  model: {type: str, required: true, description: Name in the catalogue.}
  catalogue: {type: dict, required: true, description: Entries of the wanted models (docs/contracts.md).}
  cache: {type: path, required: true, description: "Where generated models are kept, a folder a model."}
  chdir: {type: path, required: true, description: Where a generator is run.}
  python: {type: path, default: "", description: Stands for C(python) in a generator's argv.}
  limit_seconds: {type: int, default: 3600, description: A generator that takes longer is ended.}
attributes:
  check_mode: {support: full, description: Generates nothing.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Have the model ready on the controller
  hostproof.core.model_source:
    model: gemma-3-270m-it-q4_k_m
    catalogue: "{{ model_store_catalogue }}"
    cache: ~/.cache/hostproof/models
    chdir: "{{ playbook_dir }}/.."
  delegate_to: localhost
"""

RETURN = """
folder: {description: Where the files are., returned: always, type: str}
"""

ARGUMENTS = {
    "model": {"type": "str", "required": True},
    "catalogue": {"type": "dict", "required": True},
    "cache": {"type": "path", "required": True},
    "chdir": {"type": "path", "required": True},
    "python": {"type": "path", "default": ""},
    "limit_seconds": {"type": "int", "default": 3600},
}
TAIL_LINES = 12


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    name = module.params["model"]
    try:
        if complaints := catalogue.complaints(name, module.params["catalogue"]):
            raise StoreError(f"Model {name!r} cannot be had: {'; '.join(complaints)}.")
        entry = module.params["catalogue"][name]
        model = Model(name, dict(entry["files"]), int(entry["size_bytes"]), {})
        if entry["source"]["kind"] == "controller":
            folder = Path(entry["source"]["path"]).expanduser()
            changed = False
            if not module.check_mode:
                must_be_right(model, folder)
            else:
                must_have(model, folder)
        else:
            folder = Path(module.params["cache"]) / name
            changed = generated(module, model, list(map(str, entry["source"]["argv"])))
    except StoreError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, folder=str(folder))


def must_have(model: Model, folder: Path) -> None:
    if missing := [file for file in model.files if not (folder / file).is_file()]:
        raise StoreError(
            f"{model.name}: {', '.join(missing)} is missing in {folder} on the controller. "
            "Put it there, or correct source.path in the catalogue."
        )


def must_be_right(model: Model, folder: Path) -> None:
    """Hashing here takes a fraction of what it takes to push a wrong file and find out there."""
    must_have(model, folder)
    for file, sha256 in model.files.items():
        if (actual := model_files.sha256_of(folder / file)) != sha256:
            raise StoreError(
                f"{model.name}: {folder / file} on the controller has sha256 {actual}, the catalogue says "
                f"{sha256}. Correct the catalogue if the file is the right one, else replace it."
            )


def generated(module: AnsibleModule, model: Model, argv: list[str]) -> bool:
    """True if it had to be (or, in check mode, would be) generated."""
    cache = Path(module.params["cache"])
    if module.check_mode:
        return not complete(cache, model)
    folder = cache / model.name
    folder.mkdir(parents=True, exist_ok=True)
    with (cache / f".{model.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if complete(cache, model):
            return False
        generate(module, folder, argv)
        wrong = [f for f, one in model_files.look(cache, model, again=True).items() if one.kind != "good"]
        for file in wrong:
            complain(model, folder / file, file)
        complete(cache, model)
    return True


def complete(cache: Path, model: Model) -> bool:
    """Whether every file is there and right; remembered, so that it is hashed once."""
    seen = model_files.look(cache, model)
    if any(one.kind != "good" for one in seen.values()):
        return False
    model_files.write_record(cache / model.name, {f: one.mark for f, one in seen.items() if one.mark})
    return True


def generate(module: AnsibleModule, folder: Path, argv: list[str]) -> None:
    python = module.params["python"] or sys.executable
    command = [python if word == "python" else word for word in argv] + ["--out", str(folder)]
    shown = " ".join(command)
    try:
        done = subprocess.run(
            command,
            cwd=module.params["chdir"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=module.params["limit_seconds"],
            check=False,
        )
    except FileNotFoundError as error:
        raise StoreError(f"The generator `{shown}` is not there: {error}.") from error
    except subprocess.TimeoutExpired as error:
        raise StoreError(f"The generator `{shown}` took longer than {error.timeout:.0f} s.") from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.strip().splitlines()[-TAIL_LINES:])
        raise StoreError(f"The generator `{shown}` ended with {done.returncode}. It said:\n{tail}")


def complain(model: Model, path: Path, file: str) -> None:
    if not path.is_file():
        raise StoreError(f"{model.name}: the generator did not write {file} ({path}).")
    actual = model_files.sha256_of(path)
    raise StoreError(
        f"{model.name}: the generator wrote {file} with sha256 {actual}, the catalogue says "
        f"{model.files[file]}. Correct one of them ({path})."
    )


if __name__ == "__main__":
    main()
