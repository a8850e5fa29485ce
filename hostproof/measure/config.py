"""The configuration of one measurement: who, which server, which workload (docs/contracts.md)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hostproof.measure import canary, growth, workload
from hostproof.measure.errors import ConfigError
from hostproof.measure.growth import Rule
from hostproof.measure.recorder import HERTZ, MOST_HERTZ
from hostproof.measure.workload import Workload

SERVER_SCHEMA = "hostproof.server/1"
SERVERS = ("llama_server", "vllm_server")
_KEYS = (
    "run_id",
    "host",
    "hardware",
    "setup",
    "server",
    "workload",
    "deadline_seconds",
    "canary",
    "telemetry_hertz",
    "growth",
)


@dataclass(frozen=True)
class Server:
    """What is served and how to reach it; keys that only others need are left out."""

    server: str
    unit: str
    url: str
    api_key_file: str
    model: str
    served_name: str
    parameters_billion: float
    context: int
    release: str
    flags: Mapping[str, str]
    ceiling: float = 0.0
    """tok/s that the memory's bandwidth allows; 0: not known."""
    ceiling_why: str = ""
    active_parameters_billion: float = 0.0
    """Those that compute each token; 0: the host does not say."""


@dataclass(frozen=True)
class Config:
    """`workload_raw` goes into the Result as it came."""

    run_id: str
    host: str
    hardware: str
    setup: str
    server: Server
    workload: Workload
    workload_raw: Mapping[str, Any]
    deadline_seconds: float
    canary: bool = False
    """Whether questions with known answers are asked."""
    telemetry_hertz: float = HERTZ
    """How often the host is looked at meanwhile; 0: not at all."""
    left_out: tuple[str, ...] = ()
    """Cells that the server's context does not hold, each a sentence."""
    growth: Rule = growth.NONE
    """When a cell goes on beyond its own runs."""


def read(path: Path) -> Config:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(str(path), f"is not JSON: {error}") from error
    return parse(raw)


def parse(raw: object) -> Config:
    top = workload.mapping(raw, "config")
    workload.only(top, _KEYS, "config")
    work = workload.parse(top.get("workload"))
    server = _server(top.get("server"))
    work, left_out = workload.fitted(work, server.context)
    canaries = _yes(top, "canary", server)
    return Config(
        **{key: _text(top, key, "config") for key in ("run_id", "host", "hardware", "setup")},
        server=server,
        workload=work,
        left_out=left_out,
        workload_raw=workload.mapping(top["workload"], "workload"),
        deadline_seconds=_positive(top, "deadline_seconds", "config"),
        canary=canaries,
        telemetry_hertz=_hertz(top),
        growth=growth.parse(top.get("growth"), "config.growth"),
    )


def _hertz(top: Mapping[str, Any]) -> float:
    value = top.get("telemetry_hertz", HERTZ)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= MOST_HERTZ:
        raise ConfigError(
            "config.telemetry_hertz", f"must be a number from 0 to {MOST_HERTZ:g}, not {value!r}"
        )
    return float(value)


def _server(raw: object) -> Server:
    server = workload.mapping(raw, "server")
    if server.get("schema") != SERVER_SCHEMA:
        raise ConfigError(
            "server.schema", f"is {server.get('schema')!r}, this reader knows {SERVER_SCHEMA!r}"
        )
    kind = _text(server, "server", "server")
    if kind not in SERVERS:
        raise ConfigError("server.server", f"is {kind!r}; known: {', '.join(SERVERS)}")
    url = _text(server, "url", "server").rstrip("/")
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigError("server.url", f"must begin with http:// or https:// and name a host, not {url!r}")
    return Server(
        server=kind,
        unit=_text(server, "unit", "server", empty=True),
        url=url,
        api_key_file=_text(server, "api_key_file", "server", empty=True),
        model=_text(server, "model", "server"),
        served_name=_text(server, "served_name", "server"),
        parameters_billion=_positive(server, "parameters_billion", "server"),
        context=workload.whole(server, "context", "server", least=1),
        release=_text(server, "release", "server", empty=True),
        flags={str(k): str(v) for k, v in workload.mapping(server.get("flags"), "server.flags").items()},
        active_parameters_billion=_active(server),
        **_ceiling(server.get("ceiling")),
    )


def _active(server: Mapping[str, Any]) -> float:
    """At most all of them."""
    if "active_parameters_billion" not in server:
        return 0.0
    active = _positive(server, "active_parameters_billion", "server")
    if active > (every := server["parameters_billion"]):
        raise ConfigError("server.active_parameters_billion", f"is {active:g}, of {every:g} in all")
    return active


def _ceiling(raw: object) -> dict[str, Any]:
    """Optional: whoever knows the GPU and the model's bytes writes it."""
    if not raw:
        return {}
    ceiling = workload.mapping(raw, "server.ceiling")
    workload.only(ceiling, ("tokens_per_second", "why"), "server.ceiling")
    return {
        "ceiling": _positive(ceiling, "tokens_per_second", "server.ceiling"),
        "ceiling_why": _text(ceiling, "why", "server.ceiling"),
    }


def _yes(top: Mapping[str, Any], key: str, server: Server) -> bool:
    value = top.get(key, False)
    if not isinstance(value, bool):
        raise ConfigError(f"config.{key}", f"must be true or false, not {value!r}")
    need = canary.LONG_TOKENS + canary.ROOM
    if value and need > server.context:
        raise ConfigError(
            f"config.{key}", f"takes {need} tokens of context, the server has {server.context}; leave it out"
        )
    return value


def _text(raw: Mapping[str, Any], key: str, path: str, *, empty: bool = False) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not (value or empty):
        raise ConfigError(f"{path}.{key}", f"must be a text, not {value!r}")
    return value


def _positive(raw: Mapping[str, Any], key: str, path: str) -> float:
    value = raw.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise ConfigError(f"{path}.{key}", f"must be a number above 0, not {value!r}")
    return float(value)
