"""Where llama-server and vLLM want the same thing said differently. Data; nothing here talks to a server."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Counting = Literal["tokenize", "usage", "nothing"]
"""Who says how many tokens a text has: the route /tokenize, the usage of a short answer, nobody."""


@dataclass(frozen=True)
class Dialect:
    """How one kind of server is asked."""

    server: str
    running_count: Mapping[str, Any]
    """Added to a streamed request, makes every chunk say how many tokens there are so far."""
    version_path: str
    version_key: str
    counting: Counting = "tokenize"
    tokenize_like_llama: bool = False
    exact: bool = True
    """Whether an answer of another length than asked is void. False: this server need not know `ignore_eos`."""

    def tokenize(self, model: str, text: str) -> Mapping[str, Any]:
        """Body of POST /tokenize for the bare text, without the tokens that begin a sequence."""
        if self.server == "llama_server" or self.tokenize_like_llama:
            return {"content": text, "add_special": False}
        return {"model": model, "prompt": text, "add_special_tokens": False}

    def cold(self, salt: str) -> Mapping[str, Any]:
        """Keeps the prefix cache out, whatever the chat template has in common with earlier requests."""
        if self.server == "llama_server":
            return {"cache_prompt": False}
        if self.server == OTHER:
            return {}  # nothing is agreed on: the unique beginning of the prompt alone keeps the cache out
        return {"cache_salt": hashlib.sha256(salt.encode()).hexdigest()}  # vLLM forbids some characters in it

    def apart(self, salt: str) -> Mapping[str, Any]:
        """Asks for the prefix cache, and keeps what others left in it out where that can be said."""
        return self.cold(salt) if self.server == "vllm_server" else self.warm()

    def warm(self) -> Mapping[str, Any]:
        """Asks for the prefix cache."""
        return {"cache_prompt": True} if self.server == "llama_server" else {}


OTHER = "openai_server"
"""Any server that speaks OpenAI's protocol, and of which no more is known."""

DIALECTS: Mapping[str, Dialect] = {
    "llama_server": Dialect("llama_server", {"timings_per_token": True}, "/props", "build_info"),
    "vllm_server": Dialect(
        "vllm_server", {"stream_options": {"continuous_usage_stats": True}}, "/version", "version"
    ),
    OTHER: Dialect(OTHER, {}, "/version", "version", counting="usage", exact=False),
}

SEED = 20260101


def greedy(max_tokens: int) -> dict[str, Any]:
    """The same answer every time, as far as the server can."""
    return {"temperature": 0, "seed": SEED, "max_tokens": max_tokens}


def exactly(tokens: int) -> dict[str, Any]:
    """Greedy, and of exactly so many tokens: the token that ends an answer is passed over."""
    return {**greedy(tokens), "ignore_eos": True}
