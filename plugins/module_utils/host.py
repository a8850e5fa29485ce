"""Everything that touches the host: reads, and the few ways to write. `root` is `/`, or a made-up tree in tests.

Each deed is one step that either happens or does not, and goes through `act`: a test stands there to fail or to
kill at every one of them. Paths are given as the host has them (`/proc/sys/vm/swappiness`), whatever the root is.
"""

from __future__ import annotations

import base64
import errno
import os
import stat
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, TypeVar

Made = TypeVar("Made")

COMMAND_LIMIT_SECONDS: Final = 300
"""update-grub took 15 s on an emulated host; update-initramfs takes a minute on a slow one."""
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CONTAINER_MARKS: Final = ("/run/systemd/container", "/run/.containerenv", "/.dockerenv")
"""systemd, Podman and Docker, in this order, make one of these."""
BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True)
class FileState:
    """A file as undo must be able to make it again: bytes, mode, owner, or its absence."""

    content: bytes | None
    """None if there is no file."""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    link: str = ""
    """Where a symbolic link points; it has no content of its own."""
    made_folders: tuple[str, ...] = ()
    """Absent file: its folders that were absent too, outermost first."""

    @property
    def absent(self) -> bool:
        return self.content is None and not self.link

    @property
    def text(self) -> str:
        return f"-> {self.link}\n" if self.link else (self.content or b"").decode(errors="replace")

    def same(self, other: FileState) -> bool:
        """Folders do not count: they say how an absence came about."""
        return (self.content, self.link) == (other.content, other.link) and (
            self.absent
            or bool(self.link)
            or (self.mode, self.uid, self.gid) == (other.mode, other.uid, other.gid)
        )

    def as_json(self) -> dict[str, Any]:
        if self.absent:
            return {"absent": True, "made_folders": list(self.made_folders)}
        if self.link:
            return {"link": self.link}
        try:
            body: dict[str, Any] = {"text": (self.content or b"").decode()}
        except UnicodeDecodeError:
            body = {"base64": base64.b64encode(self.content or b"").decode("ascii")}
        return {**body, "mode": f"{self.mode:04o}", "uid": self.uid, "gid": self.gid}


ABSENT: Final = FileState(None)


def file_state(raw: Mapping[str, Any]) -> FileState:
    """The one reader of what `as_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    if raw.get("absent"):
        return FileState(None, made_folders=tuple(raw.get("made_folders", ())))
    if "link" in raw:
        return FileState(None, link=str(raw["link"]))
    content = raw["text"].encode() if "text" in raw else base64.b64decode(raw["base64"], validate=True)
    return FileState(content, int(raw["mode"], 8), int(raw["uid"]), int(raw["gid"]))


class CommandError(Exception):
    """A program of the host that failed, with the last that it said; `said` is all of it."""

    def __init__(self, what: str, said: str = "") -> None:
        self.said = said
        super().__init__(what)


class Host:
    """The machine below `root`."""

    def __init__(self, root: Path | str = "/") -> None:
        self.root = Path(root)

    @property
    def owner(self) -> tuple[int, int]:
        """Whose the files are that we make: root's, or in a made-up tree our own."""
        return (0, 0) if str(self.root) == "/" else (os.geteuid(), os.getegid())

    def act(self, what: str, target: str, deed: Callable[[], Made]) -> Made:
        """Does one deed. `what` and `target` say which, for those who watch."""
        return deed()

    # Reading

    def at(self, path: str) -> Path:
        """Where a path of the host lies here."""
        return self.root / path.lstrip("/")

    def read(self, path: str) -> str:
        """A small text file. Raises OSError."""
        return self.at(path).read_text(encoding="utf-8", errors="replace")

    def exists(self, path: str) -> bool:
        return self.at(path).exists()

    def writable(self, path: str) -> bool:
        """False also on a file system that is mounted read-only, for root too."""
        return os.access(self.at(path), os.W_OK)

    @cached_property
    def contained(self) -> bool:
        """In a container, privileged or not, the kernel belongs to the machine around it and to everybody else there."""
        return any(map(self.exists, CONTAINER_MARKS))

    def expand(self, pattern: str) -> tuple[str, ...]:
        """Paths that a pattern names, sorted as the CPUs count (policy2 before policy10)."""
        found = self.root.glob(pattern.lstrip("/"))
        return tuple(sorted((f"/{path.relative_to(self.root)}" for path in found), key=_by_number))

    def listing(self, folder: str) -> tuple[str, ...]:
        """Names in a folder, sorted; none if there is no such folder."""
        try:
            return tuple(sorted(path.name for path in self.at(folder).iterdir()))
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def boot_id(self) -> str:
        return self.read(BOOT_ID).strip()

    def now(self) -> str:
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def file(self, path: str) -> FileState:
        """What lies at a path now, without following a link there. Raises OSError, also for a folder."""
        place = self.at(path)
        try:
            found = place.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return FileState(None, made_folders=self._missing_folders(path))
        if stat.S_ISLNK(found.st_mode):
            return FileState(None, link=str(place.readlink()))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EISDIR, "no regular file", path)
        return FileState(place.read_bytes(), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)

    def _missing_folders(self, path: str) -> tuple[str, ...]:
        folders = [str(folder) for folder in Path(path).parents if not self.at(str(folder)).is_dir()]
        return tuple(reversed(folders))

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    # Writing

    def set(self, path: str, value: str) -> None:
        """Writes a value into a file of the kernel, which must be there. Raises OSError as the kernel says it.

        In a container never: whoever calls this has looked before, and this is the last door.
        """
        if self.contained:
            raise OSError(errno.EROFS, "the kernel is that of the machine around this container", path)

        def deed() -> None:
            # Truncating means nothing to the kernel; a file of a made-up tree needs it.
            descriptor = os.open(self.at(path), os.O_WRONLY | os.O_TRUNC)
            try:
                os.write(descriptor, f"{value}\n".encode())
            finally:
                os.close(descriptor)

        self.act("set", path, deed)

    def place(self, path: str, wanted: FileState) -> None:
        """Makes a file be as wanted, at once and for good; absence too. Raises OSError."""
        if wanted.absent:
            self._take_away(path, wanted.made_folders)
            return
        for folder in self._missing_folders(path):
            self.act("mkdir", folder, partial(self.at(folder).mkdir, mode=0o755))
            self.sync_folder(str(Path(folder).parent))
        new = beside(path)
        self.act("clear", new, lambda: self.at(new).unlink(missing_ok=True))
        if wanted.link:
            self.act("link", new, lambda: self.at(new).symlink_to(wanted.link))
        else:
            self._write_new(new, wanted)
        self.act("rename", path, lambda: self.at(new).replace(self.at(path)))
        self.sync_folder(str(Path(path).parent))

    def _write_new(self, path: str, wanted: FileState) -> None:
        def deed() -> None:
            descriptor = os.open(self.at(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(wanted.content or b"")
                os.fchown(descriptor, wanted.uid, wanted.gid)
                os.fchmod(descriptor, wanted.mode)
                file.flush()
                os.fsync(descriptor)

        self.act("write", path, deed)

    def _take_away(self, path: str, folders: Iterable[str]) -> None:
        self.act("unlink", path, lambda: self.at(path).unlink(missing_ok=True))
        if self.at(path).parent.is_dir():
            self.sync_folder(str(Path(path).parent))
        for folder in reversed(tuple(folders)):
            if self.at(folder).is_dir() and not self.listing(folder):
                self.act("rmdir", folder, self.at(folder).rmdir)

    def clear_leftovers(self, paths: Iterable[str]) -> None:
        """Removes the half-made files that a killed run may have left beside these."""
        for path in paths:
            if os.path.lexists(self.at(beside(path))):
                self.act("clear", beside(path), self.at(beside(path)).unlink)

    def sync_folder(self, folder: str) -> None:
        """A name in a folder lasts only once the folder is on the disk."""

        def deed() -> None:
            descriptor = os.open(self.at(folder), os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

        self.act("fsync", folder, deed)

    # Programs

    def has(self, program: str) -> bool:
        return self._program(program) is not None

    def _program(self, name: str) -> Path | None:
        """The program of this tree. A made-up tree has its own: the machine's would write to the machine."""
        places = (self.at(f"{folder}/{name}") for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"))
        return next((place for place in places if place.exists()), None)

    def run(self, argv: Sequence[str], seconds: float = COMMAND_LIMIT_SECONDS, *, lines: int = 3) -> str:
        """Runs a program of the host; its standard output. Raises CommandError with its last lines."""
        return self.act("run", argv[0], lambda: self.command(argv, seconds, lines=lines))

    def ask(self, argv: Sequence[str]) -> str:
        """As `run`, for a program that only reads."""
        return self.command(argv)

    def command(self, argv: Sequence[str], seconds: float = COMMAND_LIMIT_SECONDS, *, lines: int = 3) -> str:
        program = self._program(argv[0])
        if program is None:
            raise CommandError(f"{argv[0]} is not installed")
        environment = {
            "PATH": PATH,
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            "NEEDRESTART_SUSPEND": "1",
        }
        try:
            done = subprocess.run(
                [str(program), *argv[1:]],
                capture_output=True,
                text=True,
                timeout=seconds,
                env=environment,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandError(f"{argv[0]} took longer than {seconds:g} s") from error
        except OSError as error:
            raise CommandError(f"{argv[0]} could not be started: {error.strerror}") from error
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()[-lines:]
            raise CommandError(
                f"{argv[0]} ended with {done.returncode}: {' / '.join(said)}", done.stdout + done.stderr
            )
        return done.stdout


def beside(path: str) -> str:
    """Where the next version of a file is made: a name that no reader of its folder takes for one of theirs."""
    place = Path(path)
    return str(place.with_name(f".{place.name}.hostproof-new"))


def why(error: OSError, path: str) -> str:
    """`EINVAL (Invalid argument): /proc/sys/vm/x`."""
    return f"{errno.errorcode.get(error.errno or 0, 'error')} ({error.strerror or error}): {path}"


def _by_number(path: str) -> tuple[tuple[int, str], ...]:
    """Digits as numbers, so that 10 comes after 2."""
    parts: list[tuple[int, str]] = []
    word = ""
    for character in f"{path}\0":
        if word and (character.isdigit() != word[0].isdigit() or character == "\0"):
            parts.append((int(word), "") if word[0].isdigit() else (-1, word))
            word = ""
        word += character
    return tuple(parts)
