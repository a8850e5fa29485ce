"""A server whose memory is real: it holds some, and walks all of it for each token, as a model's weights are.

Answers as `mock_server.py` beside it does, on a fixed port. What it says is made up; what the kernel says of it is not.
"""

from __future__ import annotations

import mmap
import sys
from typing import Any

import mock_server

PAGE = 4096
MIB = 1024**2


class Weighty(mock_server._Handler):
    """Each token costs one walk over the weights."""

    weights: mmap.mmap

    def _token(self, body: dict[str, Any], text: str, done: int) -> None:
        sum(self.weights[::PAGE])
        super()._token(body, text, done)


def main(port: int, mib: int) -> None:
    weights = mmap.mmap(-1, mib * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for start in range(0, mib * MIB, MIB):
        weights[start : start + MIB] = bytes(MIB)
    mock = mock_server.Mock("", mock_server.Script(), mock_server.Log())
    handler = type("Bound", (Weighty,), {"mock": mock, "weights": weights})
    mock_server._Server(("127.0.0.1", port), handler).serve_forever()


if __name__ == "__main__":
    # --load-mode and its like are for llama-server; this one takes them and goes on.
    main(8081, int(sys.argv[1]))
