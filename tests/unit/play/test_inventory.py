"""Names of hosts, groups and setups; wrong ones are refused with the nearest and the known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from hostproof.play import inventory
from hostproof.play.checkout import Checkout
from hostproof.play.inventory import Inventory

LISTED = {
    "_meta": {
        "hostvars": {
            "epyc01": {"validation_setups": {"cpu": {"title": "A"}, "gpu": {"title": "B"}}},
            "epyc02": {"ansible_port": 2222},
        }
    },
    "all": {"children": ["ungrouped", "epyc", "spare"]},
    "epyc": {"children": ["turin"]},
    "turin": {"hosts": ["epyc01", "epyc02"]},
    "ungrouped": {"hosts": ["bare"]},
}


@pytest.fixture
def found() -> Inventory:
    return inventory.parse("inventory", json.dumps(LISTED))


def test_a_host_without_variables_is_a_host(found: Inventory) -> None:
    assert found.hosts == ("bare", "epyc01", "epyc02")


def test_a_group_stands_for_the_hosts_of_its_children(found: Inventory) -> None:
    assert found.choose(["epyc"]) == ("epyc01", "epyc02")


def test_a_host_named_twice_is_chosen_once(found: Inventory) -> None:
    assert found.choose(["epyc02", "turin", "epyc02"]) == ("epyc02", "epyc01")


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (
            ["epyc1"],
            ["unknown host or group 'epyc1'", "Did you mean epyc01", "Known hosts: bare, epyc01, epyc02."],
        ),
        (["zzz"], ["unknown host or group 'zzz'", "Known groups: epyc, turin."]),
        ([""], ["--host was given an empty name", "Known hosts: "]),
        ([], ["no host was named", "Name one with --host.", "Known hosts: "]),
        (["spare"], ["unknown host or group 'spare'"]),
    ],
)
def test_a_wrong_name_is_refused_with_the_known_ones(
    found: Inventory, names: list[str], parts: list[str]
) -> None:
    with pytest.raises(HostproofError) as caught:
        found.choose(names)
    for part in parts:
        assert part in str(caught.value)


def test_an_empty_group_is_refused() -> None:
    found = inventory.parse("inventory", json.dumps({"_meta": {"hostvars": {"a": {}}}, "idle": {}}))
    with pytest.raises(HostproofError, match="group 'idle' has no hosts"):
        found.choose(["idle"])


def test_an_inventory_without_hosts_says_so() -> None:
    found = inventory.parse(
        "inventory", json.dumps({"_meta": {"hostvars": {}}, "all": {"children": ["ungrouped"]}})
    )
    with pytest.raises(HostproofError, match=r"The inventory has no hosts\."):
        found.choose(["epyc01"])


def test_a_known_setup_passes(found: Inventory) -> None:
    found.check_setups(["epyc01"], ["gpu", "cpu"])


def test_an_unknown_setup_is_refused_with_the_hosts_own(found: Inventory) -> None:
    with pytest.raises(HostproofError) as caught:
        found.check_setups(["epyc01"], ["gpus"])
    assert caught.value.where == "validation_setups of host epyc01"
    assert caught.value.mend == "Did you mean gpu or cpu? Known setups: cpu, gpu."


def test_a_host_without_setups_knows_none(found: Inventory) -> None:
    with pytest.raises(HostproofError, match="unknown setup 'cpu'"):
        found.check_setups(["epyc02"], ["cpu"])


def test_a_long_list_of_names_is_cut() -> None:
    assert inventory.listing("hosts", [f"n{n}" for n in range(20)]).endswith("n11 and 8 more.")


# What ansible-inventory of ansible-core 2.19 wrote on stderr; PLACE is the inventory's path.
YAML_PLUGIN = """[WARNING]: Failed to parse inventory with 'auto' plugin: no root 'plugin' key found

[WARNING]: Failed to parse inventory with 'yaml' plugin: Invalid "hosts" entry for "all" group, \
requires a dictionary, found "<class 'ansible.module_utils._internal._datatag._AnsibleTaggedList'>" instead.

Failed to parse inventory with 'yaml' plugin.

<<< caused by >>>

Invalid "hosts" entry for "all" group.
Origin: <inventory plugin 'yaml' with source 'PLACE'>

[ERROR]: Completely failed to parse inventory source PLACE
"""


def test_a_wrong_structure_names_file_and_key(tmp_path: Path) -> None:
    place = tmp_path / "hosts.yml"
    place.write_text("all: {hosts: [h1]}\n")
    error = inventory.malformed(str(place), YAML_PLUGIN.replace("PLACE", str(place)))
    why = 'Invalid "hosts" entry for "all" group, requires a dictionary, found "list" instead'
    assert error.what == f"{place}: {why}"


def test_broken_yaml_names_file_line_and_column_even_in_group_vars(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "hosts.yml").write_text("all: {hosts: {h1: }}\n")
    (tmp_path / "group_vars" / "all.yml").write_text("a: [1\nb: 2\n")
    error = inventory.malformed(str(tmp_path), "[ERROR]: YAML parsing failed.")
    assert error.what.startswith(f"{tmp_path}/group_vars/all.yml:2:2: expected ',' or ']'")


def test_vaulted_values_are_no_yaml_errors(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(
        "all:\n  vars:\n    token: !vault |\n      $ANSIBLE_VAULT;1.1;AES256\n"
    )
    error = inventory.malformed(str(tmp_path), "[ERROR]: Decryption failed (no vault secrets were found).")
    assert error.what == "Decryption failed (no vault secrets were found)"


def test_a_missing_inventory_says_where_to_write_one(tmp_path: Path) -> None:
    place = tmp_path / "nope"
    error = inventory.malformed(str(place), f"[ERROR]: Completely failed to parse inventory source {place}")
    assert error.what == "the inventory is missing or has no hosts"
    assert "ANSIBLE_INVENTORY" in error.mend


def test_an_unknown_key_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("all:\n  hostz:\n    h1:\n")
    warning = '[WARNING]: Skipping unexpected key (hostz) in group (all), only "vars", "children" are valid\n'
    error = inventory.unknown_key(str(tmp_path), warning)
    assert error is not None
    assert str(error).startswith(f"unknown key 'hostz' in group 'all' ({tmp_path}/hosts.yml:2)")


def test_no_warning_no_unknown_key(tmp_path: Path) -> None:
    assert inventory.unknown_key(str(tmp_path), "") is None


def test_a_reading_that_was_begun_is_fetched_and_not_made_again(tmp_path: Path) -> None:
    source = tmp_path / "hosts.yml"
    source.write_text("all: {hosts: {epyc01: {}}}\n", encoding="utf-8")
    checkout = Checkout(tmp_path)
    (tmp_path / "inventory").symlink_to(source)
    inventory.begin(checkout)
    inventory._ahead[tmp_path].wait(60)
    source.write_text("all: {hosts: {epyc02: {}}}\n", encoding="utf-8")
    assert inventory.read(checkout).hosts == ("epyc01",)
    assert inventory.read(checkout).hosts == ("epyc02",)


def test_a_reading_that_hangs_is_ended_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "inventory"
    script.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(inventory, "READ_LIMIT_SECONDS", 2)
    with pytest.raises(HostproofError, match="took longer than 2 s"):
        inventory.read(Checkout(tmp_path))
