"""Proves that podman gives a container the GPU: a real one is made, prepared, looked into, run and removed."""

from __future__ import annotations

import io
import os
import pwd
import shutil
import signal
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import cdi_spec

DOCUMENTATION = """
module: cdi_try
short_description: Proves that podman gives a container the GPU
description:
  - "Makes an image with one static program of the host (ldconfig), and with it: C(podman create), which takes any device,
    C(podman init), which refuses a bad one, a look into the container's own /dev, and C(podman run)."
  - All of it in a store of its own, which is removed. Nothing computes on the GPU.
options:
  device: {type: str, default: nvidia.com/gpu=all, description: The device to give.}
  podman: {type: str, default: podman, description: The program.}
  users: {type: list, elements: str, default: [], description: "Users who are to have it too, without root."}
attributes:
  check_mode: {support: full, description: Makes no container.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Prove that a container gets the GPU
  hostproof.core.cdi_try:
"""

RETURN = """
evidence: {description: "What was seen, a line each.", returned: success, type: list, elements: str}
"""

ARGUMENTS = {
    "device": {"type": "str", "default": f"{cdi_spec.KIND}=all"},
    "podman": {"type": "str", "default": "podman"},
    "users": {"type": "list", "elements": "str", "default": []},
}
STATIC = ("/sbin/ldconfig.real", "/sbin/ldconfig")
"""Debian's is a static program; Ubuntu's is a script beside one."""
NAME = "hostproof-try"
RUNTIME = "runtime"
TRIES, PAUSE_SECONDS = 20, 0.5
ALONE = ("--network=none",)
SHARED = ("--network=host", "--pid=host")
"""Without root, /proc and /sys are the host's: a host that is a container may not mount its own, and devices have nothing to do with it."""
IMAGE = "localhost/hostproof-try"
TAIL_LINES = 6


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if module.check_mode:
        module.exit_json(changed=False, evidence=[])
    evidence = []
    for user in ["root", *module.params["users"]]:
        with place(module, user) as folder:
            evidence.append(f"{user}: {attempt(module, user, folder)}")
    module.exit_json(changed=False, evidence=evidence)


@contextmanager
def place(module: AnsibleModule, user: str) -> Iterator[Path]:
    """A folder of the user's own, gone afterwards, with all that the user's podman put into it."""
    try:
        who = pwd.getpwnam(user)
    except KeyError:
        module.fail_json(msg=f"There is no user {user} on this host.")
    folder = Path(tempfile.mkdtemp(prefix="hostproof-cdi-", dir="/var/tmp"))
    try:
        os.chown(folder, who.pw_uid, who.pw_gid)
        yield folder
    finally:
        end_pause(folder, who.pw_uid)
        remove(folder)


def remove(folder: Path) -> None:
    """As root, since files of a user's containers belong to numbers of their own. conmon may still be tidying up behind the last one."""
    for _ in range(TRIES):
        try:
            shutil.rmtree(folder)
        except OSError:
            time.sleep(PAUSE_SECONDS)
        else:
            return
    shutil.rmtree(folder)


def end_pause(folder: Path, uid: int) -> None:
    """The process that keeps a user's namespace: of this folder alone, so nobody else uses it."""
    try:
        pid = int((folder / RUNTIME / "libpod/tmp/pause.pid").read_text(encoding="utf-8"))
        if Path(f"/proc/{pid}").stat().st_uid == uid:
            os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return  # root's podman has none, and one that ended meanwhile is what is wanted


def attempt(module: AnsibleModule, user: str, folder: Path) -> str:
    archive = folder / "image.tar"
    archive.write_bytes(image(module))
    archive.chmod(0o644)
    call = caller(module, user, folder)
    call("import", "--quiet", str(archive), IMAGE)
    call(
        "create",
        "--quiet",
        *call.alone,
        "--name",
        NAME,
        "--device",
        module.params["device"],
        IMAGE,
        "/ldconfig",
        "--version",
    )
    try:
        call("init", NAME)
        inside = nodes(module, int(call("inspect", "--format", "{{.State.Pid}}", NAME).strip() or 0))
    finally:
        call("rm", "--force", "--time=0", NAME)
    call("run", "--rm", *call.alone, "--device", module.params["device"], IMAGE, "/ldconfig", "--version")
    return f"podman init and run take {module.params['device']}; in the container: {' '.join(inside)}"


def image(module: AnsibleModule) -> bytes:
    """A tar of one program, and the folders that the toolkit's hooks write to."""
    program = next((Path(path) for path in STATIC if is_program(Path(path))), None)
    if program is None:
        module.fail_json(
            msg=f"None of {', '.join(STATIC)} is a program on this host, so there is nothing to run in a container."
        )
    data, made = program.read_bytes(), io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name in ("etc", "tmp", "usr", "usr/lib", "lib", "lib64", "run", "var"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        entry = tarfile.TarInfo("ldconfig")
        entry.size, entry.mode = len(data), 0o755
        tar.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def is_program(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except FileNotFoundError:
        return False


class Caller:
    """podman as one user, with a store of its own."""

    def __init__(self, module: AnsibleModule, user: str, folder: Path) -> None:
        self.module, self.user, self.folder = module, user, folder
        self.root = user == "root"
        self.alone = ALONE if self.root else SHARED

    def __call__(self, *words: str) -> str:
        store = [
            "--root",
            str(self.folder / "root"),
            "--runroot",
            str(self.folder / "run"),
            "--storage-driver",
            "vfs",
        ]
        command = [self.module.params["podman"], *store, *words]
        environment = {"HOME": str(self.folder)}
        if not self.root:
            # runc goes by USER whether it is root's: sudo leaves that as root.
            environment |= {"USER": self.user, "LOGNAME": self.user, "XDG_RUNTIME_DIR": str(self.runtime())}
        if not self.root:
            command = [
                "setpriv",
                f"--reuid={self.user}",
                f"--regid={self.group()}",
                "--init-groups",
                *command,
            ]
        rc, out, err = self.module.run_command(command, environ_update=environment, cwd=str(self.folder))
        if rc != 0:
            self.fail(words[0], out + err)
        return str(out)

    def runtime(self) -> Path:
        """Never the login session's: podman keeps its namespace there with a process that outlives the containers."""
        own = self.folder / RUNTIME
        if not own.exists():
            own.mkdir(mode=0o700)
            os.chown(own, pwd.getpwnam(self.user).pw_uid, self.group())
        return own

    def group(self) -> int:
        return pwd.getpwnam(self.user).pw_gid

    def fail(self, step: str, said: str) -> None:
        tail = "\n".join(said.strip().splitlines()[-TAIL_LINES:])
        self.module.fail_json(
            msg=f"podman {step} refuses to give {self.user} {self.module.params['device']}. {cause(said, self.user)}\nIt said:\n{tail}"
        )


def caller(module: AnsibleModule, user: str, folder: Path) -> Caller:
    return Caller(module, user, folder)


def cause(said: str, user: str) -> str:
    if "unresolvable CDI devices" in said:
        return (
            "It does not find the device in any specification that it can read: see `podman --log-level=debug init`, and the "
            "version and additionalGids of /var/run/cdi/nvidia.yaml."
        )
    if "newuidmap" in said or "subuid" in said or "setuid" in said:
        return f"{user} has no range of its own in /etc/subuid and /etc/subgid, or the package uidmap is missing."
    if "ermission denied" in said or "not permitted" in said:
        return "A device node or a path of the specification is closed to it: /dev/nvidia* should be 0666."
    return "See what it said."


def nodes(module: AnsibleModule, pid: int) -> list[str]:
    """NVIDIA's device nodes as the prepared container has them."""
    folder = Path(f"/proc/{pid}/root/dev")
    found = sorted(path.name for path in folder.glob("nvidia*")) if pid else []
    if not any(name.removeprefix("nvidia").isdigit() for name in found):
        module.fail_json(
            msg=f"podman took {module.params['device']}, and the container has no /dev/nvidia0 or its like (it has: "
            f"{' '.join(found) or 'none of NVIDIA'}). The specification is empty: restart nvidia-cdi-refresh.service."
        )
    return found


if __name__ == "__main__":
    main()
