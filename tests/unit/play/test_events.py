"""Runner events become a picture of the run."""

from __future__ import annotations

from hostproof.play.events import Counts, Progress, fold, step

from . import reading


def test_counts_are_those_of_ansibles_own_recap() -> None:
    assert reading.progress("mixed").counts == {"h1": Counts(ok=7, changed=3, failed=1, skipped=1)}


def test_counts_before_the_recap_already_agree_with_it() -> None:
    before = fold(reading.events("mixed")[:-1])
    # The rescued failure counts as one until the recap lets it go.
    assert before.counts == {"h1": Counts(ok=7, changed=3, failed=2, skipped=1)}
    assert not before.finished


def test_changes_come_in_order_with_role_and_place() -> None:
    changes = reading.progress("mixed").changes
    assert [c.task.name for c in changes] == ["Write a file", "Keep a secret", "Loop over two"]
    assert {c.task.role for c in changes} == {"alpha"}
    assert changes[0].task.where == "/checkout/roles/alpha/tasks/main.yml:1"


def test_a_no_log_task_counts_as_changed_without_its_result() -> None:
    secret = reading.progress("mixed").changes[1]
    assert secret.task.name == "Keep a secret"
    assert secret.diff == ""


def test_a_loop_is_one_change_with_the_diff_of_each_item() -> None:
    diff = reading.progress("mixed").changes[2].diff
    assert "+one" in diff.splitlines()
    assert "+two" in diff.splitlines()


def test_a_rescued_failure_is_let_go_at_the_recap() -> None:
    assert [f.task.name for f in fold(reading.events("mixed")[:-1]).failures] == [
        "Fail on purpose",
        "Start the server",
    ]
    assert [f.task.name for f in reading.progress("mixed").failures] == ["Start the server"]


def test_a_failure_keeps_every_line_of_the_hosts_message() -> None:
    failure = reading.progress("mixed").failures[0]
    assert failure.message.splitlines() == [
        "the server died at start; its last lines:",
        "line one",
        "line two",
    ]
    assert not failure.unreachable


def test_the_last_line_of_a_retried_wait_is_its_note() -> None:
    notes = []
    picture = Progress()
    for event in reading.events("mixed"):
        picture = step(picture, event)
        notes.append(picture.note)
    assert list(dict.fromkeys(note for note in notes if note)) == ["cell decode run 1", "cell decode run 2"]
    assert notes[-1] == "", "a note belongs to its task and goes with it"


def test_an_unreachable_host_is_no_failed_task() -> None:
    picture = reading.progress("refused")
    assert picture.counts == {"refused": Counts(unreachable=1)}
    assert picture.failures[0].unreachable


def test_a_playbook_that_cannot_be_read_leaves_complaints_and_no_counts() -> None:
    picture = reading.progress("broken_playbook")
    assert picture.counts == {}
    assert picture.complaints[0].startswith("[ERROR]: YAML parsing failed")
    assert "Origin: /checkout/playbooks/provision.yml:6:6" in picture.complaints
    assert "       ^ column 6" in picture.complaints, "the caret keeps its column"


def test_an_event_of_an_unknown_kind_changes_nothing() -> None:
    assert step(Progress(play="x"), {"event": "playbook_on_vars_prompt", "event_data": None}) == Progress(
        play="x"
    )


def test_an_ignored_failure_counts_as_ok() -> None:
    event = {
        "event": "runner_on_failed",
        "event_data": {"host": "h", "ignore_errors": True, "res": {"msg": "no"}},
    }
    picture = step(Progress(), event)
    assert picture.counts == {"h": Counts(ok=1)}
    assert picture.failures == ()


def test_of_two_hosts_only_the_one_that_lost_keeps_its_failure() -> None:
    failed = [
        {"event": "runner_on_failed", "event_data": {"host": host, "task": "t", "res": {"msg": host}}}
        for host in "ab"
    ]
    stats = {"processed": {"a": 1, "b": 1}, "failures": {"b": 1}, "rescued": {"a": 1}, "ok": {"a": 2}}
    picture = fold([*failed, {"event": "playbook_on_stats", "event_data": stats}])
    assert [f.host for f in picture.failures] == ["b"]
    assert picture.counts["a"] == Counts(ok=2)


def ok(host: str, **res: object) -> dict[str, object]:
    return {"event": "runner_on_ok", "event_data": {"host": host, "role": "tuning", "res": res}}


def test_a_boot_is_pending_until_there_was_one() -> None:
    asked = fold([ok("h1", reboot_required=True), ok("h2", reboot_required=False), ok("h1")])
    assert asked.reboots == {"h1"}
    assert step(asked, ok("h1", rebooted=True)).reboots == frozenset()


def test_a_boot_ends_what_was_said_to_wait_for_it() -> None:
    said = fold(
        [ok(host, warnings=["needs-reboot: cmdline:iommu = pt", "no clock"]) for host in ("h1", "h2")]
    )
    left = step(said, ok("h1", rebooted=True)).warnings
    assert [(one.host, one.text) for one in left] == [
        ("h1", "no clock"),
        ("h2", "needs-reboot: cmdline:iommu = pt"),
        ("h2", "no clock"),
    ]


def test_a_warning_is_kept_once_a_host_in_either_form_that_ansible_gives_it() -> None:
    seen = fold([ok("h1", warnings=["a", {"msg": "b"}]), ok("h1", warnings=["a"]), ok("h2", warnings=["a"])])
    assert [(one.host, one.role, one.text) for one in seen.warnings] == [
        ("h1", "tuning", "a"),
        ("h1", "tuning", "b"),
        ("h2", "tuning", "a"),
    ]


def test_of_several_hosts_a_note_says_whose_it_is() -> None:
    waits = {"event": "runner_retry", "event_data": {"host": "h2", "res": {"stdout": "cell decode run 1"}}}
    alone = step(Progress(counts={"h2": Counts()}), waits)
    together = step(Progress(counts={"h1": Counts(), "h2": Counts()}), waits)
    assert (alone.note, together.note) == ("cell decode run 1", "h2: cell decode run 1")
