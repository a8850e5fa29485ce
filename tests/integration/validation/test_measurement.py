"""The instrument runs as a unit that outlives the connection, shows its progress and is cleaned up."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from .conftest import Site

LINGER = "import sys, time\nprint('cell decode run 1/6: 27.9 tok/s', flush=True)\ntime.sleep(60)\n"
WORKS = """import sys
print('cell decode run 6/6: 27.9 tok/s', flush=True)
out = next(word for word in sys.argv if word.startswith('--out='))
open(out.partition('=')[2], 'w').write('{}')
"""
FAILS = "import sys\nprint('check answers: yes', flush=True)\nsys.exit('hostproof: this host is being measured already: run x')\n"
CONFIG = {"deadline_seconds": 60, "server": {"api_key_file": "/etc/hostproof/x.key"}}


def program(site: Site, text: str) -> Path:
    path = site.folder / "instrument.py"
    path.write_text(text)
    return path


def asked(site: Site, state: str, **more: Any) -> dict[str, Any]:
    given = {"state": state, "folder": str(site.folder / "measure"), **more}
    return {"name": state, "hostproof.core.measurement": given}


def started(site: Site, text: str) -> dict[str, Any]:
    return asked(site, "started", program=str(program(site, text)), config=CONFIG)


def watched(site: Site, tries: int = 20) -> dict[str, Any]:
    until = {"register": "seen", "until": "seen.done", "retries": tries, "delay": 0}
    return {**asked(site, "watched", seconds=0.5), **until}


def test_a_measurement_is_watched_to_its_end_and_its_result_brought(site: Site) -> None:
    played = site.play(started(site, WORKS), watched(site))
    assert played.status == 0, played.said
    assert played.of("watched")["done"]
    assert played.of("watched")["stdout"] == "cell decode run 6/6: 27.9 tok/s"
    assert Path(played.of("watched")["result"]).read_text() == "{}"
    site.play(asked(site, "absent"))
    assert not (site.folder / "measure").exists()
    assert site.state("hostproof-measure") == "gone"


def test_its_configuration_is_for_its_owner_alone(site: Site) -> None:
    site.play(started(site, WORKS))
    folder = site.folder / "measure"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert json.loads((folder / "config.json").read_text()) == CONFIG


def test_one_that_fails_says_why_and_how_far_it_came(site: Site) -> None:
    played = site.play(started(site, FAILS), watched(site))
    assert played.status == 2
    assert played.message == (
        "measuring failed: this host is being measured already: run x. It had come to: check answers: yes"
    )


def test_one_that_somebody_stopped_is_not_waited_for(site: Site) -> None:
    site.play(started(site, LINGER))
    site.set()
    played = site.play(watched(site))
    assert played.message.startswith("measuring failed: somebody stopped it.")


def test_progress_is_shown_while_it_runs_and_it_ends_when_it_is_cleaned_up(site: Site) -> None:
    played = site.play(started(site, LINGER), watched(site, tries=2))
    assert played.status == 2
    assert played.of("watched")["stdout"] == "cell decode run 1/6: 27.9 tok/s"
    pid = json.loads(site.units.read_text())["hostproof-measure.service"]["pid"]
    site.play(asked(site, "absent"))
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "the instrument was left running"
        time.sleep(0.1)


def test_one_that_was_left_behind_is_ended_first(site: Site) -> None:
    site.play(started(site, LINGER))
    played = site.play(started(site, WORKS), watched(site))
    assert played.of("watched")["stdout"] == "cell decode run 6/6: 27.9 tok/s"
    site.play(asked(site, "absent"))


def test_check_mode_starts_nothing(site: Site) -> None:
    played = site.play(started(site, WORKS), watched(site), asked(site, "absent"), check=True)
    assert played.status == 0
    assert not (site.folder / "measure").exists()
    assert site.state("hostproof-measure") == "gone"


def test_cleaning_up_where_nothing_is_changes_nothing(site: Site) -> None:
    assert not site.play(asked(site, "absent")).of("absent")["changed"]
