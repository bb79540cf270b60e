"""A browser without a screen and with a passkey in software: Chromium, driven as W3C WebDriver and WebAuthn say.

WebDriver is JSON over HTTP: what is needed of it are these few calls, and no client library.
"""

import base64
import contextlib
import json
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from localstack.errors import StackError
from localstack.ports import free_ports
from localstack.probe import Probe
from localstack.process import Child

PROGRAMS: Final = ("chromium", "chromedriver")
_READY_SECONDS: Final = 30.0
_CALL_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.02
_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
"""The key under which an element's id stands (WebDriver, section 12.1)."""

_FLAGS: Final = (
    "--headless=new",
    # Without a user namespace of its own, as in containers; the pages are our own.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    # It talks to nobody but the page that it is sent to.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
)
_NOWHERE_ELSE: Final = "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"
"""Names that lead nowhere: all but this machine's (--host-resolver-rules)."""

_PASSKEY: Final = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserConsenting": True,
    "isUserVerified": True,
}


def missing() -> str:
    """The program that is not here, by its name; empty where a browser can be had."""
    return next((name for name in PROGRAMS if shutil.which(name) is None), "")


@contextlib.contextmanager
def browser(*, width: int = 1000, height: int = 1400, places: str = "", trusted: str = "") -> Iterator["Browser"]:
    """A browser of one's own, with no data and no passkey in it. Raises StackError.

    ``places``: more names that it knows, as in ``MAP approve.example.com 127.0.0.1:8443``. ``trusted``: the SHA-256, in
    base64, of a public key (SPKI) that it trusts in any server's certificate.
    """
    port = free_ports(1)[0]
    with tempfile.TemporaryDirectory(prefix="seconder-browser-") as folder:
        driver = Child(
            "chromedriver",
            [str(shutil.which("chromedriver")), f"--port={port}"],
            Path(folder) / "chromedriver.log",
            dies_with_parent=True,
            environment=os.environ | {"HOME": folder, "TMPDIR": folder},
        )
        try:
            driver.wait_until(Probe(f"http://127.0.0.1:{port}/status"), _READY_SECONDS)
            rules = f"{places}, {_NOWHERE_ELSE}" if places else _NOWHERE_ELSE
            more = [f"--host-resolver-rules={rules}", f"--ignore-certificate-errors-spki-list={trusted}"]
            opened = Browser(f"http://127.0.0.1:{port}", Path(folder), (width, height), more)
            try:
                yield opened
            finally:
                opened.close()
        finally:
            driver.stop()


class Browser:
    """One window. What it is told to do waits until that can be done."""

    def __init__(self, driver: str, folder: Path, size: tuple[int, int], more: Sequence[str]) -> None:
        flags = [*_FLAGS, *more, f"--user-data-dir={folder / 'profile'}", f"--window-size={size[0]},{size[1]}"]
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": flags, "binary": str(shutil.which("chromium"))},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        self._url = f"{driver}/session"
        made = self._call("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self._url = f"{driver}/session/{made['sessionId']}"
        self._call("POST", "/timeouts", {"script": int(_CALL_SECONDS * 1000)})

    def close(self) -> None:
        """Close the window."""
        with contextlib.suppress(StackError, OSError):
            self._call("DELETE", "")

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is loaded."""
        self._call("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self._call("GET", "/url"))

    def give_passkeys(self, **otherwise: Any) -> str:
        """Give it an authenticator that consents by itself; its id. ``otherwise``: as in WebAuthn, section 11.3."""
        return str(self._call("POST", "/webauthn/authenticator", _PASSKEY | otherwise))

    def take_passkeys(self, authenticator: str) -> None:
        """Take an authenticator away, and its passkeys with it."""
        self._call("DELETE", f"/webauthn/authenticator/{authenticator}")

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page; give what it returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_later(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript that calls its last argument once it is done; give what it calls that with."""
        return self._call("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def tell(self, command: str, **parameters: Any) -> Any:
        """Send a command of Chrome's DevTools protocol."""
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def text(self, selector: str = "body") -> str:
        """The text that is seen of an element; empty where there is none, or it is hidden."""
        return str(self.run("const e = document.querySelector(arguments[0]); return e ? e.innerText : ''", selector))

    def click(self, selector: str) -> None:
        """Click on an element, once it is there and enabled."""
        self.until(lambda: self._enabled(selector), f"{selector} can be clicked on")
        self._call("POST", f"/element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        """Type into a field, in place of what is in it."""
        self.until(lambda: self._enabled(selector), f"{selector} can be typed into")
        element = self._find(selector)
        self._call("POST", f"/element/{element}/clear", {})
        self._call("POST", f"/element/{element}/value", {"text": text})

    def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is. Special ones are WebDriver's (Keyboard Actions)."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def until(self, holds: Callable[[], object], what: str, seconds: float = 20.0) -> float:
        """Wait until something holds; give the seconds that took. Raises StackError."""
        started = time.monotonic()
        while not holds():
            if time.monotonic() - started > seconds:
                raise StackError(f"not within {seconds:.0f} s: {what}; the page says: {self.text()[:2000]}")
            time.sleep(_POLL_SECONDS)
        return time.monotonic() - started

    def wait_for(self, text: str, selector: str = "body", seconds: float = 20.0) -> float:
        """Wait until an element shows a text; give the seconds that took. Raises StackError."""
        return self.until(lambda: text in self.text(selector), f"{selector} shows {text!r}", seconds)

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page (PNG)."""
        size = self.tell("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        taken = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(taken["data"]))

    def complaints(self) -> list[str]:
        """What the browser has complained of in its console since last asked."""
        found = self._call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in found if entry["level"] in {"WARNING", "SEVERE"}]

    def _enabled(self, selector: str) -> bool:
        script = (
            "const e = document.querySelector(arguments[0]); return !!e && !e.disabled && e.getClientRects().length > 0"
        )
        return bool(self.run(script, selector))

    def _find(self, selector: str) -> str:
        found = self._call("POST", "/element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}{path}", data, method=method)  # noqa: S310 - on loopback
        # A proxy of the environment's is not for this.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_CALL_SECONDS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                told = json.load(error)["value"]
            raise StackError(f"the browser: {told['error']}: {str(told['message']).partition(chr(10))[0]}") from None
