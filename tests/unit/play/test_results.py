"""A task result in words and as a diff."""

from __future__ import annotations

import pytest

from hostproof.play.results import DIFF_LINES, TAIL_LINES, diff_of, words


@pytest.mark.parametrize(
    ("res", "expected"),
    [
        ({"msg": "the port is taken"}, "the port is taken"),
        ({"msg": "Task failed: Module failed: no such unit"}, "no such unit"),
        (
            {"msg": "non-zero return code", "rc": 1, "cmd": ["false"], "stdout": "", "stderr": ""},
            "exit status 1 of `false`",
        ),
        (
            {
                "msg": "non-zero return code",
                "rc": 2,
                "cmd": "ls /nope",
                "stdout": "",
                "stderr": "no such file\n",
            },
            "exit status 2 of `ls /nope`\nno such file",
        ),
        (
            {"msg": "The command exited with a non-zero return code.", "rc": 2, "cmd": ["x"], "stderr": "no"},
            "exit status 2 of `x`\nno",
        ),
        (
            {
                "msg": "MODULE FAILURE\nSee stdout/stderr for the exact error",
                "rc": 1,
                "module_stderr": "boom",
            },
            "exit status 1\nboom",
        ),
        ({"censored": "the output has been hidden"}, "the task keeps its output secret (no_log)"),
        (
            {
                "msg": "Validation of arguments failed:\n",
                "argument_errors": ["port: not an int", "x: missing"],
            },
            "Validation of arguments failed:\n- port: not an int\n- x: missing",
        ),
        (
            {
                "msg": "One or more items failed",
                "results": [
                    {"failed": True, "_ansible_item_label": "cpu", "msg": "below"},
                    {"failed": False, "item": "gpu", "msg": "fine"},
                ],
            },
            "cpu: below",
        ),
        ({}, "no message"),
    ],
)
def test_the_hosts_own_message(res: dict[str, object], expected: str) -> None:
    assert words(res) == expected


def test_a_connection_message_begins_with_what_ssh_said() -> None:
    said = (
        'Task failed: Data could not be sent to remote host "10.0.0.1". Make sure this host can be reached'
        " over ssh: ssh: connect to host 10.0.0.1 port 22: Connection refused"
    )
    assert words({"msg": said}) == "ssh: connect to host 10.0.0.1 port 22: Connection refused"


def test_of_a_long_output_the_end_is_kept() -> None:
    output = "\n".join(str(n) for n in range(100))
    lines = words({"msg": "non-zero return code", "rc": 3, "stdout": output}).splitlines()
    assert lines[0] == "exit status 3"
    assert lines[-1] == "99"
    assert len(lines) == TAIL_LINES + 1


def test_equal_sides_make_no_diff() -> None:
    assert diff_of({"diff": {"before": "a\n", "after": "a\n"}}) == ""
    assert diff_of({"diff": []}) == ""
    assert diff_of({}) == ""


def test_structures_are_compared_as_text() -> None:
    diff = diff_of(
        {"diff": {"before": {"state": "absent"}, "after": {"state": "file"}, "after_header": "/etc/x"}}
    )
    assert '- "state": "absent"' in diff.splitlines()
    assert '+ "state": "file"' in diff.splitlines()
    assert "+++ /etc/x" in diff.splitlines()


def test_a_prepared_diff_is_taken_as_it_is() -> None:
    assert diff_of({"diff": {"prepared": "+ podman 5.4\n"}}) == "+ podman 5.4"


def test_a_long_diff_is_cut_and_says_so() -> None:
    diff = diff_of({"diff": {"before": "", "after": "x\n" * 1000}})
    assert len(diff.splitlines()) == DIFF_LINES + 1
    assert diff.splitlines()[-1].endswith("more lines")
