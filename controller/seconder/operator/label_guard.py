"""Keeps agents from putting a namespace where somebody's namespaceSelector leaves it out.

A webhook does not see it: the API server matches an update of a Namespace by its new labels. So a
ValidatingAdmissionPolicy refuses it, which has no such selector and which those who edit webhook configurations leave
alone. What it guards of a label: any change, once some selector was seen that goes by its key; before that, the pairs
by which providers are known to leave namespaces out.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from seconder.admission import cel
from seconder.api import moments
from seconder.api.policy import AgentTags
from seconder.client.api import Api, ApiError

NAME: Final = "seconder-namespace-labels"
_ROOT: Final = "/apis/admissionregistration.k8s.io/v1"
POLICIES: Final = f"{_ROOT}/validatingadmissionpolicies"
BINDINGS: Final = f"{_ROOT}/validatingadmissionpolicybindings"

KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    # Azure Kubernetes Service, Admissions Enforcer: https://learn.microsoft.com/azure/aks/faq
    "control-plane": ("true",),
    "kubernetes.azure.com/managedby": ("aks",),
}
"""Labels by which providers leave namespaces out of webhooks."""

FIXED: Final = frozenset({"kubernetes.io/metadata.name"})
"""Labels that the API server itself keeps as they are."""

_KEYS: Final = "seconder.dev/label-keys"
"""Annotation that holds the keys seen in selectors."""

_MOST_KEYS: Final = 32
_SETTLE_SECONDS: Final = 5.0
"""In which every API server has taken a changed policy. One reads them anew each second (Kubernetes 1.30 to 1.37)."""


class LabelGuard:
    """Keeps the policy and its binding. ``now`` of its functions is monotonic, in seconds.

    One thread may learn keys and ask about them while another keeps the policy.
    """

    def __init__(self, api: Api, log: Callable[[str, str], None]) -> None:
        self._api = api
        self._log = log
        self._lock = threading.Lock()
        self._wanted: frozenset[str] = frozenset()
        self._settled = float("inf")
        self._guarded: frozenset[str] = frozenset()
        self._said = ""
        self._replaces: tuple[Any, Any] | None = None

    def look(self) -> None:
        """Until the next look, replace nothing but what stands there now: see ``ConfigurationKeeper``. Raises."""
        self._replaces = self._stored()

    def _stored(self) -> tuple[Any, Any]:
        return self._api.find(f"{POLICIES}/{NAME}"), self._api.find(f"{BINDINGS}/{NAME}")

    def learn(self, keys: Iterable[str]) -> None:
        """Guard these keys as well, from the next ``keep`` on."""
        with self._lock:
            more = sorted(set(keys) - self._wanted - FIXED)[: _MOST_KEYS - len(self._wanted)]
            self._wanted = self._wanted.union(more)

    def guarded(self, now: float) -> frozenset[str]:
        """The keys whose labels no agent can change any more."""
        return FIXED | self._guarded if now >= self._settled else FIXED

    def settles(self, now: float) -> float:
        """The seconds until what was learned last is guarded; 0 where it is, or where that is not known."""
        return self._settled - now if now < self._settled < float("inf") else 0.0

    def keep(self, tags: AgentTags, owners: Sequence[Mapping[str, str]], now: float, clock: datetime) -> None:
        """Put the policy and its binding as they should be; where that fails, nothing is guarded. ``clock``: UTC."""
        try:
            stored, binding = self._replaces or self._stored()
            self.learn(_learned(stored))
            wanted = self._wanted
            policy = _policy(tags, sorted(wanted), owners)
            changed = self._put(POLICIES, policy, stored)
            changed |= self._put(BINDINGS, _binding(owners), binding)
        except ApiError as error:
            self._settled = float("inf")
            if self._said != str(error):
                self._said = str(error)
                self._log("namespace labels", f"the policy that guards them cannot be kept: {error}")
            return
        self._said = ""
        if changed:
            self._settled = now + _SETTLE_SECONDS
        elif self._settled == float("inf"):
            # Found as it should be, as after a start: the last write tells since when.
            self._settled = now if _age(stored, clock) > _SETTLE_SECONDS else now + _SETTLE_SECONDS
        self._guarded = wanted

    def _put(self, collection: str, wanted: dict[str, Any], stored: dict[str, Any] | None) -> bool:
        """Write the object where it differs. Returns whether it did. Raises ApiError."""
        if stored is None:
            self._api.create(collection, wanted)
            return True
        metadata = stored["metadata"]
        kept = wanted["metadata"]
        same = all(stored["spec"].get(field) == value for field, value in wanted["spec"].items())
        same = same and (metadata.get("ownerReferences") or []) == kept["ownerReferences"]
        same = same and (metadata.get("annotations") or {}).get(_KEYS) == kept["annotations"].get(_KEYS)
        # A condition or a parameter more would spare somebody.
        same = same and not stored["spec"].keys() & {"paramKind", "paramRef", "variables", "matchResources"}
        if not same:
            merged = wanted["metadata"] | {"resourceVersion": metadata["resourceVersion"]}
            self._api.replace(f"{collection}/{NAME}", wanted | {"metadata": merged})
        return not same


def _learned(stored: Mapping[str, Any] | None) -> list[str]:
    text = (((stored or {}).get("metadata") or {}).get("annotations") or {}).get(_KEYS, "")
    return [key for key in text.split(",") if key]


def _age(stored: Mapping[str, Any] | None, clock: datetime) -> float:
    """Seconds since the last write; 0 where that is not told, or by a time that is none, as a writer may put there."""
    written = [entry.get("time") for entry in (stored or {}).get("metadata", {}).get("managedFields") or ()]
    times = [moments.read(text) for text in written if text]
    told = [at for at in times if at is not None]
    return (clock - max(told)).total_seconds() if told and len(told) == len(times) else 0.0


def _policy(tags: AgentTags, keys: Sequence[str], owners: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The ValidatingAdmissionPolicy, with every default written out."""
    refused = [
        {
            "expression": f"{cel.listed(keys)}.all(key, {_value('object', 'key')} == {_value('oldObject', 'key')})",
            "reason": "Forbidden",
            "message": "agents may not change labels by which namespaces are told apart",
        },
        *(_known(key, values) for key, values in sorted(KNOWN.items())),
    ]
    rule = {
        "apiGroups": [""],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["namespaces", "namespaces/*"],
        "scope": "*",
    }
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
            "resourceRules": [rule],
        },
        "matchConditions": [{"name": "agents", "expression": _agents(tags)}],
        "validations": refused,
    }
    return _document("ValidatingAdmissionPolicy", spec, owners, {_KEYS: ",".join(keys)})


def _known(key: str, values: Sequence[str]) -> dict[str, str]:
    new, old = _value("object", cel.quote(key)), _value("oldObject", cel.quote(key))
    return {
        "expression": f"{new} == {old} || !{new}.exists(value, value in {cel.listed(values)})",
        "reason": "Forbidden",
        "message": f"agents may not give namespaces the label {key}",
    }


def _value(which: str, key: str) -> str:
    """The value of a label as a list; an empty one where it is not there."""
    labels = f"{which}.metadata.labels"
    held = f"{which} != null && has({labels}) && {key} in {labels}"
    return f"({held} ? [{labels}[{key}]] : [])"


def _agents(tags: AgentTags) -> str:
    tests = [
        test(values)
        for test, values in (
            (cel.in_groups, tags.groups),
            (cel.username_in, tags.users),
            (cel.service_account_of, tags.service_account_namespaces),
            (cel.has_extra, tags.extra_keys),
        )
        if values
    ]
    return cel.either(tests)


def _binding(owners: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    spec = {"policyName": NAME, "validationActions": ["Deny"]}
    return _document("ValidatingAdmissionPolicyBinding", spec, owners, {})


def _document(
    kind: str, spec: Mapping[str, Any], owners: Sequence[Mapping[str, str]], annotations: Mapping[str, str]
) -> dict[str, Any]:
    metadata = {
        "name": NAME,
        "labels": {"app.kubernetes.io/name": "seconder", "app.kubernetes.io/managed-by": "seconder-operator"},
        "annotations": dict(annotations),
        "ownerReferences": list(owners),
    }
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": dict(spec)}
