"""Looks at one running server as a proof needs it: its start, its log since then, its processes. For modules on the host."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from . import control_group, llama_proof, nvfp4_proof, service_state, vllm_log
from .facts.gpu_model import GpuProcess
from .proof_types import Proof

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible.module_utils.basic import AnsibleModule

VLLM: Final = "vllm_server"
PROPERTIES: Final = (
    "InvocationID",
    "ControlGroup",
    "ExecMainStartTimestamp",
    "FragmentPath",
    "SourcePath",
    "ActiveState",
)
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
DRIVER: Final = Path("/sys/module/nvidia/version")


@dataclass(frozen=True)
class Start:
    """One start of a unit."""

    invocation: str
    group: str
    began: float
    """Seconds since the epoch; 0: it never did."""
    unit_sha256: str
    """Of the file that a person wrote: a quadlet, or the unit itself; empty if there is none."""
    active: str

    @property
    def pids(self) -> frozenset[int]:
        return control_group.processes(self.group)


def start(module: AnsibleModule, unit: str) -> Start:
    command = ["systemctl", "show", "--timestamp=us+utc", f"--property={','.join(PROPERTIES)}", unit]
    _, out, _ = module.run_command(command, check_rc=True)
    told = dict(line.partition("=")[::2] for line in out.splitlines() if "=" in line)
    return Start(
        told.get("InvocationID", ""),
        told.get("ControlGroup", ""),
        service_state.parse(out).began,
        _digest(told.get("SourcePath") or told.get("FragmentPath", "")),
        told.get("ActiveState", ""),
    )


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""
    except FileNotFoundError:
        return ""


def journal(module: AnsibleModule, unit: str, invocation: str) -> str:
    """Of this start alone, where systemd knows which it is."""
    chosen = f"_SYSTEMD_INVOCATION_ID={invocation}" if invocation else f"--unit={unit}"
    _, out, _ = module.run_command(
        ["journalctl", chosen, "--output=cat", "--no-pager", "--quiet"], check_rc=True
    )
    return str(out)


def circumstances(seen: Start) -> dict[str, str]:
    """What the host itself tells; who asks adds model, release and cards."""
    return {
        "boot_id": _line(BOOT_ID),
        "driver": _line(DRIVER),
        "invocation": seen.invocation,
        "began": f"{seen.began:.0f}" if seen.began else "",
        "unit_sha256": seen.unit_sha256,
    }


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def processes(given: Sequence[Mapping[str, Any]] | None) -> list[GpuProcess] | None:
    """As gpu_facts lists them. Raises ValueError, with the reason, for an entry without a usable pid and size."""
    if given is None:
        return None
    try:
        return [
            GpuProcess(
                int(each["pid"]),
                str(each.get("name", "")),
                None if each.get("vram_bytes") is None else int(each["vram_bytes"]),
            )
            for each in given
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"processes has an entry without a usable pid and vram_bytes: {error!r}.") from error


def canaries(given: Sequence[Mapping[str, Any]] | None) -> list[nvfp4_proof.Canary] | None:
    if given is None:
        return None
    return [
        nvfp4_proof.Canary(str(each["name"]), bool(each.get("passed")), str(each.get("detail", "")))
        for each in given
        if str(each.get("name", "")).startswith("canary_")
    ]


def prove(
    server: str,
    log: str,
    pids: frozenset[int],
    expected: Mapping[str, Any],
    *,
    running: Sequence[GpuProcess] | None,
    asked: Sequence[nvfp4_proof.Canary] | None,
    listed: str | None = None,
) -> Proof:
    """`expected`: as the module server_proof takes it. `listed`: what `--list-devices` printed in the container; None: not asked."""
    if server == VLLM:
        return nvfp4_proof.prove(nvfp4_proof.Seen(vllm_log.parse(log), running, pids, asked), _vllm(expected))
    devices = None if listed is None else llama_proof.list_devices(listed)
    seen = llama_proof.Seen(llama_proof.parse(log), devices, running, pids)
    wanted = llama_proof.Expected(
        int(expected.get("weights_bytes") or 0) or None, float(expected.get("cpu_ceiling") or 0) or None
    )
    return llama_proof.prove(seen, wanted)


def _vllm(expected: Mapping[str, Any]) -> nvfp4_proof.Expected:
    w4a4 = expected.get("w4a4")
    return nvfp4_proof.Expected(
        version=str(expected.get("version", "")),
        commit=str(expected.get("commit", "")),
        weights_bytes=int(expected.get("weights_bytes") or 0) or None,
        w4a4=w4a4 if isinstance(w4a4, bool) else None,
        kv_tokens=int(expected.get("kv_tokens") or 0),
        eager=bool(expected.get("eager", False)),
        compute_capability=str(expected.get("compute_capability", "")),
        environment={str(name): str(value) for name, value in (expected.get("environment") or {}).items()},
    )
