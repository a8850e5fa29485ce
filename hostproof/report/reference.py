"""The rows that the article behind this project printed, shown beside ours and marked as its own."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "the article"
BASE_FACTOR = 0.10
"""command-a-reasoning's tok/s per billion parameters: what "relative PF" is relative to."""


@dataclass(frozen=True)
class ReferenceFactor:
    model: str
    parameters: str
    speed: str
    factor: str
    relative: str


FACTORS = (
    ReferenceFactor("command-a-reasoning", "111B", "~11 tok/s", "0.10", "1.0"),
    ReferenceFactor("IQuest-Coder-40B nvfp4", "40B", "26–28 tok/s", "0.65–0.70", "≈6.5–7.0"),
    ReferenceFactor("Small 7B fp16", "7B", "60–80 tok/s", "9–11", "separate category"),
)


@dataclass(frozen=True)
class ReferenceSetup:
    config: str
    speed: str
    viability: str
    use: str


SETUPS = (
    ReferenceSetup("A: CPU Q5_K_M", "unmeasurable (TTFT failure)", "No", "–"),
    ReferenceSetup("B: GPU nvfp4", "25–28", "Production", "agent / test generation / CI"),
    ReferenceSetup("C: Aider whole-edit", "0.6–8", "No", "–"),
)
MODEL_WORD, QUANTISATION_WORD = "40b", "nvfp4"
"""Whose ceiling the article's TG may be held against: both occur in the model's name."""
SPEED = (25.0, 28.0)
"""TG of its config B, tok/s. The article names no ceiling."""
LATENCIES = {200: "7–8 s", 400: "14–16 s", 800: "30 s"}
LATENCY_SECONDS = {200: (7.0, 8.0), 400: (14.0, 16.0), 800: (30.0, 30.0)}
"""The same as figures: output tokens → from, to."""


@dataclass(frozen=True)
class ReferenceKind:
    name: str
    kind: str
    token: str
    cache: str
    speed: str
    viability: str


KINDS = (
    ReferenceKind(
        "dense 40B on the CPU",
        "dense",
        "all 40B layers",
        "ineffective (full-layer access)",
        "unmeasurable",
        "non-viable",
    ),
    ReferenceKind(
        "MoE 229B on the CPU",
        "mixture of experts",
        "~10B equivalent",
        "effective (expert locality)",
        "10–37 tok/s",
        "viable for batch",
    ),
)
LANES = (
    ("daily work (agent, aider, CI)", "IQuest-Coder-40B nvfp4", "primary: speed, stability, control"),
    ("deep reasoning, design review", "command-a-reasoning", "secondary: complex cases only"),
    ("batch processing, CPU resident", "MoE models (Kimi-K2.5 etc.)", "a subset of experts a token"),
)
"""Lane, setup, reason."""
