"""Orders and the host that validate takes when none is named."""

from __future__ import annotations

from pathlib import Path

from hostproof.exits import ExitStatus
from hostproof.play import record, verbs
from hostproof.play.checkout import Checkout
from hostproof.play.events import Failure, Progress, Task
from hostproof.play.inventory import Inventory
from hostproof.play.verbs import Order

TWO = Inventory("inventory", {"a": {}, "b": {}}, {})
ONE = Inventory("inventory", {"a": {}}, {})


def test_the_command_to_resume_is_what_was_typed() -> None:
    order = Order("validate", "validate", ("a", "b"), {"host": ["lab"], "setup": "cpu,gpu"})
    assert order.command() == "./inv validate --host lab --setup cpu,gpu"
    assert Order("provision", "provision", ("a", "b"), {"host": ["a", "b"]}).command() == (
        "./inv provision --host a --host b"
    )
    assert Order("validate", "validate", ("a",), {"host": [], "setup": ""}).command() == "./inv validate"
    booting = Order("provision", "provision", ("a",), {"host": ["a"], "allow-reboot": True})
    assert booting.command() == "./inv provision --host a --allow-reboot"


def provisioned(
    checkout: Checkout, host: str, second: int, status: ExitStatus, task: str = "provision"
) -> None:
    start = f"2026-11-24T15:18:{second:02}+00:00"
    run = record.Run(record.run_id(task, [host], start), task, {}, (host,), {}, {}, start)
    with record.opened(checkout.runs, run) as book:
        book.end(status, "", Progress(), interrupted=False)


def test_the_only_host_is_the_default(tmp_path: Path) -> None:
    assert verbs.default_host(Checkout(tmp_path), ONE) == ("a",)


def test_of_several_hosts_none_is_the_default(tmp_path: Path) -> None:
    assert verbs.default_host(Checkout(tmp_path), TWO) == ()


def test_the_host_of_the_last_good_provision_is_the_default(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    provisioned(checkout, "b", 1, ExitStatus.YES)
    provisioned(checkout, "a", 2, ExitStatus.COULD_NOT)
    provisioned(checkout, "a", 3, ExitStatus.YES, task="plan")
    assert verbs.default_host(checkout, TWO) == ("b",)


def test_a_host_that_left_the_inventory_is_no_default(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    provisioned(checkout, "gone", 1, ExitStatus.YES)
    assert verbs.default_host(checkout, TWO) == ()


def test_the_controller_has_one_name_per_checkout(tmp_path: Path) -> None:
    here = verbs.controller_id(Checkout(tmp_path))
    assert here == verbs.controller_id(Checkout(tmp_path))
    assert here != verbs.controller_id(Checkout(tmp_path / "other"))


def failed(action: str) -> Failure:
    return Failure("a", Task("validation", "Judge", "", action), "NOT PROVEN", unreachable=False)


def test_a_verdict_that_a_report_tells_is_not_told_as_a_failure_too(tmp_path: Path) -> None:
    verdict, server = failed("hostproof.core.verdict"), failed("hostproof.core.server_answers")
    progress = Progress(failures=(server, verdict), complaints=("[ERROR]: Task failed: NOT PROVEN",))
    assert verbs._but_the_verdict(progress, tmp_path) == progress, (
        "without a report it is the only word on it"
    )
    (tmp_path / "verdict.json").write_text('{"outcome": "unmeasured"}')
    assert verbs._but_the_verdict(progress, tmp_path).failures == (server,)
    assert verbs._but_the_verdict(progress, tmp_path).complaints == ()
