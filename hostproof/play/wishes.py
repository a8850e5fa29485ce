"""What the inventory wishes for a host: variables of the role tuning with every template resolved. The host is asked nothing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hostproof.errors import HostproofError
from hostproof.play import runner, summary
from hostproof.play.checkout import Checkout
from hostproof.play.events import Event, Progress, step

PLAYBOOK = "_wishes"
LIMIT_SECONDS = 120


def resolved(checkout: Checkout, host: str) -> Mapping[str, Any]:
    """Ansible works them out as in a provision, so `tuning_servers` are the servers of the inventory.

    Raises HostproofError with Ansible's own words where a template cannot be resolved.
    """
    progress = Progress()

    def on_event(event: Event) -> None:
        nonlocal progress
        progress = step(progress, event)

    with tempfile.TemporaryDirectory(prefix="hostproof-wishes-") as folder:
        extra = {"hostproof_run_dir": folder}
        job = runner.Job(checkout.playbook(PLAYBOOK), (host,), extra, limit_seconds=LIMIT_SECONDS)
        done = runner.run(checkout, job, on_event)
        if done.interrupted:
            raise KeyboardInterrupt
        kept = Path(folder) / f"{host}.json"
        if done.rc != 0 or not kept.is_file():
            raise HostproofError(
                "the wishes cannot be worked out: " + (_said(progress) or "the playbook reached no host"),
                where=f"variables of {host} in {checkout.short(checkout.inventory())}",
                mend="Correct the variable that is named, or put the host into the group inference_hosts.",
            )
        wishes: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return wishes


def _said(progress: Progress) -> str:
    """The first failure in its own words, on one line."""
    said = progress.failures[0].message if progress.failures else summary.first_complaint(progress)
    return " ".join(said.split()).rstrip(".")
