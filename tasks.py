"""The tasks of ./inv: each parses its options, makes one library call and ends with its answer."""

from __future__ import annotations

from collections.abc import Callable

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from rich.console import Console

from hostproof.exits import ExitStatus
from hostproof.judge.effect import LEAST_ROUNDS
from hostproof.play import ab as comparing
from hostproof.play import accept as accepting
from hostproof.play import calibrate as calibrating
from hostproof.play import (
    checks,
    compare_runs,
    demo,
    judge_file,
    measuring,
    plan_root,
    reports,
    testing,
    verbs,
)
from hostproof.play import drift as drifting
from hostproof.play import facts as passports
from hostproof.play import history as trends
from hostproof.play import status as standing
from hostproof.play import undo as undoing
from hostproof.play import wished as wishing
from hostproof.play.checkout import here
from hostproof.play.ending import Ending
from hostproof.play.verb import names_in, verb
from lab import hosts as lab_hosts
from lab import image as lab_image
from lab import kinds as lab_kinds
from lab import table as lab_table
from lab.gpu import profiles as lab_profiles
from lab.stage import Stage

YES = "install missing system packages (root does so unasked)"
HOST = "host or group of the inventory; give it again for more"
SET = "name=value, a variable for this run alone; give it again for more"
TAGS = "parts of the playbook, separated by commas, as nvidia_driver; without it all"


@verb(
    iterable=("host", "set"),
    options={
        "host": HOST,
        "allow-reboot": "boot the host, once, if a setting needs it",
        "set": SET,
        "tags": TAGS,
    },
)
def provision(
    _: Context,
    host: list[str] | None = None,
    allow_reboot: bool = False,
    set: list[str] | None = None,  # noqa: A002 (the option's name)
    tags: str = "",
) -> Ending:
    """Make a host as the inventory wants it."""
    checkout = here()
    wished = wishing.parse(set or [], names_in(tags), wishing.parts_of(checkout))
    return verbs.provision(checkout, Console(), host or [], allow_reboot=allow_reboot, wished=wished).ending


@verb(
    iterable=("host", "set"),
    options={
        "host": HOST,
        "root": "plan for a recorded host instead, a folder or an archive; --host then names whose wishes count",
        "set": SET,
        "tags": TAGS,
    },
)
def plan(
    _: Context,
    host: list[str] | None = None,
    root: str = "",
    set: list[str] | None = None,  # noqa: A002 (the option's name)
    tags: str = "",
) -> Ending:
    """Show what provision would change; nothing is written."""
    checkout = here()
    if root:
        return plan_root.show(checkout, Console(), root, host or [])
    wished = wishing.parse(set or [], names_in(tags), wishing.parts_of(checkout))
    return verbs.plan(checkout, Console(), host or [], wished=wished).ending


@verb(
    iterable=("host",),
    options={
        "host": f"{HOST}; without it the host of the last good provision, or the only one",
        "setup": "setups to measure, separated by commas; without it all of the host's",
    },
)
def validate(_: Context, host: list[str] | None = None, setup: str = "") -> Ending:
    """Launch the servers, measure, judge, report."""
    return verbs.validate(here(), Console(), host or [], names_in(setup)).ending


@verb(
    iterable=("host",),
    options={
        "host": f"{HOST}; without it and without --root this machine",
        "root": "recorded tree to read in its place: a folder or an archive",
        "record": "archive to keep what was read in, such as host.tar.gz",
        "json": "facts as JSON, alone on stdout",
        "unprivileged": "do without root on the host",
    },
)
def facts(
    _: Context,
    host: list[str] | None = None,
    root: str = "",
    record: str = "",
    json: bool = False,
    unprivileged: bool = False,
) -> Ending:
    """Show what a host is: processor, NUMA, memory, PCIe, GPUs, system."""
    asked = passports.Asked(host or [], root, record, as_json=json, privileged=not unprivileged)
    return passports.show(here(), Console(), asked)


@verb(iterable=("host",), options={"host": HOST, "json": "all values as JSON, alone on stdout"})
def drift(_: Context, host: list[str] | None = None, json: bool = False) -> Ending:
    """Compare every setting as wanted, live, persisted, booted and first."""
    return drifting.show(here(), Console(), host or [], as_json=json)


@verb(name="status", iterable=("host",), options={"host": HOST, "json": "all of it as JSON, alone on stdout"})
def serving(_: Context, host: list[str] | None = None, json: bool = False) -> Ending:
    """Say what serves, on which device, and whether it is still what was proved."""
    return standing.show(here(), Console(), host or [], as_json=json)


@verb(
    iterable=("host",),
    options={
        "host": "the host with the card, one of the inventory",
        "look-only": "without the validation, which takes long; then nothing is said of speed",
    },
)
def accept(_: Context, host: list[str] | None = None, *, look_only: bool = False) -> Ending:
    """Show all that only a host with a card can, and pack it to send back."""
    return accepting.run(here(), Console(), host or [], look_only=look_only)


@verb(
    iterable=("host",),
    options={
        "host": HOST,
        "only": f"families to take back, separated by commas ({', '.join(undoing.FAMILIES)}); without it all",
        "force": "also what somebody else has changed since",
        "salvage": "from a damaged journal, what can still be restored",
    },
)
def undo(
    _: Context,
    host: list[str] | None = None,
    only: str = "",
    force: bool = False,
    salvage: bool = False,
) -> Ending:
    """Take settings back to what stood there before hostproof."""
    return undoing.run(here(), Console(), host or [], names_in(only), force=force, salvage=salvage)


@verb(
    options={
        "host": "the host, one of the inventory",
        "knobs": "what to compare, separated by commas: areas, families such as governor or thp, keys, parts of a service",
        "setup": "the setup whose server is measured; without it the first on the host",
        "rounds": f"rounds, each with A, B and A once more; below {LEAST_ROUNDS} nothing can be judged",
        "workload": "what is measured in each visit, of inventory/workloads",
        "json": "everything as JSON, alone on stdout",
    }
)
def ab(
    _: Context,
    host: str = "",
    knobs: str = "",
    setup: str = "",
    rounds: str = str(comparing.ROUNDS),
    *,
    workload: str = comparing.WORKLOAD,
    json: bool = False,
) -> Ending:
    """Say whether settings make a server faster on a host."""
    asked = comparing.Asked(host, names_in(knobs), setup, rounds, workload)
    return comparing.run(here(), Console(), asked, as_json=json)


@verb(
    options={
        "url": "the server, such as http://127.0.0.1:8081",
        "workload": "what is run: a name of inventory/workloads, or a file of your own",
        "json": "file for the Result; - puts it on stdout, alone; without it only runs/ has it",
        "model": "one of the served models; needed where there are several",
        "api-key-file": "file whose first word is the API key",
        "deadline": "seconds after which it ends with what there is",
    }
)
def measure(
    _: Context,
    url: str = "",
    workload: str = "quick",
    json: str = "",
    model: str = "",
    api_key_file: str = "",
    *,
    deadline: str = "1800",
) -> Ending:
    """Measure any OpenAI-compatible server, without Ansible."""
    asked = measuring.Asked(url, workload, json, model, api_key_file, deadline)
    return measuring.measure(here(), Console(), asked)


@verb(
    options={
        "result": "file that measure or validate wrote",
        "thresholds": "file as in inventory/thresholds",
        "json": "the verdict as JSON, alone on stdout",
    }
)
def judge(_: Context, result: str, thresholds: str = "", *, json: bool = False) -> Ending:
    """Judge a Result against a file of thresholds."""
    return judge_file.judge(Console(), result, thresholds, as_json=json)


@verb(
    options={
        "before": "a run id, its folder, or the file of a Result",
        "after": "the other one",
        "force": "also Results of different models or workloads; the output is marked",
    }
)
def compare(_: Context, before: str, after: str, force: bool = False) -> Ending:
    """Compare two runs, BEFORE and AFTER, metric by metric."""
    return compare_runs.show(here(), Console(), before, after, force=force)


@verb(
    options={
        "host": "the host, as it is called in runs/",
        "setup": "setups to look at, separated by commas; without it all that were measured",
    }
)
def history(_: Context, host: str = "", setup: str = "") -> Ending:
    """Show a host over its runs, and the run where it changed."""
    return trends.show(here(), Console(), host, names_in(setup))


@verb(
    iterable=("run",),
    options={
        "host": "the host, as it is called in runs/",
        "setup": "setups to calibrate, separated by commas; without it all that were measured",
        "run": "run id to learn from; give it again for more; without it all of the host",
        "write": "write the thresholds; without it only the diff is shown",
    },
)
def calibrate(
    _: Context, host: str = "", setup: str = "", run: list[str] | None = None, write: bool = False
) -> Ending:
    """Propose thresholds from measured runs, as a diff."""
    asked = calibrating.Asked(host, names_in(setup), run or [], write)
    return calibrating.run(here(), Console(), asked)


@verb(
    options={
        "run": "run id, as its folder under runs/ is called; without it the newest that has a report",
        "against": "an earlier run, or a Result's file: shown beside it, and a page with before and after",
        "force": "also where models or workloads differ; then it is marked",
    }
)
def report(_: Context, run: str = "", against: str = "", force: bool = False) -> Ending:
    """Show the report of a validation again."""
    if against:
        return reports.against(here(), Console(), run, against, force=force)
    return reports.again(here(), Console(), run)


@verb(options={})
def lint(_: Context) -> Ending:
    """Check style, roles, scripts and types."""
    return testing.lint(here(), Console())


@verb(
    options={
        "stage": f"stages to run, separated by commas ({', '.join(testing.NAMES)}); without it all but long",
        "yes": YES,
    }
)
def test(_: Context, stage: str = "", yes: bool = False) -> Ending:
    """Run the project's own checks, all stages or some."""
    return testing.run(here(), Console(), names_in(stage), install=checks.may_install(yes=yes))


@verb(
    name="demo",
    options={
        "keep": "leave the host up for a look around; lab.down takes it away",
        "name": "name of the throwaway host",
        "setup": "setups to provision and measure, separated by commas; without it both servers",
        "yes": YES,
    },
)
def show(_: Context, keep: bool = False, name: str = "demo", setup: str = "", yes: bool = False) -> Ending:
    """Show the whole job on a throwaway host."""
    console = Console()
    install = checks.may_install(yes=yes)
    checks.ensure("demo", checks.LAB, install=install)
    stage = Stage(name, _say(console), install)
    return demo.run(console, stage, demo.RealDeeds(here(), console, names_in(setup)), keep=keep)


@verb(
    options={
        "name": "name of the host, or of the first one",
        "count": "how many, numbered on from the name",
        "kind": "container, or vm: slower, with a kernel, GRUB and NUMA nodes of its own",
        "base": f"what a container is made from: {', '.join((lab_image.AUTO, *lab_image.BASES))}",
        "nodes": "NUMA nodes of a vm",
        "gpu": f"a card that is not there, and its driver's packages: {', '.join(lab_profiles.names())}",
        "yes": YES,
    }
)
def up(
    _: Context,
    name: str = lab_hosts.FIRST,
    count: str = "1",
    kind: str = lab_kinds.KINDS[0],
    base: str = lab_image.AUTO,
    nodes: str = str(lab_kinds.NODES),
    *,
    gpu: str = "",
    yes: bool = False,
) -> Ending:
    """Start throwaway hosts."""
    number = lab_hosts.counted(count)
    install = checks.may_install(yes=yes)
    made = lab_hosts.up(
        name,
        number,
        say=_say(Console()),
        kind=kind,
        base=base,
        nodes=lab_hosts.counted(nodes, "--nodes"),
        gpu=gpu,
        install=install,
    )
    names = " ".join(f"--host {record.name}" for record in made)
    return Ending(ExitStatus.YES, f"{len(made)} up. Go on with: ./inv provision {names}")


@verb(
    iterable=("name",),
    options={
        "name": "host to take away; give it again for more; without it all of this checkout's",
        "images": "the cached images too",
    },
)
def down(_: Context, name: list[str] | None = None, images: bool = False) -> Ending:
    """Take throwaway hosts away."""
    gone = lab_hosts.down(name or [], images=images, say=_say(Console()))
    return Ending(ExitStatus.YES, f"{len(gone)} gone." if gone else "0 gone: there was none.")


@verb(options={})
def status(_: Context) -> Ending:
    """List the throwaway hosts of this checkout."""
    rows = lab_hosts.status()
    if rows:
        Console().print(lab_table.of(rows))
    return Ending(ExitStatus.YES, f"{len(rows)} lab host{'s' * (len(rows) != 1)}.")


@verb(
    options={
        "name": "name of the host",
        "command": "one command instead of a shell, as the user lab, who may use sudo",
    }
)
def ssh(_: Context, name: str = lab_hosts.FIRST, command: str = "") -> Ending:
    """Open a shell on a throwaway host."""
    ended = lab_hosts.ssh(name, [command] if command else [])
    if ended:
        raise Exit(code=ended)
    return Ending(ExitStatus.YES, "")


def _say(console: Console) -> Callable[[str], None]:
    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    return say


lab = Collection("lab", up, down, status, ssh)
namespace = Collection(
    provision,
    plan,
    validate,
    measure,
    judge,
    ab,
    compare,
    history,
    calibrate,
    report,
    facts,
    drift,
    serving,
    accept,
    undo,
    lint,
    test,
    show,
    lab,
)
