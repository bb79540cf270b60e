"""The portal, served on loopback before an API server that is a dictionary, and somebody who visits it."""

import base64
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
from tests.support import change_requests, signing
from tests.support.fido import ORIGIN, PAGE, Passkey
from tests.support.served import Served

from seconder.api import change_request
from seconder.api.change_request import ChangeRequest
from seconder.api.policy import Policy
from seconder.approvals.registry import Approver, Registry
from seconder.http.address import bind
from seconder.portal.app import Portal
from seconder.portal.server import Server
from seconder.portal.sessions import handle_of
from seconder.portal.view import View

DEPLOYMENT_PATH = "/apis/apps/v1/namespaces/payments/deployments/checkout"


class Seen(View):
    """A view that shows what a test says."""

    def __init__(self, policies: Mapping[str, Policy], *approvers: Approver) -> None:
        self.registry = Registry(approvers)
        self.policies = policies
        self.audience = signing.AUDIENCE
        self.proven = True

    def fresh(self) -> bool:
        """See View."""
        return self.proven


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def document(self) -> Any:
        """The text as JSON."""
        return json.loads(self.text)

    @property
    def problem(self) -> str:
        """What was wrong, in the portal's words."""
        return str(self.document["problem"])


class Visitor:
    """A browser's part of HTTP: it keeps the cookie, and names the page that it asks from."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""
        self.token = ""

    def get(self, path: str, *, page: bool = True, **headers: str) -> Answer:
        """Ask for a page, or for data."""
        return self.ask("GET", path, None, {"accept": "text/html" if page else "application/json"} | headers)

    def post(self, path: str, document: Any, **headers: str) -> Answer:
        """Send data as a page of the portal's does, but for these headers."""
        given = {"content-type": "application/json", "origin": ORIGIN, "x-seconder-token": self.token}
        return self.ask("POST", path, json.dumps(document).encode(), given | headers)

    def ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send a request as it is. A header that is empty is left out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        given = {"host": PAGE, "cookie": self.cookie, **headers}
        try:
            connection.request(method, path, body, {name: value for name, value in given.items() if value})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        told = {name.lower(): value for name, value in answer.getheaders()}
        if "set-cookie" in told:
            self.cookie = told["set-cookie"].partition(";")[0]
        return Answer(answer.status, told, text)

    def sign_in(self, passkey: Passkey, principal: str = "alice@example.com", **choices: Any) -> Answer:
        """Sign in with a passkey, and read the token of a page."""
        challenge = self.get("/challenge", page=False).document["challenge"]
        signature = passkey.signature(b"", challenge=challenge.encode(), **choices)
        answer = self.post("/session", sign_in_of(challenge, signature, principal))
        if answer.status == 200:
            self.token = self.get("/").text.partition('data-token="')[2].partition('"')[0]
        return answer


def sign_in_of(challenge: str, signature: bytes, principal: str) -> dict[str, str]:
    """What the page sends to sign in."""
    encoded = base64.b64encode(signature).decode()
    return {"challenge": challenge, "signature": encoded, "handle": handle_of(principal) if principal else ""}


@contextmanager
def served(api: Served, view: Seen) -> Iterator[Visitor]:
    """Serve the portal; give a visitor who is not signed in."""
    sock = bind("127.0.0.1", 0)
    port = sock.getsockname()[1]
    server = Server(Portal(api, view, ORIGIN).app(), sock)
    server.start()
    try:
        yield Visitor(port)
    finally:
        server.stop()


def alice(passkey: Passkey, **fields: Any) -> Approver:
    """The Approver that registers a passkey."""
    return signing.approver("alice", signing.entry(passkey.line, "passkey"), **fields)


def stored(request: ChangeRequest, **annotations: str) -> dict[str, Any]:
    """A change request as the API server gives it, copying approvals."""
    copied = msgspec.structs.replace(request.status, accepts_approvals=True)
    document: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(request, status=copied))
    if annotations:
        document["metadata"]["annotations"] = annotations
    return document


def deployment(**metadata: Any) -> dict[str, Any]:
    """The Deployment that is asked about, as the API server gives it."""
    target = signing.DEPLOYMENT
    named = {"name": target.name, "namespace": target.namespace, "uid": target.uid}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named | metadata, "spec": {"replicas": 3}}


def api_of(*requests: Mapping[str, Any], **more: Any) -> Served:
    """An API server with these change requests and the Deployment; ``more`` are answers by path."""
    listed = {"items": list(requests), "metadata": {"resourceVersion": "1"}}
    answers: dict[str, Any] = {change_request.PATH: listed, DEPLOYMENT_PATH: deployment()}
    for request in requests:
        answers[f"{change_request.PATH}/{request['metadata']['name']}"] = dict(request)
    return Served(answers | more)


def waiting(policy: Policy, **fields: Any) -> ChangeRequest:
    """The agent's deletion of the Deployment, refused."""
    return change_requests.recorded(policy, **fields)


def written(api: Served) -> list[Any]:
    """What was written to the API server."""
    return [asked.document for asked in api.asked if asked.document is not None]


def approval_of(passkey: Passkey, **changes: Any) -> str:
    """An approval of the Deployment's deletion as the page makes it now, but for the changes."""
    now = int(time.time())
    given = {"iat": now, "exp": now + 600, "txn": "txn-1", "reason": "INC-1"}
    line = signing.line_of(signing.claims(**(given | changes)))
    return line + passkey.sign(line.encode()).rstrip("\n")
