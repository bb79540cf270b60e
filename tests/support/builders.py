"""Builds what a decision rests on: policies, the cluster, and requests as the API server would send them."""

import json
from collections.abc import Iterable
from typing import Any, Final

from tests.support import signing

from seconder.admission import codec
from seconder.admission.dependents import Kind, kind_key
from seconder.admission.kinds import KUBERNETES_GROUPS
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.request import Caller, Metadata, Operation, Owner, Request
from seconder.admission.state import ClusterState
from seconder.api import constants
from seconder.api.policy import Policy
from seconder.api.resources import ANY, DEFINITIONS, NAMESPACES, NODES, GroupResource, ResolvedResource, Target
from seconder.operator import policy_status

AGENT: Final = Caller(signing.REQUESTER)
PERSON: Final = Caller("dana@example.com")

DEPLOYMENT: Final = signing.DEPLOYMENT
DEPLOYMENTS: Final = DEPLOYMENT.resource
CONFIG_MAPS: Final = GroupResource("", "configmaps")
WIDGETS: Final = GroupResource("example.com", "widgets")
GHOST: Final = Owner("v1", "ConfigMap", "ghost", "uid-of-ghost")
REAL: Final = Owner("v1", "ConfigMap", "real", "uid-of-real")
BY_POD: Final = frozenset({kind_key(Kind("v1", "Pod"))})
"""The key of all owners that are pods."""

_RBAC: Final = "rbac.authorization.k8s.io"
_CLUSTER_SCOPED: Final = frozenset(
    {NAMESPACES, NODES, DEFINITIONS, GroupResource(_RBAC, "clusterroles"), GroupResource(_RBAC, "clusterrolebindings")}
)
_KINDS: Final = {
    "configmaps": "ConfigMap",
    "customresourcedefinitions": "CustomResourceDefinition",
    "horizontalpodautoscalers": "HorizontalPodAutoscaler",
    "replicasets": "ReplicaSet",
    "serviceaccounts": "ServiceAccount",
    "statefulsets": "StatefulSet",
}
_IN_METADATA: Final = frozenset(
    {"annotations", "labels", "finalizers", "managedFields", "ownerReferences", "deletionTimestamp", "generation"}
)


def target(
    resource: GroupResource = DEPLOYMENTS, name: str = "checkout", namespace: str = "payments", uid: str = "uid-1"
) -> Target:
    """An object. What is cluster-scoped has no namespace, and neither has what is of Seconder's own group."""
    unplaced = resource in _CLUSTER_SCOPED or resource.group == constants.DOMAIN
    return Target(resource, _kind(resource), "" if unplaced else namespace, name, uid)


def resolved(resource: GroupResource) -> ResolvedResource:
    """A resource as discovery knows it."""
    custom = resource.group == WIDGETS.group
    return ResolvedResource(resource, "v1", resource not in _CLUSTER_SCOPED, custom=custom, kind=_kind(resource))


def policy(*named: GroupResource, name: str = "p", **fields: Any) -> Policy:
    """A policy that names these, or Deployments; discovery knows each that is no wildcard."""
    wanted = named or (DEPLOYMENTS,)
    known = {resource: resolved(resource) for resource in wanted if ANY not in resource}
    return Policy(name, **({"resources": frozenset(wanted), "resolved": known, "ended_by": ended_by(known)} | fields))


def ended_by(named: Iterable[GroupResource]) -> tuple[ResolvedResource, ...]:
    """The kinds with whose objects some of these end, as the operator tells in a cluster without any custom kind."""
    ending = policy_status.ending({each: resolved(each) for each in named}, ())
    return tuple(resolved(each) for each in sorted(ending) if each.group in KUBERNETES_GROUPS)


def state(*policies: Policy, **fields: Any) -> ClusterState:
    """The cluster under these policies. Alice and Bob are approvers."""
    given: dict[str, Any] = {"registry": signing.registry(), "operators": {}, "installation": Installation()}
    return ClusterState(PolicyIndex(policies), audience=signing.AUDIENCE, **(given | fields))


def approved(**claims: Any) -> dict[str, str]:
    """The annotation by which alice approves the Deployment's deletion, or what the claims say otherwise."""
    return {f"{constants.APPROVAL_PREFIX}alice": signing.approval(**claims)}


def approved_for(object_: Target, **detail: Any) -> dict[str, str]:
    """The annotation by which alice approves the deletion of another object, or what the detail says otherwise."""
    place = {"group": object_.resource.group, "resource": object_.resource.resource, "name": object_.name}
    return approved(
        detail=place | {"namespace": object_.namespace or None, "identifier": object_.uid} | detail,
        jti=object_.name.encode().hex().rjust(32, "0")[-32:],
    )


def live(object_: Target, **fields: Any) -> dict[tuple[GroupResource, str, str], Metadata]:
    """An object as it is read, for ``Answers.objects``."""
    metadata = Metadata(**({"name": object_.name, "namespace": object_.namespace, "uid": object_.uid} | fields))
    return {(object_.resource, object_.namespace, object_.name): metadata}


def references(owners: Iterable[Owner]) -> list[dict[str, Any]]:
    """``metadata.ownerReferences``."""
    return [
        {"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid} for owner in owners
    ]


def document(object_: Target, **fields: Any) -> dict[str, Any]:
    """An object as a review holds it. ``owners`` are its ownerReferences; the other fields stand where they belong."""
    if "owners" in fields:
        fields["ownerReferences"] = references(fields.pop("owners"))
    metadata = {"name": object_.name, "uid": object_.uid}
    if object_.namespace:
        metadata["namespace"] = object_.namespace
    if object_.resource == DEFINITIONS:
        spec = fields.get("spec", {})
        fields["spec"] = spec if spec is None else _defining(object_.name) | spec
    inside = {name: value for name, value in fields.items() if name in _IN_METADATA}
    return {"metadata": metadata | inside} | {name: value for name, value in fields.items() if name not in inside}


def _defining(name: str) -> dict[str, Any]:
    """The least that a definition of this name says."""
    plural, _, group = name.partition(".")
    versions = [{"name": "v1", "served": True, "storage": True}]
    return {"group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": "Kind"}, "versions": versions}


def review_of(operation: Operation, object_: Target, user: Caller = AGENT, **fields: Any) -> dict[str, Any]:
    """An AdmissionReview. ``fields`` are those of its request, by the API's names."""
    group, plural = object_.resource
    request = {
        "uid": "review-1",
        "kind": {"group": group, "version": "v1", "kind": object_.kind},
        "resource": {"group": group, "version": "v1", "resource": plural},
        "name": object_.name,
        # The API server repeats a Namespace's own name as its namespace.
        "namespace": object_.name if object_.resource == NAMESPACES else object_.namespace,
        "operation": operation.value,
        "userInfo": {"username": user.username, "groups": sorted(user.groups), "extra": dict(user.extra)},
    }
    return {"apiVersion": codec.API_VERSION, "kind": codec.KIND, "request": request | fields}


def request(operation: Operation, object_: Target, user: Caller = AGENT, **fields: Any) -> Request:
    """A request, read from its review."""
    return codec.decode(json.dumps(review_of(operation, object_, user, **fields)).encode())


def deletion(object_: Target = DEPLOYMENT, user: Caller = AGENT, *, stored: Any = None, **fields: Any) -> Request:
    """A DELETE. ``stored`` are fields of the object, as in ``document``."""
    return request(Operation.DELETE, object_, user, **({"oldObject": document(object_, **(stored or {}))} | fields))


def creation(object_: Target, user: Caller = AGENT, *, new: Any = None, **fields: Any) -> Request:
    """A CREATE. ``new`` are fields of the object, as in ``document``."""
    return request(Operation.CREATE, object_, user, **({"object": document(object_, **(new or {}))} | fields))


def update(
    object_: Target = DEPLOYMENT, user: Caller = AGENT, *, old: Any = None, new: Any = None, **fields: Any
) -> Request:
    """An UPDATE. ``old`` and ``new`` are fields of the object, as in ``document``."""
    before, after = document(object_, **(old or {})), document(object_, **(new or {}))
    return request(Operation.UPDATE, object_, user, **({"oldObject": before, "object": after} | fields))


def scale(before: int, after: int, user: Caller = AGENT, object_: Target = DEPLOYMENT) -> Request:
    """An UPDATE through ``scale``. The API server leaves the number out of a Scale of nothing."""
    old, new = ({"spec": {"replicas": number} if number else {}} for number in (before, after))
    kind = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    return update(object_, user, old=old, new=new, subResource="scale", kind=kind)


def connection(pod: Target, subresource: str, user: Caller = AGENT) -> Request:
    """A CONNECT. The review holds the options alone."""
    return request(Operation.CONNECT, pod, user, subResource=subresource, object={"kind": "PodExecOptions"})


def eviction(pod: Target, user: Caller = AGENT, **fields: Any) -> Request:
    """A CREATE of an Eviction."""
    metadata = {"name": pod.name, "namespace": pod.namespace}
    kind = {"group": "policy", "version": "v1", "kind": "Eviction"}
    given: dict[str, Any] = {"kind": kind, "subResource": "eviction", "object": {"metadata": metadata}}
    return request(Operation.CREATE, pod, user, **(given | fields))


def _kind(resource: GroupResource) -> str:
    plural = resource.resource
    return _KINDS.get(plural, plural.removesuffix("s").capitalize())
