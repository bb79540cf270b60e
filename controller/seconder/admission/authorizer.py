"""What the API server's authorizer may refuse to agents: what no review shows, and what would put an end to reviews."""

from typing import Final

from msgspec import Struct

from seconder.admission import powers
from seconder.admission.powers import POWERS, Place, Power
from seconder.admission.principal import BUILTIN_CONTROLLERS, identity_tagged, service_account
from seconder.admission.request import Caller
from seconder.api import constants
from seconder.api.policy import AgentTags
from seconder.api.resources import DEFINITIONS, NAMESPACES, SERVICE_ACCOUNTS, GroupResource

_CONNECTIONS: Final = frozenset({"attach", "exec", "portforward", "proxy"})
"""Subresources that a connection is made to; over a WebSocket the verb is ``get``."""


class Access(Struct, frozen=True, gc=False):
    """What the authorizer is asked: may this caller do this? Nothing is known of the object's content.

    ``namespace`` is empty for cluster-scoped resources and for all namespaces at once; ``name`` for create, list, watch
    and deletecollection.
    """

    caller: Caller
    verb: str
    resource: GroupResource
    subresource: str = ""
    namespace: str = ""
    name: str = ""


def denial(access: Access, known: AgentTags, own_namespace: str) -> str:
    """One line that says why an agent must not do this whatever its roles say; empty: no opinion.

    ``known`` are the tags of the defaults and all policies together. People, and the control plane's own controllers
    whatever their tags, get no opinion. Nothing is ever allowed here, and an approval cannot be seen here.
    """
    caller = access.caller
    if caller.username in BUILTIN_CONTROLLERS or not identity_tagged(caller, known):
        return ""
    # Whatever a later Kubernetes calls it.
    if access.verb.startswith("impersonate"):
        return "agents may not impersonate"
    if not _renews(access):
        power = next((power for power in POWERS if power.denied and _is(access, power, known, own_namespace)), None)
        if power is not None:
            return f"agents may not {power.what}"
    return _whatever_the_verb(access, own_namespace)


def _is(access: Access, power: Power, known: AgentTags, own_namespace: str) -> bool:
    resource = f"{access.resource.resource}/{access.subresource}" if access.subresource else access.resource.resource
    if not powers.allows(power, access.verb) or not powers.covers(power, access.resource.group, resource):
        return False
    if power.name and power.name != access.name:
        return False
    namespaces = known.service_account_namespaces
    counting = {
        Place.ANYWHERE: not access.namespace or power.group in powers.GROUPS,
        Place.HERE: True,
        **{place: access.namespace == place.value for place in powers.OF_ONE_NAMESPACE},
        Place.INSTALLATION: access.namespace == own_namespace,
        Place.AGENTS: access.namespace in namespaces,
        Place.NAMED: True,
    }
    # Of the places that are not there none has what an agent is denied.
    return any(counting.get(place, False) for place in power.places)


def _whatever_the_verb(access: Access, own_namespace: str) -> str:
    """What is refused by any verb but those of reading, one that a later Kubernetes adds included."""
    if access.verb in powers.READS and access.subresource not in _CONNECTIONS:
        return ""
    if access.namespace == own_namespace or (access.resource == NAMESPACES and access.name == own_namespace):
        return f"agents may not change or enter namespace {own_namespace}"
    # A collection's deletion says no names: the guard's own may be among them.
    own_definition = access.name.endswith(f".{constants.DOMAIN}") or access.verb == "deletecollection"
    if access.resource == DEFINITIONS and own_definition:
        return "agents may not change the guard's own resource definitions"
    if access.resource.group in powers.GROUPS:
        return f"agents may not change anything of {access.resource.group}"
    return ""


def _renews(access: Access) -> bool:
    """Whether a ServiceAccount asks for a token of its own."""
    itself = service_account(access.caller.username) == (access.namespace, access.name)
    return itself and access.resource == SERVICE_ACCOUNTS and access.subresource == "token"
