"""What the API server is asked about roles and ServiceAccounts, and believed only as far as it answers."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.support.cluster import eventually

from seconder.admission.borrowing import Account, Borrowed, Right
from seconder.admission.rbac import RoleRef, Rule
from seconder.client.api import Api
from seconder.client.credentials import Credentials
from seconder.client.lookup import LookupFailed
from seconder.client.rights import Rights

WORKER = Account("payments", "worker")
RIGHTS = tuple(Right(verb, "apps", "deployments", "", "payments") for verb in ("delete", "patch", "update"))
RULES = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}]


class ApiServer:
    """Answers reads from ``objects``, a status or a document, and reviews with what is in ``allowed``."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.allowed: set[str] = set()
        self.reviewed: list[dict[str, Any]] = []
        self.silent = threading.Event()
        self.strange = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                found = outer.objects.get(self.path, 404)
                self.answer(
                    {"message": "no"} if isinstance(found, int) else found, found if isinstance(found, int) else 200
                )

            def do_POST(self) -> None:
                spec = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["spec"]
                outer.reviewed.append(spec)
                if outer.silent.is_set():
                    threading.Event().wait(1)
                status = {"allowed": spec["resourceAttributes"]["verb"] in outer.allowed}
                self.answer({} if outer.strange else {"status": status}, 201)

            def answer(self, document: Any, status: int) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        credentials = Credentials(f"http://127.0.0.1:{self.http.server_port}", b"", token=lambda: "t")
        self.api = Api(credentials, user_agent="seconder-test")


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """Serve until the test is over."""
    made = ApiServer()
    yield made
    made.http.shutdown()
    made.http.server_close()


def test_a_roles_rules_are_read_where_it_is(server: ApiServer) -> None:
    """In its namespace or in none; a name may hold a colon. One that does not exist gives nothing."""
    base = "/apis/rbac.authorization.k8s.io/v1"
    server.objects[f"{base}/namespaces/payments/roles/r"] = {"rules": RULES}
    server.objects[f"{base}/clusterroles/system:x%20y"] = {"rules": RULES}
    reads = [Rule(frozenset({"apps"}), frozenset({"deployments"}), frozenset({"get"}))]
    rights = Rights(server.api)
    assert rights.rules(RoleRef("payments", "r")) == rights.rules(RoleRef("", "system:x y")) == reads
    assert rights.rules(RoleRef("", "r")) == []


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../roles", "%2e%2e"])
def test_no_name_leads_to_another_path(server: ApiServer, name: str) -> None:
    """It is the client's own words."""
    rights = Rights(server.api)
    with pytest.raises(LookupFailed):
        rights.rules(RoleRef("", name))
    with pytest.raises(LookupFailed):
        rights.borrowed((Account("payments", "", name), RIGHTS))
    assert server.reviewed == []


@pytest.mark.parametrize("answer", [403, 500, {"rules": "all"}], ids=str)
def test_a_role_that_cannot_be_read_is_no_empty_role(server: ApiServer, answer: Any) -> None:
    """The request is then refused."""
    server.objects["/apis/rbac.authorization.k8s.io/v1/clusterroles/r"] = answer
    with pytest.raises(LookupFailed):
        Rights(server.api).rules(RoleRef("", "r"))


def test_the_first_right_that_a_serviceaccount_has_is_found(server: ApiServer) -> None:
    """Or that it has none. Each is asked about by name."""
    rights = Rights(server.api)
    assert rights.borrowed((WORKER, RIGHTS)) == Borrowed(WORKER, None)
    assert sorted(asked["resourceAttributes"]["verb"] for asked in server.reviewed) == ["delete", "patch", "update"]
    assert {asked["user"] for asked in server.reviewed} == {"system:serviceaccount:payments:worker"}
    server.allowed = {"update", "patch"}
    other = Account("payments", "other")
    assert rights.borrowed((other, RIGHTS)) == Borrowed(other, RIGHTS[1])


def test_a_pod_tells_as_whom_it_runs(server: ApiServer) -> None:
    """One that is not there tells nothing, and that is a failure."""
    server.objects["/api/v1/namespaces/payments/pods/p"] = {"spec": {"serviceAccountName": "worker"}}
    server.allowed = {"delete"}
    rights = Rights(server.api)
    assert rights.borrowed((Account("payments", "", "p"), RIGHTS)) == Borrowed(WORKER, RIGHTS[0])
    with pytest.raises(LookupFailed):
        rights.borrowed((Account("payments", "", "gone"), RIGHTS))


def test_an_answer_is_remembered_for_its_time_and_for_its_questions(server: ApiServer) -> None:
    """New policies ask anew."""
    rights = Rights(server.api, remembered=0.2)
    for _ in range(3):
        rights.borrowed((WORKER, RIGHTS[:1]))
    assert len(server.reviewed) == 1
    server.allowed = {"delete"}
    assert rights.borrowed((WORKER, RIGHTS[:2])).right == RIGHTS[0]
    eventually(lambda: rights.borrowed((WORKER, RIGHTS[:1])).right == RIGHTS[0], 5, "the old answer is forgotten")


def test_what_is_remembered_is_bounded(server: ApiServer) -> None:
    """An agent may name any number of ServiceAccounts."""
    rights = Rights(server.api)
    for number in range(1100):
        rights.borrowed((Account("payments", f"a{number}"), ()))
    assert len(rights._answers) == 1024


def test_no_answer_in_time_or_a_strange_one_is_a_failure(server: ApiServer) -> None:
    """And is not remembered."""
    server.strange = True
    rights = Rights(server.api, seconds=0.3)
    with pytest.raises(LookupFailed):
        rights.borrowed((WORKER, RIGHTS))
    server.strange = False
    server.silent.set()
    with pytest.raises(LookupFailed):
        rights.borrowed((WORKER, RIGHTS))
    server.silent.clear()
    server.allowed = {"delete"}
    assert rights.borrowed((WORKER, RIGHTS)) == Borrowed(WORKER, RIGHTS[0])
