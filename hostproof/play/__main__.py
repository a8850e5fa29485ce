"""`python -m hostproof.play`: what ./inv runs. Invoke, under the name that people type."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

from hostproof import __version__
from hostproof.exits import ExitStatus
from hostproof.play import inventory
from hostproof.play.checkout import here

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[\w.+-]+")
ON_HOSTS = ("provision", "plan", "validate", "facts", "drift", "undo")
"""Tasks that begin with the inventory, where `--host` is given."""


def main() -> None:
    """Invoke ends the process itself; only a reader that went away, as `| head` does, is seen to here."""
    sys.argv[1:] = with_options(sys.argv[1:])
    if begins_with_the_inventory(sys.argv[1:]):
        inventory.begin(here())
    from invoke.program import Program  # noqa: PLC0415 # beside the reading, not before it

    try:
        Program(name="hostproof", binary="./inv", version=__version__).run()
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would try once more to write what is left, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(int(ExitStatus.COULD_NOT))


def with_options(words: Sequence[str]) -> list[str]:
    """`report RUN` as `report --run RUN`: Invoke knows no word that may be left out. Pure."""
    told = list(words)
    for at, word in enumerate(words[:-1]):
        if word == "report" and RUN_ID.fullmatch(words[at + 1]):
            told.insert(at + 1, "--run")
            break
    return told


def begins_with_the_inventory(words: Sequence[str]) -> bool:
    """Whether these words, as far as can be told before they are parsed, name a task and a host. Pure."""
    named = any(word == "--host" or word.startswith("--host=") for word in words)
    return named and "--help" not in words and not set(ON_HOSTS).isdisjoint(words)


if __name__ == "__main__":
    main()
