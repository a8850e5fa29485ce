"""How much memory a service may lock. In three places, since systemd's services, users' services and logins ask each their own."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..facts.model import Facts
from . import servers as declared
from .base import AUTO, LEAVE, Derived, Draft, Option, Reason, Wishes, parse, shown
from .servers import SERVERS

AREA = "limits"
MEMLOCK = Option(
    "tuning_memlock",
    "str",
    AUTO,
    "memory that may be locked: unlimited, bytes, leave; auto: unlimited if a declared server locks its weights",
)
USERS = Option(
    "tuning_memlock_users",
    "list",
    [],
    "users whose logins and rootless containers get it too; users of declared servers are among them",
)
WISHES = (SERVERS, MEMLOCK, USERS)
GROUP = "memlock"
UNLIMITED = ("unlimited", "infinity")
REASONS: Mapping[str, Reason] = {
    "memlock": Reason(
        what="how much memory a process may keep from being swapped (RLIMIT_MEMLOCK)",
        why="mlock of the weights fails beyond it, and a rootless container cannot raise a hard limit of 8 MiB",
        source="podman #19319, llama.cpp #4072; linux-system-roles/hpc sets the same three places",
        effect="none measured: it decides whether mlock works at all",
        risk="a faulty service may lock all memory; only what starts afterwards has the limit",
        see="grep 'locked memory' /proc/PID/limits of the server, not of your shell",
    ),
}


def derive(facts: Facts, wishes: Wishes) -> Derived:
    draft = Draft(AREA, facts, REASONS)
    asked = parse(draft, [MEMLOCK, USERS], wishes)
    servers = declared.read(draft, wishes)
    lockers = [server.name for server in servers if server.locks]
    wish = asked[MEMLOCK.name]
    if wish == AUTO:
        wish = "unlimited" if lockers else LEAVE
    if wish == LEAVE:
        return draft.done()
    if wish not in UNLIMITED and not re.fullmatch(r"[0-9]{4,18}", wish):
        draft.refuse(f"{MEMLOCK.name} is {wish!r}", MEMLOCK.name, "unlimited, a number of bytes, or leave.")
        return draft.done()
    why = f"for {', '.join(lockers)}" if lockers else ""
    unlimited = wish in UNLIMITED
    for manager in ("system", "user"):
        key = f"{manager}/DefaultLimitMEMLOCK"
        draft.want("memlock", "limit", key, "infinity" if unlimited else wish, group=GROUP, why=why)
    for user in _users(draft, asked[USERS.name], [server.user for server in servers if server.locks]):
        # limits.conf(5) counts in KiB.
        value = "unlimited" if unlimited else str(int(wish) // 1024)
        draft.want("memlock", "limit", f"limits.d/{user}/memlock", value, group=GROUP, why=why)
    return draft.done()


def _users(draft: Draft, named: list[object], of_servers: list[str]) -> list[str]:
    """Each once. Root's services go by systemd's own limit."""
    users = dict.fromkeys([*map(str, named), *of_servers])
    for user in users:
        if user and not re.fullmatch(r"@?[A-Za-z_][A-Za-z0-9_.-]{0,31}", user):
            draft.refuse(
                f"{shown(user)} is no user or @group", USERS.name, "Write the name as in /etc/passwd."
            )
            return []
    return [user for user in users if user not in ("", "root")]
