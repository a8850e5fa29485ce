"""Finds out what a server can do that somebody else started: its kind, its model, its routes, the keys that it takes.

Asks with short requests and believes answers, not names. What is missing becomes a sentence, and where nothing can be measured
without it, the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from hostproof.measure import counting, metrics_page
from hostproof.measure.client import Answer, Client, Json
from hostproof.measure.dialect import DIALECTS, OTHER, Dialect, exactly
from hostproof.measure.errors import (
    BadStatus,
    BadStream,
    NoConnection,
    NotReady,
    SampleFailed,
    SampleVoid,
)
from hostproof.measure.ready import FIRST_PROMPT, FIRST_TOKENS

LOADING_SECONDS = 120.0
"""A server that says 503 is loading its model; so long it is waited for."""
PAUSE_SECONDS = 0.5
NO_ROUTE = (404, 405, 501)
REFUSED = (400, 422)
OPTIONAL = ("ignore_eos", "seed", "temperature", "stream_options", "continuous_usage_stats")
"""Keys without which a request still makes sense, in the order in which they are left out."""
NEWER = {"max_tokens": "max_completion_tokens"}
MOST_TRIES = 6

T = TypeVar("T")


@dataclass(frozen=True)
class Subject:
    """A server as it was found, ready to be measured."""

    client: Client
    dialect: Dialect
    first: Answer
    context: int = 0
    """Tokens; 0: it does not say."""
    parameters_billion: float = 0.0
    """0: it does not say."""
    local: bool = True
    """Whether it runs on this machine: then this machine's load is the server's."""
    notes: tuple[str, ...] = ()
    """What cannot be known of it, each a sentence."""


def look(client: Client, url: str, model: str = "") -> Subject:
    """`client` without a model yet; `model` is what the user asked for. Raises NotReady with one sentence."""
    listed = _models(client, url)
    chosen = _chosen(listed, model, url)
    client = replace(client, model=str(chosen["id"]))
    dialect = DIALECTS[_kind(client, chosen)]
    client, first = _first(client, url)
    client, told = _stream(client, dialect, url)
    dialect, how = _counting(client, dialect, first)
    if "ignore_eos" in client.renamed:
        dialect = replace(dialect, exact=False)
    return Subject(client, dialect, first, *_size(client, chosen), notes=(*told, *how))


def _models(client: Client, url: str) -> Sequence[Mapping[str, Any]]:
    raw = _patiently(lambda: client.get_json("/v1/models"), client, url)
    models = raw.get("data") if isinstance(raw, dict) else None
    found = [model for model in models or () if isinstance(model, dict) and model.get("id")]
    if not found:
        raise NotReady(
            f"{url} is no OpenAI-compatible server: /v1/models lists no model, but says {str(raw)[:80]!r}"
        )
    return found


def _patiently(ask: Callable[[], Json], client: Client, url: str) -> Json:
    until = time.monotonic() + LOADING_SECONDS
    while True:
        try:
            return ask()
        except BadStatus as error:
            if error.status != 503 or time.monotonic() > until:
                raise NotReady(_refusal(error, client, url)) from error
        except NoConnection as error:
            raise NotReady(f"{error}. Start the server, or mend the URL") from error
        except BadStream as error:
            raise NotReady(f"{url} is no OpenAI-compatible server: {error}") from error
        except SampleFailed as error:
            raise NotReady(str(error)) from error
        time.sleep(PAUSE_SECONDS)


def _refusal(error: BadStatus, client: Client, url: str) -> str:
    if error.status in (401, 403):
        if client.key:
            return f"{url} refuses the API key ({error})"
        return f"{url} wants an API key ({error}): name the file that holds it"
    if error.status in NO_ROUTE:
        return f"{url} is no OpenAI-compatible server: it has no /v1/models ({error})"
    if error.status == 503:
        return f"{url} was still loading after {LOADING_SECONDS:.0f} s ({error})"
    return f"{url} answers /v1/models with {error}"


def _chosen(listed: Sequence[Mapping[str, Any]], model: str, url: str) -> Mapping[str, Any]:
    names = [str(each["id"]) for each in listed]
    if model:
        if model not in names:
            raise NotReady(f"{url} does not serve {model}; it serves {', '.join(names)}")
        return listed[names.index(model)]
    if len(listed) > 1:
        raise NotReady(f"{url} serves {len(listed)} models, so one must be named: {', '.join(names)}")
    return listed[0]


def _kind(client: Client, chosen: Mapping[str, Any]) -> str:
    owner = str(chosen.get("owned_by", "")).lower()
    if owner in ("llamacpp", "llama.cpp"):
        return "llama_server"
    if owner == "vllm":
        return "vllm_server"
    try:
        page = metrics_page.parse(client.get("/metrics"))
    except SampleFailed:
        return OTHER
    if any(sample.name.startswith("llamacpp:") for sample in page.samples):
        return "llama_server"
    return "vllm_server" if metrics_page.finished_requests(page) is not None else OTHER


def _first(client: Client, url: str) -> tuple[Client, Answer]:
    """The first answer, by chat or by a bare completion, with as many of the keys as it takes."""
    ask: Callable[[Client], Answer] = lambda it: it.chat(FIRST_PROMPT, exactly(FIRST_TOKENS))  # noqa: E731
    try:
        return _agreed(client, ask)
    except BadStatus as error:
        if error.status not in (*NO_ROUTE, *REFUSED):
            raise NotReady(f"{url} answered the first request with {error}") from error
        reason = error
    except SampleFailed as error:
        raise NotReady(f"{url} did not answer the first request: {error}") from error
    try:
        return _agreed(replace(client, route="completions"), ask)
    except SampleFailed as error:
        raise NotReady(
            f"{url} answers neither a chat completion ({reason}) nor a bare one ({error})"
        ) from error


def _agreed(client: Client, ask: Callable[[Client], T]) -> tuple[Client, T]:
    """Leaves out what the server refuses by name, then one optional key after the other."""
    for _ in range(MOST_TRIES):
        try:
            return client, ask(client)
        except BadStatus as error:
            renamed = _renamed(client.renamed, error)
            if renamed is None:
                raise
            client = replace(client, renamed=renamed)
    return client, ask(client)


def _renamed(before: Mapping[str, str], error: BadStatus) -> Mapping[str, str] | None:
    if error.status not in REFUSED:
        return None
    for key, name in NEWER.items():
        if name in error.body and key not in before:
            return {**before, key: name}
    named = [key for key in OPTIONAL if key in error.body and key not in before]
    if named:
        return {**before, **dict.fromkeys(named, "")}
    if "extra" in error.body or "unknown" in error.body.lower() or "unrecognized" in error.body.lower():
        left = [key for key in OPTIONAL if key not in before]
        return {**before, left[0]: ""} if left else None
    return None


def _stream(client: Client, dialect: Dialect, url: str) -> tuple[Client, tuple[str, ...]]:
    extra = {**exactly(FIRST_TOKENS), **dialect.running_count}
    try:
        client, seen = _agreed(client, lambda it: it.chat_stream(FIRST_PROMPT, extra))
    except SampleFailed as error:
        raise NotReady(f"{url} does not stream, so no time to a first token can be seen: {error}") from error
    left = [key for key, name in client.renamed.items() if not name]
    told = [f"the server refuses {', '.join(left)}, so requests go without"] if left else []
    if client.route == "completions":
        told.append("the server has no chat, so prompts go to /v1/completions, without a template")
    if seen.usage is None:
        told.append("the server's streams come without usage: tokens and everything by token are unmeasured")
    return client, tuple(told)


def _counting(client: Client, dialect: Dialect, first: Answer) -> tuple[Dialect, tuple[str, ...]]:
    for like_llama in (dialect.server == "llama_server", dialect.server != "llama_server"):
        tried = replace(dialect, counting="tokenize", tokenize_like_llama=like_llama)
        try:
            counting.with_tokenizer(client, tried, "a")
        except (SampleFailed, SampleVoid):
            continue
        return tried, ()
    if first.usage is None:
        return replace(dialect, counting="nothing"), (
            "prompt lengths are approximate: the server neither has /tokenize nor tells a usage, so a word is taken for a token",
        )
    return replace(dialect, counting="usage"), (
        "the server has no /tokenize: prompts are made of words that its usage shows to be one token each",
    )


def _size(client: Client, chosen: Mapping[str, Any]) -> tuple[int, float]:
    """Context and parameters, where it says so: vLLM in its list of models, llama-server there and in /props."""
    meta = chosen.get("meta") if isinstance(chosen.get("meta"), dict) else {}
    assert isinstance(meta, dict)
    context = chosen.get("max_model_len") or _of_props(client) or meta.get("n_ctx") or 0
    parameters = meta.get("n_params") or 0
    known = [value if isinstance(value, int | float) and value > 0 else 0 for value in (context, parameters)]
    return int(known[0]), known[1] / 1e9


def _of_props(client: Client) -> int:
    """llama-server: tokens of one slot."""
    try:
        told = client.get_json("/props")
        return int(told["default_generation_settings"]["n_ctx"])
    except (SampleFailed, KeyError, TypeError, ValueError):
        return 0
