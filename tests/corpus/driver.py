"""The code behind the corpus. The one module of the corpus that knows what the controller looks like inside.

``answer`` puts a webhook over a cluster in memory and gives what it answers to a review; ``compiled`` does the same for
the operator, from ProtectionPolicies to their statuses and the ValidatingWebhookConfiguration.
"""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from unittest.mock import patch

from tests.corpus.cluster import Cluster
from tests.corpus.stored import Case

from seconder.core.approval import Approval
from seconder.core.change import Change
from seconder.core.matching import Guarded
from seconder.core.reasons import Reason
from seconder.core.request import Request
from seconder.kube.api import Api, ApiError
from seconder.kube.existence import Existence
from seconder.kube.kinds import Kinds
from seconder.kube.lookup import Finder
from seconder.kube.owners import Owners
from seconder.kube.rights import Rights
from seconder.kube.snapshot import Snapshot
from seconder.kube.watch import Watch
from seconder.reconciler import configuration, deputies, discovery, policies
from seconder.reconciler.configuration import Endpoint
from seconder.telemetry.metrics import AuthorizerMetrics, ReviewMetrics, registry
from seconder.webhook.authorizing import Authorizer
from seconder.webhook.front import BadReview, Handler
from seconder.webhook.recording import Recorder
from seconder.webhook.reviewing import Reviewer
from seconder.wire import change_requests

_JSON: Final = "application/json"
_SECONDS: Final = 10.0
_METRICS: Final = ReviewMetrics(registry())
_ACCESS_METRICS: Final = AuthorizerMetrics(registry())
_NEEDED: Final = {
    "/apis/seconder.dev/v1alpha1/protectionpolicies",
    "/apis/seconder.dev/v1alpha1/approvers",
    "/api/v1/serviceaccounts",
    "kube-system",
}
"""What a snapshot is made of, as it is called when it cannot be loaded."""

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
            answered = json.loads(asyncio.run(_await(review(case.sent))))
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
    judged = [(policies.judge(dict(each), served, lambda _: ""), dict(each)) for each in documents]
    in_force = [policy for each, _ in judged for policy in each.policies]
    unnamed = deputies.unprotected(served, in_force)
    statuses = {each.name: deputies.status(each, document, unnamed) for each, document in judged}
    for status in statuses.values():
        for condition in status["conditions"]:
            condition["lastTransitionTime"] = _SINCE
    bundle = base64.b64encode(b"certificate").decode()
    return {
        "statuses": statuses,
        "configuration": configuration.configuration(in_force, own, endpoint, bundle),
    }


async def _await(answered: Awaitable[bytes]) -> bytes:
    return await answered


class _Client(Api):
    """The client as it is, but for the way to the API server."""

    def __init__(self, cluster: Cluster) -> None:
        self.server_date = ""
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
    ) -> Any:
        said = self._cluster.request(method, path, query, accept, document)
        if not 200 <= said.status < 300:
            raise ApiError(said.status, said.document["message"])
        return said.document


class _View(Snapshot):
    """The snapshot as it is, fresh as the case says."""

    is_fresh = True

    def fresh(self) -> bool:
        """See Snapshot."""
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

    def allowed(self, change: Change, counted: Sequence[Approval]) -> None:
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

    owners = Owners(api, fail)
    given = {"cluster_id": case.options.get("clusterId", ""), "on_policies": owners.follow}
    snapshot = _View(api, own, fail, **given)
    snapshot.is_fresh = case.fresh
    notes = _Notes(api, snapshot, fail)
    finder, rights, existence, kinds = Finder(api), Rights(api), Existence(api), Kinds(api)
    with patch.object(Watch, "start", _list):
        snapshot.start()
        notes.watch.start()
        _wait(lambda: snapshot.world is not None or bool(failed & _NEEDED))
    try:
        reviewer = Reviewer(
            snapshot, finder, rights, existence, owners, kinds, notes, _METRICS, clock=lambda: float(case.now)
        )
        access = Authorizer(snapshot, own.namespace, _ACCESS_METRICS)
        yield {"/validate": reviewer.enforce, "/validate/audit": reviewer.audit, "/authorize": access.answer}, notes
    finally:
        snapshot.stop()


def _list(watch: Watch[Any]) -> None:
    """Load what a watch would, at once and in this thread; nothing that happens later is of interest."""
    try:
        watch._list()
    except ApiError as error:
        watch._failed(watch._path, error)


def _wait(until: Callable[[], bool]) -> None:
    """Wait for the cluster's identity, which the snapshot looks up in a thread of its own."""
    deadline = time.monotonic() + _SECONDS
    while not until():
        if time.monotonic() > deadline:
            raise TimeoutError("the webhook did not load the cluster")
        time.sleep(0.0002)


def _guarded(options: Mapping[str, Any]) -> Guarded:
    usual = Guarded()
    return Guarded(options.get("namespace", usual.namespace), frozenset(options.get("controllers", ())))


def _noted(change: Change) -> dict[str, Any]:
    document = change_requests.document(change, None)
    return {"name": document["metadata"]["name"], "spec": document["spec"]}
