"""What a checkout knows of its hosts: records, the inventory made of them, the keys that are trusted."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hostproof.errors import HostproofError
from lab import boot, inventory
from lab.records import RECORD, Record, Store, replace_file


def record(root: Path, name: str = "lab01", **more: object) -> Record:
    fields: dict[str, object] = {
        "container": f"hostproof-lab-x-{name}",
        "image": "localhost/hostproof-lab:x",
        "base": "debian-13",
        "python": "3.13",
        "port": 2222,
        "folder": str(root / ".lab" / name),
        "inventory": str(root / "lab.yml"),
    }
    return Record(name=name, **{**fields, **more})  # type: ignore[arg-type]


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(record(tmp_path))
    store.write(record(tmp_path, "a-first"))
    assert store.read("lab01") == record(tmp_path)
    assert [one.name for one in store.records()] == ["a-first", "lab01"]


def test_no_folder_is_no_host(tmp_path: Path) -> None:
    assert Store(tmp_path).names() == []
    assert Store(tmp_path).read("lab01") is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"schema": "hostproof.lab/1"}', "older", "more"])
def test_a_record_that_is_not_whole_is_a_half_made_host(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    store.write(record(tmp_path))
    path = store.host("lab01") / RECORD
    whole = json.loads(path.read_text())
    changed = {"older": {**whole, "schema": "hostproof.lab/0"}, "more": {**whole, "colour": "red"}}
    path.write_text(json.dumps(changed[damage]) if damage in changed else damage)
    assert store.read("lab01") is None
    assert store.names() == ["lab01"], "so that it can still be taken away"
    assert store.records() == []


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    replace_file(path, "one")
    replace_file(path, "two")
    assert path.read_text() == "two"
    assert [one.name for one in path.parent.iterdir()] == ["file"]


def test_a_second_up_waits_and_says_so(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from lab.records import Store\n"
        "with Store(Path(sys.argv[1])).alone(print): print('mine', flush=True); sys.stdin.read()\n"
    )
    argv = [sys.executable, "-c", program, str(tmp_path)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(argv, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "mine\n"
        said: list[str] = []

        def say(line: str) -> None:
            said.append(line)
            # Only now is the first one let go: had the second not waited, it would not have said it.
            assert first.stdin is not None
            first.stdin.close()

        with Store(tmp_path).alone(say):
            assert said == ["waiting for another lab.up or lab.down of this checkout"]
            assert first.wait(10) == 0


def tree(text: str) -> dict[str, dict[str, object]]:
    loaded = yaml.safe_load(text)
    hosts: dict[str, dict[str, object]] = loaded["all"]["children"]["inference_hosts"]["children"]["lab"][
        "hosts"
    ]
    return hosts


def test_the_inventory_names_every_host_with_its_port_and_key(tmp_path: Path) -> None:
    text = inventory.text([record(tmp_path, "lab02", port=3), record(tmp_path)])
    assert text.startswith(inventory.HEADER)
    hosts = tree(text)
    assert list(hosts) == ["lab01", "lab02"]
    assert hosts["lab02"]["ansible_port"] == 3
    assert hosts["lab01"]["ansible_host"] == "127.0.0.1"
    assert hosts["lab01"]["ansible_ssh_private_key_file"] == str(tmp_path / ".lab/lab01/key")
    assert hosts["lab01"]["hostproof_lab_container"] is True
    assert hosts["lab01"]["hostproof_lab_python"] == "3.13", "text: 3.10 would become 3.1"
    assert "ansible_become" not in hosts["lab01"]


def test_host_keys_are_strict_and_the_folder_may_have_a_space(tmp_path: Path) -> None:
    one = record(tmp_path, folder=str(tmp_path / "a b" / "lab01"))
    words = shlex.split(str(tree(inventory.text([one]))["lab01"]["ansible_ssh_common_args"]))
    assert "StrictHostKeyChecking=yes" in words
    assert f'UserKnownHostsFile="{tmp_path}/a b/lab01/known_hosts"' in words
    assert "GlobalKnownHostsFile=/dev/null" in words


def test_the_file_goes_with_the_last_host(tmp_path: Path) -> None:
    path = tmp_path / "lab.yml"
    inventory.write(path, [record(tmp_path)])
    assert inventory.is_ours(path)
    inventory.write(path, [])
    assert not path.exists()
    inventory.write(path, [])


def test_somebody_elses_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "lab.yml"
    path.write_text("all: {}\n")
    for records in ([], [record(tmp_path)]):
        with pytest.raises(HostproofError) as caught:
            inventory.write(path, records)
        assert str(caught.value) == (
            f"the file was not written by the lab ({path}). Name another file with --inventory, or move this one away."
        )
    assert path.read_text() == "all: {}\n"


def test_one_word_is_a_shell_line_and_several_stay_several(tmp_path: Path) -> None:
    one = record(tmp_path)
    assert inventory.ssh_argv(one, [])[-1] == "lab@127.0.0.1"
    assert inventory.ssh_argv(one, ["echo a | wc -l"])[-1] == "echo a | wc -l"
    assert inventory.ssh_argv(one, ["printf", "%s", "a b"])[-1] == "printf %s 'a b'"


def test_known_hosts_are_bound_to_the_port() -> None:
    keys = "ssh-ed25519 AAAA root@lab01\n\necdsa-sha2-nistp256 BBBB root@lab01\n"
    assert boot.known_hosts(keys, 2222) == (
        "[127.0.0.1]:2222 ssh-ed25519 AAAA\n[127.0.0.1]:2222 ecdsa-sha2-nistp256 BBBB\n"
    )


def test_a_port_that_a_stopped_host_wants_back_is_not_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter([5001, 5001, 5002])

    class Socket:
        def __enter__(self) -> Socket:
            return self

        def __exit__(self, *_: object) -> None: ...

        def bind(self, address: tuple[str, int]) -> None:
            assert address == ("127.0.0.1", 0)

        def getsockname(self) -> tuple[str, int]:
            return "127.0.0.1", next(given)

    monkeypatch.setattr(boot.socket, "socket", Socket)
    assert boot.free_port([5001]) == 5002


def test_only_rows_with_all_labels_are_the_hosts() -> None:
    rows = [
        {"Id": "both", "Labels": {"a": "1", "b": "2", "c": "3"}},
        {"Id": "one", "Labels": {"a": "1", "b": "9"}},
        {"Id": "none", "Labels": None},
    ]
    assert [row["Id"] for row in boot.with_all(rows, ["a=1", "b=2"])] == ["both"]


def test_a_record_from_before_there_were_kinds_is_a_containers(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(record(tmp_path))
    path = store.host("lab01") / RECORD
    told = json.loads(path.read_text())
    del told["kind"], told["nodes"]
    path.write_text(json.dumps(told))
    assert store.read("lab01") == record(tmp_path, kind="container", nodes=0)


def test_a_virtual_host_has_a_group_of_its_own_and_a_kernel_that_may_be_written(tmp_path: Path) -> None:
    both = [record(tmp_path, "vm01", kind="vm", nodes=4), record(tmp_path)]
    lab = yaml.safe_load(inventory.text(both))["all"]["children"]["inference_hosts"]["children"]["lab"]
    virtual = lab["children"]["lab_vm"]["hosts"]
    assert (list(lab["hosts"]), list(virtual)) == (["lab01"], ["vm01"])
    assert virtual["vm01"]["hostproof_lab_container"] is False
    assert lab["hosts"]["lab01"]["hostproof_lab_container"] is True
    alone = yaml.safe_load(inventory.text(both[1:]))["all"]["children"]["inference_hosts"]["children"]["lab"]
    assert "children" not in alone
