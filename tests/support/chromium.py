"""A page in headless Chromium, driven over the DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from aiohttp import ClientSession, ClientWebSocketResponse

CHROMIUM: Final = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
_PATIENCE_S: Final = 60.0
_OPTIONS: Final = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0")

Scheme = Literal["light", "dark"]


class Page:
    """One page. Each call waits for the browser's answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: ClientWebSocketResponse) -> None:
        self._loop = loop
        self._socket = socket
        self._last_id = 0
        self.complaints: list[str] = []
        """Errors of the page so far: exceptions, refused resources, answers other than 200."""
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol. Returns its result."""
        return self._loop.run_until_complete(asyncio.wait_for(self._call(method, parameters), _PATIENCE_S))

    async def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._last_id += 1
        await self._socket.send_json({"id": self._last_id, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json()
            if message.get("id") == self._last_id:
                assert "error" not in message, f"{method}: {message}"
                return dict(message["result"])
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        if message["method"] == "Runtime.exceptionThrown":
            self.complaints.append(str(message["params"]["exceptionDetails"]))
        elif message["method"] == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
            self.complaints.append(str(message["params"]["entry"]))

    def open(self, address: str) -> None:
        """Load an address."""
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + _PATIENCE_S
        while not self.run(condition):
            assert time.monotonic() < deadline, f"waited in vain for {condition}: {self.run('document.body.innerText')}"
            time.sleep(0.05)  # only saves CPU

    def text(self, selector: str) -> str:
        """The text of the first element that a CSS selector finds."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def press(self, key: str) -> None:
        """Press and release a key on the keyboard: `Tab`, `Enter`, `Escape`."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=codes[key], **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=codes[key])

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self.call("Input.insertText", text=text)

    def look(self, width: int, scheme: Scheme) -> None:
        """Show the page at this width, in pixels, and in this colour scheme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def shoot(self, file: Path, *, whole: bool = True) -> None:
        """Write a picture of the whole page, or of its first 800 pixels."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole, format="png")
        file.write_bytes(base64.b64decode(answer["data"]))


@contextmanager
def page() -> Iterator[Page]:
    """An empty page in a browser of its own, which ends with the block."""
    with tempfile.TemporaryDirectory(prefix="journeys-chromium-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [CHROMIUM, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        loop = asyncio.new_event_loop()
        session, socket = loop.run_until_complete(_connected(_port(Path(profile, "DevToolsActivePort"))))
        try:
            yield Page(loop, socket)
        finally:
            loop.run_until_complete(session.close())
            loop.close()
            process.terminate()
            process.wait(30)


def _port(file: Path) -> int:
    """The port of a browser that is about to start: it writes it into this file."""
    deadline = time.monotonic() + _PATIENCE_S
    while not (file.exists() and "\n" in file.read_text()):
        assert time.monotonic() < deadline, "Chromium does not start"
        time.sleep(0.05)  # only saves CPU
    return int(file.read_text().splitlines()[0])


async def _connected(port: int) -> tuple[ClientSession, ClientWebSocketResponse]:
    """Connect to the first page of a browser."""
    session = ClientSession()
    async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
        targets = await answer.json()
    address = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
    return session, await session.ws_connect(address, max_msg_size=0)
