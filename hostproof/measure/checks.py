"""Behaviour that is tried before anything is timed. About the protocol, and where asked for about whether the kernels compute
rightly (canary.py); never about how clever the model is.

All requests keep the prefix cache out, so that a greedy answer takes the same path through the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hostproof.measure import canary, counting
from hostproof.measure.client import Answer, Client
from hostproof.measure.dialect import Dialect, exactly, greedy
from hostproof.measure.errors import BadStatus, SampleFailed, SampleVoid
from hostproof.measure.ready import parameters, served_models
from hostproof.measure.result import Check

TOKENS = 24
PROMPT = "Write one sentence about the sea and one about the mountains."
SHORT_PROMPTS = ("Reply with the single word: yes", "Say good night.", "What is the capital of France?")
EOS_TOKENS = 64
SECONDS = 300.0
SIZE_TOLERANCE = 0.05
"""Model cards round, and some leave the embedding out; another model of a family differs by more."""
WRONG_KEY = "hostproof-wrong-key"

Attempt = Callable[[], tuple[bool, str]]


@dataclass(frozen=True)
class Checker:
    """Tries one server."""

    client: Client
    dialect: Dialect
    salt: str
    limit_seconds: float = SECONDS
    """For one answer."""
    canaries: bool = False
    """Whether questions with known answers are asked too: a model must be able to answer them."""
    parameters_billion: float = 0.0
    """What the model has by the catalogue; 0: nobody says."""

    def all(self, first: Answer) -> Iterator[Check]:
        """`first` is the answer that made the server count as ready."""
        yield Check("answers", bool(first.text.strip()), f"first answer: {first.text.strip()[:60]!r}")
        yield self.tried("served_model", self._served_model)
        yield from self._model_size()
        if self.client.key:
            yield self.tried("wrong_key_refused", self._wrong_key)
        try:
            extra = {**exactly(TOKENS), **self.cold("whole")}
            whole = self.client.chat(PROMPT, extra, limit_seconds=self.limit_seconds)
        except SampleFailed as error:
            yield Check("max_tokens", False, str(error))
            return
        yield _max_tokens(whole, exact=self.dialect.exact)
        yield self.tried("streamed_equals_whole", lambda: self._streamed(whole))
        yield self.tried("stop", lambda: self._stop(whole))
        yield self.tried("eos", self._eos)
        if self.canaries:
            yield self.tried("canary_short", self._canary_short)
            yield self.tried("canary_long", self._canary_long)

    def tried(self, name: str, attempt: Attempt) -> Check:
        """What the attempt says; a failure of the server on the way is one of the behaviour."""
        try:
            passed, detail = attempt()
        except (SampleFailed, SampleVoid) as error:
            return Check(name, False, str(error))
        return Check(name, passed, detail)

    def cold(self, occasion: str) -> Mapping[str, Any]:
        """What keeps a request of ours out of the prefix cache."""
        return self.dialect.cold(f"{self.salt}/{occasion}")

    def _served_model(self) -> tuple[bool, str]:
        served = served_models(self.client, 30.0)
        return self.client.model in served, f"/v1/models lists {', '.join(served) or 'nothing'}"

    def _model_size(self) -> Iterator[Check]:
        """llama-server tells how many parameters the model has that it loaded; vLLM does not, and then nothing is said."""
        try:
            told = parameters(self.client, 30.0).get(self.client.model)
        except SampleFailed:
            return  # `served_model` says it
        if told is None or not self.parameters_billion:
            return
        wanted = self.parameters_billion
        detail = f"the server's model has {told / 1e9:.3g} billion parameters, {wanted:.3g} by the catalogue"
        yield Check("model_size", abs(told / 1e9 - wanted) <= SIZE_TOLERANCE * wanted, detail)

    def _wrong_key(self) -> tuple[bool, str]:
        for key in (WRONG_KEY, ""):
            shown = "a wrong key" if key else "no key"
            try:
                self.client.with_key(key).chat("hi", exactly(1), limit_seconds=self.limit_seconds)
            except BadStatus as error:
                if error.status not in (401, 403):
                    return False, f"with {shown}: {error}"
            else:
                return False, f"the server answered with {shown}"
        return True, "a wrong key and no key are both refused"

    def _streamed(self, whole: Answer) -> tuple[bool, str]:
        extra = {**exactly(TOKENS), **self.cold("streamed")}
        streamed = self.client.chat_stream(PROMPT, extra, limit_seconds=self.limit_seconds)
        if streamed.text == whole.text:
            return True, f"{len(whole.text)} characters are the same both ways"
        at = next(
            (i for i, (a, b) in enumerate(zip(streamed.text, whole.text, strict=False)) if a != b),
            min(len(streamed.text), len(whole.text)),
        )
        here = slice(at, at + 20)
        return False, f"from character {at}: streamed {streamed.text[here]!r}, whole {whole.text[here]!r}"

    def _stop(self, whole: Answer) -> tuple[bool, str]:
        word = stop_text(whole.text)
        if word is None:
            return False, f"nothing in {whole.text[:60]!r} to stop at"
        extra = {**exactly(TOKENS), **self.cold("stop"), "stop": [word]}
        stopped = self.client.chat(PROMPT, extra, limit_seconds=self.limit_seconds)
        right = stopped.finish_reason == "stop" and word not in stopped.text
        shown = f"{len(stopped.text)} of {len(whole.text)} characters"
        return right, f"stop at {word!r}: finish_reason {stopped.finish_reason}, {shown}"

    def _eos(self) -> tuple[bool, str]:
        for prompt in SHORT_PROMPTS:
            extra = {**greedy(EOS_TOKENS), **self.cold(prompt)}
            answer = self.client.chat(prompt, extra, limit_seconds=self.limit_seconds)
            if answer.finish_reason == "stop":
                tokens = answer.usage.completion if answer.usage else "?"
                return True, f"{prompt!r} was answered and ended after {tokens} tokens"
        return False, f"{len(SHORT_PROMPTS)} short questions all ran into the limit of {EOS_TOKENS} tokens"

    def _canary_short(self) -> tuple[bool, str]:
        return canary.short_verdict([self._asked(question) for question in canary.SHORT])

    def _canary_long(self) -> tuple[bool, str]:
        asked = canary.long_questions(lambda text: counting.with_tokenizer(self.client, self.dialect, text))
        return canary.long_verdict(asked, [self._asked(question) for question in asked.questions])

    def _asked(self, question: canary.Question) -> str:
        extra = {**greedy(canary.ANSWER_TOKENS), **self.cold(question.text)}
        return self.client.chat(question.text, extra, limit_seconds=self.limit_seconds).text


def _max_tokens(whole: Answer, *, exact: bool) -> Check:
    """A server that need not know `ignore_eos` (not exact) may end by itself before the limit."""
    if whole.usage is None:
        return Check("max_tokens", False, "the answer has no usage")
    right = whole.usage.completion == TOKENS and whole.finish_reason == "length"
    if not exact:
        right = right or (whole.usage.completion < TOKENS and whole.finish_reason == "stop")
    detail = f"asked for {TOKENS}: {whole.usage.completion} tokens, finish_reason {whole.finish_reason}"
    return Check("max_tokens", right, detail)


def stop_text(text: str) -> str | None:
    """A piece of the answer that first occurs after its beginning; None if there is none.

    Rather long and rather late; but weak models repeat themselves, so it may be one early character.
    """
    late = max(1, len(text) // 3)
    for begin, length in ((late, 6), (late, 2), (1, 6), (1, 1)):
        for start in range(begin, len(text) - length + 1):
            piece = text[start : start + length]
            if piece.strip() == piece and text.find(piece) == start:
                return piece
    return None
