"""Looks at something again and again while a run goes on, and is idle nearly all the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from hostproof.measure.errors import MeasureError

FIRST_LOOK_SECONDS = 0.2
"""Then ever slower until there is a reading: a run may be short, and a gauge late."""
SHARE = 20
"""A look that took t seconds is not repeated before SHARE × t."""

Probe = Callable[[], float | None]


class Watch:
    """`with Watch(probe, 1.0) as watch: …; watch.peak`. A probe that fails is told once in `problem`."""

    def __init__(self, probe: Probe, interval: float) -> None:
        self._probe = probe
        self._interval = interval
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.readings: list[float] = []
        self.problem = ""

    @property
    def peak(self) -> float | None:
        return max(self.readings, default=None)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        if kind is None:  # whoever leaves in a hurry does not wait for a look that hangs
            self._thread.join(timeout=5.0)

    def look(self) -> float:
        """One reading; returns how long it took."""
        begun = time.monotonic()
        try:
            reading = self._probe()
        except (MeasureError, OSError, ValueError) as error:
            self.problem = self.problem or str(error)
        else:
            self.readings += [] if reading is None else [reading]
        return time.monotonic() - begun

    def _run(self) -> None:
        pause = min(FIRST_LOOK_SECONDS, self._interval)
        while not self._end.wait(pause):
            took = self.look()
            slower = max(self._interval, SHARE * took)
            pause = slower if self.readings else min(1.5 * pause, self._interval)
