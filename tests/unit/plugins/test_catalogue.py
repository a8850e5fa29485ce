from __future__ import annotations

from typing import Any

import pytest

from hostproof.shared import catalogue

SHA = "a" * 64


def entry(**changes: Any) -> dict[str, Any]:
    whole = {
        "format": "gguf",
        "parameters_billion": 0.268,
        "size_bytes": 253_000_000,
        "main": "model.gguf",
        "files": {"model.gguf": SHA},
        "source": {"kind": "huggingface", "repo": "org/name", "revision": "b" * 40},
    }
    return {**whole, **changes}


def complaints(**changes: Any) -> list[str]:
    return catalogue.complaints("m", {"m": entry(**changes)})


def test_a_whole_entry_has_no_complaints() -> None:
    assert complaints() == []


def test_a_mixture_of_experts_may_say_what_computes_and_whence_it_is_known() -> None:
    assert complaints(active_parameters_billion=0.1, parameters_source="the model card") == []


def test_what_to_do_without_it_is_said_with_what_is_wrong_and_only_then() -> None:
    assert complaints(advice="Take another.") == []
    assert complaints(advice="Take another.", files={})[-1] == "Take another"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"files": {}}, "`files` is empty: name every file with its sha256"),
        (
            {"files": {"model.gguf": ""}},
            "the sha256 of 'model.gguf' is 'empty', not 64 lower-case hex digits",
        ),
        ({"files": {"model.gguf": SHA.upper()}}, f"the sha256 of 'model.gguf' is '{SHA.upper()}'"),
        ({"files": {"../x": SHA}, "main": "."}, "file name '../x' leaves the model's folder"),
        ({"files": {"/etc/passwd": SHA}, "main": "."}, "file name '/etc/passwd' leaves the model's folder"),
        ({"main": "other.gguf"}, "`main` is 'other.gguf', which is not among its files"),
        ({"format": "onnx"}, "`format` is 'onnx', not gguf or safetensors"),
        ({"size_bytes": 0}, "`size_bytes` is 0, not a number above 0"),
        ({"size_bytes": True}, "`size_bytes` is True, not a number above 0"),
        ({"parameters_billion": float("nan")}, "`parameters_billion` is nan, not a number above 0"),
        ({"active_parameters_billion": 0}, "`active_parameters_billion` is 0, not a number above 0"),
        ({"active_parameters_billion": "3B"}, "`active_parameters_billion` is '3B', not a number above 0"),
        (
            {"active_parameters_billion": 1.0},
            "`active_parameters_billion` is 1.0, and there are 0.268 in all",
        ),
        ({"colour": "red"}, "`colour` is no key of a catalogue entry"),
        ({"source": {"kind": "ftp"}}, "`source.kind` is 'ftp', not one of url, huggingface"),
        ({"source": "huggingface"}, "`source.kind` is ''"),
        ({"source": {"kind": "huggingface", "repo": "org/name"}}, "`source.revision` is missing"),
        (
            {"source": {"kind": "huggingface", "repo": "org/name", "revision": "main"}},
            "`source.revision` is 'main', not a commit of 40 hex digits",
        ),
        (
            {"source": {"kind": "huggingface", "repo": "name", "revision": "b" * 40}},
            "`source.repo` is 'name', not owner/name",
        ),
        (
            {"source": {"kind": "url", "base": "https://x/y"}},
            "`source.base` is 'https://x/y', not an http(s)",
        ),
        (
            {"source": {"kind": "url", "base": "https://x/", "sha": 1}},
            "`source.sha` is no key of a url source",
        ),
        ({"source": {"kind": "generator", "argv": "python x"}}, "`source.argv` is no list of words"),
        ({"source": {"kind": "generator", "argv": []}}, "`source.argv` is no list of words"),
    ],
)
def test_what_is_wrong_with_an_entry_is_said(changes: dict[str, Any], said: str) -> None:
    assert [one for one in complaints(**changes) if one.startswith(said)], complaints(**changes)


def test_everything_wrong_is_said_at_once() -> None:
    assert len(complaints(files={}, source={"kind": "huggingface", "repo": "", "revision": ""})) == 3


def test_a_misspelt_name_gets_the_near_one() -> None:
    (said,) = catalogue.complaints("gemma-270", {"gemma-270m": entry()})
    assert "did you mean gemma-270m?" in said


def test_addresses_of_files() -> None:
    assert catalogue.urls(entry()) == {
        "model.gguf": f"https://huggingface.co/org/name/resolve/{'b' * 40}/model.gguf"
    }
    url = entry(source={"kind": "url", "base": "https://x/y/"})
    assert catalogue.urls(url) == {"model.gguf": "https://x/y/model.gguf"}
    assert catalogue.urls(entry(source={"kind": "controller", "path": "/x"})) == {}


def test_a_mirror_stands_in_for_hugging_face() -> None:
    assert catalogue.urls(entry(), "https://mirror/")["model.gguf"].startswith("https://mirror/org/name/")
