"""What can go wrong while measuring, by what it means for the sample that was being taken.

MeasureError
├── Stopped            the whole measurement ends: exit 1, one sentence
│   ├── ConfigError        the configuration or the workload is wrong
│   ├── HostBusy           somebody else measures on this host
│   ├── NotReady           the server never answered correctly
│   └── DeadlinePassed     no time left (inside a run: that run is void)
├── SampleFailed       the server failed: the run counts in `failed_requests`
│   ├── NoConnection       refused, reset, unknown host
│   ├── BadStatus          an HTTP status that is no success
│   ├── NoAnswer           silence longer than the time limit
│   └── BadStream          ended early, not readable, or an error inside the stream
└── SampleVoid         the server answered, but not to what was asked: no sample, no failure
    ├── WrongLength        another number of tokens than asked
    └── NoCounts           no usage, so tokens cannot be counted
"""

from __future__ import annotations


class MeasureError(Exception):
    """One sentence for people; subclasses say what it means for the sample."""


class Stopped(MeasureError):  # noqa: N818  (names of what happened read better in the tree)
    """Nothing more can be measured."""


class ConfigError(Stopped):
    """`path` is the key that is wrong, as in `workload.cells[1].cache`."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class HostBusy(Stopped):
    """Another measurement holds the host."""


class NotReady(Stopped):
    """The server did not answer correctly in time."""


class DeadlinePassed(Stopped):
    """The time for the whole measurement is over."""


class SampleFailed(MeasureError):  # noqa: N818
    """The server failed this request."""


class NoConnection(SampleFailed):
    """No connection, or one that broke."""


class BadStatus(SampleFailed):
    """The server refused; `status` and what it said."""

    def __init__(self, status: int, body: str) -> None:
        self.status = status
        self.body = body
        super().__init__(f"HTTP {status}: {' '.join(body.split())[:200] or 'no body'}")


class NoAnswer(SampleFailed):
    """The server went silent."""


class BadStream(SampleFailed):
    """The answer broke off or cannot be read."""


class SampleVoid(MeasureError):  # noqa: N818
    """Nobody's failure, and no sample."""


class WrongLength(SampleVoid):
    """The output is longer or shorter than asked."""


class NoCounts(SampleVoid):
    """Tokens cannot be counted."""
