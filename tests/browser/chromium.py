"""A headless Chromium that tests drive through a pipe, by the DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps"),
    *("--disable-extensions", "--hide-scrollbars", "--lang=en", "--remote-debugging-pipe"),
)
PATIENCE = 120.0


class Chromium:
    """One browser; `call` is a command of the protocol, `page` opens a tab."""

    def __init__(self, profile: Path) -> None:
        program = shutil.which("chromium") or "chromium-browser"
        to_read, to_write = os.pipe(), os.pipe()
        self.send, self.receive = to_read[1], to_write[0]
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read[0], to_write[1])]

        def at_three_and_four() -> None:
            os.dup2(theirs[0], 3)
            os.dup2(theirs[1], 4)

        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            env={**os.environ, "HOME": str(profile), "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=at_three_and_four,
            pass_fds=(3, 4),
        )
        for end in (*theirs, to_read[0], to_write[1]):
            os.close(end)
        self.rest = b""
        self.number = 0
        self.events: list[dict[str, Any]] = []

    def _message(self, until: float) -> dict[str, Any]:
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.receive], [], [], max(until - time.monotonic(), 0))
            data = os.read(self.receive, 1 << 20) if ready else b""
            if not data:
                raise TimeoutError("Chromium says nothing" if not ready else "Chromium is gone")
            self.rest += data
        text, self.rest = self.rest.split(b"\0", 1)
        said: dict[str, Any] = json.loads(text)
        return said

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """Say one command and wait for its answer; what else happens is kept in `events`."""
        self.number += 1
        said = {"id": self.number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        data = json.dumps(said).encode() + b"\0"
        while data:
            data = data[os.write(self.send, data) :]
        until = time.monotonic() + PATIENCE
        while True:
            message = self._message(until)
            if message.get("id") == self.number:
                assert "error" not in message, message["error"]
                result: dict[str, Any] = message["result"]
                return result
            self.events.append(message)

    def page(
        self, address: str, *, width: int = 1280, height: int = 900, dark: bool = False, script: bool = True
    ) -> Page:
        """A new tab that shows an address."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        page = Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.call("Emulation.setEmulatedMedia", features=[scheme])
        page.call("Emulation.setScriptExecutionDisabled", value=not script)
        page.go(address)
        return page

    def close(self) -> None:
        """End the browser and all its processes."""
        with contextlib.suppress(OSError, TimeoutError):
            self.call("Browser.close")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait()
        os.close(self.send)
        os.close(self.receive)


class Page:
    """One tab."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self.browser, self.session = browser, session

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Say a command to this tab."""
        return self.browser.call(method, self.session, **params)

    def go(self, address: str) -> None:
        """Show an address, and wait until it is there."""
        before = self.seen("Page.loadEventFired")
        said = self.call("Page.navigate", url=address)
        assert not said.get("errorText"), f"{address}: {said['errorText']}"
        if said.get("loaderId"):  # not a move within the page
            self.loaded(before)

    def loaded(self, before: int) -> None:
        """Wait for one more page to be loaded than `before`."""
        until = time.monotonic() + PATIENCE
        while self.seen("Page.loadEventFired") <= before:
            assert time.monotonic() < until, "the page is not loaded"
            self.call("Runtime.evaluate", expression="1")
            time.sleep(0.02)

    def seen(self, method: str) -> int:
        """How often something happened."""
        return sum(event.get("method") == method for event in self.happened())

    def happened(self) -> Iterator[dict[str, Any]]:
        """All that happened in this tab."""
        return (event for event in self.browser.events if event.get("sessionId") == self.session)

    def ask(self, script: str) -> Any:
        """The value of an expression, or of a promise."""
        said = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click on what a selector names, with the mouse."""
        box = self.ask(
            f"(() => {{ const e=document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
            "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def troubles(self) -> list[str]:
        """Errors and warnings of the console, exceptions, and anything that was asked of a network."""
        found = []
        for event in self.happened():
            match event["method"], event["params"]:
                case "Runtime.exceptionThrown", params:
                    found.append(str(params["exceptionDetails"]))
                case "Runtime.consoleAPICalled", params if params["type"] in ("error", "warning", "assert"):
                    found.append(str(params["args"]))
                case "Log.entryAdded", params if params["entry"]["level"] in ("error", "warning"):
                    found.append(params["entry"]["text"])
                case "Network.requestWillBeSent", params if not params["request"]["url"].startswith("file:"):
                    found.append(params["request"]["url"])
        return found

    def shot(self, path: Path, *, whole: bool = False) -> None:
        """Take a picture."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))
