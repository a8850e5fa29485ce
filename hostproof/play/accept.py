"""`./inv accept`: everything that only a host with a card can show, in one command, with a record to send back."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.judge.model import Outcome
from hostproof.play import acceptance, inventory, kept, recordings, scrub, verbs
from hostproof.play.acceptance import Check, Seen
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending, of_facts

SCHEMA = "hostproof.accept/1"
FOLDER = "accept"
WORDS = {
    Outcome.PROVEN: "✓ pass",
    Outcome.BELOW: "✗ fail",
    Outcome.UNMEASURED: "∅ not looked at",
    Outcome.INCONCLUSIVE: "? inconclusive",
}
VALIDATED = "validation"


def run(checkout: Checkout, console: Console, names: Sequence[str], *, look_only: bool = False) -> Ending:
    """Exit status 0: everything passes. 2: something fails. 1: something could not be looked at. 3: inconclusive. Raises HostproofError.

    `look_only`: without the validation, which takes an hour.
    """
    hosts = inventory.read(checkout).choose(names)
    if len(hosts) != 1:
        raise HostproofError(
            f"{len(hosts)} hosts are named, and one record is of one host",
            where="--host",
            mend="Accept them one after the other.",
        )
    (host,) = hosts
    validated = None if look_only else verbs.validate(checkout, console, [host], [])
    order = verbs.Order("accept", "accept", hosts, {"host": list(names), "look-only": look_only})
    ended = verbs.carry_out(
        checkout, console, order, lambda finished, progress, _: of_facts(finished, progress)
    )
    if ended.ending.status is not ExitStatus.YES:
        return ended.ending
    seen = kept.whole(ended.folder / FOLDER / f"{host}.json", SCHEMA)
    found = acceptance.checks(seen)
    if validated is not None:
        found.append(of_validation(validated.ending))
    for check in found:
        console.print(
            f"  {WORDS[check.outcome]}  {check.name}: {check.seen}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    archive = ended.folder / f"acceptance-{host}.tar.gz"
    archive.write_bytes(packed(seen, found, validated.folder if validated else None))
    console.print(
        f"to send back: {checkout.short(str(archive))}", markup=False, highlight=False, soft_wrap=True
    )
    return closing(host, found)


def of_validation(ending: Ending) -> Check:
    outcome = {
        ExitStatus.YES: Outcome.PROVEN,
        ExitStatus.NO: Outcome.BELOW,
        ExitStatus.INCONCLUSIVE: Outcome.INCONCLUSIVE,
    }.get(ending.status, Outcome.UNMEASURED)
    return Check(VALIDATED, outcome, ending.sentence)


def closing(host: str, found: Sequence[Check]) -> Ending:
    """Pure."""
    worst = acceptance.worst(found)
    if worst is Outcome.PROVEN and any(check.outcome is Outcome.INCONCLUSIVE for check in found):
        worst = Outcome.INCONCLUSIVE
    passed = sum(check.outcome is Outcome.PROVEN for check in found)
    word = "accepted" if worst is Outcome.PROVEN else "not accepted"
    return Ending(worst.exit_status, f"{host} is {word}: {passed} of {len(found)} checks pass.")


def packed(seen: Seen, found: Sequence[Check], validation: Path | None) -> bytes:
    """The archive: what was said, what was judged of it, and the validation's own files. Texts are searched for secrets."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        about = [{"check": check.name, "outcome": check.outcome.value, "seen": check.seen} for check in found]
        _add(archive, "checks.json", json.dumps(about, indent=1).encode())
        told = {key: seen[key] for key in ("facts", "gpus", "driver", "cdi", "container", "servers", "xids")}
        _add(archive, "seen.json", json.dumps(told, indent=1).encode())
        _add(archive, "facts.tar", recordings.packed(seen["recording"]))
        _add(archive, "gpus.tar", recordings.packed(seen["gpu_recording"]))
        for name, text in acceptance.files(seen):
            _add(archive, f"said/{name}", scrub.text(text, whole=True).encode())
        for path in sorted(validation.rglob("*.json")) if validation else ():
            _add(archive, f"validation/{path.relative_to(validation)}", path.read_bytes())  # type: ignore[arg-type]
    return target.getvalue()


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    archive.addfile(entry, io.BytesIO(data))
