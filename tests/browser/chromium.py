"""Chromium without a window, spoken to over a pair of pipes in its own protocol; standard library alone."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",  # it refuses to run as root with one; it opens our own files alone
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--remote-debugging-pipe",
)


def find() -> str | None:
    """The program, or None: a Debian or Ubuntu host gets one with `apt-get install chromium`."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One open page."""

    def __init__(self, to: int, answers: Iterator[dict[str, Any]]) -> None:
        self._to = to
        self._answers = answers
        self._sent = 0
        self._session = ""
        self.requests: list[str] = []
        """Addresses that the page asked for."""

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of one command. Raises RuntimeError if Chromium refuses it."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        for answer in self._answers:
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("id") == self._sent:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
        raise RuntimeError(f"{method}: Chromium ended")

    def open(self, page: Path) -> None:
        """Until it has loaded."""
        if not self._session:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            self.call("Page.enable")
            self.call("Network.enable")
        self.call("Page.navigate", url=page.resolve().as_uri())
        for answer in self._answers:
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("method") == "Page.loadEventFired":
                return

    def look(self, *, width: int = 1200, dark: bool = False, paper: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=1000, deviceScaleFactor=1, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="print" if paper else "screen", features=[scheme])

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']['text']}")
        return answer["result"].get("value")

    def press_tab(self) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)

    def picture(self, path: Path, *, whole: bool = True) -> None:
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def pdf(self) -> bytes:
        """On the paper that the page itself asks for."""
        asked = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(asked["data"])


@contextlib.contextmanager
def opened(program: str) -> Iterator[Tab]:
    """Chromium with a profile of its own, ended afterwards."""
    (theirs, to), (answers, their_answers) = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(prefix="hostproof-chromium-", ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        script = f'exec "$@" 3<&{theirs} 4>&{their_answers}'
        child = subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            pass_fds=(theirs, their_answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(their_answers)
        try:
            yield Tab(to, _messages(answers))
        finally:
            os.close(to)
            child.terminate()
            child.wait(timeout=20)
            os.close(answers)


def _messages(answers: int) -> Iterator[dict[str, Any]]:
    rest = b""
    while read := os.read(answers, 1 << 16):
        *whole, rest = (rest + read).split(b"\0")
        yield from map(json.loads, whole)
