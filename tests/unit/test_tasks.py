"""What ./inv shows and refuses. The golden texts in `golden/` are compared, never written, by these tests:
a changed text is copied there by hand (the failure shows it)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from invoke.collection import Collection
from invoke.program import Program
from invoke.tasks import Task

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play import verbs
from hostproof.play.ending import Ending

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"


def namespace() -> Collection:
    """Anew each time: Invoke takes the help texts out of a task when it first makes a parser of it."""
    spec = importlib.util.spec_from_file_location("tasks", ROOT / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.namespace


def tasks(collection: Collection, prefix: str = "") -> Iterator[tuple[str, Task[Any]]]:
    for name, task in collection.tasks.items():
        yield prefix + name.replace("_", "-"), task
    for name, inner in collection.collections.items():
        yield from tasks(inner, f"{prefix}{name}.")


NAMES = [name for name, _ in tasks(namespace())]


@pytest.fixture
def inv(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs ./inv's arguments in this process: (exit status, stdout, stderr)."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: str) -> tuple[int, str, str]:
        program = Program(name="inv", binary="./inv")
        status = 0
        try:
            program.run(["inv", "--search-root", str(ROOT), *words], exit=True)
        except SystemExit as ended:
            status = int(ended.code or 0)
        shown = capfd.readouterr()
        return status, shown.out, shown.err

    return run


def golden(name: str) -> str:
    text = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    assert text.strip(), f"{name}.txt is empty"
    return text


def test_the_list_shows_every_task_with_one_line_of_help(inv: Any) -> None:
    status, out, _ = inv("--list")
    assert status == 0
    assert out == golden("list")
    for name in NAMES:
        assert sum(line.split()[:1] == [name] for line in out.splitlines()) == 1, f"{name} is not listed once"


@pytest.mark.parametrize("name", NAMES)
def test_a_tasks_help(inv: Any, name: str) -> None:
    status, out, _ = inv("--help", name)
    assert status == 0
    assert out == golden(name)


def test_there_is_no_golden_text_without_a_task() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {"list", *NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_help_and_no_short_flag(name: str) -> None:
    task = dict(tasks(namespace()))[name]
    assert task.__doc__
    assert len(task.__doc__.splitlines()) == 1
    for argument in task.get_arguments():
        assert argument.help, f"{name} --{argument.name} has no help"
        assert all(len(word) > 1 for word in argument.names), f"{name} --{argument.name} has a short flag"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Instead of provisioning, keeps what it was asked for."""
    hosts: list[list[str]] = []

    def provision(
        _checkout: object, _console: object, names: list[str], *, allow_reboot: bool, **_: Any
    ) -> Any:
        hosts.append([*names, "and boot"] if allow_reboot else list(names))

        class Ended:
            ending = Ending(ExitStatus.YES, "0 changed: host is as wanted.")

        return Ended

    monkeypatch.setattr(verbs, "provision", provision)
    return hosts


def test_hosts_are_collected(inv: Any, asked: list[list[str]]) -> None:
    status, out, _ = inv("provision", "--host", "a", "--host", "lab")
    assert (status, out) == (0, "0 changed: host is as wanted.\n")
    assert asked == [["a", "lab"]]


def test_a_boot_is_allowed_by_its_option_alone(inv: Any, asked: list[list[str]]) -> None:
    assert inv("provision", "--host", "a", "--allow-reboot")[0] == 0
    assert asked == [["a", "and boot"]]


def test_a_second_host_is_never_taken_for_a_task(inv: Any, asked: list[list[str]]) -> None:
    assert inv("provision", "--host", "a", "--host", "provision")[0] == 0
    assert asked == [["a", "provision"]]


def test_no_host_is_handed_on_as_none_not_as_all(inv: Any, asked: list[list[str]]) -> None:
    inv("provision")
    assert asked == [[]]


def test_dry_is_refused_before_anything_runs(inv: Any, asked: list[list[str]]) -> None:
    status, _, err = inv("provision", "--host", "a", "--dry")
    assert status == 1
    assert "`./inv plan`" in err
    assert asked == []


def test_a_wrong_option_runs_nothing(inv: Any, asked: list[list[str]]) -> None:
    status, _, err = inv("provision", "--hots", "a")
    assert status == 1
    assert "--hots" in err
    assert asked == []


@pytest.mark.parametrize("status", list(ExitStatus))
def test_the_exit_status_is_the_endings(
    inv: Any, monkeypatch: pytest.MonkeyPatch, status: ExitStatus
) -> None:
    class Ended:
        ending = Ending(status, "that is why.")

    monkeypatch.setattr(verbs, "plan", lambda *_, **__: Ended)
    exited, out, err = inv("plan", "--host", "a")
    assert exited == status
    # The answer yes goes to stdout, every other one to stderr.
    assert (out if status is ExitStatus.YES else err) == "that is why.\n"


def test_what_the_user_did_wrong_is_one_sentence(inv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise HostproofError("unknown host 'x'", where="inventory", mend="Known hosts: a.")

    monkeypatch.setattr(verbs, "plan", refuse)
    status, out, err = inv("plan", "--host", "x")
    assert (status, out, err) == (1, "", "unknown host 'x' (inventory). Known hosts: a.\n")


def test_ctrl_c_is_a_word_not_a_traceback(inv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verbs, "plan", stop)
    assert inv("plan", "--host", "x") == (1, "", "interrupted.\n")


def test_setups_are_split_at_commas(inv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    class Ended:
        ending = Ending(ExitStatus.YES, "proven.")

    monkeypatch.setattr(verbs, "validate", lambda _checkout, _console, *rest: given.extend(rest) or Ended)
    inv("validate", "--host", "a", "--setup", "cpu, gpu,")
    assert given == [["a"], ["cpu", "gpu"]]
