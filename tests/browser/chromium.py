"""A headless Chromium, driven by the DevTools protocol over a pair of pipes."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 60.0
BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
_QUIET = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# Chromium reads commands from descriptor 3 and answers on 4; a shell cannot set them up portably.
_LAUNCH = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38}
_KEYS |= {"ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35}


class Page:
    """A page of a running browser: what the console said, what was requested, what is in it."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._unread, self._number = b"", 0
        self.session: str | None = None
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self._loaded = 0

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The browser's answer to one command."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_S
        while b"\0" not in self._unread:
            left_s = until - time.monotonic()
            assert left_s > 0, f"the browser has not answered for {PATIENCE_S} s"
            if select.select([self._answers], [], [], left_s)[0]:
                found = os.read(self._answers, 1 << 20)
                assert found, "the browser has gone"
                self._unread += found
        line, _, self._unread = self._unread.partition(b"\0")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _note(self, event: dict[str, Any]) -> None:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded += 1
        elif method == "Network.requestWillBeSent":
            self.requested.append(parameters["request"]["url"])
        elif method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            self.complaints.append(json.dumps(parameters)[:2000])

    def go(self, address: str) -> None:
        """Load the page at *address* and wait until it and its scripts are ready."""
        before = self._loaded
        self.ask("Page.navigate", url=address)
        while self._loaded == before:
            self._note(self._next())
        self.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def value(self, expression: str) -> Any:
        """What *expression* is in the page; a promise is awaited."""
        answer = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def look_as(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        """Take the form of a screen."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        self.ask("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press and release *key*: a character, or a name such as "ArrowRight"."""
        code = _KEYS.get(key, ord(key[0].upper()))
        held: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 * shift}
        text = "\r" if key == "Enter" else key if len(key) == 1 else ""
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **held)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **held)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Send one mouse event, such as "mouseMoved", "mousePressed" or "mouseWheel"."""
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        """Send one touch event: "touchStart", "touchMove" or "touchEnd"."""
        fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self.ask("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of what is seen, or of the *whole* page."""
        answer = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    def colours_in(self, picture: bytes) -> int:
        """How many different colours *picture* has, counted by the browser on an empty page."""
        self.go("about:blank")
        shown = json.dumps(f"data:image/png;base64,{base64.b64encode(picture).decode()}")
        count: int = self.value(
            f"""(async () => {{
                const image = new Image();
                image.src = {shown};
                await image.decode();
                const canvas = new OffscreenCanvas(image.width, image.height);
                const pen = canvas.getContext("2d");
                pen.drawImage(image, 0, 0);
                const data = pen.getImageData(0, 0, image.width, image.height).data;
                return new Set(new Uint32Array(data.buffer)).size;
            }})()"""
        )
        return count


@contextmanager
def browser(executable: str) -> Iterator[Page]:
    """A browser with one page; it and its files are gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        theirs_in, commands = os.pipe()
        answers, theirs_out = os.pipe()
        # Out of the way of 3 and 4, which the launcher gives away.
        given = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (theirs_in, theirs_out)]
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", _LAUNCH, *map(str, given), executable, *_QUIET, *root),
                *(f"--user-data-dir={profile}", "about:blank"),
            ],
            pass_fds=given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for fd in (theirs_in, theirs_out, *given):
            os.close(fd)
        try:
            yield _first_page(commands, answers)
        finally:
            os.close(commands)  # the end of the talk: then it ends too
            os.close(answers)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _first_page(commands: int, answers: int) -> Page:
    page = Page(commands, answers)
    targets = page.ask("Target.getTargets")["targetInfos"]
    target = next(target["targetId"] for target in targets if target["type"] == "page")
    session: str = page.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    page.session = session
    for domain in ("Page", "Runtime", "Log", "Network"):
        page.ask(f"{domain}.enable")
    return page
