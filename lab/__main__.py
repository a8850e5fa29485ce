"""`python -m lab`: the lab without Invoke, for molecule and for scripts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from lab import hosts, image
from lab.gpu import profiles
from lab.kinds import KINDS, NODES


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m lab", description="Throwaway hosts that are real to Ansible."
    )
    verbs = top.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="start hosts, or go on with those that are there")
    up.add_argument("--name", default=hosts.FIRST)
    up.add_argument("--count", type=int, default=1, help="how many, numbered on from the name")
    up.add_argument("--kind", default=KINDS[0], choices=KINDS, help="vm: with a kernel of its own")
    up.add_argument("--nodes", type=int, default=NODES, help="NUMA nodes of a vm")
    up.add_argument(
        "--gpu", default="", help=f"a stand-in: {', '.join(profiles.names())}, or a profile's file"
    )
    up.add_argument("--base", default=image.AUTO, help=f"{image.AUTO}, {', '.join(image.BASES)}")
    up.add_argument("--inventory", type=Path, help="instead of inventory/lab.yml")
    up.add_argument("--yes", action="store_true", help="install missing system packages")
    down = verbs.add_parser("down", help="take hosts away")
    down.add_argument("--name", action="append", default=[], help="again for more; without it all of them")
    down.add_argument("--if-there", action="store_true", help="a host that is not there is no error")
    down.add_argument("--images", action="store_true", help="the cached images too")
    verbs.add_parser("status", help="list the hosts")
    ssh = verbs.add_parser("ssh", help="a shell on a host, or one command")
    ssh.add_argument("--name", default=hosts.FIRST)
    ssh.add_argument("command", nargs=argparse.REMAINDER, help="after --")
    return top


def run(wanted: argparse.Namespace) -> int:
    if wanted.verb == "up":
        hosts.up(
            wanted.name,
            wanted.count,
            say=say,
            kind=wanted.kind,
            base=wanted.base,
            nodes=wanted.nodes,
            gpu=wanted.gpu,
            inventory_file=wanted.inventory,
            install=wanted.yes,
        )
    elif wanted.verb == "down":
        hosts.down(wanted.name, images=wanted.images, if_there=wanted.if_there, say=say)
    elif wanted.verb == "ssh":
        command = wanted.command[1:] if wanted.command[:1] == ["--"] else wanted.command
        return hosts.ssh(wanted.name, command)
    else:
        for row in hosts.status():
            fields = (row.name, row.kind, row.state, row.port, row.base, row.inventory)
            say("\t".join(str(field or "-") for field in fields))
    return 0


def say(line: str) -> None:
    print(line, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    try:
        return run(parser().parse_args(argv))
    except HostproofError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.status)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; run it again, or lab.down\n")
        return int(ExitStatus.COULD_NOT)


if __name__ == "__main__":
    raise SystemExit(main())
