"""An approver before the portal on the node: what a person does in a browser, and what an administrator does."""

import http.client
import re
from collections.abc import Mapping
from contextlib import closing

from tests.e2e.guarded import Installation
from tests.e2e.release import NAMESPACE
from tests.support.cluster import eventually

from localstack.browser import Browser

HOST = "approve.example.com"
ORIGIN = f"https://{HOST}"


def service(guarded: Installation) -> str:
    """The address and port of the portal's Service."""
    place = ("get", "service", "seconder-portal", f"--namespace={NAMESPACE}", "--output=jsonpath={.spec.clusterIP}")
    return f"{guarded.admin(*place)}:80"


def enrolled(guarded: Installation, browser: Browser, chg: str) -> None:
    """From a message's link: make a passkey, have it registered, and sign in; it ends on the request's page."""
    browser.open(f"{ORIGIN}/requests/{chg}")
    browser.click("#enroll")
    browser.type("#principal", "carol@example.com")
    browser.click("form button")
    browser.wait_for("Your passkey is made")
    line = browser.run("return document.querySelector('#line').value")
    key = {"name": "phone", "ssh": line}
    spec = {"principal": "carol@example.com", "kubernetesUsers": ["carol@example.com"], "keys": [key]}
    guarded.apply(
        {"apiVersion": "seconder.dev/v1alpha1", "kind": "Approver", "metadata": {"name": "carol"}, "spec": spec}
    )
    eventually(lambda: guarded.get("approver", "carol").get("status"), 15, "the passkey is looked at")
    browser.click("#then")
    browser.click("#sign-in")
    browser.wait_for("What your passkey signs", seconds=60)


def refused(guarded: Installation, name: str) -> str:
    """Have the agent try to delete a Deployment; the change request, once approvals on it are taken."""
    answer = guarded.delete(guarded.agent, "deployment", name)
    assert answer.refused_with("ApprovalMissing"), answer.err
    found = re.search(r"change request: (chg-\S+)", answer.err)
    assert found, answer.err

    def taken() -> bool:
        seen = guarded.objects.find("chg", found[1]) or {}
        return bool(seen.get("status", {}).get("acceptsApprovals"))

    eventually(taken, 15, "approvals are taken")
    return found[1]


def shown_by(guarded: Installation, pod: str, chg: str, cookies: Mapping[str, str]) -> str:
    """The page of a request as one pod gives it to whoever has these cookies."""
    address = guarded.metrics_address(pod).rpartition(":")[0]
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    headers = {"host": HOST, "cookie": cookie, "accept": "text/html"}
    with closing(http.client.HTTPConnection(address, 8080, timeout=20)) as connection:
        connection.request("GET", f"/requests/{chg}", headers=headers)
        return connection.getresponse().read().decode()
