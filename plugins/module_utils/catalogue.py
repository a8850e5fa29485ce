"""What an entry of `model_store_catalogue` must say (docs/contracts.md). Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

FORMATS = ("gguf", "safetensors")
KEYS = {"format", "parameters_billion", "size_bytes", "main", "files", "source"}
OPTIONAL = {"advice", "active_parameters_billion", "parameters_source"}
"""`advice`: what to do where the source does not have the model, a sentence for whoever is left without it.
`active_parameters_billion`: of a mixture of experts, those that compute each token; left out, all do.
`parameters_source`: where both numbers come from."""
SOURCES: Mapping[str, frozenset[str]] = {
    "url": frozenset({"base"}),
    "huggingface": frozenset({"repo", "revision"}),
    "controller": frozenset({"path"}),
    "generator": frozenset({"argv"}),
}
FETCHED = ("url", "huggingface")
"""Kinds that the host fetches itself; the controller pushes the others."""
SHA256 = re.compile(r"[0-9a-f]{64}")
REVISION = re.compile(r"[0-9a-f]{40}")
HUGGING_FACE = "https://huggingface.co"


def complaints(name: str, catalogue: Mapping[str, Any]) -> list[str]:
    """Every reason why the model cannot be had from this catalogue, each a clause without a full stop."""
    if name not in catalogue:
        close = difflib.get_close_matches(name, list(catalogue), n=2, cutoff=0.5)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        return [f"it is not in the catalogue{hint}"]
    entry = catalogue[name]
    if not isinstance(entry, Mapping):
        return ["its entry is no mapping"]
    found = [*_own(entry), *_files(entry), *_source(entry.get("source"))]
    advice = str(entry.get("advice") or "").strip().removesuffix(".")
    return [*found, *([advice] if found and advice else [])]


def urls(entry: Mapping[str, Any], endpoint: str = HUGGING_FACE) -> dict[str, str]:
    """File → address, for the kinds that the host fetches itself; empty for the others."""
    source = entry["source"]
    if source["kind"] == "url":
        return {file: source["base"] + file for file in entry["files"]}
    if source["kind"] == "huggingface":
        base = f"{endpoint.rstrip('/')}/{source['repo']}/resolve/{source['revision']}/"
        return {file: base + file for file in entry["files"]}
    return {}


def _own(entry: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(KEYS - set(entry)):
        yield f"`{key}` is missing"
    for key in sorted(set(entry) - KEYS - OPTIONAL, key=str):
        yield f"`{key}` is no key of a catalogue entry"
    if entry.get("format", "gguf") not in FORMATS:
        yield f"`format` is {entry['format']!r}, not {' or '.join(FORMATS)}"
    for key in ("parameters_billion", "size_bytes"):
        value = entry.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
            yield f"`{key}` is {value!r}, not a number above 0"
    yield from _active(entry)


def _active(entry: Mapping[str, Any]) -> Iterator[str]:
    active, every = entry.get("active_parameters_billion", 1e-9), entry.get("parameters_billion")
    if isinstance(active, bool) or not isinstance(active, (int, float)) or not 0 < active < float("inf"):
        yield f"`active_parameters_billion` is {active!r}, not a number above 0"
    elif isinstance(every, (int, float)) and active > every:
        yield f"`active_parameters_billion` is {active!r}, and there are {every!r} in all"


def _files(entry: Mapping[str, Any]) -> Iterator[str]:
    files = entry.get("files", {"": ""})
    if not isinstance(files, Mapping) or not files:
        yield "`files` is empty: name every file with its sha256"
        return
    if "files" not in entry:
        return
    for file, sha256 in files.items():
        if not _is_inside(str(file)):
            yield f"file name {file!r} leaves the model's folder"
        if not SHA256.fullmatch(str(sha256)):
            yield f"the sha256 of {file!r} is {str(sha256) or 'empty'!r}, not 64 lower-case hex digits"
    if (main := entry.get("main", ".")) != "." and main not in files:
        yield f"`main` is {main!r}, which is not among its files"


def _is_inside(file: str) -> bool:
    path = PurePosixPath(file)
    return bool(file) and not path.is_absolute() and ".." not in path.parts and not path.name.startswith(".")


def _source(source: object) -> Iterator[str]:
    if source is None:
        return
    kind = str(source.get("kind", "")) if isinstance(source, Mapping) else ""
    if not isinstance(source, Mapping) or kind not in SOURCES:
        yield f"`source.kind` is {kind!r}, not one of {', '.join(SOURCES)}"
        return
    for key in sorted(SOURCES[kind] - set(source)):
        yield f"`source.{key}` is missing"
    for key in sorted(set(source) - SOURCES[kind] - {"kind"}, key=str):
        yield f"`source.{key}` is no key of a {kind} source"
    yield from _values(kind, source)


def _values(kind: str, source: Mapping[str, Any]) -> Iterator[str]:
    if kind == "url" and not re.match(r"https?://.+/$", str(source.get("base", "http://x/"))):
        yield f"`source.base` is {source['base']!r}, not an http(s) address that ends in /"
    if kind == "huggingface":
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(source.get("repo", "a/b"))):
            yield f"`source.repo` is {source['repo']!r}, not owner/name"
        if not REVISION.fullmatch(str(source.get("revision", "0" * 40))):
            yield (
                f"`source.revision` is {str(source['revision']) or 'empty'!r}, not a commit of 40 hex digits "
                "(a branch would move under the checksums)"
            )
    argv = source.get("argv", ["x"])
    if kind == "generator" and not (isinstance(argv, Iterable) and not isinstance(argv, str) and list(argv)):
        yield "`source.argv` is no list of words"


def of(catalogue: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The entries of the wanted models that are there."""
    return {name: catalogue[name] for name in names if name in catalogue}
