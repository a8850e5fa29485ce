"""Asks a server for a completion: whether it answers, still loads, or never will. Standard library alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

PATH = "/v1/chat/completions"
REFUSED = (401, 403)
LOADING = 503
BODY_LIMIT = 1_000_000
SHOWN = 200


@dataclass(frozen=True)
class Reply:
    """`answers`, `not yet`, or `never`: waiting will not help."""

    kind: str
    why: str = ""


def ask(url: str, model: str, key: str, limit_seconds: float) -> Reply:
    """One completion of a few tokens."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Count from one to ten in words."}],
        "max_tokens": 8,
        "temperature": 0,
    }
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    request = Request(url.rstrip("/") + PATH, json.dumps(body).encode(), headers)
    # The server is on this host; a proxy in root's environment must not come between.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(request, timeout=limit_seconds) as response:
            return judge(response.status, response.read(BODY_LIMIT), model)
    except HTTPError as error:
        with error:
            return judge(error.code, error.read(BODY_LIMIT), model)
    except (OSError, HTTPException) as error:
        return Reply("not yet", f"no answer: {_plain(error)}")


def _plain(error: Exception) -> object:
    """`[Errno 111] Connection refused`, not the wrapper around it."""
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or reason


def judge(status: int, body: bytes, model: str) -> Reply:
    """What an answer says about the server."""
    text = body.decode("utf-8", errors="replace")
    if status in REFUSED:
        return Reply("never", f"it refuses the API key ({status})")
    if status == LOADING:
        return Reply("not yet", "it loads the model")
    if status != 200:
        return Reply("not yet", f"it answered {status}: {text[:SHOWN].strip()}")
    try:
        tokens = _tokens(json.loads(text))
    except (ValueError, KeyError, IndexError, TypeError):
        return Reply("not yet", f"it answered something else than a completion: {text[:SHOWN].strip()}")
    return Reply("answers") if tokens > 0 else Reply("not yet", f"{model} answered with no token")


def _tokens(answer: dict[str, Any]) -> int:
    answer["choices"][0]["message"]
    return int(answer["usage"]["completion_tokens"])
