"""`./inv ab`: does a setting help on this host? Runs the comparison, judges it, and says how to keep it or take it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.judge.effect import LEAST_ROUNDS, MOST_ROUNDS, Word
from hostproof.play import inventory, setups, verbs
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending, of_facts
from hostproof.play.events import Progress
from hostproof.play.inventory import listing, nearest
from hostproof.play.record import write_whole
from hostproof.play.runner import Finished
from hostproof.report import ab as report
from hostproof.report import compared
from hostproof.report.compared import Compared
from hostproof.shared.areas import every
from hostproof.shared.knob import AREAS
from hostproof.shared.service_arms import PARTS

ROUNDS = 9
WORKLOAD = "ab"
KEY_MARKS = ".:/"
"""A word with one of these is a key of the host's, which only the host knows."""


@dataclass(frozen=True)
class Asked:
    """What a user asked for."""

    host: str
    knobs: Sequence[str]
    setup: str = ""
    rounds: str = str(ROUNDS)
    workload: str = WORKLOAD

    def again(self) -> str:
        """The line that compares once more, without --rounds."""
        given = {"setup": self.setup, "workload": "" if self.workload == WORKLOAD else self.workload}
        words = [f"--{name} {value}" for name, value in given.items() if value]
        return " ".join([f"./inv ab --host {self.host} --knobs {','.join(self.knobs)}", *words])


def run(checkout: Checkout, console: Console, asked: Asked, *, as_json: bool = False) -> Ending:
    """Exit status 0: helps. 2: hurts. 3: cannot tell, or others were at work. 1: could not. Raises HostproofError.

    With `as_json` stdout is one JSON object and nothing else; progress goes to stderr.
    """
    check_words(asked.knobs)
    rounds = counted(asked.rounds)
    found = inventory.read(checkout)
    hosts = found.choose([asked.host] if asked.host else [])
    if len(hosts) != 1:
        raise HostproofError(
            f"{asked.host!r} is {len(hosts)} hosts, and a comparison is of one",
            where="--host",
            mend=listing("hosts", hosts),
        )
    if asked.setup:
        found.check_setups(hosts, [asked.setup])
    setups.read_workload(checkout.root / "inventory" / "workloads", asked.workload)
    arguments = {"host": [asked.host], "knobs": ",".join(asked.knobs), "setup": asked.setup, "rounds": rounds}
    arguments["workload"] = "" if asked.workload == WORKLOAD else asked.workload
    extra = {
        "ab_knobs": list(asked.knobs),
        "ab_setup": asked.setup,
        "ab_rounds": rounds,
        "ab_workload": asked.workload,
    }
    made: list[Compared] = []

    def judge(finished: Finished, progress: Progress, folder: Path) -> Ending:
        trouble = of_facts(finished, progress)
        if trouble.status is not ExitStatus.YES:
            # Half a comparison is none, whatever its figures look like.
            return trouble
        result = compared.load(folder, folder.name, hosts[0])
        if result is None or not result.seen:
            return Ending(ExitStatus.COULD_NOT, "could not: nothing was measured.")
        made.append(result)
        write_whole(folder / "ab.json", report.render_json(result, asked.again()))
        write_whole(folder / "ab.md", report.render_markdown(result, asked.again()))
        return of_comparison(result, asked.again())

    order = verbs.Order("ab", "ab", hosts, arguments, extra)
    ended = verbs.carry_out(checkout, Console(stderr=True) if as_json else console, order, judge)
    for result in made:
        if as_json:
            print(report.render_json(result, asked.again()), end="")
        else:
            report.show(console, result)
            console.print(f"report: {ended.folder / 'ab.md'}", markup=False, highlight=False, soft_wrap=True)
    return ended.ending


def of_comparison(found: Compared, again: str) -> Ending:
    """The closing sentence: the verdict, and the line that keeps it, takes it back, or would tell more. Pure."""
    if not found.as_found:
        return Ending(
            ExitStatus.COULD_NOT,
            f"could not: there is no proof that {found.host} is as it was found; run it again, or boot the host.",
        )
    answer, lines = found.answer, report.commands(found, again)
    close = {
        Word.HELPS: f"Keep it: {lines['keep']}",
        Word.HURTS: f"Take it back: {lines['undo']}",
        Word.CANNOT_TELL: f"More rounds: {lines['tell']}"
        if lines["tell"]
        else f"Leave it, or take it back: {lines['undo']}",
        Word.CONTENDED: f"Try again when the host is quiet: {again}",
    }[answer.word]
    return Ending(answer.word.exit_status, f"{answer.why}. {close}")


def check_words(words: Sequence[str]) -> None:
    """Raises for a word that can be no knob of any host."""
    families = [name for reasons in every.reasons().values() for name in reasons]
    known = [*AREAS, *families, *PARTS]
    lists = {"Areas": AREAS, "Families": families, "Parts of a service": PARTS}
    told = " ".join(f"{name}: {', '.join(names)}." for name, names in lists.items())
    mend = f"{told} Or a key, such as vm.swappiness."
    if not words:
        raise HostproofError("no knob was named", where="--knobs", mend=mend)
    for word in words:
        if word not in known and not any(mark in word for mark in KEY_MARKS):
            raise HostproofError(
                f"unknown knob {word!r}", where="--knobs", mend=f"{nearest(word, known)} {mend}".strip()
            )


def counted(text: str) -> int:
    """Rounds. Raises for what is none."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_ROUNDS:
        raise HostproofError(
            f"{text!r} is no number of rounds",
            where="--rounds",
            mend=f"Give one from 1 to {MOST_ROUNDS}; below {LEAST_ROUNDS} nothing can be judged.",
        )
    return int(text)
