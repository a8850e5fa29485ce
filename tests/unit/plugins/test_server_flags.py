"""Flags against the help that llama-server build 11669 really prints, and made-up pieces of other programs' help."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hostproof.shared import server_flags
from hostproof.shared.server_flags import Unknown

HELP = (Path(__file__).parent / "recorded" / "llama-server-b11669.help").read_text(encoding="utf-8")
KNOWN = server_flags.known(HELP)

# Lines as vLLM's argparse lays them out: indented, the description below.
ARGPARSE = """
options:
  --max-num-seqs MAX_NUM_SEQS
                        Maximum number of sequences; see also --max-model-len-hint.
  --enforce-eager, --no-enforce-eager
  --compilation-config COMPILATION_CONFIG, -cc COMPILATION_CONFIG
  -O OPTIMIZATION_LEVEL, --optimization-level OPTIMIZATION_LEVEL
"""


def test_every_spelling_of_a_flag_is_known() -> None:
    for spelling in (
        "-t",
        "--threads",
        "-n",
        "--predict",
        "--n-predict",
        "-kvo",
        "--no-kv-offload",
        "-h",
        "--usage",
    ):
        assert spelling in KNOWN


def test_the_seeds_flags_are_known_and_those_of_older_builds_are_not() -> None:
    seed = {
        "-c",
        "--threads",
        "--threads-batch",
        "-b",
        "-ub",
        "--parallel",
        "--flash-attn",
        "--jinja",
        "--metrics",
    }
    assert seed <= KNOWN
    assert not {"--mlock", "--no-mmap"} & KNOWN


def test_descriptions_and_placeholders_give_no_flags() -> None:
    # Told by the columns of this help: flags from the first, descriptions from the 41st unless there is no room.
    lines = [
        line for line in HELP.splitlines() if line.startswith("-") and "argument has been removed" not in line
    ]
    heads = [line if line[39:40].strip() else line[:40] for line in lines]
    assert {word for head in heads for word in re.findall(r"(?<!\S)--?[a-zA-Z][\w.-]*", head)} == KNOWN
    assert "--max-model-len-hint" not in server_flags.known(ARGPARSE)
    assert len(KNOWN) > 200


@pytest.mark.parametrize("flag", ["--draft-max", "--draft", "--draft-min", "--spec-ngram-size-n"])
def test_a_flag_that_is_listed_as_removed_is_not_there(flag: str) -> None:
    assert flag in HELP
    assert flag not in KNOWN


def test_a_help_in_argparses_layout() -> None:
    assert server_flags.known(ARGPARSE) == {
        "--max-num-seqs",
        "--enforce-eager",
        "--no-enforce-eager",
        "--compilation-config",
        "-cc",
        "-O",
        "--optimization-level",
    }


def test_a_text_without_flags_gives_none() -> None:
    assert server_flags.known("") == frozenset()
    assert server_flags.known("error: no such image\n- a list\n-1 is no flag\n") == frozenset()


def test_an_unknown_flag_is_named_once_with_the_nearest() -> None:
    found = server_flags.unknown(["--thread", "8", "--thread", "4", "-c", "8192"], KNOWN)
    assert [one.flag for one in found] == ["--thread"]
    assert "--threads" in found[0].nearest
    assert str(found[0]).startswith("--thread (nearest: --threads")


@pytest.mark.parametrize(
    ("flag", "successor"),
    [("--mlock", "--load-mode"), ("--no-mmap", "--load-mode"), ("--draft-max", "--spec-draft-n-max")],
)
def test_a_renamed_flag_leads_to_its_successor(flag: str, successor: str) -> None:
    assert server_flags.unknown([flag], KNOWN) == [Unknown(flag, (successor,))]


def test_a_successor_that_is_not_there_either_is_not_offered() -> None:
    assert server_flags.unknown(["--mlock"], frozenset({"--threads"})) == [Unknown("--mlock", ())]
    assert str(Unknown("--mlock", ())) == "--mlock"


@pytest.mark.parametrize("value", ["-1", "-0.5", "0", "/models/-x.gguf", "--", "-"])
def test_values_are_not_taken_for_flags(value: str) -> None:
    assert server_flags.unknown(["--predict", value], KNOWN) == []


@pytest.mark.parametrize(
    "word",
    [
        "--max_num_seqs",
        "--max-num-seqs=4",
        "--max_num_seqs=4",
        "-O3",
        "-O.mode",
        "--compilation-config.level=3",
    ],
)
def test_other_ways_to_write_a_known_flag(word: str) -> None:
    assert server_flags.unknown([word], server_flags.known(ARGPARSE)) == []


@pytest.mark.parametrize("word", ["-Ox", "--compilation-configs.level=3", "-X3"])
def test_what_only_looks_like_a_known_flag_is_unknown(word: str) -> None:
    assert [one.flag for one in server_flags.unknown([word], server_flags.known(ARGPARSE))] == [
        word.partition("=")[0]
    ]


def test_false_none_and_empty_are_left_out_and_zero_is_not() -> None:
    flags = {"--jinja": True, "--slots": False, "--numa": None, "--alias": "", "-ngl": 0, "--temp": 0.5}
    assert server_flags.arguments(flags, ["--temp", "0"]) == [
        "--jinja",
        "-ngl",
        "0",
        "--temp",
        "0.5",
        "--temp",
        "0",
    ]


def test_the_record_of_the_command_line() -> None:
    words = ["--jinja", "-c", "8192", "--max-num-seqs=1", "--list", "a", "b", "--temp", "-1", "-c", "4096"]
    assert server_flags.as_mapping(words) == {
        "--jinja": "",
        "-c": "4096",
        "--max-num-seqs": "1",
        "--list": "a b",
        "--temp": "-1",
    }


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (3, 1), (4, 2), (16, 14), (128, 126)])
def test_threads_leave_two_cores_and_are_never_none(cores: int, threads: int) -> None:
    assert server_flags.threads(cores) == threads


def cpu(number: int, **more: int) -> str:
    lines = [f"processor\t: {number}", "model name\t: AMD EPYC 9175F 16-Core Processor"]
    return "\n".join(
        [*lines, *(f"{name.replace('_', ' ')}\t\t: {value}" for name, value in more.items()), ""]
    )


def test_threads_that_share_a_core_are_one_core() -> None:
    # Two sockets of two cores with two threads each: core ids repeat on each socket.
    one = [(socket, core) for _ in range(2) for socket in range(2) for core in range(2)]
    text = "\n".join(cpu(n, physical_id=s, core_id=c) for n, (s, c) in enumerate(one))
    assert server_flags.cores(text) == 4


def test_without_core_ids_each_processor_counts() -> None:
    assert server_flags.cores("\n".join(cpu(n) for n in range(3)) + "\nHardware\t: something\n") == 3
