"""A file that the kernel makes: reading one, and why one cannot be written, found without writing."""

from __future__ import annotations

import errno
from collections.abc import Callable

from ..host import Host, why
from ..knob import Problem, Seen

_NO_SUCH = {errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.EOPNOTSUPP}
READ_ONLY = "cannot be written here (EROFS, or a read-only file)"
NOT_OURS = "belongs to the kernel around this container, which others use too"


def read(host: Host, place: str, normalise: Callable[[str], str]) -> Seen:
    """The value. `detail` says if it could not be written."""
    try:
        text = normalise(host.read(place))
    except OSError as error:
        problem: Problem = "unsupported" if error.errno in _NO_SUCH else "unreadable"
        return Seen(problem=problem, detail=why(error, place))
    if host.contained:
        # Nor is it persisted: a container's own boot may run systemd-sysctl and systemd-tmpfiles on that kernel.
        return Seen(problem="unsupported", detail=f"{place} {NOT_OURS}")
    return Seen(text, detail="" if host.writable(place) else f"{place} {READ_ONLY}")


def is_unsupported(error: OSError) -> bool:
    """The host has no such setting, or not here; any other error is a refusal."""
    return error.errno in _NO_SUCH or error.errno == errno.EROFS
