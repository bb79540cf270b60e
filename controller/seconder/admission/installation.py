"""Which objects are Seconder's own."""

from typing import Final

from seconder.admission import rbac
from seconder.admission.policy_index import Installation
from seconder.api import constants
from seconder.api.resources import DEFINITIONS, NAMESPACES, GroupResource, Target

ROLES: Final = (GroupResource(rbac.GROUP, "clusterroles"), GroupResource(rbac.GROUP, "clusterrolebindings"))
CONFIGURATION: Final = GroupResource("admissionregistration.k8s.io", "validatingwebhookconfigurations")
ROLE_PREFIX: Final = "seconder-"
"""Of the names of Seconder's own among these."""


NAMED: Final = {
    "Approver": GroupResource(constants.DOMAIN, "approvers"),
    "ApproverAuthority": GroupResource(constants.DOMAIN, "approverauthorities"),
    "ChangeRequest": GroupResource(constants.DOMAIN, "changerequests"),
    "ClusterRole": ROLES[0],
    "ClusterRoleBinding": ROLES[1],
    "CustomResourceDefinition": DEFINITIONS,
    "Namespace": NAMESPACES,
    "ProtectionPolicy": GroupResource(constants.DOMAIN, "protectionpolicies"),
    "ValidatingWebhookConfiguration": CONFIGURATION,
}
"""The kinds in no namespace of which some are Seconder's own, by what manifests call them."""


def own_object(target: Target, place: Installation) -> str:
    """What of Seconder's own an object is, in a few words; empty where it is none of it."""
    if target.resource.group == constants.DOMAIN:
        return "policies, approvers and change requests"
    if target.namespace == place.namespace or (target.resource == NAMESPACES and target.name == place.namespace):
        return "what is in the guard's own namespace"
    if target.resource == DEFINITIONS and target.name.endswith(f".{constants.DOMAIN}"):
        return "the guard's own resource definitions"
    if target.resource in ROLES and target.name.startswith(ROLE_PREFIX):
        return "the guard's own roles"
    if target.resource == CONFIGURATION and target.name == constants.CONFIGURATION:
        return "the guard's own webhook configuration"
    return ""
