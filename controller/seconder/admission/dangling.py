"""Owners that do not exist: whoever gives one to a stored object, the garbage collector deletes the object at once.

Agents are asked for approval of any owner that they add. Others add owners all day, and a mutating webhook or policy
may slip one into any request of theirs, a controller's too: they are refused those owners alone that are not there.
"""

from collections.abc import Mapping
from typing import Final

from seconder.admission import actions, guard, policy_index, principal
from seconder.admission.policy_index import Guarded, PolicyIndex
from seconder.admission.principal import Requester
from seconder.admission.request import Owner, Request
from seconder.api.policy import Mode
from seconder.api.resources import NAMESPACES, REPLICA_SETS, Action, GroupResource

_PODS: Final = GroupResource("", "pods")
_REVISIONS: Final = GroupResource("apps", "controllerrevisions")

ADOPTED: Final[Mapping[GroupResource, frozenset[str]]] = {
    resource: principal.kube_system_controllers(*controllers)
    for resource, controllers in (
        (REPLICA_SETS, ("deployment-controller",)),
        (
            _PODS,
            (
                "daemon-set-controller",
                "job-controller",
                "replicaset-controller",
                "replication-controller",
                "statefulset-controller",
            ),
        ),
        (_REVISIONS, ("daemon-set-controller", "statefulset-controller")),
    )
}
"""User names of controllers that add owners to stored objects of a kind. What was lost of these they would make anew,
and so they wait for nobody's answer."""

READABLE: Final = frozenset(
    GroupResource(group, plural)
    for group, plurals in (
        (
            "",
            (
                "configmaps",
                "namespaces",
                "nodes",
                "persistentvolumeclaims",
                "pods",
                "replicationcontrollers",
                "services",
            ),
        ),
        ("apps", ("daemonsets", "deployments", "replicasets", "statefulsets")),
        ("batch", ("cronjobs", "jobs")),
        ("rbac.authorization.k8s.io", ("clusterroles", "roles")),
    )
    for plural in plurals
)
"""Built-in kinds that programs make owners of workloads and namespaces. Custom resources are more so; never Secrets."""


def to_find(request: Request, requester: Requester, index: PolicyIndex, mode: Mode, own: Guarded) -> list[Owner]:
    """List the added owners that must exist; none where approvals decide instead, or nothing is at stake."""
    added = actions.added_owners(request)
    if not added or not _at_stake(request, requester, index, mode, own):
        return []
    return [] if _approvals_decide(request, requester, index, mode, own) else sorted(added)


def _at_stake(request: Request, requester: Requester, index: PolicyIndex, mode: Mode, own: Guarded) -> bool:
    """Say whether the object is protected, or something in it or of it that would go with it."""
    target = request.target
    if mode is Mode.ENFORCE and guard.own_thing(target, own):
        # Agents do not touch it at all.
        return not requester.agent
    place = policy_index.place_of(target)
    policies = [*index.naming(target.resource, place), *policy_index.defining(target, index)]
    if target.resource == NAMESPACES:
        policies += index.within(place)
    return any(policy.mode is mode and Action.CHANGE_OWNERS in policy.actions for policy in policies)


def _approvals_decide(request: Request, requester: Requester, index: PolicyIndex, mode: Mode, own: Guarded) -> bool:
    if principal.builtin_controller(request):
        return False
    action = Action.CHANGE_OWNERS
    return bool(
        policy_index.covering(request, requester, index, mode, action, own)
        or policy_index.covering_contents(request, requester, index, mode, own, action)
        or policy_index.covering_definition(request, requester, index, mode, own, action)
    )
