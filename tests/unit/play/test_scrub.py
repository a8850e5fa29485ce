"""What is written down holds no secret, and enough to make the same picture of the run."""

from __future__ import annotations

import json

import pytest

from hostproof.play import scrub
from hostproof.play.events import fold

from . import reading

RAW = {
    "event": "runner_on_ok",
    "created": "2026-11-24T15:18:52+00:00",
    "counter": 7,
    "stdout": "changed: [h1]",
    "event_data": {
        "host": "h1",
        "task": "Log in",
        "task_args": "password=hunter2",
        "res": {
            "changed": True,
            "msg": "Authorization: Bearer sk-123456",
            "cmd": ["vllm", "serve", "--api-key=sk-123456"],
            "invocation": {"module_args": {"password": "hunter2"}},
            "stdout": "hf_AbCdEfGhIjKlMnOpQrSt and https://ada:hunter2@example.org/x?token=hunter2",
            "diff": {"before": {"hf_token": "hunter2"}, "after": {"hf_token": "hunter3", "user": "ada"}},
        },
    },
}


def test_no_secret_reaches_the_record() -> None:
    line = json.dumps(scrub.event(RAW))
    for secret in ("hunter", "sk-123456", "hf_AbC"):
        assert secret not in line
    assert "https://[hidden]@example.org/x?token=[hidden]" in line
    assert '"user": "ada"' in line


def test_a_private_key_is_hidden_whole() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\nnNzaC\n-----END OPENSSH PRIVATE KEY-----\nafter"
    assert scrub.text(key) == "[hidden]\nafter"


@pytest.mark.parametrize("name", ["api_key", "vllm_server_api_key", "become_password", "HF_TOKEN", "secrets"])
def test_a_value_is_hidden_by_its_name(name: str) -> None:
    assert scrub.value({name: "x"}) == {name: scrub.HIDDEN}


@pytest.mark.parametrize("name", ["max_tokens_seen", "tokenizer", "api_key_file", "keyboard"])
def test_a_harmless_name_hides_nothing(name: str) -> None:
    assert scrub.value({name: "x"}) == {name: "x"}


def test_numbers_and_empty_values_stay() -> None:
    assert scrub.value({"token": "", "rc": 0, "changed": False}) == {"token": "", "rc": 0, "changed": False}


def test_a_long_text_is_cut_and_says_so() -> None:
    assert scrub.text("x" * 10_000).endswith("… (2000 more characters)")


@pytest.mark.parametrize("run", ["mixed", "refused", "broken_playbook"])
def test_the_record_makes_the_same_picture_again(run: str) -> None:
    assert fold(scrub.event(event) for event in reading.events(run)) == reading.progress(run)
