"""The driver's small files, as text. Pure: where each lies is `families`' affair."""

from __future__ import annotations

import base64
import re

from .package_set import PackageSet, is_driver

MARK = "#= "
PRIORITY = 1001
"""Above 1000 a version is kept even where a newer one is there (apt_preferences(5))."""
ARMOUR_BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
ARMOUR_END = "-----END PGP PUBLIC KEY BLOCK-----"
PERSISTENCED = "nvidia-persistenced.service"
UBUNTU_EXEC = "/usr/bin/nvidia-persistenced --user nvidia-persistenced --no-persistence-mode --verbose"
"""Ubuntu's unit, branches 580 to 595: it starts without persistence mode, and has no [Install]."""
INSTANCE = "hostproof-gpu@{uuid}.service"


def pins(packages: PackageSet) -> str:
    """The set itself as marked comments, then a pin for what is held: all that have one version share one."""
    marks = [f"{MARK}{one.line(name)}" for name, one in sorted(packages.items())]
    by_version: dict[str, list[str]] = {}
    for name, one in sorted(packages.items()):
        if one.held and is_driver(name):
            by_version.setdefault(one.version, []).append(name)
    # The driver's own version first: those of kernel modules begin with the kernel's.
    ordered = sorted(by_version.items(), key=lambda item: (-len(item[1]), item[0]))
    stanzas = [
        f"\nPackage: {' '.join(names)}\nPin: version {version}\nPin-Priority: {PRIORITY}"
        for version, names in ordered
    ]
    return "\n".join([*(marks or [f"{MARK}none"]), *stanzas])


def set_in(text: str) -> str:
    """The set that a file of `pins` was made of; empty if it is none."""
    return "\n".join(line.removeprefix(MARK) for line in text.splitlines() if line.startswith(MARK))


def source(uris: str, suites: str, components: str, key: bytes) -> str:
    """A deb822 source with its key (binary) in it: apt trusts this key for this source and no other."""
    body = base64.b64encode(key).decode("ascii")
    lines = ["", *(body[at : at + 64] for at in range(0, len(body), 64))]
    armour = "\n".join(f" {line or '.'}" for line in (ARMOUR_BEGIN, *lines, ARMOUR_END))
    words = {"Types": "deb", "URIs": uris, "Suites": suites, "Components": components}
    head = [f"{name}: {value}" for name, value in words.items() if value]
    return "\n".join([*head, f"Signed-By:\n{armour}"])


def persistence(unit: str) -> str:
    """The drop-in that makes NVIDIA's daemon keep persistence mode, from the unit as it was shipped: users' names differ."""
    found = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    command = (found[1] if found else UBUNTU_EXEC).strip()
    if "--no-persistence-mode" in command:
        command = command.replace("--no-persistence-mode", "--persistence-mode")
    elif "--persistence-mode" not in command:
        command += " --persistence-mode"
    return f"[Unit]\nStopWhenUnneeded=false\n\n[Service]\nExecStart=\nExecStart={command}"


GPU_UNIT = """\
[Unit]
Description=Power limit and clocks of %i
# Without persistence mode a limit is lost when the last program closes the GPU.
Wants=nvidia-persistenced.service
After=nvidia-persistenced.service
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
RuntimeDirectory=hostproof-gpu-clocks
RuntimeDirectoryPreserve=yes
# Bounded: a driver that does not come up is a failed unit, not a boot that hangs.
ExecStartPre=/bin/sh -c 'for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do \\
    nvidia-smi -i "$$0" --query-gpu=uuid --format=csv,noheader > /dev/null && exit 0; sleep 1; done; exit 1' %i
# Each line of this GPU: set, then read back. nvidia-smi calls a limit that cannot be set a warning and ends with 0.
ExecStart=/bin/sh -c 'grep "^$$0 " /etc/hostproof/gpu.conf | while read -r uuid key value; do \\
    case $$key in \\
    power_limit) nvidia-smi -i "$$uuid" -pl "$$value" && \\
      nvidia-smi -i "$$uuid" --query-gpu=power.limit --format=csv,noheader,nounits | \\
      awk -v wanted="$$value" "{ exit \\$$1 + 0 != wanted + 0 }" ;; \\
    clocks) echo "being set to $$value" > "/run/hostproof-gpu-clocks/$$uuid"; nvidia-smi -i "$$uuid" -lgc "$$value" && \\
      echo "$$value" > "/run/hostproof-gpu-clocks/$$uuid" ;; \\
    *) false ;; \\
    esac || exit 1; \\
  done' %i"""
"""A template: an instance a GPU, so that one that is lost does not keep the others from theirs."""
