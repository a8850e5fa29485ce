"""All facts of one tree, and their JSON: written and read here only."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import cpu, kernel, memory, numa, pci, power, system
from .gpu_model import Seen
from .model import SCHEMA, Facts
from .tree import Tree

Data = Any
"""JSON, and the annotations that describe it."""


def gather(root: Path = Path("/")) -> Facts:
    """Reads the host at `root`. Never raises for what it finds there; `unreadable` says what it missed."""
    return read(Tree(root))


def read(tree: Tree) -> Facts:
    nodes = numa.read_nodes(tree)
    processor = cpu.read(tree, numa.cpus_by_node(nodes))
    hypervisor = "hypervisor" in processor.flags if processor.flags or processor.model else None
    facts = Facts(
        cpu=processor,
        numa=numa.numa(nodes, processor.sockets, processor.l3_domains),
        memory=memory.read(tree),
        power=power.read(tree),
        kernel=kernel.read(tree),
        iommu=kernel.read_iommu(tree),
        pci=pci.read(tree),
        os=system.read(tree, hypervisor, processor.vendor in ("AuthenticAMD", "GenuineIntel")),
    )
    return dataclasses.replace(facts, unreadable=dict(sorted(tree.unreadable.items())))


def with_gpus(facts: Facts, seen: Seen, unreadable: Mapping[str, str]) -> Facts:
    """The facts with what a look at the GPUs added."""
    closed = dict(sorted({**facts.unreadable, **unreadable}.items()))
    return dataclasses.replace(facts, gpus=seen.gpus, driver=seen.driver, unreadable=closed)


def gpus_to_json(seen: Seen) -> dict[str, Any]:
    """The two keys `gpus` and `driver`, as `to_json` has them."""
    return dataclasses.asdict(seen)


def gpus_from_json(raw: Mapping[str, Any]) -> Seen:
    """Raises ValueError as `from_json` does."""
    return typing.cast("Seen", _as(Seen, raw, "facts"))


def to_json(facts: Facts) -> dict[str, Any]:
    """Plain data; `schema` first, so that a reader sees it first."""
    raw = dataclasses.asdict(facts)
    return {"schema": raw.pop("schema"), **raw}


def from_json(raw: Mapping[str, Any]) -> Facts:
    """The facts again. Raises ValueError for another schema, an unknown key or a value of another type."""
    if raw.get("schema") != SCHEMA:
        raise ValueError(f"schema is {raw.get('schema')!r} and not {SCHEMA!r}")
    return typing.cast("Facts", _as(Facts, raw, "facts"))


def _as(kind: Data, raw: Data, where: str) -> Data:
    """`raw` as the annotated type: dataclasses, tuples, mappings, optionals and plain values occur here."""
    origin: Data = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, raw, where)
    if origin is types.UnionType:
        return None if raw is None else _as(arguments[0], raw, where)
    if origin is tuple:
        _check(isinstance(raw, (list, tuple)), kind, raw, where)
        # tuple[X, ...] or tuple[X, Y, Z]
        kinds = [arguments[0]] * len(raw) if arguments[-1] is Ellipsis else list(arguments)
        _check(len(kinds) == len(raw), kind, raw, where)
        return tuple(
            _as(k, item, f"{where}[{n}]") for n, (k, item) in enumerate(zip(kinds, raw, strict=True))
        )
    if origin is not None:
        _check(isinstance(raw, Mapping), kind, raw, where)
        return {str(key): _as(arguments[1], item, f"{where}.{key}") for key, item in raw.items()}
    # bool is an int to isinstance, and a whole number may stand for a float.
    fits = type(raw) is kind or (kind is float and type(raw) is int)
    _check(fits, kind, raw, where)
    return raw


def _dataclass(kind: Data, raw: Data, where: str) -> Data:
    _check(isinstance(raw, Mapping), kind, raw, where)
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(raw) - set(hints))
    if unknown:
        raise ValueError(f"{where} has the unknown key {unknown[0]!r}")
    try:
        return kind(**{key: _as(hints[key], item, f"{where}.{key}") for key, item in raw.items()})
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error


def _check(fits: bool, kind: Data, raw: Data, where: str) -> None:
    if not fits:
        raise ValueError(f"{where} is {str(raw)[:40]!r} and not {getattr(kind, '__name__', kind)}")
