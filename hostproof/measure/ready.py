"""Waits until the server really answers: health, the served model, then a chat completion with text in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hostproof.measure.client import Answer, Client
from hostproof.measure.dialect import exactly
from hostproof.measure.errors import BadStatus, NotReady, SampleFailed

PAUSE_SECONDS = 0.5
FIRST_TOKENS = 8
FIRST_PROMPT = "Count from one to ten in words."


def wait(client: Client, timeout_seconds: float, clock: Callable[[], float] = time.monotonic) -> Answer:
    """The first good answer. Raises NotReady with the last reason when time is up; a wrong key at once."""
    until = clock() + timeout_seconds
    reason = "was not asked yet"
    while (left := until - clock()) > 0:
        try:
            return _first_answer(client, left)
        except BadStatus as error:
            if error.status in (401, 403):
                raise NotReady(f"the server refuses the API key ({error})") from error
            reason = f"loading ({error})" if error.status == 503 else str(error)
        except SampleFailed as error:
            reason = str(error)
        time.sleep(min(PAUSE_SECONDS, max(0.0, until - clock())))
    raise NotReady(
        f"the server did not answer correctly within {timeout_seconds:.0f} s; the last reason: {reason}"
    )


def _first_answer(client: Client, left: float) -> Answer:
    client.get("/health", limit_seconds=min(left, 10.0))
    served = served_models(client, min(left, 10.0))
    if client.model not in served:
        raise SampleFailed(f"it serves {', '.join(served) or 'nothing'}, not {client.model}")
    answer = client.chat(FIRST_PROMPT, exactly(FIRST_TOKENS), limit_seconds=left)
    if not answer.text.strip():
        raise SampleFailed("wrong answer: no text in it")
    if answer.usage and answer.usage.completion > FIRST_TOKENS:
        raise SampleFailed(f"wrong answer: {answer.usage.completion} tokens, asked for {FIRST_TOKENS}")
    return answer


def served_models(client: Client, limit_seconds: float) -> list[str]:
    return [str(model.get("id")) for model in _listed(client, limit_seconds)]


def parameters(client: Client, limit_seconds: float) -> dict[str, int]:
    """Served model → how many parameters it has, where the server tells (llama-server, `meta.n_params`)."""
    metas = {str(m.get("id")): m.get("meta") for m in _listed(client, limit_seconds)}
    told = {name: meta.get("n_params") for name, meta in metas.items() if isinstance(meta, dict)}
    return {name: count for name, count in told.items() if isinstance(count, int)}


def _listed(client: Client, limit_seconds: float) -> list[dict[str, Any]]:
    listed = client.get_json("/v1/models", limit_seconds=limit_seconds)
    models = listed.get("data") if isinstance(listed, dict) else None
    return [model for model in models or () if isinstance(model, dict)]
