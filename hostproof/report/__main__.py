"""`python -m hostproof.report RUN_DIR`: makes the pages of a judged run again, and shows it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.report import terminal
from hostproof.report.material import load
from hostproof.report.write import write


def main(arguments: list[str] | None = None) -> int:
    """Ends as the verdict did."""
    parser = argparse.ArgumentParser(prog="python -m hostproof.report", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="a folder under runs/ with a verdict.json")
    run = parser.parse_args(arguments).run
    try:
        material = load(run)
        written = write(material, run)
    except HostproofError as error:
        print(error, file=sys.stderr)
        return int(error.status)
    console = Console()
    terminal.show(console, material, everything=True)
    for path in written:
        console.print(path, markup=False, highlight=False, soft_wrap=True)
    return int(material.verdict.exit_status)


if __name__ == "__main__":
    sys.exit(main())
