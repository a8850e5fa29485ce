"""apt with lists, cache and sources of its own beside dpkg's real state: what it would do is known before anything is touched.

A plan leaves no trace: not even the host's lists are fetched anew. Reads and runs; decides nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..facts import dpkg
from ..host import CommandError, Host
from . import package_set
from .package_set import Step

FOLDER = "/run/hostproof/apt"
"""Made by a plan that is to be carried out, gone when it is; in check mode it lies elsewhere, and goes at once."""
CONF = f"{FOLDER}/apt.conf"
SOURCES = "/etc/apt/sources.list.d"
PREFERENCES = "/etc/apt/preferences.d"
SECONDS = 1800
"""Some 400 MB from a slow mirror, and an initial RAM disk for each kernel."""
UPDATE_SECONDS = 300
# Hooks that write elsewhere: what they do is for lists that the host keeps.
SILENT = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
OPTIONS = (
    *("--quiet", "--yes", "--option=DPkg::Lock::Timeout=120", "--no-install-recommends"),
    *("--allow-downgrades", "--allow-change-held-packages", "--option=Dpkg::Options::=--force-confold"),
)


def prepare(
    host: Host,
    folder: str,
    *,
    only: Sequence[str] = (),
    extra_source: str = "",
    pins: str = "",
    leave_out: Iterable[str] = (),
) -> None:
    """The folder, with copies of the host's sources (`only`: files of these names) and preferences. Raises OSError."""
    place = host.at(folder)
    shutil.rmtree(place, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial", "sources", "preferences"):
        (place / name).mkdir(parents=True)
    place.chmod(0o755)
    kept = [name for name in host.listing(SOURCES) if name.endswith((".list", ".sources"))]
    for name in kept:
        stem = name.rpartition(".")[0]
        if (not only or stem in only) and name not in leave_out:
            shutil.copyfile(host.at(f"{SOURCES}/{name}"), place / "sources" / name)
    if not only and host.exists("/etc/apt/sources.list"):
        shutil.copyfile(host.at("/etc/apt/sources.list"), place / "sources" / "main.list")
    if extra_source:
        (place / "sources" / "hostproof-nvidia.sources").write_text(f"{extra_source}\n", encoding="utf-8")
    for name in host.listing(PREFERENCES):
        if name not in leave_out and host.at(f"{PREFERENCES}/{name}").is_file():
            shutil.copyfile(host.at(f"{PREFERENCES}/{name}"), place / "preferences" / name)
    set_pins(host, folder, pins)
    (place / "apt.conf").write_text(conf(str(place), chosen=bool(only)), encoding="utf-8")


def set_pins(host: Host, folder: str, pins: str) -> None:
    (host.at(folder) / "preferences" / "zz-hostproof").write_text(f"{pins}\n", encoding="utf-8")


def conf(folder: str, *, chosen: bool) -> str:
    """apt.conf(5). With chosen sources the host's default release may not be among them, and does not count."""
    values = {
        "Dir::State::Lists": f"{folder}/lists",
        "Dir::Cache": f"{folder}/cache",
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": f"{folder}/sources",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": f"{folder}/preferences",
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": "1",
    }
    if chosen:
        values["APT::Default-Release"] = ""
    lines = [f"#clear {name};" for name in SILENT]
    return "\n".join([*lines, *(f'{name} "{value}";' for name, value in values.items()), ""])


def remove(host: Host, folder: str) -> None:
    shutil.rmtree(host.at(folder), ignore_errors=True)
    parent: Path = host.at(folder).parent
    if parent.name == "hostproof" and parent.is_dir() and not any(parent.iterdir()):
        parent.rmdir()


class Apt:
    """apt as it sees the private folder."""

    def __init__(self, host: Host, folder: str) -> None:
        self._host = host
        self._folder = host.at(folder)
        self._conf = str(self._folder / "apt.conf")

    def update(self) -> str:
        """What apt complained of, all of it; empty if every source answered and its signature was good."""
        try:
            self._host.command(["apt-get", "-c", self._conf, "--quiet", "update"], UPDATE_SECONDS)
        except CommandError as error:
            return error.said or str(error)
        return ""

    def names(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted(self._host.ask(["apt-cache", "-c", self._conf, "pkgnames", prefix]).split()))

    def show(self, names: Sequence[str]) -> str:
        """Every version of these packages, the newest first; nothing for what apt does not know."""
        if not names:
            return ""
        try:
            return self._host.ask(["apt-cache", "-c", self._conf, "show", *names])
        except CommandError:
            # 100 where none of them is known.
            return ""

    def simulate(self, wanted: Mapping[str, str]) -> str:
        """What apt-get would do. Raises CommandError with apt's reasons."""
        words = [f"{name}={version}" for name, version in wanted.items()]
        status = self._folder / "status"
        status.write_text(package_set.without_holds(self._host.read(dpkg.STATUS)), encoding="utf-8")
        # Our own holds are taken off when it is carried out: parts of modules are tied to each other, and named by no one.
        options = ["--simulate", "--option=Debug::NoLocking=1", f"--option=Dir::State::status={status}"]
        return self._host.command(
            ["apt-get", "-c", self._conf, *options, *OPTIONS, "install", *words], UPDATE_SECONDS
        )


def carry_out(host: Host, steps: Step) -> None:
    """Installs and purges in one transaction, then purges what only the purged ones needed. Raises CommandError.

    With lists of the run's own where there are some; else with the host's, fetched anew if a version is not in them.
    """
    private = ["-c", str(host.at(CONF))] if host.exists(CONF) else []
    # What goes needs no source, and a default release that is in none would be an error.
    options = private if steps.install else [*private, "--option=APT::Default-Release="]
    words = [
        *(f"{name}={version}" for name, version in steps.install.items()),
        *(f"{name}-" for name in steps.purge),
    ]
    argv = ["apt-get", *options, *OPTIONS, "--purge", "install", *words]
    before = _idle(host, options) if steps.purge else set()
    try:
        host.run(argv, SECONDS, lines=12)
    except CommandError:
        if private or not steps.install:
            raise
        host.run(["apt-get", "--quiet", "update"], UPDATE_SECONDS)
        host.run(argv, SECONDS, lines=12)
    if steps.purge and (idle := sorted(_idle(host, options) - before)):
        host.run(["apt-get", *options, *OPTIONS, "purge", *idle], SECONDS, lines=12)


def _idle(host: Host, options: Sequence[str]) -> set[str]:
    """What nobody needs any more, kernels left out: the one that runs may be among them."""
    argv = ["apt-get", *options, "--simulate", "--option=Debug::NoLocking=1", "autoremove"]
    gone = (line.split() for line in host.ask(argv).splitlines() if line.startswith("Remv "))
    return {words[1] for words in gone if not words[1].startswith("linux-")}
