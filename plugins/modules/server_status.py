"""Says what serves on a host: on which device, which build, since when, and whether that is still what was proved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import proof_look, proof_record, server_state
from ansible_collections.hostproof.core.plugins.module_utils.proof_record import ProofRecord, ProofRecordError

DOCUMENTATION = """
module: server_status
short_description: Says what serves on a host, and whether that is still what was proved
description:
  - For each server in C(/etc/hostproof/servers) the unit, its start, its device by NVML, its build, and the questions of its proof asked
    again.
  - Changes nothing.
options:
  gpus: {type: list, elements: dict, default: [], description: "The cards, as M(hostproof.core.gpu_facts) lists them."}
  asked: {type: bool, default: true, description: "Whether NVML could be asked, so that a server that is not on a card is on none."}
  endpoints: {type: path, default: /etc/hostproof/servers, description: Where the servers are told.}
  proofs: {type: path, default: /var/lib/hostproof/proofs, description: Where what was proved is kept.}
attributes:
  check_mode: {support: full, description: Reads only.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: See what serves
  hostproof.core.server_status:
    gpus: "{{ seen.gpus }}"
"""

RETURN = """
servers: {description: "A row a server: docs/contracts.md.", returned: success, type: list, elements: dict}
"""

ARGUMENTS = {
    "gpus": {"type": "list", "elements": "dict", "default": []},
    "asked": {"type": "bool", "default": True},
    "endpoints": {"type": "path", "default": "/etc/hostproof/servers"},
    "proofs": {"type": "path", "default": proof_record.FOLDER},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    files = sorted(Path(module.params["endpoints"]).glob("*.json"))
    module.exit_json(changed=False, servers=[row(module, file) for file in files])


@dataclass(frozen=True)
class Server:
    """One server as its file tells, with its start and what was proved of it."""

    told: Mapping[str, Any]
    start: proof_look.Start
    kept: ProofRecord | None

    @property
    def runs(self) -> bool:
        return self.start.active == "active"


def row(module: AnsibleModule, file: Path) -> dict[str, Any]:
    server = read(module, file)
    told, start, kept = server.told, server.start, server.kept
    cards = [card for card in module.params["gpus"] if card.get("answers")]
    processes = (
        [one for card in cards for one in card.get("processes", [])] if module.params["asked"] else None
    )
    seen = look(module, server, cards, processes) if server.runs else None
    own = {
        card["uuid"]: card["name"] for card in cards if any(p["pid"] in start.pids for p in card["processes"])
    }
    held = (
        None
        if processes is None
        else sum(p.get("vram_bytes") or 0 for p in processes if p["pid"] in start.pids)
    )
    judged = server_state.judge(start.active, kept, seen)
    return {
        "server": told["server"],
        "unit": told["unit"],
        "active": start.active,
        "since": moment(start.began) if server.runs else "",
        "model": str(told.get("model", "")),
        "release": str(told.get("release", "")),
        "url": str(told.get("url", "")),
        "device": server_state.device(seen, held, own) if server.runs else "",
        "vram_bytes": held,
        "verdict": seen.verdict if seen else "",
        "proved": kept.verdict if kept else "",
        "proved_at": kept.proved_at if kept else "",
        "state": judged.state,
        "why": list(judged.why),
    }


def read(module: AnsibleModule, file: Path) -> Server:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        name, unit = str(told["server"]), str(told["unit"])
    except (ValueError, KeyError, TypeError) as error:
        module.fail_json(msg=f"{file} is no server's file ({error!r}). Provision again.")
    return Server(told, proof_look.start(module, unit), record(module, name))


def record(module: AnsibleModule, server: str) -> ProofRecord | None:
    path = Path(module.params["proofs"]) / f"{server}.json"
    try:
        return proof_record.parse(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, ProofRecordError) as error:
        module.fail_json(msg=f"{path} cannot be read ({error}). Provision again, or remove it.")


def look(
    module: AnsibleModule, server: Server, cards: list[dict[str, Any]], processes: list[dict[str, Any]] | None
) -> ProofRecord:
    """The same questions as when it was proved, but for those that only the instrument asks."""
    told, start, kept = server.told, server.start, server.kept
    expected = dict(kept.expected) if kept else {}
    proof = proof_look.prove(
        told["server"],
        proof_look.journal(module, told["unit"], start.invocation),
        start.pids,
        expected,
        running=proof_look.processes(processes),
        asked=None,
    )
    about = {
        **proof_look.circumstances(start),
        "model": str(told.get("model", "")),
        "release": str(told.get("release", "")),
        # Of a server that was proved without cards none are compared.
        "cards": " ".join(sorted(str(card["uuid"]) for card in cards))
        if kept and kept.circumstances.get("cards")
        else "",
    }
    wanted = kept.wanted if kept else ()
    return proof_record.of(
        told["server"],
        told["unit"],
        proof,
        wanted=wanted,
        expected=expected,
        circumstances=about,
        proved_at="",
    )


def moment(began: float) -> str:
    return datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds") if began else ""


if __name__ == "__main__":
    main()
