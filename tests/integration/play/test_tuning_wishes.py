"""What the role tuning wishes for the worked example, as Ansible works its variables out, and what comes of it on such a host."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play import plan_root
from hostproof.play.checkout import here
from hostproof.shared.areas import every
from hostproof.shared.facts import gather
from tests.unit.facts.synthetic import Machine, build

ROOT = Path(__file__).parents[3]
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_vars: {root}/roles/tuning/vars/main.yml
    - ansible.builtin.copy: {{content: "{{{{ __tuning_wishes | to_json }}}}", dest: {out}, mode: "0600"}}
"""


def wishes(folder: Path, **said: object) -> dict[str, Any]:
    """Of epyc01, with extra variables; nothing is read from any host."""
    out, playbook = folder / "wishes.json", folder / "wishes.yml"
    playbook.write_text(PLAYBOOK.format(root=ROOT, out=out))
    defaults = ROOT / "roles/tuning/defaults/main.yml"
    group = ROOT / "inventory/group_vars/epyc_9175f_rtx_pro_6000_max_q/tuning.yml"
    done = subprocess.run(
        [
            *(
                "ansible-playbook",
                "-i",
                str(ROOT / "inventory/hosts.yml"),
                "--limit",
                "epyc01",
                str(playbook),
            ),
            *(
                "-e",
                f"@{defaults}",
                "-e",
                f"@{group}",
                "-e",
                "ansible_connection=local",
                "-e",
                json.dumps(said),
            ),
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(out.read_text()))


def test_the_servers_are_those_of_the_inventory_and_the_example_is_refused_nothing(tmp_path: Path) -> None:
    made = wishes(tmp_path)
    assert made["tuning_servers"] == [
        {"name": "llama_server", "engine": "llama.cpp", "device": "cpu", "memory_bytes": 28400000000}
        | {"threads": 14, "load_mode": "", "numa": "auto", "environment": {}, "args": []},
        {"name": "vllm_server", "engine": "vllm", "device": "gpu", "memory_bytes": 25000000000}
        | {"user": "vllm-server", "environment": {}, "args": []},
    ]
    derived = every.derive(gather.gather(build(tmp_path / "host", Machine())), made)
    assert derived.refusals == ()
    assert {knob.key: knob.wanted for knob in derived.knobs}["iommu"] == "pt"
    llama, vllm = derived.placements
    assert (llama.threads, llama.cpus, llama.load_mode) == (14, "2-15", "none")
    assert dict(llama.environment) == {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    assert vllm.cpus == "0-1"


def test_a_plan_without_the_host_places_the_servers_of_the_inventory(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    ended = plan_root.show(here(), console, str(build(tmp_path / "host", Machine())), ["epyc01"])
    assert ended.status is ExitStatus.NO
    text = console.file.getvalue()
    assert (
        "llama_server: 14 threads, CPUs 2-15, load mode none, GLIBC_TUNABLES=glibc.malloc.hugetlb=1." in text
    )
    assert "vllm_server: CPUs 0-1." in text


def test_a_template_that_cannot_be_resolved_is_named_with_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = {"all": {"children": {"inference_hosts": {"hosts": {"h": {"tuning_thp": "{{ not_there }}"}}}}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(written), encoding="utf-8")
    monkeypatch.setenv("ANSIBLE_INVENTORY", str(tmp_path / "hosts.yml"))
    with pytest.raises(HostproofError, match="'not_there' is undefined") as raised:
        plan_root.wishes_of(here(), ["h"])
    assert "variables of h in" in str(raised.value)


@pytest.mark.parametrize(
    ("said", "servers", "areas"),
    [
        ({"vllm_server_model": "", "llama_server_state": "absent"}, [], 5),
        ({"vllm_server_devices": [], "llama_server_model": ""}, [("vllm_server", "cpu")], 5),
        ({"llama_server_gpu_layers": "999", "vllm_server_model": ""}, [("llama_server", "gpu")], 5),
        ({"tuning_state": "absent", "vllm_server_model": "", "llama_server_model": ""}, [], 0),
    ],
)
def test_a_server_is_declared_as_its_own_variables_say(
    tmp_path: Path, said: dict[str, object], servers: list[tuple[str, str]], areas: int
) -> None:
    made = wishes(tmp_path, **said)
    assert [(one["name"], one["device"]) for one in made["tuning_servers"]] == servers
    assert len(made["tuning_areas"]) == areas
