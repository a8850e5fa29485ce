"""Quadlets are read by Ubuntu 24.04's podman 4.9, which refuses a unit with a key that it does not know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROLES = Path(__file__).parents[3] / "roles"
KNOWN_TO_4_9 = {
    *(
        "AddCapability",
        "AddDevice",
        "Annotation",
        "AutoUpdate",
        "ContainerName",
        "DropCapability",
        "Environment",
        "EnvironmentFile",
    ),
    *(
        "Exec",
        "ExposeHostPort",
        "Group",
        "GlobalArgs",
        "HealthCmd",
        "HealthInterval",
        "HostName",
        "Image",
        "IP",
        "IP6",
        "Label",
    ),
    *(
        "LogDriver",
        "Mask",
        "Mount",
        "Network",
        "NoNewPrivileges",
        "Notify",
        "PidsLimit",
        "PodmanArgs",
        "PublishPort",
        "Pull",
    ),
    *(
        "ReadOnly",
        "RunInit",
        "SeccompProfile",
        "Secret",
        "SecurityLabelDisable",
        "SecurityLabelType",
        "ShmSize",
        "Sysctl",
        "Timezone",
    ),
    *("Tmpfs", "UIDMap", "Ulimit", "Unmask", "User", "UserNS", "Volume", "WorkingDir"),
}
"""podman v4.9.3, pkg/systemd/quadlet/quadlet.go (shared facts, and memory for those that hostproof does not use)."""


def container_keys(text: str) -> set[str]:
    section = text.partition("[Container]")[2].partition("[Service]")[0]
    return set(re.findall(r"^([A-Z]\w+)=", section, re.MULTILINE))


@pytest.mark.parametrize(
    "template", sorted(ROLES.glob("*/templates/*.container.j2")), ids=lambda path: path.name
)
def test_every_key_is_one_that_podman_4_9_knows(template: Path) -> None:
    keys = container_keys(template.read_text(encoding="utf-8"))
    assert {"Image", "Exec"} <= keys, "the template was not read"
    assert keys <= KNOWN_TO_4_9, f"not in podman 4.9: {sorted(keys - KNOWN_TO_4_9)}"


def test_there_is_a_quadlet_to_look_at() -> None:
    assert list(ROLES.glob("*/templates/*.container.j2"))
