"""Who reaches whom in the whole cluster is not for agents to say."""

import pytest
from tests.support.builders import PERSON, creation, deletion, state, target, update
from tests.support.resolving import decide, refusal

from seconder.admission.kinds import MESH, NETWORK_PLUGINS, REDIRECTS
from seconder.api.resources import GroupResource


@pytest.mark.parametrize(
    ("resource", "place"),
    [
        *((GroupResource(group, "anything"), "") for group in sorted(NETWORK_PLUGINS)),
        *((resource, "istio-system") for resource in sorted(MESH)),
        (REDIRECTS, "payments"),
    ],
)
def test_what_is_about_all_namespaces_is_not_for_agents(resource: GroupResource, place: str) -> None:
    """In no way; people write theirs."""
    object_ = target(resource, "quiet", place)
    for asked in (creation(object_), update(object_, new={"spec": {"order": 0}}), deletion(object_)):
        assert refusal(decide(asked, state())) == "agents may not change who reaches whom in the whole cluster"
    assert decide(creation(object_, PERSON), state()).allowed


@pytest.mark.parametrize(
    "resource",
    [
        *sorted(MESH),
        GroupResource("cilium.io", "ciliumnetworkpolicies"),
        GroupResource("crd.projectcalico.org", "networkpolicies"),
        GroupResource("networking.k8s.io", "networkpolicies"),
    ],
)
def test_what_is_about_a_namespace_alone_is_free(resource: GroupResource) -> None:
    """As all of an agent's own is."""
    object_ = target(resource, "quiet", "payments")
    for asked in (creation(object_), update(object_, new={"spec": {"order": 0}}), deletion(object_)):
        assert decide(asked, state()).allowed
