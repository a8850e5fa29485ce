from __future__ import annotations

import fcntl
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from hostproof.shared import model_fetch
from hostproof.shared.model_fetch import Line
from hostproof.shared.model_files import PARTIAL, Model, StoreError

CONTENT = bytes(range(256)) * 4096
SHA = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Behaviour:
    """How the server treats a file."""

    content: bytes = CONTENT
    ranges: bool = True
    drop_after: list[int] = field(default_factory=list)
    """For each answer in turn, how many bytes it brings before the connection ends."""
    status: int = 0
    asked: list[str] = field(default_factory=list)
    """The Range header of each request."""


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour()


@pytest.fixture
def url(behaviour: Behaviour) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, behaviour)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/model.gguf"
    server.shutdown()
    thread.join()
    server.server_close()


def answer(request: BaseHTTPRequestHandler, how: Behaviour) -> None:
    asked = request.headers.get("Range", "")
    how.asked.append(asked)
    first = int(asked.removeprefix("bytes=").rstrip("-")) if asked and how.ranges else 0
    if how.status:
        request.send_error(how.status)
        return
    if first and first >= len(how.content):
        request.send_error(416)
        return
    body = how.content[first:]
    request.send_response(206 if first else 200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body[: how.drop_after.pop(0)] if how.drop_after else body)


def opened(url: str, first: int) -> HTTPResponse:
    return urlopen(Request(url, headers={"Range": f"bytes={first}-"} if first else {}), timeout=10)


def model(url: str) -> Model:
    return Model("m", {"model.gguf": SHA}, len(CONTENT), {"model.gguf": url})


def fetched(root: Path, url: str, line: Line | None = None) -> Path:
    mark = model_fetch.fetch(root, model(url), "model.gguf", line or Line(opened, pause_seconds=0))
    target = root / "m/model.gguf"
    assert (mark.sha256, mark.size, mark.mtime_ns) == (SHA, len(CONTENT), target.stat().st_mtime_ns)
    assert target.read_bytes() == CONTENT
    assert not partial(root).exists()
    return target


def partial(root: Path, content: bytes | None = None) -> Path:
    path = root / PARTIAL / "m/model.gguf"
    if content is not None:
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    return path


def test_a_file_is_fetched(tmp_path: Path, url: str, behaviour: Behaviour) -> None:
    fetched(tmp_path, url)
    assert behaviour.asked == [""]


def test_a_connection_that_drops_is_continued(tmp_path: Path, url: str, behaviour: Behaviour) -> None:
    behaviour.drop_after = [1000, 500_000]
    fetched(tmp_path, url)
    assert behaviour.asked == ["", "bytes=1000-", "bytes=501000-"]


def test_an_earlier_run_is_continued(tmp_path: Path, url: str, behaviour: Behaviour) -> None:
    partial(tmp_path, CONTENT[:4096])
    fetched(tmp_path, url)
    assert behaviour.asked == ["bytes=4096-"]


def test_a_file_that_was_complete_before_a_crash_is_only_moved(tmp_path: Path, url: str) -> None:
    partial(tmp_path, CONTENT)
    fetched(tmp_path, url)


def test_a_server_that_cannot_continue_starts_anew(tmp_path: Path, url: str, behaviour: Behaviour) -> None:
    behaviour.ranges = False
    partial(tmp_path, CONTENT[:4096])
    fetched(tmp_path, url)


@pytest.mark.parametrize("start", [b"", b"stale"])
def test_a_wrong_file_is_refused_with_both_hashes_and_removed(
    tmp_path: Path, url: str, behaviour: Behaviour, start: bytes
) -> None:
    behaviour.content = CONTENT[:-1] + b"!"
    partial(tmp_path, start)
    got = start + behaviour.content[len(start) :]
    with pytest.raises(StoreError) as refused:
        model_fetch.fetch(tmp_path, model(url), "model.gguf", Line(opened, pause_seconds=0))
    assert SHA in str(refused.value)
    assert hashlib.sha256(got).hexdigest() in str(refused.value)
    assert not partial(tmp_path).exists()
    assert not (tmp_path / "m/model.gguf").exists()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "model_store_huggingface_token"),
        (403, "model_store_huggingface_token"),
        (404, "Correct its source"),
    ],
)
def test_a_refusal_is_not_tried_again(
    tmp_path: Path, url: str, behaviour: Behaviour, status: int, said: str
) -> None:
    behaviour.status = status
    with pytest.raises(StoreError, match=said):
        model_fetch.fetch(tmp_path, model(url), "model.gguf", Line(opened, pause_seconds=0))
    assert len(behaviour.asked) == 1


@pytest.mark.parametrize("status", [401, 404])
def test_a_model_that_is_not_there_is_refused_with_what_to_do_instead(
    tmp_path: Path, url: str, behaviour: Behaviour, status: int
) -> None:
    """Hugging Face answers 401 for a repository that does not exist."""
    behaviour.status = status
    advised = replace(model(url), advice="quantise the other one.")
    with pytest.raises(StoreError, match=r" quantise the other one\.$"):
        model_fetch.fetch(tmp_path, advised, "model.gguf", Line(opened, pause_seconds=0))


def test_a_server_that_stays_down_ends_in_a_sentence_and_keeps_the_bytes(
    tmp_path: Path, url: str, behaviour: Behaviour
) -> None:
    behaviour.status = 503
    partial(tmp_path, CONTENT[:4096])
    with pytest.raises(StoreError, match="4096 bytes are kept"):
        model_fetch.fetch(tmp_path, model(url), "model.gguf", Line(opened, pause_seconds=0))
    assert len(behaviour.asked) == model_fetch.TRIES
    assert partial(tmp_path).stat().st_size == 4096


def test_nobody_listening_ends_in_a_sentence(tmp_path: Path) -> None:
    def refuse(_url: str, _first: int) -> HTTPResponse:
        raise ConnectionRefusedError("Connection refused")

    with pytest.raises(StoreError, match="Connection refused"):
        model_fetch.fetch(tmp_path, model("http://x/"), "model.gguf", Line(refuse, pause_seconds=0))


def test_a_full_disk_keeps_what_has_come(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_part: model_fetch.Part, _block: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_fetch.Part, "append", full)
    with pytest.raises(StoreError, match="the disk is full; 0 bytes are kept"):
        model_fetch.fetch(tmp_path, model(url), "model.gguf", Line(opened, pause_seconds=0))


def test_a_download_that_nobody_waits_for_ends(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_fetch, "WATCH_SECONDS", -1)
    with pytest.raises(StoreError, match="the run that asked for this is gone"):
        model_fetch.fetch(tmp_path, model(url), "model.gguf", Line(opened, lambda: False, 0))
    assert partial(tmp_path).exists()


def test_two_downloads_of_one_file_do_not_mix(tmp_path: Path, url: str) -> None:
    with partial(tmp_path, b"").open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="being fetched on this host by another process"):
            model_fetch.fetch(tmp_path, model(url), "model.gguf", Line(opened, pause_seconds=0))
    fetched(tmp_path, url)
