"""The tasks of ./inv: each parses its options, makes one library call and ends with its answer."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context
from rich.console import Console

from hostproof.play import checks, reports, testing, verbs
from hostproof.play.checkout import here
from hostproof.play.ending import Ending
from hostproof.play.verb import names_in, verb

YES = "install missing system packages (root does so unasked)"
HOST = "host or group of the inventory; give it again for more"


@verb(iterable=("host",), options={"host": HOST})
def provision(_: Context, host: list[str] | None = None) -> Ending:
    """Make a host as the inventory wants it."""
    return verbs.provision(here(), Console(), host or []).ending


@verb(iterable=("host",), options={"host": HOST})
def plan(_: Context, host: list[str] | None = None) -> Ending:
    """Show what provision would change; nothing is written."""
    return verbs.plan(here(), Console(), host or []).ending


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


@verb(options={"run": "run id, as its folder under runs/ is called; without it the newest that has a report"})
def report(_: Context, run: str = "") -> Ending:
    """Show the report of a validation again."""
    return reports.again(here(), Console(), run)


@verb(options={})
def lint(_: Context) -> Ending:
    """Check style, roles, scripts and types."""
    return testing.lint(here(), Console())


@verb(
    options={
        "stage": f"stages to run, separated by commas ({', '.join(testing.NAMES)}); without it all",
        "yes": YES,
    }
)
def test(_: Context, stage: str = "", yes: bool = False) -> Ending:
    """Run the project's own checks, all stages or some."""
    return testing.run(here(), Console(), names_in(stage), install=checks.may_install(yes=yes))


namespace = Collection(provision, plan, validate, report, lint, test)
