"""Runs in a throwaway venv: reads the GGUF with transformers and saves safetensors in bfloat16.

    python dequantize_gemma.py GGUF TEMPLATE TARGET_FOLDER

What the conversion loses is put back: that text starts with <bos>, the chat template, and that a newline ends
a turn.
"""

import sys
from pathlib import Path

import torch
from tokenizers.processors import TemplateProcessing  # type: ignore[import-not-found]
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

NEWLINE_TOKEN = 107


def main(source: Path, template: Path, target: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    tokenizer.chat_template = template.read_text(encoding="utf-8")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos> $B", special_tokens=[("<bos>", tokenizer.bos_token_id)]
    )
    tokenizer.save_pretrained(target)
    model = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, NEWLINE_TOKEN]
    model.save_pretrained(target)
    for path in target.iterdir():  # safetensors writes 0600, and another user serves it
        path.chmod(0o644)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
