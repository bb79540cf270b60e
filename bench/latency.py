"""What a request through the API server takes longer for being guarded, and what it costs those who are no agents.

The same dry-run DELETE of the same Deployment in four states of one API server, in turn: no admission configured, a
ValidatingAdmissionPolicy of the same meaning, the Go handler as a webhook, and Seconder. Dry runs pass the whole of
admission and change nothing.
"""

import base64
import http.client
import json
import ssl
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from bench import reviews
from bench.servers import Server
from localstack.controlplane import ControlPlane
from seconder.client.credentials import Credentials

_SECONDS: Final = 30
_POLL_SECONDS: Final = 0.02
_REQUESTS: Final = 300
_DELETE: Final = f"/apis/apps/v1/namespaces/{reviews.NAMESPACE}/deployments/{reviews.NAME}?dryRun=All"
_POLICY: Final = "bench-needs-approval"
_HUNDREDTHS: Final = (50, 99)
SHARES: Final = ("half", "99 of 100")
"""What is told of many requests: the time that so many of them stayed within."""


@dataclass(frozen=True, slots=True)
class State:
    """A way to guard: the documents that are created for it, and what an agent is answered."""

    documents: Sequence[Mapping[str, Any]]
    answer: int


@dataclass(frozen=True, slots=True)
class Added:
    """Milliseconds for each round, for each of ``SHARES``: with no admission, and what each state adds to that."""

    plain: Sequence[Sequence[float]]
    by_policy: Sequence[Sequence[float]]
    by_handler: Sequence[Sequence[float]]
    by_webhook: Sequence[Sequence[float]]


class Caller:
    """Somebody with a token who deletes over one kept-alive connection, as a client library does."""

    def __init__(self, credentials: Credentials) -> None:
        if credentials.token is None:
            raise ValueError("a kubeconfig with a token is wanted")
        self._headers: Final = {"Authorization": f"Bearer {credentials.token()}"}
        context = ssl.create_default_context(cadata=credentials.ca.decode())
        self._connection: Final = http.client.HTTPSConnection(
            urlsplit(credentials.server).netloc, timeout=_SECONDS, context=context
        )

    def delete(self) -> int:
        """Send the dry-run DELETE; give the status code."""
        self._connection.request("DELETE", _DELETE, headers=self._headers)
        response = self._connection.getresponse()
        response.read()
        return response.status

    def milliseconds(self, expected: int) -> Sequence[float]:
        """Give the times that the ``SHARES`` of many DELETEs stayed within.

        Raises RuntimeError when one is not answered as expected.
        """
        times = []
        for _ in range(_REQUESTS):
            began = time.perf_counter()
            status = self.delete()
            times.append(time.perf_counter() - began)
            if status != expected:
                raise RuntimeError(f"a DELETE was answered {status}, not {expected}")
        hundredths = statistics.quantiles(times, n=100)
        return [hundredths[share - 1] * 1000 for share in _HUNDREDTHS]

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def states(webhooks: Mapping[str, Any], namespaces: Sequence[str], handler: Server) -> list[State]:
    """Give the four states, Seconder's last.

    ``webhooks`` is its ValidatingWebhookConfiguration as the operator compiled it; ``namespaces`` are the guarded ones.
    ``handler`` is the Go handler, which is asked about the same.
    """
    kept = {key: webhooks[key] for key in ("apiVersion", "kind", "webhooks")}
    ours = kept | {"metadata": {"name": webhooks["metadata"]["name"]}}
    port = handler.address.rpartition(":")[2]
    authority = base64.b64encode(handler.authority.read_bytes()).decode()
    asked = {"url": f"https://{handler.tls_name}:{port}/validate", "caBundle": authority}
    theirs = ours | {"webhooks": [webhook | {"clientConfig": asked} for webhook in webhooks["webhooks"]]}
    refused, done = int(http.HTTPStatus.FORBIDDEN), int(http.HTTPStatus.OK)
    return [State([], done), State(_policy(namespaces), refused), State([theirs], refused), State([ours], refused)]


def measure(
    plane: ControlPlane,
    everything: Sequence[State],
    agent: Caller,
    other: Caller,
    calls: Callable[[], float],
    rounds: int,
) -> tuple[Added, Added, float]:
    """Measure a refused agent, then somebody who is none, in each state; the last is Seconder's.

    Gives what both waited, and how many more reviews ``calls`` counted after all that the second asked.
    """
    agents: list[list[Sequence[float]]] = [[] for _ in everything]
    others: list[list[Sequence[float]]] = [[] for _ in everything]
    called = 0.0
    for turn in range(rounds):
        places = range(len(everything))
        for place in places if turn % 2 == 0 else reversed(places):
            state = everything[place]
            with _in_force(plane, state, agent):
                agents[place].append(agent.milliseconds(state.answer))
                before = calls()
                others[place].append(other.milliseconds(http.HTTPStatus.OK))
                called += calls() - before
    return _added(agents), _added(others), called


def _added(measured: Sequence[Sequence[Sequence[float]]]) -> Added:
    plain, *guarded = measured
    return Added(plain, *(_beyond(one, plain) for one in guarded))


def _beyond(guarded: Sequence[Sequence[float]], plain: Sequence[Sequence[float]]) -> list[list[float]]:
    return [
        [theirs - base for theirs, base in zip(one, other, strict=True)]
        for one, other in zip(guarded, plain, strict=True)
    ]


@contextmanager
def _in_force(plane: ControlPlane, state: State, agent: Caller) -> Iterator[None]:
    """Create a state's documents, wait until the agent feels them, and remove them afterwards."""
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(state.documents)})
    if state.documents:
        plane.apply(manifest)
    try:
        _wait_for(agent, state.answer)
        yield
    finally:
        if state.documents:
            plane.kubectl.must(plane.admin_kubeconfig, "delete", "--filename=-", stdin=manifest)


def _wait_for(agent: Caller, status: int) -> None:
    deadline = time.monotonic() + _SECONDS
    while (answered := agent.delete()) != status:
        if time.monotonic() > deadline:
            raise TimeoutError(f"an agent's DELETE was still answered {answered}, not {status}, after {_SECONDS} s")
        time.sleep(_POLL_SECONDS)


def _policy(namespaces: Sequence[str]) -> list[dict[str, Any]]:
    """Say in CEL: an agent's DELETE in these namespaces needs an approval annotation (which CEL cannot verify)."""
    api = {"apiVersion": "admissionregistration.k8s.io/v1"}
    agent = (
        "has(request.userInfo.groups) && 'seconder.dev:agents' in request.userInfo.groups"
        " || request.userInfo.username.startsWith('system:serviceaccount:seconder-agents:')"
        " || has(request.userInfo.extra) && 'seconder.dev/agent' in request.userInfo.extra"
        " || has(oldObject.metadata.annotations) && 'seconder.dev/agent' in oldObject.metadata.annotations"
    )
    approved = (
        "has(oldObject.metadata.annotations)"
        " && oldObject.metadata.annotations.exists(key, key.startsWith('approval.seconder.dev/'))"
    )
    names = ", ".join(f"'{namespace}'" for namespace in namespaces)
    rule = {"apiVersions": ["*"], "operations": ["DELETE"]}
    policy = api | {
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": _POLICY},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    rule | {"apiGroups": [""], "resources": ["namespaces"]},
                    rule | {"apiGroups": ["apps"], "resources": ["deployments"]},
                ]
            },
            "matchConditions": [
                {"name": "agent", "expression": agent},
                {"name": "covered", "expression": f"request.namespace in [{names}]"},
            ],
            "validations": [
                {
                    "expression": approved,
                    "reason": "Forbidden",
                    "messageExpression": "'Delete of ' + request.resource.resource + ' ' + request.name"
                    " + ' needs approval by 1 peer (ApprovalMissing)'",
                }
            ],
        },
    }
    binding = api | {
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": _POLICY},
        "spec": {"policyName": _POLICY, "validationActions": ["Deny"]},
    }
    return [policy, binding]
