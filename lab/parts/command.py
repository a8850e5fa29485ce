"""The outermost shell of every part's module: arguments in, exit status out."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from lab.parts.part import Part, obtain


def say(line: str) -> None:
    print(line, flush=True)


def main(part: Callable[[], Part], argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=part().title)
    parser.add_argument("--out", type=Path, help="put the files here too (default: the cache alone)")
    wanted = parser.parse_args(argv)
    try:
        obtain(part(), wanted.out, say)
    except HostproofError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.status)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing half made is left, run it again\n")
        return int(ExitStatus.COULD_NOT)
    return 0
