"""The tasks of ./inv: each parses its options, makes one library call and ends with its answer."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context
from rich.console import Console

from hostproof.play import verbs
from hostproof.play.checkout import here
from hostproof.play.ending import Ending
from hostproof.play.verb import verb

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
    return verbs.validate(here(), Console(), host or [], [name for name in setup.split(",") if name]).ending


namespace = Collection(provision, plan, validate)
