"""`hostproof.pyz measure|ready`: exits 0, or 1 with one sentence on stderr."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

from hostproof import __version__
from hostproof.measure import config, lock, ready, run
from hostproof.measure.errors import MeasureError
from hostproof.measure.result import to_json
from hostproof.measure.run import Voice


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(options.verb(options))
    except MeasureError as error:
        return _sorry(str(error))
    except OSError as error:
        return _sorry(f"{error.filename or 'input or output'}: {error.strerror}")
    except KeyboardInterrupt:
        return _sorry("stopped by a signal; no result was written")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hostproof.pyz", description="The instrument of hostproof.")
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    measuring = verbs.add_parser("measure", help="run a workload and write a Result")
    measuring.add_argument("--config", type=Path, required=True, help="JSON, see docs/contracts.md")
    measuring.add_argument("--out", type=Path, required=True, help="where the Result goes")
    measuring.add_argument("--events", type=Path, help="append one JSON line a run to this file")
    measuring.add_argument("--telemetry", type=Path, help="gzipped JSON lines: all that was seen of the host")
    measuring.add_argument(
        "--chunks", type=Path, help="gzipped JSON lines: every event of every answer, timed"
    )
    measuring.add_argument("--lock", type=Path, default=lock.default_path(), help="default: %(default)s")
    measuring.set_defaults(verb=_measure)
    waiting = verbs.add_parser("ready", help="wait until the server has answered correctly")
    waiting.add_argument("--config", type=Path, required=True, help="the same JSON")
    waiting.add_argument("--timeout", type=float, required=True, metavar="SECONDS")
    waiting.set_defaults(verb=_ready)
    return parser


def _measure(options: argparse.Namespace) -> int:
    wanted = config.read(options.config)
    with lock.held(options.lock, wanted.run_id), _voice(options.events) as voice:
        result = run.measure(wanted, voice, run.Kept(options.telemetry, options.chunks))
    _write(options.out, to_json(result))
    return 0


def _ready(options: argparse.Namespace) -> int:
    wanted = config.read(options.config)
    answer = ready.wait(run.client_of(wanted), options.timeout)
    print(f"{wanted.server.served_name} answers: {answer.text.strip()[:60]!r}", flush=True)
    return 0


@contextlib.contextmanager
def _voice(events: Path | None) -> Iterator[Voice]:
    def say(line: str) -> None:
        print(line, flush=True)

    if events is None:
        yield Voice(say, lambda event: None)
        return
    with events.open("a", encoding="utf-8") as file:
        yield Voice(say, lambda event: _append(file, event))


def _append(file: IO[str], event: Mapping[str, Any]) -> None:
    file.write(json.dumps(event) + "\n")
    file.flush()


def _write(path: Path, text: str) -> None:
    """All of it or nothing: a reader never sees half a Result."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _sorry(sentence: str) -> int:
    print(f"hostproof: {sentence}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
