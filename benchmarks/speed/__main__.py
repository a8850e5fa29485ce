"""How long it takes to find that nothing is to be done: hostproof beside Ansible a task a setting, and pyinfra.

    python -m benchmarks.speed [--kind container|vm] [--rounds 9] [--hosts 1,8] [--keep]

Starts lab hosts, brings the same 30 settings there with each tool, then times runs without a change, arm by arm in turn,
and writes benchmarks/speed/results/<kind>.{json,md}. pyinfra goes into an environment of its own, pinned by pyinfra.lock.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.speed import arms, inputs, page
from benchmarks.speed.arms import ROOT, Arm, Timed
from hostproof import __version__
from hostproof.errors import HostproofError
from hostproof.play import inventory
from hostproof.play.checkout import here
from lab import hosts as lab_hosts
from lab.kinds import KINDS

HERE: Final = ROOT / "benchmarks/speed"
PYINFRA: Final = ROOT / ".cache/benchmarks/pyinfra"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0])
    parser.add_argument("--rounds", type=int, default=9, help="6 are the fewest that give an interval")
    parser.add_argument("--hosts", default="1,8", help="numbers of hosts that drift is timed with")
    parser.add_argument("--name", default="speed", help="of the lab hosts")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--keep", action="store_true", help="leave the hosts up")
    options = parser.parse_args()
    # So that the hosts go also when something else ends this, such as timeout(1).
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        compare(options, [int(number) for number in options.hosts.split(",")])
    except HostproofError as error:
        sys.exit(str(error))


def compare(options: argparse.Namespace, counts: Sequence[int]) -> None:
    words = " ".join(word for word in sys.argv[1:] if word != "--keep")
    head = {
        "kind": options.kind,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "command": f"python -m benchmarks.speed {words}".strip(),
        "json": f"{options.kind}.json",
        "load_at_start": round(os.getloadavg()[0], 2),
        "pressure_at_start_percent": arms.pressure(),
        "machine": machine(options.kind),
        "versions": versions(),
    }
    pyinfra = environment()
    with tempfile.TemporaryDirectory(prefix="hostproof-speed-") as place:
        folder = Path(place)
        (folder / "inventory").mkdir()
        (folder / "inventory/group_vars").symlink_to(ROOT / "inventory/group_vars")
        made = lab_hosts.up(
            options.name,
            max(1, *counts),
            kind=options.kind,
            inventory_file=folder / "inventory/lab.yml",
            say=say,
        )
        names = [record.name for record in made]
        try:
            settings = prepare(folder, names, options.kind)
            rounds, by_hosts = timed(folder, names, pyinfra, options.rounds, counts)
        finally:
            if not options.keep:
                lab_hosts.down(names, say=say)
    of_first = arms.of(names[:1], folder, pyinfra)
    head |= {"settings": len(settings), "what": counted(settings)}
    kept = page.result(head, of_first, rounds, by_hosts)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{options.kind}.json").write_text(f"{json.dumps(kept, indent=1)}\n", encoding="utf-8")
    (options.out / f"{options.kind}.md").write_text(page.page(kept), encoding="utf-8")
    print(page.page(kept))


def environment() -> Path:
    """pyinfra in an environment of its own, exactly as its lock says."""
    python = PYINFRA / "bin/python"
    uv = str(arms.BIN / "uv")
    if not python.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(PYINFRA)], check=True)
    lock = ("pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(HERE / "pyinfra.lock"))
    subprocess.run([uv, *lock], check=True)
    return PYINFRA / "bin/pyinfra"


def prepare(folder: Path, names: Sequence[str], kind: str) -> Sequence[inputs.Setting]:
    """Every tool brings its settings to the hosts that it is timed on; afterwards none has anything to do."""
    os.environ["ANSIBLE_INVENTORY"] = str(folder / "inventory")
    wish(folder, names, inputs.wishes(kind, users=1))
    # The host's own facts decide how many there are besides.
    missing = inputs.SETTINGS - len(drift(names[0]))
    wish(folder, names, inputs.wishes(kind, users=1 + missing))
    found = inventory.read(here())
    connections = {name: found.hostvars[name] for name in names}
    (folder / "pyinfra_inventory.py").write_text(inputs.pyinfra_inventory(connections), encoding="utf-8")
    (folder / "settings.json").write_text("[]", encoding="utf-8")
    pyinfra = PYINFRA / "bin/pyinfra"
    provision = next(arm for arm in arms.of(names, folder, pyinfra) if arm.name == "provision")
    booting = ("--extra-vars", '{"provision_allow_reboot": true}') if kind == "vm" else ()
    say("bringing the settings there")
    arms.run(
        Arm(provision.name, "", (*provision.argv, *booting), provision.environment, provision.unchanged),
        settle=False,
    )
    settings = [inputs.setting(row) for row in drift(names[0], settled=True)]
    if len(settings) != inputs.SETTINGS:
        raise HostproofError(
            f"hostproof keeps {len(settings)} settings there, not {inputs.SETTINGS}",
            where="benchmarks/speed/inputs.py",
            mend="Look which one depends on the number of users.",
        )
    (folder / "settings.json").write_text(json.dumps(inputs.plain(settings)), encoding="utf-8")
    (folder / "tasks.json").write_text(json.dumps(inputs.tasks(settings)), encoding="utf-8")
    # The others are timed on the first host alone.
    for arm in arms.of(names[:1], folder, pyinfra):
        if arm.name in page.OTHERS:
            arms.run(arm, settle=False)
    return settings


def wish(folder: Path, names: Sequence[str], wishes: Mapping[str, Any]) -> None:
    hosts = {"lab": {"hosts": {name: dict(wishes) for name in names}}}
    written = json.dumps({"all": {"children": hosts}})
    (folder / "inventory/wishes.yml").write_text(written, encoding="utf-8")


def drift(name: str, *, settled: bool = False) -> Sequence[Mapping[str, Any]]:
    """Rows of drift; `settled` refuses those of a host that is not as wanted."""
    done = subprocess.run(
        [str(ROOT / "inv"), "drift", "--host", name, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode not in ((0,) if settled else (0, 2)):
        raise HostproofError(done.stderr.strip(), where="./inv drift", mend="Look why it is not as wanted.")
    rows: Sequence[Mapping[str, Any]] = json.loads(done.stdout)["hosts"][name]
    return rows


def timed(
    folder: Path, names: Sequence[str], pyinfra: Path, number: int, counts: Sequence[int]
) -> tuple[list[Mapping[str, Timed]], Mapping[int, list[Timed]]]:
    """Rounds in which each arm runs once, every round begun with another one; so do the numbers of hosts.

    Each has run once while the settings were brought, so none begins cold.
    """
    one = arms.of(names[:1], folder, pyinfra)
    over = {count: arms.of(names[:count], folder, pyinfra)[0] for count in counts}
    rounds: list[Mapping[str, Timed]] = []
    by_hosts: dict[int, list[Timed]] = {count: [] for count in counts}
    for turn in range(number):
        order = [one[(turn + step) % len(one)] for step in range(len(one))]
        rounds.append({arm.name: arms.run(arm) for arm in order})
        for step in range(len(counts)):
            count = counts[(turn + step) % len(counts)]
            by_hosts[count].append(arms.run(over[count]))
        say(
            f"round {turn + 1} of {number}: "
            + ", ".join(f"{n} {t.wall_seconds:.2f} s" for n, t in rounds[-1].items())
        )
    return rounds, by_hosts


def counted(settings: Sequence[inputs.Setting]) -> str:
    kinds = [setting.kind for setting in settings]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


def machine(kind: str) -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    model = next(names, platform.machine())
    return {
        "machine": f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}",
        "host": f"a lab host of the kind {kind} (Debian 13), over ssh on loopback; controller and host share the processors",
    }


def versions() -> dict[str, str]:
    pinned = (HERE / "pyinfra.in").read_text(encoding="utf-8").strip().partition("==")[2]
    return {
        "Python": platform.python_version(),
        **{name: version(name) for name in ("ansible-core", "ansible-runner")},
        "pyinfra": pinned,
        "hostproof": __version__,
    }


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
