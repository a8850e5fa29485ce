"""provision, plan and validate over real Ansible runs of small playbooks."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play import record, verbs

from .conftest import Far, Site


class Shown:
    """A console whose text can be read again."""

    def __init__(self) -> None:
        self.console = Console(file=io.StringIO(), width=200)

    @property
    def lines(self) -> list[str]:
        assert isinstance(self.console.file, io.StringIO)
        return self.console.file.getvalue().splitlines()


def write_file(site: Site) -> dict[str, object]:
    copy = {"content": "wanted\n", "dest": str(site.host_folder / "file"), "mode": "0644"}
    return {"name": "Write the file", "ansible.builtin.copy": copy}


@pytest.mark.lab
def test_a_first_run_changes_and_a_second_says_that_nothing_changed(site: Site, far: Far) -> None:
    site.inventory(h1=far.host())
    site.playbook("provision", write_file(site))
    first = verbs.provision(site.checkout, Shown().console, ["h1"])
    assert first.ending.sentence == "1 changed: host is now as wanted."
    assert far.read(site.host_folder / "file") == "wanted\n"
    assert "+wanted" in (first.folder / "changes.diff").read_text().splitlines()
    second = verbs.provision(site.checkout, Shown().console, ["h1"])
    assert second.ending.sentence == "0 changed: host is as wanted."
    assert second.ending.status is ExitStatus.YES


def test_a_plan_shows_the_diff_and_writes_nothing(site: Site) -> None:
    site.playbook("provision", write_file(site))
    shown = Shown()
    planned = verbs.plan(site.checkout, shown.console, ["h1"])
    assert planned.ending.status is ExitStatus.NO
    assert "    +wanted" in shown.lines
    assert not (site.host_folder / "file").exists()


def test_a_failing_task_shows_its_message_place_and_how_to_resume(site: Site) -> None:
    site.playbook(
        "provision",
        {
            "name": "Look for the device",
            "ansible.builtin.command": "ls /no/such/device",
            "changed_when": False,
        },
    )
    shown = Shown()
    ended = verbs.provision(site.checkout, shown.console, ["h1"])
    assert ended.ending.status is ExitStatus.COULD_NOT
    assert "FAILED on h1: Look for the device" in shown.lines
    assert any("'/no/such/device': No such file or directory" in line for line in shown.lines)
    assert "  at playbooks/provision.yml:5" in shown.lines
    assert "to resume: ./inv provision --host h1" in shown.lines


def test_a_playbook_that_cannot_be_read_is_named_with_its_line(site: Site) -> None:
    site.checkout.playbook("provision").write_text("- name: Broken\n  hosts: all\n bad: x\n")
    shown = Shown()
    ended = verbs.provision(site.checkout, shown.console, ["h1"])
    assert ended.ending.status is ExitStatus.COULD_NOT
    assert "YAML parsing failed" in ended.ending.sentence
    assert any("provision.yml:3:2" in line for line in shown.lines)


@pytest.mark.lab
@pytest.mark.parametrize(
    ("variables", "what"),
    [
        ({"ansible_ssh_private_key_file": "{folder}/stranger"}, "ssh was refused: wrong key or wrong user"),
        ({"ansible_port": 1}, "nothing answers on the host's ssh port"),
        ({"ansible_ssh_common_args": "stale_hosts"}, "the host's key is not the one known for it"),
        ({"ansible_ssh_common_args": "no_hosts"}, "the host's key is not known here"),
    ],
)
def test_an_unreachable_host_is_told_why(
    site: Site, far: Far, variables: dict[str, object], what: str
) -> None:
    given = dict(variables)
    if isinstance(key := given.get("ansible_ssh_private_key_file"), str):
        given["ansible_ssh_private_key_file"] = key.format(folder=far.folder)
    if isinstance(known := given.get("ansible_ssh_common_args"), str):
        given["ansible_ssh_common_args"] = far.ssh_args(far.folder / known)
    site.inventory(h1=far.host(**given))
    site.playbook("provision", write_file(site))
    shown = Shown()
    ended = verbs.provision(site.checkout, shown.console, ["h1"])
    assert ended.ending.sentence == f"could not: h1 is unreachable ({what})."
    assert f"  cause: {what}" in shown.lines
    assert far.read(site.host_folder / "file") is None


@pytest.mark.lab
def test_a_user_without_sudo_is_told_so(site: Site, far: Far) -> None:
    site.inventory(h1=far.host(ansible_user="nosudo", ansible_become=True))
    site.playbook("provision", write_file(site))
    shown = Shown()
    ended = verbs.provision(site.checkout, shown.console, ["h1"])
    assert ended.ending.status is ExitStatus.COULD_NOT
    assert "  cause: sudo on the host asks for a password" in shown.lines
    assert far.read(site.host_folder / "file") is None


def test_an_unknown_host_is_refused_before_anything_runs(site: Site) -> None:
    site.playbook("provision", write_file(site))
    with pytest.raises(HostproofError, match=r"unknown host or group 'h2'.*Did you mean h1\?"):
        verbs.provision(site.checkout, Shown().console, ["h2"])
    assert not site.checkout.runs.exists()


def test_no_secret_of_a_task_is_in_the_record(site: Site) -> None:
    secret = {"ansible.builtin.command": "echo hunter2", "no_log": True, "changed_when": True}
    site.playbook("provision", {"name": "Keep it", **secret})
    ended = verbs.provision(site.checkout, Shown().console, ["h1"])
    assert ended.progress.changed == 1, "a hidden result still counts"
    written = "".join(path.read_text() for path in ended.folder.iterdir())
    assert "hunter2" not in written


def test_playbooks_learn_the_run_and_the_controller(site: Site) -> None:
    names = ("hostproof_run_id", "hostproof_run_dir", "hostproof_controller_id")
    content = "\n".join(f"{{{{ {name} }}}}" for name in names)
    copy = {"content": content, "dest": str(site.host_folder / "who"), "mode": "0644"}
    site.playbook("provision", {"name": "Tell", "ansible.builtin.copy": copy})
    ended = verbs.provision(site.checkout, Shown().console, ["h1"])
    run_id, run_dir, controller = (site.host_folder / "who").read_text().splitlines()
    assert run_id == ended.folder.name
    assert run_dir == str(ended.folder)
    assert controller == verbs.controller_id(site.checkout)


def judging(site: Site, outcome: str, *, fails: bool) -> None:
    verdict = {
        "content": json.dumps({"outcome": outcome}),
        "dest": "{{ hostproof_run_dir }}/verdict.json",
        "mode": "0644",
    }
    plugin = site.checkout.root / "playbooks" / "action_plugins" / "verdict.py"
    plugin.parent.mkdir()
    plugin.write_text(
        "from ansible.plugins.action import ActionBase\n"
        "class ActionModule(ActionBase):\n"
        "    def run(self, tmp=None, task_vars=None):\n"
        f"        return {{'failed': {fails}, 'msg': 'judged'}}\n"
    )
    site.playbook(
        "validate",
        {"name": "Write the verdict", "ansible.builtin.copy": verdict, "delegate_to": "localhost"},
        {"name": "Judge", "verdict": {}},
    )


@pytest.mark.parametrize(
    ("outcome", "fails", "status"),
    [
        ("proven", False, ExitStatus.YES),
        ("below", True, ExitStatus.NO),
        ("inconclusive", True, ExitStatus.INCONCLUSIVE),
        ("unmeasured", True, ExitStatus.COULD_NOT),
    ],
)
def test_a_validation_exits_as_its_verdict(site: Site, outcome: str, fails: bool, status: ExitStatus) -> None:
    judging(site, outcome, fails=fails)
    assert verbs.validate(site.checkout, Shown().console, [], []).ending.status is status


def test_a_validation_without_a_host_takes_the_one_last_provisioned(site: Site) -> None:
    local: dict[str, object] = {"ansible_connection": "local"}
    site.inventory(h1=local, h2=local)
    site.playbook("provision", write_file(site))
    judging(site, "proven", fails=False)
    with pytest.raises(HostproofError, match=r"no host was named.*Known hosts: h1, h2"):
        verbs.validate(site.checkout, Shown().console, [], [])
    verbs.provision(site.checkout, Shown().console, ["h2"])
    ended = verbs.validate(site.checkout, Shown().console, [], [])
    run = record.load(ended.folder)
    assert run is not None
    assert run.hosts == ("h2",)


def test_a_record_that_cannot_be_written_stops_the_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_book: record.Record, _event: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record.Record, "add", full)
    site.playbook(
        "provision", {"name": "Take long", "ansible.builtin.command": "sleep 300", "changed_when": True}
    )
    with pytest.raises(HostproofError, match=r"could not be written.*No space left"):
        verbs.provision(site.checkout, Shown().console, ["h1"])
    kept = record.load(site.checkout.runs / "latest")
    assert kept is not None
    assert kept.exit_status == 1
