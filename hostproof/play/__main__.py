"""`python -m hostproof.play`: what ./inv runs. Invoke, under the name that people type."""

from __future__ import annotations

import os
import sys

from invoke.program import Program

from hostproof import __version__
from hostproof.exits import ExitStatus


def main() -> None:
    """Invoke ends the process itself; only a reader that went away, as `| head` does, is seen to here."""
    try:
        Program(name="hostproof", binary="./inv", version=__version__).run()
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would try once more to write what is left, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(int(ExitStatus.COULD_NOT))


if __name__ == "__main__":
    main()
