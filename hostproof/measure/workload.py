"""What is run: cells of so many prompt and output tokens, each so many times. Unknown keys are errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from hostproof.measure.errors import ConfigError

SCHEMA = "hostproof.workload/1"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

Cache = Literal["cold", "warm"]


@dataclass(frozen=True)
class Cell:
    """One kind of request. `cold`: a prompt never seen before each run. `warm`: the same prompt each run."""

    name: str
    prompt_tokens: int
    output_tokens: int
    cache: Cache
    runs: int
    warmups: int
    checkpoints: tuple[int, ...] = ()


@dataclass(frozen=True)
class Workload:
    """Cells are run in order."""

    name: str
    version: int
    description: str
    cells: tuple[Cell, ...]


_TOP = ("schema", "name", "version", "description", "runs", "warmups", "cells")
_CELL = ("name", "prompt_tokens", "output_tokens", "cache", "checkpoints", "runs", "warmups")


def parse(raw: object, path: str = "workload") -> Workload:
    """Raises ConfigError with the path of the key that is wrong. `path` names the workload's own place."""
    top = mapping(raw, path)
    only(top, _TOP, path)
    if top.get("schema") != SCHEMA:
        raise ConfigError(f"{path}.schema", f"is {top.get('schema')!r}, this reader knows {SCHEMA!r}")
    runs = whole(top, "runs", path, least=1)
    warmups = whole(top, "warmups", path, least=0)
    cells = top.get("cells")
    if not isinstance(cells, Sequence) or isinstance(cells, str) or not cells:
        raise ConfigError(f"{path}.cells", "must be a list of at least one cell")
    parsed = tuple(_cell(cell, f"{path}.cells[{i}]", runs, warmups) for i, cell in enumerate(cells))
    _no_twins(parsed, path)
    return Workload(
        name=_name(top, path),
        version=whole(top, "version", path, least=1),
        description=str(top.get("description", "")),
        cells=parsed,
    )


def _cell(raw: object, path: str, runs: int, warmups: int) -> Cell:
    cell = mapping(raw, path)
    only(cell, _CELL, path)
    cache = cell.get("cache")
    if cache not in ("cold", "warm"):
        raise ConfigError(f"{path}.cache", f"must be cold or warm, not {cache!r}")
    output = whole(cell, "output_tokens", path, least=2)  # one token has no speed
    least_warmups = 1 if cache == "warm" else 0  # somebody has to fill the cache
    return Cell(
        name=_name(cell, path),
        prompt_tokens=whole(
            cell, "prompt_tokens", path, least=16
        ),  # room for what makes a cold prompt unique
        output_tokens=output,
        cache=cast(Cache, cache),
        runs=whole({"runs": runs, **cell}, "runs", path, least=1),
        warmups=whole({"warmups": warmups, **cell}, "warmups", path, least=least_warmups),
        checkpoints=_checkpoints(cell.get("checkpoints", []), output, f"{path}.checkpoints"),
    )


def _checkpoints(raw: object, output: int, path: str) -> tuple[int, ...]:
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        raise ConfigError(path, "must be a list of output token counts")
    found = tuple(whole({"n": n}, "n", path, least=1) for n in raw)
    if list(found) != sorted(set(found)) or (found and found[-1] > output):
        raise ConfigError(path, f"must ascend and not pass output_tokens ({output}), not {list(found)}")
    return found


def _no_twins(cells: tuple[Cell, ...], path: str) -> None:
    names = [cell.name for cell in cells]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ConfigError(f"{path}.cells[{index}].name", f"{name!r} is there twice")


def _name(raw: Mapping[str, Any], path: str) -> str:
    name = raw.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(f"{path}.name", f"must be lower-case words joined by dashes, not {name!r}")
    return name


def mapping(raw: object, path: str) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise ConfigError(path, f"must be a mapping, not {type(raw).__name__}")
    return raw


def only(raw: Mapping[str, Any], known: Sequence[str], path: str) -> None:
    for key in raw:
        if key not in known:
            raise ConfigError(f"{path}.{key}", f"unknown key; known: {', '.join(known)}")


def whole(raw: Mapping[str, Any], key: str, path: str, *, least: int) -> int:
    value = raw.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{path}.{key}", f"must be a whole number of at least {least}, not {value!r}")
    return value
