"""`./inv measure` and `./inv judge` on one Result: what they print, write and end with."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.measure import lock
from hostproof.measure.result import from_json
from hostproof.play import judge_file, measuring, record, setups
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending
from hostproof.play.measuring import Asked, base_url, is_local, measure
from hostproof.play.verb import guarded
from tests.unit.measure.mock_server import Mock, Script, running

SMALL = """schema: hostproof.workload/1
name: small
version: 1
description: For tests.
runs: 6
warmups: 0
cells:
  - {name: decode, prompt_tokens: 20, output_tokens: 8, cache: cold}
"""
BOUNDS = """schema: hostproof.thresholds/2
hardware: here
setup: any
model: mock
workload: small
source: a test
thresholds:
  - {cell: decode, metric: generation_throughput, statistic: median, min: 1, unit: tok/s}
  - {cell: decode, metric: failed_requests, statistic: max, max: 0, unit: requests}
"""


@pytest.fixture
def serve() -> Iterator[Callable[..., Mock]]:
    with ExitStack() as stack:
        yield lambda **script: stack.enter_context(running(Script(**script)))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setattr(lock, "RUN_LOCK", tmp_path)
    found = Checkout(tmp_path)
    found.workloads.mkdir(parents=True)
    (found.workloads / "small.yml").write_text(SMALL, encoding="utf-8")
    return found


def asked(url: str, **changes: str) -> Asked:
    given = {"workload": "small", "json": "", "model": "", "api_key_file": "", "deadline": "60", **changes}
    return Asked(url, **given)


def run(checkout: Checkout, wanted: Asked) -> tuple[Ending, str]:
    console = Console(file=io.StringIO(), width=200)
    ending = guarded(lambda: measure(checkout, console, wanted))
    assert isinstance(console.file, io.StringIO)
    return ending, console.file.getvalue()


def refused(checkout: Checkout, wanted: Asked) -> str:
    ending, _ = run(checkout, wanted)
    assert ending.status is ExitStatus.COULD_NOT
    assert "\n" not in ending.sentence
    return ending.sentence


def test_a_server_is_measured_printed_and_written(checkout: Checkout, serve: Any, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    ending, text = run(checkout, asked(serve(gap=0.005).url, json=str(file)))
    assert (ending.status, ending.sentence) == (
        ExitStatus.YES,
        f"6 requests measured. The Result is {file}.",
    )
    assert "generation_tok_s: median " in text
    (cell,) = json.loads(file.read_text())["cells"]
    assert (cell["workload"], cell["cell"], cell["requests"]) == ("small", "decode", 6)
    for name in ("ttft_s", "itl_s", "generation_tok_s", "prompt_tok_s", "latency_s"):
        figure = cell["metrics"][name]
        assert figure["min"] <= figure["median"] <= figure["max"]
        assert figure["over"] == ("tokens" if name == "itl_s" else "runs")
        assert set(figure) >= {"p95", "p99", "n"}
    result = from_json(file.read_text())
    assert (result.hardware, result.setup.name, result.setup.model) == ("", "", "mock")


def test_the_run_is_kept_with_its_raw_records(checkout: Checkout, serve: Any) -> None:
    ending, text = run(checkout, asked(serve().url + "/v1/"))
    ((folder, kept),) = record.past(checkout.runs)
    assert (kept.task, kept.exit_status) == ("measure", ExitStatus.YES)
    assert ending.sentence.endswith(f"The Result is {folder}/measured.json.")
    names = {path.name for path in folder.iterdir()}
    assert names >= {"measured.json", "chunks.jsonl.gz", "telemetry.jsonl.gz", "log.txt"}
    assert "cell decode run 6/6" in text
    assert "cell decode run 6/6" in (folder / "log.txt").read_text()


def test_json_on_stdout_is_alone_there(
    checkout: Checkout, serve: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    ending, text = run(checkout, asked(serve().url, json="-"))
    assert ending.status is ExitStatus.YES
    assert text == ""
    assert from_json(capfd.readouterr().out).measurements


def test_a_key_is_read_from_its_file_and_written_nowhere(
    checkout: Checkout, serve: Any, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("s3cret-of-mine\n")
    url = serve(key="s3cret-of-mine").url
    assert "wants an API key" in refused(checkout, asked(url))
    ending, text = run(checkout, asked(url, api_key_file=str(key)))
    assert ending.status is ExitStatus.YES
    written = [path.read_bytes() for path in checkout.runs.rglob("*") if path.is_file()]
    assert not any(b"s3cret-of-mine" in data for data in (*written, text.encode()))


def test_a_server_that_dies_leaves_an_unfinished_result(
    checkout: Checkout, serve: Any, tmp_path: Path
) -> None:
    file = tmp_path / "r.json"
    ending, _ = run(checkout, asked(serve(dies_for_good_after=10).url, json=str(file)))
    assert ending.status is ExitStatus.COULD_NOT
    assert ending.sentence.startswith("unfinished: cell decode has ")
    result = from_json(file.read_text())
    assert result.unfinished
    found = result.find("decode", "ttft")
    assert found is not None
    assert found.samples, "what was measured is kept"


def test_ctrl_c_keeps_what_there_is(checkout: Checkout, serve: Any, tmp_path: Path) -> None:
    file, mock = tmp_path / "r.json", serve(gap=0.05)

    def stop() -> None:
        while len(mock.log.sent) < 6:
            threading.Event().wait(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop, daemon=True).start()
    ending, _ = run(checkout, asked(mock.url, json=str(file)))
    assert ending.status is ExitStatus.COULD_NOT
    assert "because it was stopped by a signal" in ending.sentence
    assert from_json(file.read_text()).unfinished
    ((_, kept),) = record.past(checkout.runs)
    assert kept.interrupted


WRONG = [
    ("", "no server is named (--url)"),
    ("127.0.0.1:8081", "is no URL of a server (--url)"),
    ("http://", "is no URL of a server"),
    ("http://127.0.0.1:port", "is no URL of a server"),
    ("ftp://127.0.0.1", "is no URL of a server"),
    ("http://user:word@127.0.0.1:1", "a URL with a password in it"),
    ("http://127.0.0.1:9", "connection refused"),
]


@pytest.mark.parametrize(("url", "said"), WRONG, ids=[url or "none" for url, _ in WRONG])
def test_a_wrong_url_is_one_sentence(checkout: Checkout, url: str, said: str) -> None:
    assert said in refused(checkout, asked(url))
    assert not checkout.runs.exists(), "nothing was measured, so nothing is kept"


def test_wrong_options_are_found_before_anything_is_asked(
    checkout: Checkout, serve: Any, tmp_path: Path
) -> None:
    url, mock = serve().url, serve()
    assert "no workload 'smal'" in refused(checkout, asked(url, workload="smal"))
    assert "small" in refused(checkout, asked(url, workload="zzz"))
    assert "no number of seconds" in refused(checkout, asked(url, deadline="soon"))
    assert "a folder that does not exist" in refused(checkout, asked(url, json=str(tmp_path / "no" / "r")))
    assert "is a folder" in refused(checkout, asked(url, json=str(tmp_path)))
    assert "cannot be read" in refused(checkout, asked(url, api_key_file=str(tmp_path / "no")))
    assert mock.log.requests == []


def test_a_workload_may_be_a_file_of_ones_own(checkout: Checkout, serve: Any, tmp_path: Path) -> None:
    own = tmp_path / "small.yml"
    own.write_text(SMALL.replace("runs: 6", "runs: 1"), encoding="utf-8")
    ending, _ = run(checkout, asked(serve().url, workload=str(own)))
    assert ending.sentence.startswith("1 requests measured")


def test_a_second_measurement_on_a_machine_is_refused(checkout: Checkout, serve: Any) -> None:
    with lock.held(lock.default_path(), "first"):
        assert "being measured already: run first" in refused(checkout, asked(serve().url))


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://127.0.0.1:8081/", "http://127.0.0.1:8081"),
        ("http://127.0.0.1:8081/v1", "http://127.0.0.1:8081"),
        ("https://host/prefix/v1/", "https://host/prefix"),
    ],
)
def test_the_url_is_taken_as_people_copy_it(given: str, url: str) -> None:
    assert base_url(given) == url


def test_loopback_is_this_machine() -> None:
    assert all(is_local(f"http://{host}:1") for host in ("127.0.0.1", "localhost", "[::1]", "127.0.0.9"))
    assert not any(is_local(f"http://{host}:1") for host in ("10.0.0.1", "example.org"))


@pytest.fixture
def result(checkout: Checkout, serve: Any, tmp_path: Path) -> Path:
    file = tmp_path / "r.json"
    run(checkout, asked(serve(gap=0.005).url, json=str(file)))
    return file


def judged(result: Path, bounds: str, tmp_path: Path) -> tuple[Ending, str]:
    wanted = tmp_path / "t.yml"
    wanted.write_text(bounds, encoding="utf-8")
    console = Console(file=io.StringIO(), width=200)
    ending = guarded(lambda: judge_file.judge(console, str(result), str(wanted), as_json=False))
    assert isinstance(console.file, io.StringIO)
    return ending, console.file.getvalue()


@pytest.mark.parametrize(
    ("bound", "status", "word"),
    [
        ("min: 1", ExitStatus.YES, "PROVEN"),
        ("min: 100000", ExitStatus.NO, "NOT PROVEN, below threshold"),
    ],
)
def test_a_result_is_judged_with_the_statuses_of_a_validation(
    result: Path, tmp_path: Path, bound: str, status: ExitStatus, word: str
) -> None:
    ending, text = judged(result, BOUNDS.replace("min: 1", bound), tmp_path)
    assert (ending.status, text.split(" —")[0]) == (status, word)


def edited(result: Path, **changes: Any) -> Path:
    raw = json.loads(result.read_text())
    result.write_text(json.dumps({**raw, **changes}))
    return result


def test_too_few_runs_are_inconclusive(result: Path, tmp_path: Path) -> None:
    raw = json.loads(result.read_text())
    for measured in raw["measurements"]:
        if measured["metric"] == "generation_throughput":
            measured["samples"] = measured["samples"][:5]
    ending, text = judged(edited(result, **raw), BOUNDS, tmp_path)
    assert ending.status is ExitStatus.INCONCLUSIVE
    assert "it takes 6" in text


def sentence(result: Path, tmp_path: Path, bounds: str = BOUNDS) -> str:
    ending, _ = judged(result, bounds, tmp_path)
    assert ending.status is ExitStatus.COULD_NOT
    assert "\n" not in ending.sentence
    return ending.sentence


def test_what_cannot_be_judged_is_one_sentence(result: Path, tmp_path: Path) -> None:
    text = result.read_text()
    assert "no cell 'other'" in sentence(result, tmp_path, BOUNDS.replace("cell: decode", "cell: other"))
    assert "for the model 'big', the Result is of 'mock'" in sentence(
        result, tmp_path, BOUNDS.replace("model: mock", "model: big")
    )
    edited(result, hardware="elsewhere")
    assert "for the hardware 'here', the Result is of 'elsewhere'" in sentence(result, tmp_path)
    result.write_text(text)
    edited(result, unfinished="cell decode has 3 of 6 runs, because it died")
    assert "is unfinished (cell decode has 3 of 6 runs" in sentence(result, tmp_path)
    result.write_text(text)
    edited(result, measurements=[])
    assert "has no measured figure" in sentence(result, tmp_path)
    result.write_text(text)
    edited(result, schema="hostproof.result/0")
    assert "schema is 'hostproof.result/0', this reader knows 'hostproof.result/1'" in sentence(
        result, tmp_path
    )
    raw = json.loads(text)
    raw["measurements"][0]["samples"][0] = float("nan")
    result.write_text(json.dumps(raw))
    assert "nan is not a number that can be judged" in sentence(result, tmp_path)
    result.write_text("{")
    assert "is no Result: not JSON" in sentence(result, tmp_path)


def test_files_that_are_not_there_are_named(result: Path, tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    for given, where in (("", "RESULT"), (str(tmp_path / "no"), "RESULT")):
        with pytest.raises(HostproofError, match=where):
            judge_file.judge(console, given, "t.yml", as_json=False)
    with pytest.raises(HostproofError, match="--thresholds"):
        judge_file.judge(console, str(result), "", as_json=False)


def test_nothing_measured_at_all_is_no_yes(result: Path) -> None:
    raw = json.loads(result.read_text())
    for measured in raw["measurements"]:
        measured.update(samples=[], warmups=[], problem="none of 6 runs gave a sample")
    ending = measuring.of_result(from_json(json.dumps(raw)), "f")
    assert ending.status is ExitStatus.COULD_NOT
    assert "nothing was measured: none of 6 runs gave a sample" in ending.sentence


ROOT = Path(__file__).parents[3]
WORKLOADS = sorted((ROOT / "inventory" / "workloads").glob("*.yml"))


@pytest.mark.parametrize("file", WORKLOADS, ids=[file.stem for file in WORKLOADS])
def test_every_workload_loads_and_is_on_its_page(file: Path) -> None:
    _, _, workload = setups.read_workload(file.parent, file.stem)
    assert workload.description
    assert f"`{file.stem}`" in (ROOT / "docs" / "workloads.md").read_text(encoding="utf-8")


def test_a_workload_of_behaviours_alone_answers_yes_or_no(
    checkout: Checkout, serve: Any, tmp_path: Path
) -> None:
    file = tmp_path / "behaves.yml"
    head = "schema: hostproof.workload/1\nname: behaves\nversion: 1\ndescription: x\nruns: 1\nwarmups: 0\n"
    file.write_text(f"{head}behaviour: true\ncells: []\n", encoding="utf-8")
    good = serve(gap=0.01, running_count=False, words=["größe", "→", "salt"])
    ending, text = run(checkout, asked(good.url, workload=str(file)))
    assert (ending.status, "behaviours passed" in ending.sentence) == (ExitStatus.YES, True), text
    bad = serve(ignores_stop=True, gap=0.01, running_count=False, words=["größe", "→", "salt"])
    ending, _ = run(checkout, asked(bad.url, workload=str(file)))
    assert ending.status is ExitStatus.NO
    assert "behaviours failed: stop" in ending.sentence
