"""`./inv calibrate --host H`: thresholds from what was measured, as a diff; written only when asked to."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.judge import thresholds
from hostproof.judge.calibration import propose, usable
from hostproof.judge.threshold_text import fresh, updated
from hostproof.judge.thresholds import Key
from hostproof.measure.workload import parse
from hostproof.play import past
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending
from hostproof.play.inventory import listing
from hostproof.play.past import Found
from hostproof.play.record import write_whole


@dataclass(frozen=True)
class Asked:
    host: str
    setups: Sequence[str]
    """Empty: all that were measured."""
    runs: Sequence[str]
    """Ids of the runs to learn from; empty: all of the host."""
    write: bool


@dataclass(frozen=True)
class Draft:
    """One file as it is and as it is proposed."""

    path: Path
    before: str
    after: str


def run(checkout: Checkout, console: Console, asked: Asked) -> Ending:
    """Prints the diff. Yes: nothing to change, or written; no: changes are proposed. Raises HostproofError."""
    chosen = _chosen(checkout, asked)
    folder = checkout.root / "inventory" / "thresholds"
    known = thresholds.load(folder)
    drafts, said = [], []
    for key, found in _kinds(chosen).items():
        draft, told = _draft(folder, known.get(key), key, found)
        drafts += [draft] if draft and draft.before != draft.after else []
        said += [f"{key[1]}: {each}" for each in told]
    for each in said:
        console.print(f"· {each}", markup=False, highlight=False, soft_wrap=True)
    for draft in drafts:
        for line in _diff(checkout, draft):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    return _ended(checkout, drafts, write=asked.write)


def _chosen(checkout: Checkout, asked: Asked) -> tuple[Found, ...]:
    past.must_know(checkout, asked.host)
    found, _left_out = past.of_host(checkout, asked.host)
    for kind, names, known in (
        ("setup", asked.setups, [each.result.setup.name for each in found]),
        ("run", asked.runs, [each.run for each in found]),
    ):
        for name in names:
            if name not in known:
                raise HostproofError(
                    f"no Results of {kind} {name!r}",
                    where=f"host {asked.host}",
                    mend=listing(f"{kind}s", dict.fromkeys(known)),
                )
    return tuple(
        each
        for each in found
        if (not asked.setups or each.result.setup.name in asked.setups)
        and (not asked.runs or each.run in asked.runs)
    )


def _kinds(found: Sequence[Found]) -> dict[Key, list[Found]]:
    """By hardware, setup, model and workload; of a workload only the newest version that was measured."""
    kinds: dict[Key, list[Found]] = {}
    for each in found:
        result = each.result
        key = (result.hardware, result.setup.name, result.setup.model, str(result.workload.get("name")))
        kinds.setdefault(key, []).append(each)
    newest = {key: max(_version(each) for each in members) for key, members in kinds.items()}
    return {key: [e for e in members if _version(e) == newest[key]] for key, members in kinds.items()}


def _version(found: Found) -> int:
    return int(found.result.workload.get("version", 0))


def _draft(
    folder: Path, known: thresholds.ThresholdsFile | None, key: Key, found: Sequence[Found]
) -> tuple[Draft | None, list[str]]:
    left_out = [f"{each.run} is no standard: {why}" for each in found if (why := usable(each.result))]
    workload = parse(found[-1].result.workload)
    proposals, refused = propose([each.result for each in found], workload.cells)
    if not proposals:
        return None, [*left_out, *refused]
    if known:
        before, after, path = (
            known.file.read_text(encoding="utf-8"),
            updated(known.file, proposals),
            known.file,
        )
    else:
        path = folder / f"{'-'.join(key).replace('/', '-')}.yml"
        before, after = "", fresh(key, proposals, [cell.name for cell in workload.cells])
    _check(path, after)
    return Draft(path, before, after), [*left_out, *refused]


def _check(path: Path, text: str) -> None:
    """What is proposed must be what a reader accepts."""
    with tempfile.TemporaryDirectory(prefix="hostproof-calibrate-") as folder:
        copy = Path(folder) / path.name
        copy.write_text(text, encoding="utf-8")
        thresholds.load_file(copy)


def _diff(checkout: Checkout, draft: Draft) -> Iterator[str]:
    name = checkout.short(str(draft.path))
    yield from difflib.unified_diff(
        draft.before.splitlines(),
        draft.after.splitlines(),
        name if draft.before else "/dev/null",
        name,
        lineterm="",
    )


def _ended(checkout: Checkout, drafts: Sequence[Draft], *, write: bool) -> Ending:
    names = ", ".join(checkout.short(str(draft.path)) for draft in drafts)
    if not drafts:
        return Ending(ExitStatus.YES, "nothing to propose that the thresholds do not say already.")
    if not write:
        return Ending(ExitStatus.NO, f"proposed, not written: {names}. --write writes it.")
    for draft in drafts:
        write_whole(draft.path, draft.after)
    return Ending(ExitStatus.YES, f"written: {names}.")
