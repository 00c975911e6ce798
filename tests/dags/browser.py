"""A real Chromium, steered over its DevTools protocol, for what Airflow's pages do on their own."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from websockets.sync.client import connect

PATIENCE = 120.0
"""Seconds to wait for what a page should show, on a machine that has other things to do."""


class Browser:
    """One page.  Use as a context manager.

    Args:
        profile: an empty folder for what the browser keeps.
        timezone: the clock that pages see.
    """

    def __init__(self, profile: Path, timezone: str) -> None:
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        assert program is not None, "this test needs Chromium: apt-get install chromium"
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        self._profile = profile
        self._process = subprocess.Popen(
            [program, *options, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._sent = 0
        self.events: list[dict[str, Any]] = []
        self._connection = connect(self._find_page(), max_size=None, open_timeout=PATIENCE)
        self.send("Emulation.setTimezoneOverride", timezoneId=timezone)
        self.send("Emulation.setDeviceMetricsOverride", width=1400, height=1200, deviceScaleFactor=1, mobile=False)

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.wait(PATIENCE)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol; its result."""
        self._sent += 1
        self._connection.send(json.dumps({"id": self._sent, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=PATIENCE))
            if "method" in message:
                self.events.append(message)
            if message.get("id") == self._sent:
                assert "error" not in message, message
                return dict(message["result"])

    def open(self, url: str) -> None:
        """Go to a page."""
        self.send("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        return self.send("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def click(self, script: str) -> None:
        """Click on the element that the expression gives, as soon as there is one that can be clicked."""
        self.wait_for(f"(() => {{ const found = {script}; return !!found && !found.disabled; }})()")
        self.run(f"({script}).click()")

    def write(self, script: str, text: str) -> None:
        """Type into the field that the expression gives, as soon as there is one."""
        self.wait_for(f"!!({script})")
        self.run(f"({script}).focus()")
        self.send("Input.insertText", text=text)

    def press(self, key: str, code: int = 0) -> None:
        """Press a key where the focus is, such as ``Tab`` (9) or ``ArrowLeft`` (37)."""
        codes = {"code": key, "windowsVirtualKeyCode": code, "text": "\r" if key == "Enter" else ""}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, **codes)

    def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        """Give the page another size, in CSS pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def prefer(self, **features: str) -> None:
        """What the system of the person says that they like, such as ``prefers_color_scheme="dark"``."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.send("Emulation.setEmulatedMedia", features=named)

    def take_picture(self, path: Path, *, whole: bool = False) -> None:
        """What the page shows as a PNG; all of it, or what is in the window."""
        shown = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shown["data"]))

    def list_events(self, *methods: str) -> list[dict[str, Any]]:
        """What the browser told of these since their domain was enabled, as parameters."""
        self.run("0")
        return [event["params"] for event in self.events if event["method"] in methods]

    def wait_for(self, script: str) -> None:
        """Wait until the expression is true; if it never is, what the page showed is beside the profile."""
        deadline = time.monotonic() + PATIENCE
        while not self.run(script):
            if time.monotonic() > deadline:
                picture = self._profile.with_suffix(".png")
                self.take_picture(picture)
                raise AssertionError(f"{script} never was true; see {picture}")
            time.sleep(0.1)

    def wait_for_window(self, url: str) -> None:
        """Wait until another window is open with this address, whether or not it can be reached."""
        deadline = time.monotonic() + PATIENCE
        while url not in [target["url"] for target in self.send("Target.getTargets")["targetInfos"]]:
            assert time.monotonic() < deadline, f"no window was opened with {url}"
            time.sleep(0.1)

    def _find_page(self) -> str:
        """The address of the page's own connection, once the browser has written where it listens."""
        deadline = time.monotonic() + PATIENCE
        port = self._profile / "DevToolsActivePort"
        while not (port.exists() and port.read_text().strip()):
            assert self._process.poll() is None, "Chromium ended"
            assert time.monotonic() < deadline, "Chromium did not start"
            time.sleep(0.1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port.read_text().split()[0]}/json", timeout=PATIENCE) as answer:
            pages = json.load(answer)
        return str(next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"))
