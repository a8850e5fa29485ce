"""The host as lines: each file with its content or its times, each kernel value. Looks with Python alone, not with hostproof's modules.

`snapshot.py times` also says when a file was touched: for a dry run, after which not even that may differ.
"""

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

# Written by the system itself, or where Ansible keeps what it sends.
VOLATILE = (
    *("/var/log", "/var/tmp", "/var/cache", "/var/lib/systemd"),
    *("/root/.ansible", "/root/.ansible_async", "/home/lab/.ansible"),
)
HOMES = ("/root", "/home/lab")
HASHED = ("/etc/", "/boot/", "/usr/local/", "/var/lib/hostproof/")
VALUES = ("/proc/sys", "/sys/kernel/mm", "/sys/devices/system/node")
# Counters, random numbers, what the kernel adjusts by itself, and what differs from boot to boot without anybody's doing.
COUNTING = (
    "/proc/sys/fs/aio-nr",
    "/proc/sys/fs/dentry-state",
    "/proc/sys/fs/file-nr",
    "/proc/sys/fs/inode-",
    "/proc/sys/fs/quota",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/kernel/perf_",
    "/proc/sys/kernel/pty/nr",
    "/proc/sys/kernel/random/",
    "/proc/sys/net/netfilter/nf_conntrack_count",
    # A share of the memory that was free at boot.
    "/proc/sys/vm/user_reserve_kbytes",
    "/proc/sys/vm/admin_reserve_kbytes",
    "/sys/kernel/mm/transparent_hugepage/khugepaged/full_scans",
    "/sys/kernel/mm/transparent_hugepage/khugepaged/pages_collapsed",
)
KEPT_BELOW_NODE = ("nr_hugepages", "nr_overcommit_hugepages", "cpulist", "distance", "surplus_hugepages")


def files(*, times: bool) -> None:
    device = Path("/").stat().st_dev
    for folder, folders, names in os.walk("/"):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if str(here / name) not in VOLATILE and (here / name).lstat().st_dev == device
        ]
        for name in (*folders, *names):
            print(line(here / name, times=times))


def line(path: Path, *, times: bool) -> str:
    seen = path.lstat()
    words = [str(path), stat.filemode(seen.st_mode), f"{seen.st_uid}:{seen.st_gid}"]
    if stat.S_ISLNK(seen.st_mode):
        words.append(str(path.readlink()))
    elif stat.S_ISREG(seen.st_mode):
        words.append(str(seen.st_size))
        if str(path).startswith(HASHED):
            words.append(hashlib.sha256(path.read_bytes()).hexdigest())
        elif not times:
            words.append(str(seen.st_mtime_ns))
    if times and str(path) not in HOMES:
        words.append(f"{seen.st_mtime_ns} {seen.st_ctime_ns}")
    return " ".join(words)


def values() -> None:
    for top in VALUES:
        for folder, _, names in os.walk(top):
            for path in (Path(folder) / name for name in names):
                if wanted(path) and path.stat().st_mode & stat.S_IRUSR:
                    print(path, "=", value(path))
    print("/proc/cmdline =", value(Path("/proc/cmdline")))


def wanted(path: Path) -> bool:
    text = str(path)
    if "/node/" in text and path.name not in KEPT_BELOW_NODE:
        return False
    return "/stats/" not in text and not text.startswith(COUNTING)


def value(path: Path) -> str:
    try:
        return repr(path.read_bytes())
    except OSError as error:
        return f"({error.strerror})"


def systemd() -> None:
    argv = ["systemctl", "show", "--property=DefaultLimitMEMLOCK,DefaultLimitMEMLOCKSoft,DefaultLimitNOFILE"]
    print(subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout, end="")


files(times=sys.argv[1:] == ["times"])
values()
systemd()
