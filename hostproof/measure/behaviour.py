"""More behaviours than every measurement tries: the whole list of the workload `behaviour`, after the ones of checks.py."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hostproof.measure import counting, metrics_page
from hostproof.measure.checks import PROMPT, TOKENS, Checker
from hostproof.measure.client import Answer
from hostproof.measure.dialect import exactly, greedy
from hostproof.measure.errors import BadStatus, NoAnswer, SampleFailed
from hostproof.measure.result import Check
from hostproof.measure.stream import Stream

UNICODE = "Zürich → 東京 🦀🎉 ñ"
OTHER_PROMPT = "Name three colours and three animals, each with one word about it."
LONG_TOKENS = 4000
"""Of the answer that is broken off: minutes on a slow server, if it goes on alone."""
BREAK_SECONDS = 1.0
FREE_SECONDS = 5.0
RETOKENIZED = 0.1
"""Of a text that is cut into tokens again: where the model chose unusual pieces, there are fewer."""
FEW_TOKENS = 3


def more(checker: Checker, context: int) -> Iterator[Check]:
    """`context`: tokens, 0 if the server does not say. Yields nothing for what cannot be tried on this server."""
    yield checker.tried("usage_true", lambda: _usage(checker))
    yield checker.tried("answered_model", lambda: _answered_model(checker))
    yield checker.tried("unicode_whole", lambda: _unicode(checker))
    yield checker.tried("two_clients_apart", lambda: _two_clients(checker))
    yield checker.tried("cancel_frees", lambda: _cancel(checker, context))
    if context:
        yield checker.tried("overflow_refused", lambda: _overflow(checker, context))


def _usage(checker: Checker) -> tuple[bool, str]:
    """There both ways, the same both ways, and what the tokenizer says of the text."""
    extra = {**exactly(TOKENS), **checker.cold("usage")}
    whole = checker.client.chat(PROMPT, extra, limit_seconds=checker.limit_seconds)
    streamed = checker.client.chat_stream(PROMPT, extra, limit_seconds=checker.limit_seconds)
    if whole.usage is None or streamed.usage is None:
        lacking = [name for name, each in (("whole", whole), ("streamed", streamed)) if each.usage is None]
        return False, f"no usage in the {' and the '.join(lacking)} answer"
    told = (whole.usage.prompt, whole.usage.completion)
    if told != (streamed.usage.prompt, streamed.usage.completion):
        return (
            False,
            f"whole says {told}, streamed says {(streamed.usage.prompt, streamed.usage.completion)} tokens",
        )
    if checker.dialect.counting != "tokenize":
        return True, f"{told[0]} and {told[1]} tokens both ways; there is no tokenizer to ask"
    prompt = counting.with_tokenizer(checker.client, checker.dialect, PROMPT)
    answer = counting.with_tokenizer(checker.client, checker.dialect, whole.text)
    near = abs(answer - told[1]) <= max(FEW_TOKENS, RETOKENIZED * told[1])
    detail = f"usage says {told[0]} and {told[1]}, the tokenizer {prompt} (without template) and {answer}"
    return told[0] >= prompt and near, detail


def _answered_model(checker: Checker) -> tuple[bool, str]:
    answer = checker.client.chat("hi", greedy(1), limit_seconds=checker.limit_seconds)
    return (
        answer.model == checker.client.model,
        f"asked for {checker.client.model}, answered by {answer.model or 'nobody'}",
    )


def _unicode(checker: Checker) -> tuple[bool, str]:
    """Characters of two to four bytes must come whole. Where the server can be told what to say, it is."""
    forced: Mapping[str, Mapping[str, Any]] = {
        "llama_server": {"grammar": f'root ::= "{UNICODE}"'},
        "vllm_server": {"structured_outputs": {"regex": UNICODE}},
    }
    extra = {**greedy(64), **checker.cold("unicode"), **forced.get(checker.dialect.server, {})}
    streamed = checker.client.chat_stream(
        f"Repeat exactly: {UNICODE}", extra, limit_seconds=checker.limit_seconds
    )
    broken = "\ufffd" in streamed.text
    if checker.dialect.server in forced:
        return (
            streamed.text.strip() == UNICODE,
            f"told to say {UNICODE!r}, {len(streamed.raw)} events made {streamed.text.strip()!r}",
        )
    seen = sum(ord(letter) > 127 for letter in streamed.text)
    return not broken and seen > 0, f"{seen} characters beyond ASCII, broken: {'yes' if broken else 'no'}"


def _two_clients(checker: Checker) -> tuple[bool, str]:
    """At once as alone: each answer begins as it does alone, and never as the other's."""
    asked = (PROMPT, OTHER_PROMPT)
    extra = {**exactly(TOKENS), **checker.cold("two")}

    def ask(prompt: str) -> Answer:
        return checker.client.chat(prompt, extra, limit_seconds=checker.limit_seconds)

    alone = [ask(prompt).text for prompt in asked]
    with ThreadPoolExecutor(len(asked)) as pool:
        together = [answer.text for answer in pool.map(ask, asked)]
    mixed = [
        number
        for number, text in enumerate(together)
        if _common(text, alone[number]) < _common(text, alone[1 - number]) or not text.strip()
    ]
    same = sum(text == own for text, own in zip(together, alone, strict=True))
    return (
        not mixed,
        f"{same} of {len(asked)} answers are the same at once as alone, {len(mixed)} began as the other's",
    )


def _common(one: str, other: str) -> int:
    return next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )


def _cancel(checker: Checker, context: int) -> tuple[bool, str]:
    """A client that leaves in the middle of a long answer: the server must be free, by its own word and for the next one."""
    room = min(LONG_TOKENS, context // 2) if context else LONG_TOKENS
    idle = _short(checker, "before").arrivals[0].at
    try:
        extra = {**exactly(room), **checker.cold("cancel")}
        checker.client.chat_stream(PROMPT, extra, limit_seconds=BREAK_SECONDS)
    except NoAnswer:
        begun = time.monotonic()
    else:
        return (
            True,
            f"an answer of {room} tokens was over within {BREAK_SECONDS} s: there was nothing to free",
        )
    freed = _freed(checker, begun)
    after = _short(checker, "after").arrivals[0].at
    shown = f"the next first token came after {after:.2f} s, on the idle server after {idle:.2f} s"
    if freed is None:
        return after <= idle + FREE_SECONDS, f"{shown}; the server does not tell what it works on"
    told = (
        f"still at work {FREE_SECONDS:.0f} s later" if freed > FREE_SECONDS else f"free after {freed:.2f} s"
    )
    return freed <= FREE_SECONDS and after <= idle + FREE_SECONDS, f"{told}; {shown}"


def _short(checker: Checker, occasion: str) -> Stream:
    extra = {**exactly(2), **checker.cold(f"cancel/{occasion}")}
    return checker.client.chat_stream("Say hello.", extra, limit_seconds=checker.limit_seconds)


def _freed(checker: Checker, begun: float) -> float | None:
    """Seconds until the server says that it works on nothing; None if it does not say."""
    while True:
        busy = _busy(checker)
        took = time.monotonic() - begun
        if busy is None:
            return None
        if not busy or took > FREE_SECONDS:
            return took
        time.sleep(0.05)


def _busy(checker: Checker) -> bool | None:
    """llama-server: a slot that works. vLLM: requests that run."""
    try:
        if checker.dialect.server == "llama_server":
            slots = checker.client.get_json("/slots")
            return any(slot.get("is_processing") for slot in slots) if isinstance(slots, list) else None
        return metrics_page.parse(checker.client.get("/metrics")).total("vllm:num_requests_running") not in (
            0,
            None,
        )
    except SampleFailed:
        return None


def _overflow(checker: Checker, context: int) -> tuple[bool, str]:
    prompt = "word " * (context + 64)
    try:
        answer = checker.client.chat(prompt, exactly(2), limit_seconds=checker.limit_seconds)
    except BadStatus as error:
        return 400 <= error.status < 500, f"{context + 64} words for a context of {context}: {error}"
    read = answer.usage.prompt if answer.usage else "?"
    return False, f"{context + 64} words for a context of {context} were answered, {read} tokens were read"
