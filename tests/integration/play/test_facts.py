"""The playbook facts.yml by real Ansible: the module is packed with all its parts, and what it saw comes back."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from hostproof.exits import ExitStatus
from hostproof.play import facts
from hostproof.play.facts import Asked
from hostproof.shared.facts import gather
from tests.integration.play.conftest import ROOT, Site


@pytest.fixture
def here(site: Site) -> Site:
    """The site with the real playbook and the real collection, and this machine as its host."""
    shutil.copy(ROOT / "playbooks/facts.yml", site.checkout.playbook("facts"))
    collection = site.checkout.root / ".collections/ansible_collections/hostproof"
    collection.mkdir(parents=True)
    (collection / "core").symlink_to(ROOT)
    group = {"inference_hosts": {"hosts": {"h1": {"ansible_connection": "local"}}}}
    text = yaml.safe_dump({"all": {"children": group}})
    (site.checkout.root / "inventory/hosts.yml").write_text(text, encoding="utf-8")
    return site


def test_facts_come_back_from_a_host(here: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "h1.tar.gz"
    asked = Asked(hosts=["h1"], record=str(archive), as_json=True, privileged=False)
    ended = facts.show(here.checkout, Console(file=io.StringIO()), asked)
    assert ended.status is ExitStatus.YES, ended.sentence
    said = gather.from_json(json.loads(capsys.readouterr().out))
    mine = gather.gather()
    assert (said.cpu, said.numa.nps, said.kernel.release) == (mine.cpu, mine.numa.nps, mine.kernel.release)
    facts.show(here.checkout, Console(file=io.StringIO()), Asked(root=str(archive), as_json=True))
    assert gather.from_json(json.loads(capsys.readouterr().out)) == said


def test_what_is_kept_of_a_host_is_the_reader_s_own(here: Site) -> None:
    facts.show(here.checkout, Console(file=io.StringIO()), Asked(hosts=["h1"], privileged=False))
    (kept,) = here.checkout.runs.glob("2*/facts/h1.json")
    assert kept.stat().st_mode & 0o077 == 0
    # Nothing was asked to be recorded.
    assert json.loads(kept.read_text(encoding="utf-8"))["recording"] == {}
