"""A recorded tree: exactly the files that the facts' readers open, as they keep them, and nothing else.

What is secret never gets here: the readers distil it away when they read (serial numbers and asset tags of DIMMs,
UUIDs and hardware addresses on command lines, other capabilities of PCI devices). Plain data, so that it crosses from
a host as JSON; `hostproof.play.recordings` makes the archive.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from . import gather, gpu
from .model import Facts
from .tree import REASONS_FILE, REASONS_SCHEMA, Tree

SCHEMA = REASONS_SCHEMA


def record(root: Path = Path("/")) -> tuple[Facts, dict[str, Any]]:
    """The facts of the host without its GPUs, and the recording they can be gathered from again."""
    tree = Tree(root)
    facts = gather.read(tree)
    return facts, of(tree)


def record_all(ask: gpu.Ask, root: Path = Path("/")) -> tuple[Facts, dict[str, Any]]:
    """As `record`, with the GPUs and their driver."""
    tree = Tree(root)
    facts = gather.read(tree)
    facts = gather.with_gpus(facts, gpu.look(tree, ask), tree.unreadable)
    return facts, of(tree)


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two recordings of one host as one: what each was closed to is closed in both."""
    files = {**one["files"], **other["files"]}
    reasons = {**_reasons(other), **_reasons(one)}
    noted = {"schema": SCHEMA, "unreadable": reasons}
    packed = base64.b64encode(json.dumps(noted, indent=1, sort_keys=True).encode()).decode("ascii")
    files[f"/{REASONS_FILE}"] = packed
    links = {**one["links"], **other["links"]}
    folders = {*one["folders"], *other["folders"]} - set(files) - set(links)
    return {
        "schema": SCHEMA,
        "files": dict(sorted(files.items())),
        "links": dict(sorted(links.items())),
        "folders": sorted(folders),
    }


def _reasons(made: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = json.loads(base64.b64decode(made["files"][f"/{REASONS_FILE}"]))["unreadable"]
    return found


def of(tree: Tree) -> dict[str, Any]:
    """`files` by path in base64, `links` by path with the name they lead to, `folders` that were looked into or for."""
    reasons = {"schema": SCHEMA, "unreadable": tree.unreadable}
    files = {f"/{REASONS_FILE}": json.dumps(reasons, indent=1, sort_keys=True).encode(), **tree.files}
    # Something that was only asked for (`exists`) and also read is a file.
    folders = sorted(path for path in tree.folders if path not in files and path not in tree.links)
    return {
        "schema": SCHEMA,
        "files": {path: base64.b64encode(data).decode("ascii") for path, data in sorted(files.items())},
        "links": dict(sorted(tree.links.items())),
        "folders": folders,
    }
