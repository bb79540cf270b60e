"""What agents try, one request each, and agents that try all of it over and over."""

import itertools
import json
import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from tests.support.certificates import certificate_request
from tests.support.requests import Answer, Call

APPS: Final = "/apis/apps/v1"
CORE: Final = "/api/v1"
HELD: Final = "held"
"""Name of a Deployment that is under deletion and kept by a finalizer, beside others in a namespace so named."""

_ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
_DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
_OURS: Final = "/apis/seconder.dev/v1alpha1"
_NOBODY: Final = "00000000-0000-4000-8000-000000000000"

_GHOST: Final = {
    "metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "ghost", "uid": _NOBODY}]}
}
_AUTOSCALER: Final = {
    "metadata": {"name": "to-nothing"},
    "spec": {
        "minReplicas": 0,
        "maxReplicas": 3,
        "metrics": [
            {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "1"}}}
        ],
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d0"},
    },
}
_BINDING: Final = {
    "metadata": {"name": "everybody"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}],
}
_ROLE: Final = {
    "metadata": {"name": "more"},
    "rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["delete"]}],
}
_APPROVER: Final = {
    "apiVersion": "seconder.dev/v1alpha1",
    "kind": "Approver",
    "metadata": {"name": "mallory"},
    "spec": {"principal": "m", "kubernetesUsers": ["m"], "keys": [{"name": "k", "ssh": "ssh-ed25519 AAAA m"}]},
}
_HOOK: Final = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "MutatingWebhookConfiguration",
    "metadata": {"name": "rewriting"},
    "webhooks": [],
}

_FLOW: Final = {
    "metadata": {"name": "first"},
    "spec": {
        "matchingPrecedence": 2,
        "priorityLevelConfiguration": {"name": "exempt"},
        "rules": [
            {
                "subjects": [{"kind": "Group", "group": {"name": "seconder.dev:agents"}}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            }
        ],
    },
}

# ``{}`` stands for the namespace.
_ON_A_NAMESPACE: Final[Mapping[str, tuple[str, str, object]]] = {
    "delete": ("DELETE", f"{APPS}/namespaces/{{}}/deployments/d0", None),
    "delete the collection": ("DELETE", f"{APPS}/namespaces/{{}}/deployments", None),
    "delete the namespace": ("DELETE", f"{CORE}/namespaces/{{}}", None),
    "scale": ("PATCH", f"{APPS}/namespaces/{{}}/deployments/d0/scale", {"spec": {"replicas": 0}}),
    "empty": ("PATCH", f"{APPS}/namespaces/{{}}/deployments/d1", {"spec": {"replicas": 0}}),
    "autoscale": ("POST", "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers", _AUTOSCALER),
    "give away": ("PATCH", f"{APPS}/namespaces/{{}}/deployments/d2", _GHOST),
    "give away by the status": ("PATCH", f"{APPS}/namespaces/{{}}/deployments/d2/status", _GHOST),
    "give the namespace away": ("PATCH", f"{CORE}/namespaces/{{}}", _GHOST),
    "finalize": ("PUT", f"{CORE}/namespaces/{{}}/finalize", {"metadata": {"name": "{}"}, "spec": {"finalizers": []}}),
    "approve": (
        "PATCH",
        f"{APPS}/namespaces/{{}}/deployments/d0",
        {"metadata": {"annotations": {"approval.seconder.dev/x": "yes"}}},
    ),
    "change": ("PATCH", f"{APPS}/namespaces/{{}}/deployments/d0", {"spec": {"paused": True}}),
    "change the strategy": (
        "PATCH",
        f"{APPS}/namespaces/{{}}/deployments/d1",
        {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}},
    ),
    "change the status": ("PATCH", f"{APPS}/namespaces/{{}}/deployments/d2/status", {"status": {"collisionCount": 7}}),
    "tag": (
        "PATCH",
        f"{APPS}/namespaces/{{}}/deployments/d2",
        {"metadata": {"annotations": {"seconder.dev/agent": "kiro"}}},
    ),
    "break the glass": (
        "PATCH",
        f"{APPS}/namespaces/{{}}/deployments/d1",
        {"metadata": {"annotations": {"seconder.dev/break-glass": "2036-01-01T00:00:00Z please"}}},
    ),
    "bind": ("POST", f"{_RBAC}/namespaces/{{}}/rolebindings", _BINDING),
    "mint a token": ("POST", f"{CORE}/namespaces/{{}}/serviceaccounts/default/token", None),
}
_ELSEWHERE: Final[Mapping[str, tuple[str, str, object]]] = {
    "delete ReplicaSets": ("DELETE", f"{APPS}/namespaces/{HELD}/replicasets", None),
    "remove finalizers": (
        "PATCH",
        f"{APPS}/namespaces/{HELD}/deployments/{HELD}",
        {"metadata": {"finalizers": None}},
    ),
    "grant": ("POST", f"{_RBAC}/clusterroles", _ROLE),
    "ask for a certificate": (
        "POST",
        "/apis/certificates.k8s.io/v1/certificatesigningrequests",
        certificate_request("erin"),
    ),
    "delete the policy": ("DELETE", f"{_OURS}/protectionpolicies/default", None),
    "delete all policies": ("DELETE", f"{_OURS}/protectionpolicies", None),
    "delete an approver": ("DELETE", f"{_OURS}/approvers/alice", None),
    "register an approver": ("POST", f"{_OURS}/approvers", _APPROVER),
    "delete the definition": ("DELETE", f"{_DEFINITIONS}/protectionpolicies.seconder.dev", None),
    "delete the guard's namespace": ("DELETE", f"{CORE}/namespaces/seconder-system", None),
    "write to the guard's namespace": (
        "POST",
        f"{CORE}/namespaces/seconder-system/configmaps",
        {"metadata": {"name": "x"}},
    ),
    "delete the guard's secret": ("DELETE", f"{CORE}/namespaces/seconder-system/secrets/seconder-ca", None),
    "delete the guard's role": ("DELETE", f"{_RBAC}/clusterroles/seconder-webhook", None),
    "crowd out": ("POST", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", _FLOW),
    "change the agents' namespace": (
        "PATCH",
        f"{CORE}/namespaces/seconder-agents",
        {"metadata": {"labels": {"team": "x"}}},
    ),
    "operate itself": (
        "PATCH",
        f"{CORE}/namespaces/seconder-agents/serviceaccounts/kiro",
        {"metadata": {"annotations": {"seconder.dev/operator": "nobody@example.com"}}},
    ),
    "rewrite requests": ("POST", f"{_ADMISSION}/mutatingwebhookconfigurations", _HOOK),
    "delete the guard's webhook": ("DELETE", f"{_ADMISSION}/validatingwebhookconfigurations/seconder", None),
}
_OVERTAKEN: Final = frozenset({"delete the collection", "delete the namespace"})
ATTACKS: Final = frozenset({*_ON_A_NAMESPACE, *_ELSEWHERE})
"""By name."""


def refused(answer: Answer) -> bool:
    """Say whether Seconder's webhook, or the policy in the API that comes with it, said no."""
    ours = 'seconder.dev" denied the request: ', "'seconder-webhook-configurations' with binding"
    return answer.code == 403 and any(each in answer.message for each in ours)


class Agents:
    """Try every attack in turn from each of some identities until left, on namespaces at random.

    ``targets`` are those namespaces; their people add one to ``given_up`` before they delete it.
    """

    def __init__(self, callers: Sequence[Call]) -> None:
        self.targets: Sequence[str] = ()
        self.given_up: set[str] = set()
        self.refused: Counter[str] = Counter()
        """How often each attack was refused by us."""
        self.succeeded: list[str] = []
        """What should not be."""
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(call,)) for call in callers]

    def __enter__(self) -> Self:
        """Start."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, t: TracebackType | None) -> None:
        """Stop."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, call: Call) -> None:
        chance = random.Random(0)  # noqa: S311 - which namespace is tried is no secret
        for name in itertools.cycle(sorted(ATTACKS)):
            if self._stop.is_set():
                return
            if name in _ELSEWHERE:
                place = ""
                answer = call(*_ELSEWHERE[name])
            elif targets := self.targets:
                place = chance.choice(targets)
                method, path, document = _ON_A_NAMESPACE[name]
                named = json.loads(json.dumps(document).replace('"{}"', json.dumps(place)))
                answer = call(method, path.format(place), named)
            else:
                continue
            if refused(answer):
                self.refused[name] += 1
            elif answer.code < 300 and not self._in_vain(name, place, answer):
                self.succeeded.append(f"{name} {place}: {answer.code} {json.dumps(answer.document)}")

    def _in_vain(self, name: str, place: str, answer: Answer) -> bool:
        """Say whether it changed nothing: a collection was empty, or all of it was going already by its people.

        The API server passes over what somebody else has deleted meanwhile, and lists it all the same.
        """
        return answer.document.get("items") == [] or (name in _OVERTAKEN and place in self.given_up)
