"""Makes docs/sabotage.md: `python -m tests.sabotage.page`.

With `--clean 20` it measures an honest server so often and counts what is said of it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from tests.sabotage import catalogue, world

PAGE = Path(__file__).parents[2] / "docs" / "sabotage.md"
HEAD = """# Sabotage
Ways in which a server or a host lies or underperforms, and what catches each. Every row is a test (`tests/sabotage`): it is done to a
server on a socket, to a log or to a host's facts, and goes through the instrument, the file that crosses to the judge, and the judge. The
check that is named here must catch it. Where the last column is empty the verdict must not be *proven*; *passes* says that the figures come
out right in spite of it, or that a finding names it.

How often an honest server is accused: `python -m tests.sabotage.page --clean 20`. Seen: 20 of 20 proven,
and nothing else said.

| sabotage | what it does | caught by | |
|---|---|---|---|
"""


def text() -> str:
    rows = (
        f"| {each.name} | {each.lie} | {each.caught_by} | {'passes' if each.harmless else ''} |"
        for each in catalogue.ALL
    )
    return HEAD + "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clean", type=int, default=0, metavar="RUNS")
    runs = parser.parse_args().clean
    if not runs:
        PAGE.write_text(text(), encoding="utf-8")
        return
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            counts.update(world.said_of(Path(folder), {}))
    for label, count in counts.most_common():
        print(f"{count:3} of {runs}  {label}")


if __name__ == "__main__":
    main()
