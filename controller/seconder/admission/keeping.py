"""What no agent writes or ends, whatever policies say, as far as its kind and name tell."""

from typing import Final

from seconder.admission import footing, installation, powers
from seconder.admission.indirect import nodes
from seconder.admission.principal import identity_tagged, service_account_caller
from seconder.admission.state import ClusterState
from seconder.api.resources import NAMESPACES, SERVICE_ACCOUNTS, Target

_GROUPS: Final = {
    powers.ADMISSION: "who is asked about changes",
    powers.SERVERS: "which server answers for an API",
    powers.CERTIFICATES: "certificates that identities rest on",
    powers.FLOW_CONTROL: "whose requests the API server serves first",
}


def group(name: str) -> str:
    """What an API group tells of which agents write nothing, whatever it is called; empty for others."""
    return _GROUPS.get(name, "")


def namespace(name: str, state: ClusterState) -> str:
    """What a namespace is that no agent ends; empty for others."""
    if name == state.installation.namespace:
        return "the guard's own namespace"
    if name in state.policies.known_tags.service_account_namespaces:
        return "a namespace of agents"
    # The API server itself ends none of the others that the cluster has for itself.
    return "the namespace by which nodes live" if name == nodes.LEASES_IN else ""


def object_(target: Target, state: ClusterState) -> str:
    """What an object is, or tells, of which that holds; empty for others."""
    if target.resource == NAMESPACES:
        return namespace(target.name, state)
    if target.resource == SERVICE_ACCOUNTS:
        caller = service_account_caller(target.namespace, target.name)
        if identity_tagged(caller, state.policies.known_tags):
            return "ServiceAccounts of agents"
    rows = footing.ROWS.get(target.resource, ())
    told = next((row.what for row in rows if footing.is_called(row, target.namespace, target.name)), "")
    return told or installation.own_object(target, state.installation)
