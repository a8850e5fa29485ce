"""What is run: cells of so many prompt and output tokens, each so many times. Unknown keys are errors.

A cell is one request at a time unless it says otherwise: `session` (a conversation, see session.py), `concurrency` (that many at
once), `seconds` (again and again for so long), `cancel` (broken off in the middle).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from hostproof.measure import session
from hostproof.measure.errors import ConfigError
from hostproof.measure.session import Session

SCHEMA = "hostproof.workload/1"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

Cache = Literal["cold", "warm", "mixed"]
Kind = Literal["single", "session", "batch", "soak", "cancel"]
CONTEXT = "context"
"""In place of a number of prompt tokens: as many as the server's context leaves beside the answer."""
TEMPLATE_ROOM = 160
"""Tokens left free for a chat template where a prompt fills the context."""
MOST_AT_ONCE = 256


@dataclass(frozen=True)
class Cell:
    """One kind of request. `cold`: a prompt never seen before each run. `warm`: the same prompt each run. `mixed`: of a session,
    which begins cold and goes on from there."""

    name: str
    prompt_tokens: int
    output_tokens: int
    cache: Cache
    runs: int
    warmups: int
    checkpoints: tuple[int, ...] = ()
    session: Session | None = None
    concurrency: int = 0
    """0: not asked for, one request after the other."""
    seconds: float = 0.0
    cancel: bool = False

    @property
    def kind(self) -> Kind:
        if self.session:
            return "session"
        if self.concurrency:
            return "batch"
        if self.seconds:
            return "soak"
        return "cancel" if self.cancel else "single"


@dataclass(frozen=True)
class Workload:
    """Cells are run in order."""

    name: str
    version: int
    description: str
    cells: tuple[Cell, ...]
    skip_too_long: bool = False
    """Whether a cell that the server's context does not hold is left out and told, instead of refused."""
    behaviour: bool = False
    """Whether the whole list of behaviours is tried, each with its request and answer."""


_TOP = ("schema", "name", "version", "description", "runs", "warmups", "cells", "skip_too_long", "behaviour")
_CELL = (
    *("name", "prompt_tokens", "output_tokens", "cache", "checkpoints", "runs", "warmups"),
    *("session", "concurrency", "seconds", "cancel"),
)


def parse(raw: object, path: str = "workload") -> Workload:
    """Raises ConfigError with the path of the key that is wrong. `path` names the workload's own place."""
    top = mapping(raw, path)
    only(top, _TOP, path)
    if top.get("schema") != SCHEMA:
        raise ConfigError(f"{path}.schema", f"is {top.get('schema')!r}, this reader knows {SCHEMA!r}")
    runs = whole(top, "runs", path, least=1)
    warmups = whole(top, "warmups", path, least=0)
    cells = top.get("cells")
    behaviour = truth(top, "behaviour", path)
    if not isinstance(cells, Sequence) or isinstance(cells, str) or not (cells or behaviour):
        raise ConfigError(f"{path}.cells", "must be a list of at least one cell")
    parsed = tuple(_cell(cell, f"{path}.cells[{i}]", runs, warmups) for i, cell in enumerate(cells))
    _no_twins(parsed, path)
    return Workload(
        name=_name(top, path),
        version=whole(top, "version", path, least=1),
        description=str(top.get("description", "")),
        cells=parsed,
        skip_too_long=truth(top, "skip_too_long", path),
        behaviour=behaviour,
    )


def _cell(raw: object, path: str, runs: int, warmups: int) -> Cell:
    cell = mapping(raw, path)
    only(cell, _CELL, path)
    talk = session.parse(cell["session"], f"{path}.session") if "session" in cell else None
    cache = cell.get("cache")
    wanted = ("mixed",) if talk else ("cold", "warm")
    if cache not in wanted:
        raise ConfigError(f"{path}.cache", f"must be {' or '.join(wanted)}, not {cache!r}")
    output = _output(cell, path, talk)
    least_warmups = 1 if cache == "warm" else 0  # somebody has to fill the cache
    found = Cell(
        name=_name(cell, path),
        prompt_tokens=_prompt(cell, path, talk),
        output_tokens=output,
        cache=cast(Cache, cache),
        runs=whole({"runs": runs, **cell}, "runs", path, least=1),
        warmups=whole({"warmups": warmups, **cell}, "warmups", path, least=least_warmups),
        checkpoints=_checkpoints(cell.get("checkpoints", []), output, f"{path}.checkpoints"),
        session=talk,
        concurrency=_concurrency(cell, path),
        seconds=float(whole({"seconds": 0, **cell}, "seconds", path, least=0)),
        cancel=truth(cell, "cancel", path),
    )
    _of_one_kind(found, path)
    return found


def _output(cell: Mapping[str, Any], path: str, talk: Session | None) -> int:
    """An edit's answer is as long as its format makes it, so nobody says a number for it."""
    if talk and talk.kind == "edit":
        if "output_tokens" in cell:
            raise ConfigError(
                f"{path}.output_tokens", "follows from the edits and their format; leave it out"
            )
        return talk.answer
    return whole(cell, "output_tokens", path, least=2)  # one token has no speed


def _prompt(cell: Mapping[str, Any], path: str, talk: Session | None) -> int:
    """0: what the context leaves. Of a session: about how long it becomes."""
    if talk:
        if "prompt_tokens" in cell:
            raise ConfigError(
                f"{path}.prompt_tokens", "a session's prompts grow by its own keys; leave it out"
            )
        return talk.tokens
    if cell.get("prompt_tokens") == CONTEXT:
        return 0
    return whole(cell, "prompt_tokens", path, least=16)  # room for what makes a cold prompt unique


def _concurrency(cell: Mapping[str, Any], path: str) -> int:
    if "concurrency" not in cell:
        return 0
    number = whole(cell, "concurrency", path, least=1)
    if number > MOST_AT_ONCE:
        raise ConfigError(f"{path}.concurrency", f"{number} at once are more than {MOST_AT_ONCE}")
    return number


def _of_one_kind(cell: Cell, path: str) -> None:
    special = {
        "session": cell.session is not None,
        "concurrency": cell.concurrency > 0,
        "seconds": cell.seconds > 0,
        "cancel": cell.cancel,
    }
    named = [key for key, there in special.items() if there]
    if len(named) > 1:
        raise ConfigError(f"{path}.{named[1]}", f"goes not together with {named[0]}: write two cells")
    if named and cell.checkpoints:
        raise ConfigError(f"{path}.checkpoints", f"goes not together with {named[0]}")
    if named and named[0] in ("concurrency", "cancel") and cell.cache == "warm":
        raise ConfigError(f"{path}.cache", f"must be cold with {named[0]}")


def fitted(work: Workload, context: int) -> tuple[Workload, tuple[str, ...]]:
    """The workload for a server of so much context (tokens; 0: not known), and what was left out of it, each a sentence.

    Raises ConfigError for a cell that does not fit, unless the workload says that such are left out.
    """
    kept, left = [], []
    for index, cell in enumerate(work.cells):
        if not cell.prompt_tokens and not context:
            left.append(f"cell {cell.name} is left out: the server does not say how long its context is")
            continue
        sized = (
            cell
            if cell.prompt_tokens
            else replace(cell, prompt_tokens=context - cell.output_tokens - TEMPLATE_ROOM)
        )
        need = sized.prompt_tokens + sized.output_tokens
        if sized.prompt_tokens >= 16 and (not context or need <= context):
            kept.append(sized)
            continue
        why = f"needs {need} tokens and more, the server's context is {context}"
        if not work.skip_too_long:
            raise ConfigError(f"workload.cells[{index}]", why)
        left.append(f"cell {cell.name} is left out: it {why}")
    if not kept and not work.behaviour:
        raise ConfigError("workload.cells", f"no cell fits the server's context of {context} tokens")
    return replace(work, cells=tuple(kept)), tuple(left)


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


def truth(raw: Mapping[str, Any], key: str, path: str) -> bool:
    value = raw.get(key, False)
    if not isinstance(value, bool):
        raise ConfigError(f"{path}.{key}", f"must be true or false, not {value!r}")
    return value


def whole(raw: Mapping[str, Any], key: str, path: str, *, least: int) -> int:
    value = raw.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{path}.{key}", f"must be a whole number of at least {least}, not {value!r}")
    return value
