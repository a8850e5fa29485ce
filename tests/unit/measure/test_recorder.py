from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from hostproof.measure import recorder
from hostproof.measure.recorder import Recorder
from hostproof.measure.unit import Unit
from hostproof.play import bundle

UNIT = Unit(os.getpid())


def test_it_looks_until_the_end_and_says_what_it_cost(tmp_path: Path) -> None:
    with Recorder(UNIT, tmp_path / "looks", 20) as watching:
        time.sleep(1.0)
    record = watching.record()
    times = [tick.at for tick in record.ticks]
    assert len(times) >= 3
    assert times == sorted(times)
    assert all(tick.server is not None for tick in record.ticks)
    assert record.cpu_seconds > 0
    assert record.wall_seconds >= 1.0


def test_switched_off_it_starts_nothing_and_says_so(tmp_path: Path) -> None:
    with Recorder(UNIT, tmp_path / "looks", 0) as watching:
        pass
    assert not list(tmp_path.iterdir())
    assert watching.record().missing == ("anything: it was switched off (0 Hz)",)


def test_a_unit_without_processes_is_told(tmp_path: Path) -> None:
    with Recorder(Unit(problem="it has no process"), tmp_path / "looks", 20) as watching:
        time.sleep(0.5)
    assert "the server's own CPU time: it has no process" in watching.record().missing


def test_a_child_that_cannot_write_is_told_and_ends_nothing(tmp_path: Path) -> None:
    with Recorder(UNIT, tmp_path / "not there" / "looks", 20) as watching:
        time.sleep(0.5)
    (sentence,) = watching.record().missing
    assert sentence == "the time after it ended by itself (exit status 1)"


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys, time\nfrom pathlib import Path\n"
        "from hostproof.measure.recorder import Recorder\nfrom hostproof.measure.unit import Unit\n"
        "with Recorder(Unit(os.getpid()), Path(sys.argv[1]), 20) as watching:\n"
        "    print(watching._child.pid, flush=True)\n    time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "looks")], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    until = time.monotonic() + 10
    while Path(f"/proc/{child}/cmdline").exists() and Path(f"/proc/{child}/cmdline").read_bytes():
        assert time.monotonic() < until, "it goes on without its parent"
        time.sleep(0.05)


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "looks"
    with Recorder(UNIT, file, 20) as watching:
        time.sleep(0.6)
    whole = len(watching.record().ticks)
    file.write_text(file.read_text(encoding="utf-8") + '{"at": 1', encoding="utf-8")
    assert len(watching.record().ticks) == whole


def test_it_runs_from_the_one_file_too(tmp_path: Path) -> None:
    program = bundle.build(tmp_path / "hostproof.pyz")
    code = (
        "import os, sys, time\nsys.path.insert(0, sys.argv[1])\nfrom pathlib import Path\n"
        "from hostproof.measure import recorder\nfrom hostproof.measure.unit import Unit\n"
        "assert recorder.__file__.startswith(sys.argv[1])\n"
        "with recorder.Recorder(Unit(os.getpid()), Path(sys.argv[2]), 20) as watching:\n    time.sleep(0.8)\n"
        "print(len(watching.record().ticks))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(program), str(tmp_path / "looks")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert int(done.stdout) >= 2


def test_the_raw_looks_are_kept_gzipped(tmp_path: Path) -> None:
    file, packed = tmp_path / "looks", tmp_path / "looks.gz"
    file.write_text('{"at": 1}\n', encoding="utf-8")
    recorder.compress(file, packed)
    with gzip.open(packed, "rt", encoding="utf-8") as lines:
        assert [json.loads(line) for line in lines] == [{"at": 1}]
    assert sorted(tmp_path.iterdir()) == [file, packed]
