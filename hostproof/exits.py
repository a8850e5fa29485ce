"""The one table of exit statuses, the same for every task (docs/exit-statuses.md shows it to users)."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """How a task ends; the process exits with the number."""

    YES = 0
    """Done, nothing to do, proven."""
    COULD_NOT = 1
    """Usage, unreachable host, failed task, unmeasured metric (Invoke itself uses 1 too)."""
    NO = 2
    """The answer is no: changes pending, drift, below threshold."""
    INCONCLUSIVE = 3
    """Too noisy or too few runs to say; what would settle it is printed."""
