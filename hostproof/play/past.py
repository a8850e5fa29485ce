"""Results that were measured before: by file, by run, by host. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hostproof.errors import HostproofError
from hostproof.measure.result import Result
from hostproof.play.checkout import Checkout
from hostproof.play.inventory import listing, nearest
from hostproof.report.material import RESULTS, read_results


@dataclass(frozen=True)
class Found:
    """One Result and the file that it lies in."""

    path: Path
    result: Result

    @property
    def run(self) -> str:
        """The run's folder, where it lies in one."""
        parts = self.path.parts
        return parts[parts.index(RESULTS) - 1] if RESULTS in parts else self.path.stem


def named(checkout: Checkout, name: str) -> tuple[Found, ...]:
    """Behind a file, a folder of a run, or a run id. Raises HostproofError if there is none, or one cannot be read."""
    if not name.strip():
        raise HostproofError("an empty name", where="command line", mend="Name a run or a Result's file.")
    given = Path(name)
    if given.is_file():
        return _read([given])
    folder = given if given.is_dir() else checkout.runs / name
    if not folder.is_dir():
        known = [each.name for each in runs(checkout)]
        raise HostproofError(
            f"no run and no file {name!r}",
            where=str(checkout.runs),
            mend=f"{nearest(name, known)} {listing('runs', known)}".strip() or "Run: ./inv validate",
        )
    paths = sorted((folder / RESULTS).rglob("*.json"))
    if not paths:
        raise HostproofError(
            "the run has no Results", where=str(folder), mend="Name one of a validation that measured."
        )
    return _read(paths)


def runs(checkout: Checkout) -> list[Path]:
    """Folders of runs that have Results, oldest first."""
    if not checkout.runs.is_dir():
        return []
    found = [each for each in checkout.runs.iterdir() if (each / RESULTS).is_dir() and not each.is_symlink()]
    return sorted(found, key=lambda each: each.name)


def of_host(checkout: Checkout, host: str) -> tuple[tuple[Found, ...], tuple[str, ...]]:
    """All Results of a host by the time that they were measured, and why others of it were left out."""
    good: list[Found] = []
    left_out: list[str] = []
    for folder in runs(checkout):
        for path in sorted((folder / RESULTS / host).glob("*.json")):
            try:
                good += _read([path])
            except HostproofError as error:
                left_out.append(f"{checkout.short(str(path))} {error.what}")
    return tuple(sorted(good, key=lambda each: each.result.started)), tuple(left_out)


def hosts(checkout: Checkout) -> tuple[str, ...]:
    """Hosts with Results."""
    found = {each.name for folder in runs(checkout) for each in (folder / RESULTS).iterdir() if each.is_dir()}
    return tuple(sorted(found))


def must_know(checkout: Checkout, host: str) -> None:
    """Raises HostproofError for a host that was never measured."""
    known = hosts(checkout)
    if host in known:
        return
    what = f"no Results of host {host!r}" if host else "no host was named"
    raise HostproofError(
        what,
        where=str(checkout.runs),
        mend=f"{nearest(host, known)} {listing('hosts', known)}".strip() or "Run: ./inv validate --host NAME",
    )


def pairs(before: Sequence[Found], after: Sequence[Found]) -> Iterator[tuple[Found, Found]]:
    """One to one; by setup (and host, if both have several of a setup) where there are several."""
    if len(before) == len(after) == 1:
        yield before[0], after[0]
        return
    for one in before:
        same = [each for each in after if each.result.setup.name == one.result.setup.name]
        here = [each for each in same if each.result.host == one.result.host]
        chosen = here or (same if len(same) == 1 else [])
        yield from ((one, each) for each in chosen[:1])


def _read(paths: list[Path]) -> tuple[Found, ...]:
    return tuple(Found(path, result) for path, result in zip(paths, read_results(paths), strict=True))
