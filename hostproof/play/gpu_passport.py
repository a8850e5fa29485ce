"""The passport's part on GPUs and their driver. Pure; `passport` puts it in its place and draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hostproof.shared.facts.gpu_model import Driver, Gpu

UNKNOWN = "unknown"
QUIET = ("gpu_idle", "applications_clocks_setting", "display_clock_setting")
"""Reasons for a low clock that nobody has to look into."""


@dataclass(frozen=True)
class Line:
    """One line of the page."""

    section: str
    """Only where a section begins."""
    label: str
    text: str
    worth_a_look: bool = False


def gpus(cards: tuple[Gpu, ...]) -> Iterator[Line]:
    """A few lines for each card; of one that does not answer, what the bus knows and what went wrong."""
    for number, gpu in enumerate(cards):
        label = f"GPU {number if gpu.index is None else gpu.index}"
        yield Line("", label, _name(gpu), not gpu.answers)
        if not gpu.answers:
            yield from _problems(gpu)
            continue
        vram = gpu.vram
        bar = "" if gpu.bar1_bytes is None else f", BAR1 {size(gpu.bar1_bytes)}"
        small = gpu.resizable_bar is False
        used = "" if vram.used_bytes is None else f", {size(vram.used_bytes)} in use"
        hint = ": resizable BAR is not used" * small
        yield Line("", "VRAM", f"{_size(vram.total_bytes)}{used}{bar}{hint}", small)
        yield _link(gpu)
        yield _power(gpu)
        yield _errors(gpu)
        limiting = [one for one in gpu.throttle if one not in QUIET]
        clocks = gpu.clocks
        state = "" if gpu.performance_state is None else f"P{gpu.performance_state}, "
        text = f"{state}SM {_n(clocks.sm_mhz)} of {_n(clocks.maximum_sm_mhz)} MHz, memory {_n(clocks.memory_mhz)} MHz"
        yield Line(
            "", "clocks", text + f"; held down by {', '.join(limiting)}" * bool(limiting), bool(limiting)
        )
        for one in gpu.processes:
            held = "" if one.vram_bytes is None else f", {size(one.vram_bytes)}"
            yield Line("", "process", f"{one.pid} {one.name}{held}")
        if gpu.unsupported:
            yield Line("", "not supported", ", ".join(gpu.unsupported))
        yield from _problems(gpu)


def _name(gpu: Gpu) -> str:
    parts = [gpu.name or gpu.card or "a card that is not in the table", gpu.device_id, gpu.address]
    if gpu.compute_capability:
        parts.append(f"SM {gpu.compute_capability}")
    if not gpu.answers:
        parts.append("does not answer")
    return ", ".join(part for part in parts if part)


def _link(gpu: Gpu) -> Line:
    link = gpu.link
    narrow = link.width is not None and link.maximum_width is not None and link.width < link.maximum_width
    slow = link.read == "loaded" and (link.generation or 0) < (link.maximum_generation or 0)
    now = f"generation {_n(link.generation)} x{_n(link.width)} ({link.read})"
    return Line(
        "", "link", f"{now}, at most {_n(link.maximum_generation)} x{_n(link.maximum_width)}", narrow or slow
    )


def _power(gpu: Gpu) -> Line:
    power = gpu.power
    allowed = f"{_w(power.minimum_watts)} to {_w(power.maximum_watts)} W"
    text = (
        f"{_w(power.draw_watts)} of {_w(power.limit_watts)} W (default {_w(power.default_watts)}, {allowed})"
    )
    less = None not in (power.enforced_watts, power.limit_watts) and power.enforced_watts != power.limit_watts
    enforced = f", enforced {_w(power.enforced_watts)} W" * less
    return Line(
        "", "power", f"{text}{enforced}, persistence {_on(gpu.persistence)}", gpu.persistence is False
    )


def _errors(gpu: Gpu) -> Line:
    ecc = gpu.ecc
    counts = (
        ""
        if ecc.corrected_errors is None
        else f", {ecc.corrected_errors} errors corrected, {_n(ecc.uncorrected_errors)} not"
    )
    pending = ecc.pending is not None and ecc.pending != ecc.enabled
    later = f", {_on(ecc.pending)} from the next boot" * pending
    return Line(
        "",
        "ECC",
        f"{_on(ecc.enabled)}{later}{counts}; MIG {_on(gpu.mig.enabled)}",
        bool(ecc.uncorrected_errors),
    )


def _problems(gpu: Gpu) -> Iterator[Line]:
    for key, why in gpu.problems.items():
        yield Line("", "problem", f"{key}: {why}", worth_a_look=True)


def driver(found: Driver | None) -> Iterator[Line]:
    """Nothing where nobody looked; one line where there is neither card nor driver."""
    if found is None:
        return
    if found.state == "no-card" and not found.packages:
        yield Line("", "state", "no NVIDIA card")
        return
    yield Line("", "state", f"{found.state}: {found.why}" if found.why else found.state, found.state != "ok")
    wanted = found.wanted or "not said"
    on_disk = found.on_disk or "nothing"
    places = f"loaded {found.loaded or 'nothing'}, on disk {on_disk}, wanted {wanted}"
    kind = f", {found.flavour} kernel modules" * bool(found.flavour)
    other = bool(found.wanted and found.loaded and not found.loaded.startswith(found.wanted))
    yield Line("", "version", places + kind, other)
    if found.kernels_without:
        text = f"{', '.join(found.kernels_without)} would boot without the driver"
        yield Line("", "kernels", text, worth_a_look=True)
    said = (
        f"{found.nvml.version}, CUDA {found.nvml.cuda or UNKNOWN}"
        if found.nvml.state == "ok"
        else found.nvml.said
    )
    if found.nvml.state not in ("ok", "not-asked"):
        yield Line("", "NVML", f"{found.nvml.state}: {said}", worth_a_look=True)
    elif found.nvml.state == "ok":
        yield Line("", "NVML", said)
    if found.toolkit:
        yield Line("", "toolkit", found.toolkit)
    for label, names in (
        ("held", found.held),
        ("transitional", found.transitional),
        ("half installed", found.half_installed),
        ("foreign", found.foreign),
    ):
        if names:
            yield Line("", label, ", ".join(names), label != "held")
    if found.nouveau:
        yield Line("", "nouveau", "is loaded", worth_a_look=True)
    if found.module_key:
        yield Line(
            "", "signing key", found.module_key, found.module_key != "enrolled" and bool(found.secure_boot)
        )


def _on(value: bool | None) -> str:
    return {True: "on", False: "off", None: UNKNOWN}[value]


def _n(value: int | None) -> str:
    return "?" if value is None else str(value)


def _w(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"


def _size(count: int | None) -> str:
    return UNKNOWN if count is None else size(count)


def size(count: int) -> str:
    """Bytes in binary units, as firmware and kernel count memory."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"
