"""What a proof about a running server consists of: what was seen, what speaks against it, what was not looked at. Types only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something that keeps a server from being proved, or that a reader should know."""

    what: str
    """A sentence with the figures in it."""
    mend: str
    """How to put it right; a sentence too."""

    def __str__(self) -> str:
        return f"{self.what} {self.mend}".strip()


@dataclass(frozen=True)
class Proof:
    """One verdict, and why."""

    verdict: str
    evidence: tuple[str, ...]
    """What was seen, each a line that a reader can look up."""
    wrong: tuple[Finding, ...]
    """What contradicts what was wanted."""
    missing: tuple[Finding, ...]
    """What nobody has looked at yet: without it nothing is proved, but nothing speaks against it either."""
    notes: tuple[Finding, ...] = ()
    """What decides nothing."""

    @property
    def line(self) -> str:
        """The one sentence for a screen: the verdict with the first reason, or with what proves it."""
        reasons = [str(each) for each in (*self.wrong, *self.missing)]
        return f"{self.verdict}: {(reasons or list(self.evidence) or ['nothing was seen.'])[0]}"
