"""From a refusal to an approval that counts, by one touch in a browser: ``python -m bench touch``.

What the machine takes of that, step by step, on the local stack with a passkey in software. What the person takes, to
look at the message, to read and to give a reason, is left out: the clock stands still from when the page can be signed
on until the button is pressed.
"""

import base64
import itertools
import json
import math
import os
import queue
import re
import secrets
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from bench import documents
from localstack import browser as browsers
from localstack.browser import Browser
from localstack.errors import StackError
from localstack.stack import Stack
from seconder.api import constants
from seconder.client.api import Api, ApiError
from seconder.client.client_config import load

RUNS: Final = 30
GOALS: Final = {"median": 3.0, "p95": 6.0}
"""Seconds of the machine's part, over all runs."""

STEPS: Final = ("message out", "page", "signature", "annotation", "copied", "counted")
_SECONDS: Final = 30.0
_BETWEEN: Final = 13.0
"""Seconds from one refusal to the next: more than five messages in a minute become a digest, which waits."""

_NAMESPACE: Final = "touched"
_DEPLOYMENTS: Final = f"/apis/apps/v1/namespaces/{_NAMESPACE}/deployments"
_PRINCIPAL: Final = "carol@example.com"
_ROUTES: Final = json.dumps([{"events": ["Pending"]}])

_NOTED: Final = """
window.noted = {};
const get = navigator.credentials.get.bind(navigator.credentials), ask = window.fetch;
navigator.credentials.get = async (wish) => { const made = await get(wish); noted.signed = Date.now(); return made; };
window.fetch = async (path, given) => {
  const answer = await ask(path, given);
  if (String(path).endsWith("/approval")) noted.annotated = Date.now();
  return answer;
};
document.querySelector("#approve").addEventListener("click", () => { noted.pressed = Date.now(); }, true);
const watch = () => {
  if (document.querySelector("#said").textContent.includes("Your approval counts")) noted.counted = Date.now();
  else setTimeout(watch, 5);
};
watch();
"""
"""Notes when each step is over, in milliseconds since 1970."""


class Touch:
    """A running stack with a portal, its agent, and the person with the passkey."""

    def __init__(self, stack: Stack, folder: Path, browser: Browser) -> None:
        self._stack = stack
        self._folder = folder
        self._browser = browser
        self._admin = Api(load(str(stack.admin_kubeconfig)), user_agent="touch")
        self._agent = Api(load(str(stack.agent_kubeconfig)), user_agent="touch-agent")
        self._messages: queue.Queue[tuple[str, float]] = queue.Queue()

    def run(self, runs: int) -> list[Mapping[str, float]]:
        """Time so many approvals; the seconds of each step, and of all. Raises StackError and ApiError."""
        self._admin.create("/api/v1/namespaces", {"metadata": {"name": _NAMESPACE}})
        with _receiver(self._messages) as url:
            self._tell_of_refusals(url)
            self._browser.give_passkeys()
            self._enroll()
            # The first one signs in; it is not counted.
            self._once("first", sign_in=True)
            timed = []
            for number in range(runs):
                time.sleep(_BETWEEN)
                timed.append(self._once(f"run-{number}"))
        return timed

    def _tell_of_refusals(self, url: str) -> None:
        folder = self._folder / "targets"
        folder.mkdir()
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        (folder / "hook").write_text(f"cloudevents+{url}/?secret=whsec_{key}")
        seconder = self._stack.seconder
        seconder.stop_operator()
        told = f"--notification-targets={folder}", f"--notification-routes={_ROUTES}"
        seconder.start_operator(*seconder.flags_for_portal, *told)
        seconder.wait_ready()

    def _enroll(self) -> None:
        browser = self._browser
        browser.open(f"{self._stack.seconder.portal_origin}/enroll")
        browser.type("#principal", _PRINCIPAL)
        browser.click("form button")
        browser.wait_for("Your passkey is made")
        self._stack.control_plane.apply(browser.run("return document.querySelector('#approver').textContent"))
        approver = f"{constants.API_PATH}/approvers/carol"
        _until(lambda: (self._admin.get(approver).get("status") or {}).get("keys"), "the passkey is registered")

    def _once(self, name: str, *, sign_in: bool = False) -> Mapping[str, float]:
        browser = self._browser
        uid = self._admin.create(_DEPLOYMENTS, documents.deployment(name))["metadata"]["uid"]
        path = f"{_DEPLOYMENTS}/{name}"
        chg = self._refused(path, uid)
        refused = time.time()
        told = self._message(chg)
        opened = time.time()
        browser.open(f"{self._stack.seconder.portal_origin}/requests/{chg}")
        if sign_in:
            browser.click("#sign-in")
            browser.wait_for("What your passkey signs")
        browser.until(self._signable, "it can be signed")
        seen = time.time()
        browser.run(_NOTED)
        browser.type("#reason", "INC-4821 decommission")
        copied: queue.Queue[float] = queue.Queue()
        threading.Thread(target=self._await_copy, args=(path, copied), daemon=True).start()
        browser.click("#approve")
        browser.until(lambda: browser.run("return window.noted.counted"), "it counts")
        noted = {step: when / 1000 for step, when in browser.run("return window.noted").items()}
        there = copied.get(timeout=_SECONDS)
        # It counts for the guard, too.
        self._agent.delete(path, uid=uid)
        times = [noted["pressed"], noted["signed"], noted["annotated"], there, max(there, noted["counted"])]
        took = [told - refused, seen - opened]
        # A copy may be there before the page has its answer.
        took += [max(0.0, after - before) for before, after in itertools.pairwise(times)]
        return dict(zip(STEPS, took, strict=True)) | {"all": told - refused + seen - opened + times[-1] - times[0]}

    def _refused(self, path: str, uid: str) -> str:
        try:
            self._agent.delete(path, uid=uid)
        except ApiError as error:
            named = re.search(r"change request: (chg-\S+)", str(error))
            if named is None:
                raise
            return named[1]
        raise StackError("the agent's deletion went through")

    def _message(self, chg: str) -> float:
        """When the message of this request came, in seconds since 1970. Others are of earlier ones."""
        try:
            while True:
                subject, when = self._messages.get(timeout=_SECONDS)
                if subject == chg:
                    return when
        except queue.Empty:
            raise StackError(f"no message of {chg} within {_SECONDS:.0f} s") from None

    def _signable(self) -> bool:
        state = self._browser.run("const e = document.querySelector('#approve'); return e ? !e.disabled : null")
        if state is None and "Approvals are not copied" in self._browser.text():
            # The operator has not looked at it yet: what a person does is to load the page again.
            self._browser.run("location.reload()")
        return bool(state)

    def _await_copy(self, path: str, copied: "queue.Queue[float]") -> None:
        def there() -> bool:
            annotations = self._admin.get(path)["metadata"].get("annotations") or {}
            return any(key.startswith(constants.APPROVAL_PREFIX) for key in annotations)

        _until(there, "the approval is on the object")
        copied.put(time.time())


@contextmanager
def _receiver(messages: "queue.Queue[tuple[str, float]]") -> Iterator[str]:
    """A receiver of notifications on loopback; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came = time.time()
            event = json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))))
            messages.put((str(event.get("subject")), came))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def measured(stack: Stack, folder: Path, runs: int) -> list[Mapping[str, float]]:
    """Time approvals on a stack with a portal. Raises StackError, also where there is no browser."""
    absent = browsers.missing()
    if absent:
        raise StackError(f"{absent} is not installed: apt-get install chromium chromium-driver")
    with browsers.browser(width=390, height=844) as browser:
        return Touch(stack, folder, browser).run(runs)


def p95(times: Sequence[float]) -> float:
    """The 95th percentile by the nearest rank."""
    return sorted(times)[math.ceil(0.95 * len(times)) - 1]


def table(timed: Sequence[Mapping[str, float]]) -> str:
    """A row for each step, in seconds, and the whole beside its goals."""
    lines = [f"{'seconds':14}{'median':>8}{'p95':>8}{'longest':>9}"]
    for step in (*STEPS, "all"):
        times = [run[step] for run in timed]
        lines.append(f"{step:14}{statistics.median(times):8.2f}{p95(times):8.2f}{max(times):9.2f}")
    whole = [run["all"] for run in timed]
    met = statistics.median(whole) <= GOALS["median"] and p95(whole) <= GOALS["p95"]
    goals = ", ".join(f"{name} {seconds:g}" for name, seconds in GOALS.items())
    lines.append(f"{len(timed)} runs; goals: {goals}: {'met' if met else 'MISSED'}; load {os.getloadavg()[0]:.1f}")
    return "\n".join(lines)


def _until(holds: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise StackError(f"not within {_SECONDS:.0f} s: {what}")
        time.sleep(0.02)
