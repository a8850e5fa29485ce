"""The one error that a user sees: what is wrong, where, and how to mend it."""

from hostproof.exits import ExitStatus


class HostproofError(Exception):
    """Bad input or a failure outside hostproof, in the three parts a person needs.

    Only the outermost shell (`tasks.py`, a plugin's `run`) catches it, prints `str(error)` and exits with `status`.
    """

    def __init__(
        self, what: str, *, where: str, mend: str, status: ExitStatus = ExitStatus.COULD_NOT
    ) -> None:
        self.what = what
        self.where = where
        self.mend = mend
        self.status = status
        super().__init__(f"{what} ({where}). {mend}")
