"""Models on the host, each file proved by its sha256, fetched once and never again."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Mapping
from http.client import HTTPResponse
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.hostproof.core.plugins.module_utils import (
    catalogue,
    model_fetch,
    model_files,
    processes,
)
from ansible_collections.hostproof.core.plugins.module_utils.model_files import Mark, Model, Seen, StoreError

DOCUMENTATION = """
module: model_store
short_description: Models on the host, each file proved by its sha256
description:
  - Looks at every wanted model, fetches what it can fetch itself (sources C(url) and C(huggingface)) and
    names in C(to_push) what the controller has to bring. With O(pushed) it takes in what was brought.
  - Downloads go on where they ended, are hashed on the way and appear in their place complete or not at all.
    C(ansible.builtin.get_url) starts from the first byte again and hashes 30 GB in every run.
  - A file that was hashed once is not hashed again while its size and time stay the same.
options:
  root: {type: path, required: true, description: The store's folder.}
  catalogue: {type: dict, default: {}, description: Entries of the wanted models (docs/contracts.md).}
  models: {type: list, elements: str, default: [], description: Names of the wanted models.}
  pushed:
    description: Takes in what the controller pushed, instead of naming it in C(to_push).
    type: bool
    default: false
  verify:
    description: C(auto) hashes new and changed files, C(always) hashes every file.
    choices: [auto, always]
    default: auto
    type: str
  huggingface_token: {type: str, default: "", description: For models whose terms must be accepted.}
  huggingface_endpoint:
    {type: str, default: https://huggingface.co, description: Hugging Face or a mirror of it.}
  state:
    description: C(absent) removes what is only there while models come in, and with O(purge) the models.
    choices: [present, absent]
    default: present
    type: str
  purge: {type: bool, default: false, description: Removes every model that this store holds.}
attributes:
  check_mode: {support: full, description: "Says what would be fetched or pushed, writes nothing."}
  diff_mode: {support: full, description: One line a file.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Bring the models
  hostproof.core.model_store:
    root: /var/lib/hostproof/models
    catalogue: "{{ model_store_catalogue }}"
    models: [gemma-3-270m-it-q4_k_m]
"""

RETURN = """
to_push:
  description: Wanted models of which the controller has to push files, each with those files.
  returned: always
  type: dict
incoming:
  description: Where to push them, a folder a model.
  returned: always
  type: str
"""

ARGUMENTS = {
    "root": {"type": "path", "required": True},
    "catalogue": {"type": "dict", "default": {}},
    "models": {"type": "list", "elements": "str", "default": []},
    "pushed": {"type": "bool", "default": False},
    "verify": {"type": "str", "choices": ["auto", "always"], "default": "auto"},
    "huggingface_token": {"type": "str", "default": "", "no_log": True},
    "huggingface_endpoint": {"type": "str", "default": catalogue.HUGGING_FACE},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "purge": {"type": "bool", "default": False},
}
TIMEOUT_SECONDS = 60


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    root = Path(module.params["root"])
    try:
        if module.params["state"] == "absent":
            remove(module, root)
        else:
            bring(module, root)
    except StoreError as error:
        module.fail_json(msg=str(error))


def bring(module: AnsibleModule, root: Path) -> None:
    models = wanted(module)
    again = module.params["verify"] == "always"
    seen = {model.name: model_files.look(root, model, again=again) for model in models}
    missing = {name: [f for f, one in files.items() if one.kind != "good"] for name, files in seen.items()}
    say_corrupt(module, models, seen)
    if not module.check_mode:
        for model in models:
            work_on(module, root, model, seen[model.name])
    pushed = module.params["pushed"]
    to_push = {m.name: missing[m.name] for m in models if missing[m.name] and not m.urls and not pushed}
    # What is still to be pushed has changed nothing yet, but it will.
    done = [name for name, files in missing.items() if files and (module.check_mode or name not in to_push)]
    module.exit_json(
        changed=bool(done),
        to_push=to_push,
        incoming=str(root / model_files.INCOMING),
        diff=[diff_of(missing)] if done else [],
    )


def wanted(module: AnsibleModule) -> list[Model]:
    entries = module.params["catalogue"]
    for name in module.params["models"]:
        if complaints := catalogue.complaints(name, entries):
            raise StoreError(
                f"Model {name!r} cannot be had: {'; '.join(complaints)} (model_store_catalogue). "
                "Correct its entry, or choose another model."
            )
    endpoint = module.params["huggingface_endpoint"]
    return [
        Model(
            name,
            dict(entry["files"]),
            int(entry["size_bytes"]),
            catalogue.urls(entry, endpoint),
            str(entry.get("advice") or ""),
        )
        for name, entry in catalogue.of(entries, dict.fromkeys(module.params["models"])).items()
    ]


def say_corrupt(module: AnsibleModule, models: list[Model], seen: Mapping[str, Mapping[str, Seen]]) -> None:
    for model in models:
        for file, one in seen[model.name].items():
            if one.kind == "corrupt" and one.mark:
                module.warn(
                    f"{model.name}: {file} has sha256 {one.mark.sha256}, "
                    f"the catalogue says {model.files[file]}. It is replaced."
                )


def work_on(module: AnsibleModule, root: Path, model: Model, seen: Mapping[str, Seen]) -> None:
    """Fetches, takes in or prepares; a file that is done is recorded even if the next one fails."""
    marks = {file: one.mark for file, one in seen.items() if one.kind == "good" and one.mark}
    missing = [file for file in model.files if file not in marks]
    if missing:
        model_files.check_space(root, model)
    try:
        for file in missing:
            if model.urls:
                marks[file] = fetch(module, root, model, file)
            elif module.params["pushed"]:
                marks[file] = model_files.adopt(root, model, file)
    finally:
        if marks:
            model_files.write_record(root / model.name, marks)
    if missing and not model.urls and not module.params["pushed"]:
        model_files.prepare_incoming(root, model, ssh_user())
    else:
        model_files.tidy(root, model)


def ssh_user() -> int:
    """Who logged in: sudo tells; without sudo it is this user."""
    return int(os.environ.get("SUDO_UID", os.geteuid()))


def fetch(module: AnsibleModule, root: Path, model: Model, file: str) -> Mark:
    session = processes.session_of(os.getpid())

    def alive() -> bool:
        return session is None or processes.lives(session.pid, session.started)

    open_at = functools.partial(open_address, module.params["huggingface_token"])
    return model_fetch.fetch(root, model, file, model_fetch.Line(open_at, alive))


def open_address(token: str, url: str, first: int) -> HTTPResponse:
    """The token goes to the named host alone, not to where it redirects."""
    headers = {"Accept-Encoding": "identity"}
    if first:
        headers["Range"] = f"bytes={first}-"
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return open_url(
        url,
        headers=headers,
        unredirected_headers=["Authorization"],
        timeout=TIMEOUT_SECONDS,
        http_agent="hostproof",
    )


def diff_of(missing: Mapping[str, list[str]]) -> dict[str, str]:
    lines = [f"{name}/{file}\n" for name, files in missing.items() for file in files]
    return {
        "before_header": "model store",
        "after_header": "model store",
        "before": "",
        "after": "".join(lines),
    }


def remove(module: AnsibleModule, root: Path) -> None:
    doomed = list(model_files.leftovers(root))
    if module.params["purge"]:
        doomed += model_files.stored(root)
    empty = root.is_dir() and set(root.iterdir()) == set(doomed)
    if not module.check_mode:
        for folder in doomed:
            shutil.rmtree(folder)
        if empty:
            root.rmdir()
    gone = [*map(str, doomed), *([str(root)] if empty else [])]
    before = "".join(f"{path}\n" for path in gone)
    module.exit_json(
        changed=bool(gone), to_push={}, incoming="", diff=[{"before": before, "after": ""}] if gone else []
    )


if __name__ == "__main__":
    main()
