"""The demo strings the verbs together, stops at the first that fails, and always cleans up."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from hostproof.exits import ExitStatus
from hostproof.play import demo
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending
from hostproof.play.events import Counts, Progress
from hostproof.play.inventory import Inventory
from hostproof.play.runner import Finished
from hostproof.play.verbs import Ended

YES = Ending(ExitStatus.YES, "fine.")


@dataclass
class Pretend:
    """Lab and verbs in one, with what each call is to give."""

    folder: Path
    name: str = "lab1"
    changed: list[int] = field(default_factory=lambda: [7, 0])
    provisioned: Ending = YES
    validated: Ending = YES
    fails: str = ""
    calls: list[str] = field(default_factory=list)

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self.fails:
            raise KeyboardInterrupt

    def servers(self, host: str) -> list[str]:
        return ["llama_server"]

    def build_parts(self, servers: Sequence[str]) -> None:
        assert list(servers) == ["llama_server"]
        self._call("parts")

    def up(self) -> str:
        self._call("up")
        return "lab1"

    def down(self) -> None:
        self._call("down")

    def provision(self, host: str) -> Ended:
        self._call(f"provision {host}")
        progress = Progress(counts={host: Counts(ok=9, changed=self.changed.pop(0))})
        return Ended(self.provisioned, progress, Finished(0), self.folder)

    def validate(self, host: str) -> Ended:
        self._call(f"validate {host}")
        return Ended(self.validated, Progress(), Finished(0), self.folder)


def run(pretend: Pretend, *, keep: bool = False) -> tuple[Ending, str]:
    console = Console(file=io.StringIO(), width=120)
    ending = demo.run(console, pretend, pretend, keep=keep)
    assert isinstance(console.file, io.StringIO)
    return ending, console.file.getvalue()


def test_the_whole_job_in_order(tmp_path: Path) -> None:
    pretend = Pretend(tmp_path)
    (tmp_path / "report.html").touch()
    ending, shown = run(pretend)
    assert pretend.calls == ["up", "parts", "provision lab1", "provision lab1", "validate lab1", "down"]
    assert ending.status is ExitStatus.YES
    assert f"Open the report: {tmp_path}/report.html" in shown


def test_a_second_run_that_changes_something_fails_the_demo(tmp_path: Path) -> None:
    pretend = Pretend(tmp_path, changed=[7, 2])
    ending, _ = run(pretend)
    assert ending.status is ExitStatus.COULD_NOT
    assert "the second provision changed 2" in ending.sentence
    assert pretend.calls[-1] == "down"
    assert "validate lab1" not in pretend.calls


def test_a_failed_provision_ends_it(tmp_path: Path) -> None:
    pretend = Pretend(tmp_path, provisioned=Ending(ExitStatus.COULD_NOT, "could not."))
    ending, _ = run(pretend)
    assert ending.status is ExitStatus.COULD_NOT
    assert pretend.calls == ["up", "parts", "provision lab1", "down"]


def test_it_ends_as_its_validation(tmp_path: Path) -> None:
    pretend = Pretend(tmp_path, validated=Ending(ExitStatus.INCONCLUSIVE, "too noisy."))
    ending, _ = run(pretend)
    assert ending.status is ExitStatus.INCONCLUSIVE
    assert ending.sentence.startswith("too noisy.")


@pytest.mark.parametrize("moment", ["parts", "up", "provision lab1", "validate lab1"])
def test_ctrl_c_at_any_step_takes_the_host_away(tmp_path: Path, moment: str) -> None:
    pretend = Pretend(tmp_path, fails=moment)
    with pytest.raises(KeyboardInterrupt):
        run(pretend)
    assert pretend.calls[-1] == "down"


def test_keep_leaves_the_host_and_says_how_to_go_on(tmp_path: Path) -> None:
    pretend = Pretend(tmp_path)
    _, shown = run(pretend, keep=True)
    assert "down" not in pretend.calls
    assert "./inv lab.down --name lab1" in shown


def test_with_a_setup_named_only_its_server_is_provisioned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    setups = {"cpu": {"server": "llama_server"}, "gpu": {"server": "vllm_server"}}
    found = Inventory("inventory", {"lab1": {"validation_setups": setups}}, {})
    monkeypatch.setattr(demo.inventory, "read", lambda _checkout: found)
    given: list[object] = []
    monkeypatch.setattr(demo.verbs, "provision", lambda _checkout, _console, *rest: given.extend(rest))
    deeds = demo.RealDeeds(Checkout(tmp_path), Console(file=io.StringIO()), ["cpu"])
    assert deeds.servers("lab1") == ("llama_server",)
    deeds.provision("lab1")
    assert given == [["lab1"], {"vllm_server_model": ""}]
