"""The code behind the corpus. The one module of the corpus that knows what the controller looks like inside.

``answer`` puts a webhook over a cluster in memory and gives what it answers to a review; ``compiled`` does the same for
the operator, from ProtectionPolicies to their statuses and the ValidatingWebhookConfiguration.
"""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from unittest.mock import patch

import msgspec
from tests.corpus.cluster import Cluster
from tests.corpus.stored import Case

from seconder.admission.policy_index import Installation
from seconder.admission.request import Request
from seconder.api.reasons import Reason
from seconder.approvals import change_requests
from seconder.approvals.change import Change
from seconder.approvals.verification import Approval
from seconder.client import discovery
from seconder.client.api import Api, ApiError
from seconder.client.cache import Cache
from seconder.client.dependents import DependentsIndex
from seconder.client.resolver import Resolver
from seconder.client.watch import Watch
from seconder.http.handler import BadReview, Handler
from seconder.observability.metrics import AuthorizerMetrics, ReviewMetrics, registry
from seconder.operator import indirect_deleters, policy_status, webhook_configuration
from seconder.operator.webhook_configuration import Endpoint
from seconder.webhook.authorizer import Authorizer
from seconder.webhook.recorder import Recorder
from seconder.webhook.reviewer import Reviewer

_JSON: Final = "application/json"
_SECONDS: Final = 10.0
_METRICS: Final = ReviewMetrics(registry())
_ACCESS_METRICS: Final = AuthorizerMetrics(registry())
_NEEDED: Final = {
    "/apis/seconder.dev/v1alpha1/protectionpolicies",
    "/apis/seconder.dev/v1alpha1/approvers",
    "/apis/seconder.dev/v1alpha1/approverauthorities",
    "/api/v1/serviceaccounts",
    "kube-system",
}
"""What a cache is made of, as it is called when it cannot be loaded."""

_SINCE: Final = "2026-11-20T08:00:00Z"
"""When each condition of a status changed last, in the corpus."""


def answer(case: Case, discovered: Mapping[str, Any]) -> dict[str, Any]:
    """Give the whole response to a case's review, and what was noted of it.

    ``code`` is HTTP's; of an AdmissionReview the response is that part alone. A note is ``refused`` or ``used``, with
    the spec of the change request, or ``brokeGlass``.
    """
    cluster = Cluster(case.cluster, discovered, case.faults, case.earlier)
    with _webhook(cluster, case) as (handlers, notes):
        review = handlers[case.path]
        try:
            answered = json.loads(asyncio.run(_whole(review, case.sent)))
        except BadReview as bad:
            return {"code": 400, "message": bad.detail, "notes": notes.taken}
    return {"code": 200, "response": answered.get("response", answered), "notes": notes.taken}


def compiled(
    documents: Iterable[Mapping[str, Any]], cluster: Cluster, options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Give the statuses of these policies, by name, and the configuration that they compile to together."""
    own = _guarded(options or {})
    endpoint = Endpoint(service=(own.namespace, "seconder-webhook", 443))
    served = discovery.catalogue(_Client(cluster))
    judged = [(policy_status.judge(dict(each), served, lambda _: ""), dict(each)) for each in documents]
    in_force = [policy for each, _ in judged for policy in each.policies]
    unnamed = indirect_deleters.unprotected(served, in_force)
    statuses = {each.name: indirect_deleters.status(each, document, unnamed) for each, document in judged}
    for status in statuses.values():
        for condition in status["conditions"]:
            condition["lastTransitionTime"] = _SINCE
    bundle = base64.b64encode(b"certificate").decode()
    return {
        "statuses": statuses,
        "configuration": webhook_configuration.configuration(in_force, own, endpoint, bundle),
    }


async def _whole(review: Handler, body: bytes) -> bytes:
    answered = review(body)
    return answered if isinstance(answered, bytes) else await answered


class _Client(Api):
    """The client as it is, but for the way to the API server."""

    def __init__(self, cluster: Cluster) -> None:
        self.server_date = ""
        self._limits = {}
        self._cluster = cluster

    def _call(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        timeout: float,
        accept: str = _JSON,
        query: Mapping[str, Any],
        content_type: str = _JSON,
        decode: Callable[[bytes], Any] | None = None,
    ) -> Any:
        said = self._cluster.request(method, path, query, accept, document)
        if not 200 <= said.status < 300:
            raise ApiError(said.status, said.document["message"])
        return said.document if decode is None else decode(msgspec.json.encode(said.document))


class _View(Cache):
    """The cache as it is, fresh as the case says."""

    is_fresh = True

    def fresh(self) -> bool:
        """See Cache."""
        return self.is_fresh


class _Notes(Recorder):
    """The recorder as it is, but that it writes nothing and tells what it would."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.taken: list[dict[str, Any]] = []

    def refused(self, change: Change, reason: Reason) -> bool:
        """See Recorder."""
        recorded = super().refused(change, reason)
        self.taken.append({"refused": _noted(change), "reason": reason.value, "recorded": recorded})
        return recorded

    def allowed(self, change: Change, counted: Sequence[Approval], *, seen: bool = False) -> None:
        """See Recorder."""
        self.taken.append({"used": _noted(change), "approvals": [each.statement.jti for each in counted]})

    def broke_glass(self, request: Request, reason: str) -> None:
        """See Recorder."""
        self.taken.append({"brokeGlass": reason, "review": request.uid})


@contextlib.contextmanager
def _webhook(cluster: Cluster, case: Case) -> Iterator[tuple[Mapping[str, Handler], _Notes]]:
    own, failed = _guarded(case.options), set[str]()
    api = _Client(cluster)

    def fail(what: str, error: Exception) -> None:
        failed.add(what)

    owners = DependentsIndex(api, fail, namespace=own.namespace)
    given = {"cluster_id": case.options.get("clusterId", ""), "on_policies": owners.follow}
    cache = _View(api, own, fail, **given)
    cache.is_fresh = case.fresh
    resolvers = Resolver(api, owners, cache.fresh, fail), Resolver(api, owners, cache.fresh, fail)
    notes = _Notes(api, cache, resolvers[0], fail)
    with patch.object(Watch, "start", _list):
        cache.start()
        owners.follow_guard()
        notes.watch.start()
        _wait(lambda: cache.state is not None or bool(failed & _NEEDED))
    try:
        reviewer = Reviewer(cache, resolvers, notes, _METRICS, clock=lambda: float(case.now))
        access = Authorizer(cache, own.namespace, _ACCESS_METRICS)
        yield {"/validate": reviewer.enforce, "/validate/audit": reviewer.audit, "/authorize": access.answer}, notes
    finally:
        cache.stop()


def _list(watch: Watch[Any]) -> None:
    """Load what a watch would, at once and in this thread; nothing that happens later is of interest."""
    try:
        watch._list()
    except ApiError as error:
        watch._failed(watch._path, error)


def _wait(until: Callable[[], bool]) -> None:
    """Wait for the cluster's identity, which the cache looks up in a thread of its own."""
    deadline = time.monotonic() + _SECONDS
    while not until():
        if time.monotonic() > deadline:
            raise TimeoutError("the webhook did not load the cluster")
        time.sleep(0.0002)


def _guarded(options: Mapping[str, Any]) -> Installation:
    usual = Installation()
    return Installation(options.get("namespace", usual.namespace), frozenset(options.get("controllers", ())))


def _noted(change: Change) -> dict[str, Any]:
    document = change_requests.document(change, None)
    return {"name": document["metadata"]["name"], "spec": document["spec"]}
