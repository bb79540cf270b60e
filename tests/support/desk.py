"""An approver before a browser, on the shared stack."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import Cluster, eventually

from localstack import browser as browsers
from localstack.browser import Browser

_PICTURES = os.environ.get("SECONDER_PICTURES", "")
"""A folder in which pictures of the pages are kept; else they lie with the test's own files."""


def need_browser() -> None:
    """Leave a test out, and say why, where there is no browser; under CI it fails."""
    absent = browsers.missing()
    if absent:
        told = f"{absent} is not installed: apt-get install chromium chromium-driver"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)


class Desk:
    """What an approver does on the portal, and what an agent does meanwhile. ``line`` is the passkey's."""

    def __init__(self, cluster: Cluster, origin: str, browser: Browser, folder: Path) -> None:
        self.cluster = cluster
        self.origin = origin
        self.browser = browser
        self.line = ""
        self._folder = Path(_PICTURES) if _PICTURES else folder
        self._approver = ""

    def enroll(self, name: str) -> None:
        """Make a passkey on the page, and have it registered."""
        self.browser.open(f"{self.origin}/enroll")
        self.browser.type("#principal", f"{name}@example.com")
        self.browser.click("form button")
        self.browser.wait_for("Your passkey is made")
        self.register(name, self.browser.run("return document.querySelector('#line').value"))

    def register(self, name: str, line: str) -> None:
        """Register a passkey's line as an administrator, and wait until its status tells of it."""
        self.line = line
        self._approver = name
        principal = f"{name}@example.com"
        self.cluster.apply(
            {
                "apiVersion": "seconder.dev/v1alpha1",
                "kind": "Approver",
                "metadata": {"name": name},
                "spec": {
                    "principal": principal,
                    "kubernetesUsers": [principal],
                    "keys": [{"name": "passkey", "ssh": line}],
                },
            }
        )
        eventually(lambda: self._keys(name)[:1] == [""], 10, "the passkey counts")

    def _keys(self, name: str) -> list[str]:
        """What is wrong with each key."""
        status = self.cluster.get("approver", name).get("status") or {}
        return [key.get("problem", "") for key in status.get("keys") or []]

    def leave(self) -> None:
        """Have the Approver removed."""
        if self._approver and self.cluster.there("approver", self._approver):
            self.cluster.objects.delete("approvers", self._approver)
            self._approver = ""

    def refused(self, kind: str = "deployment", name: str = "checkout") -> str:
        """Have the agent try to delete something until that is recorded; the change request's name."""
        told = ""

        def recorded() -> bool:
            nonlocal told
            told = self.cluster.delete(self.cluster.agent, kind, name).err
            return "change request: " in told

        # After an API server that was away the webhook writes nothing for ten seconds.
        eventually(recorded, 20, "the refusal is recorded")
        return self.named(told)

    def named(self, told: str) -> str:
        """The change request that a refusal names, once the operator has looked at it."""
        found = re.search(r"change request: (chg-\S+)", told)
        assert found, told
        chg = found[1]
        eventually(lambda: (self._status(chg) or {}).get("acceptsApprovals"), 10, "approvals are taken")
        return chg

    def _status(self, chg: str) -> Mapping[str, Any] | None:
        found = self.cluster.objects.find("chg", chg)
        return None if found is None else found.get("status")

    def sign_in(self, chg: str) -> None:
        """Open a request's page, and sign in on the way."""
        self.browser.open(f"{self.origin}/requests/{chg}")
        self.browser.click("#sign-in")
        self.browser.wait_for("What your passkey signs")
        enabled = "const e = document.querySelector('#approve'); return e && !e.disabled"
        self.browser.until(lambda: self.browser.run(enabled), "it can be approved")

    def approve(self, reason: str = "INC-4821 decommission") -> None:
        """Approve what the page shows, and wait until that counts."""
        self.browser.type("#reason", reason)
        self.browser.click("#approve")
        self.browser.wait_for("Your approval counts", "#said")

    def approvals(self, chg: str) -> dict[str, str]:
        """What stands on the change request as approvals."""
        annotations = self.cluster.get("chg", chg)["metadata"].get("annotations") or {}
        return {key: value for key, value in annotations.items() if key.startswith("approval.seconder.dev/")}

    def picture(self, name: str) -> None:
        """Keep a picture of the page."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.browser.screenshot(self._folder / f"portal-{name}.png")
