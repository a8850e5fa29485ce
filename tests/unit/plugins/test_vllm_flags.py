"""Flags against what `vllm serve --help=all` of vLLM 0.32.0 really prints: its first three groups of options."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from hostproof.shared import server_flags

REPOSITORY = Path(__file__).parents[3]
HELP = (Path(__file__).parent / "recorded" / "vllm-0.32.0.help").read_text(encoding="utf-8")
KNOWN = server_flags.known(HELP)


def test_every_flag_that_begins_a_line_is_known() -> None:
    listed = re.findall(r"^ {2}(--[a-z][\w-]*)", HELP, re.MULTILINE)
    assert len(listed) > 100
    assert set(listed) <= KNOWN


def test_both_spellings_of_a_switch_are_known() -> None:
    assert {"--enforce-eager", "--no-enforce-eager", "--api-server-count", "-asc"} <= KNOWN


def test_the_roles_own_flags_are_real() -> None:
    variables = yaml.safe_load((REPOSITORY / "roles/vllm_server/vars/main.yml").read_text(encoding="utf-8"))
    # In groups further down in the help.
    elsewhere = {"--max-num-seqs", "--gpu-memory-utilization"}
    assert set(variables["__vllm_server_flags"]) - elsewhere <= KNOWN


def test_a_misspelt_flag_is_named_with_the_nearest() -> None:
    (wrong,) = server_flags.unknown(["--max-model-length", "1", "--served_model_name", "x"], KNOWN)
    assert wrong.flag == "--max-model-length"
    assert "--max-model-len" in wrong.nearest


def test_a_key_of_a_json_option_is_the_options() -> None:
    assert server_flags.unknown(["--hf-overrides.rope_theta=1"], KNOWN) == []
