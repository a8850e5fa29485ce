"""nvidia-container-toolkit-base in the versions that differ for podman 4.9: units and scripts as each version has them. Pure.

Units after the toolkit's tags (repository at d34b3046): 1.18.2 installs them to /etc as conffiles and retries; since 1.19.1 nvidia-smi
runs first; 1.20.0 installs to /lib, with a preset, and removes the copies in /etc.
"""

from __future__ import annotations

from typing import Final

from lab.gpu.package import Package

OLDER: Final = "1.18.2"
NEWER: Final = "1.20.0"
NAME: Final = "nvidia-container-toolkit-base"
ETC: Final = "etc/systemd/system"
LIB: Final = "usr/lib/systemd/system"
UNITS: Final = ("nvidia-cdi-refresh.service", "nvidia-cdi-refresh.path")

SERVICE: Final = """[Unit]
Description=Refresh NVIDIA CDI specification file
ConditionPathExists=/usr/bin/nvidia-smi
ConditionPathExists=/usr/bin/nvidia-ctk
StartLimitBurst=5
StartLimitIntervalSec=10s

[Service]
Type=oneshot
Environment=NVIDIA_CTK_CDI_OUTPUT_FILE_PATH=/var/run/cdi/nvidia.yaml
EnvironmentFile=-/etc/nvidia-container-toolkit/nvidia-cdi-refresh.env
ExecCondition=/usr/bin/grep -qE '/(nvidia|nvidia-current)\\\\.ko' /lib/modules/%v/modules.dep
{first}ExecStart=/usr/bin/nvidia-ctk cdi generate
CapabilityBoundingSet=CAP_SYS_MODULE CAP_SYS_ADMIN CAP_MKNOD
Restart=on-failure
RestartSec=1s

[Install]
WantedBy=multi-user.target
"""
SMI_FIRST: Final = "ExecStart=/bin/sh -c '/usr/bin/nvidia-smi -L || /usr/sbin/nvidia-smi -L'\n"
PATH: Final = """[Unit]
Description=Trigger CDI refresh on NVIDIA driver install / uninstall events

[Path]
PathChanged=/lib/modules/%v/modules.dep
PathChanged=/lib/modules/%v/modules.dep.bin
PathChanged=/usr/bin/nvidia-ctk

[Install]
WantedBy=multi-user.target
"""
ENVIRONMENT: Final = "# NVIDIA_CTK_CDI_OUTPUT_FILE_PATH=/var/run/cdi/nvidia.yaml\n"
# What fails to start does not fail the installation: the unit is what tells.
POSTINST: Final = """if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl enable --quiet nvidia-cdi-refresh.path nvidia-cdi-refresh.service
  systemctl start nvidia-cdi-refresh.path
  systemctl start nvidia-cdi-refresh.service || true
fi
"""
PRERM: Final = """if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl disable --quiet --now nvidia-cdi-refresh.path nvidia-cdi-refresh.service
fi
"""
REMOVE_OLD: Final = "".join(
    f"if dpkg-maintscript-helper supports rm_conffile; then\n"
    f'  dpkg-maintscript-helper rm_conffile /{ETC}/{unit} 1.20.0-1~ {NAME} -- "$@"\nfi\n'
    for unit in UNITS
)
HOOK: Final = "#!/bin/sh\n# Its edits inside a container need a driver that is there; the lab's specs work without them.\nexit 0\n"
ENV_FILE: Final = "etc/nvidia-container-toolkit/nvidia-cdi-refresh.env"


def all_versions(ctk: str) -> list[Package]:
    """`ctk` is the stand-in's source; its version is put in."""
    return [_package(OLDER, ctk), _package(NEWER, ctk)]


def _package(version: str, ctk: str) -> Package:
    newer = version == NEWER
    folder = LIB if newer else ETC
    service = SERVICE.format(first=SMI_FIRST if newer else "")
    files = {
        "usr/bin/nvidia-ctk": ctk.replace("@VERSION@", version),
        "usr/bin/nvidia-cdi-hook": HOOK,
        f"{folder}/{UNITS[0]}": service,
        f"{folder}/{UNITS[1]}": PATH,
        ENV_FILE: ENVIRONMENT,
    }
    if newer:
        preset = "enable nvidia-cdi-refresh.path\nenable nvidia-cdi-refresh.service\n"
        files["usr/lib/systemd/system-preset/90-nvidia-container-toolkit.preset"] = preset
    old = REMOVE_OLD if newer else ""
    return Package(
        NAME,
        f"{version}-1",
        ("python3",),
        description="NVIDIA Container Toolkit Base, stand-in of hostproof's lab",
        section="utils",
        files=files,
        scripts={
            "postinst": old + POSTINST,
            "prerm": PRERM,
            **({"preinst": old, "postrm": old} if newer else {}),
        },
        conffiles=(ENV_FILE, *(() if newer else tuple(f"{folder}/{unit}" for unit in UNITS))),
    )
