"""What the whole cluster believes is written by no agent, whatever policies say."""

from typing import Any

import pytest
from tests.support.builders import PERSON, creation, deletion, state, target, update
from tests.support.resolving import decide, refusal

from seconder.admission.footing import ROWS
from seconder.api.resources import NAMESPACES, GroupResource

CONFIG_MAPS = GroupResource("", "configmaps")
SERVICES = GroupResource("", "services")
ENDPOINTS = GroupResource("", "endpoints")
SLICES = GroupResource("discovery.k8s.io", "endpointslices")
OF_API_SERVER = {"labels": {"kubernetes.io/service-name": "kubernetes"}}


def _writes(resource: GroupResource, name: str, place: str, **fields: Any) -> list[Any]:
    object_ = target(resource, name, place)
    return [
        creation(object_, new=fields),
        update(object_, old=fields, new={"data": {"a": "b"}, **fields}),
        update(object_, old=fields, new=fields, subResource="status"),
        deletion(object_, stored=fields),
    ]


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("kube-system", "extension-apiserver-authentication"),
        ("kube-system", "aws-auth"),
        ("kube-system", "kubeadm-config"),
        ("kube-system", "kubelet-config"),
        ("kube-system", "kubelet-config-1.23"),
        ("kube-public", "cluster-info"),
    ],
)
def test_config_maps_that_say_who_is_who_are_not_for_agents(place: str, name: str) -> None:
    """In no way. Elsewhere a ConfigMap of that name is like others, and people write theirs."""
    for asked in _writes(CONFIG_MAPS, name, place):
        assert refusal(decide(asked, state())) == "agents may not change who is who in the cluster"
    for asked in (*_writes(CONFIG_MAPS, name, "payments"), *_writes(CONFIG_MAPS, "mine", place)):
        assert decide(asked, state()).allowed
    assert decide(deletion(target(CONFIG_MAPS, name, place), PERSON), state()).allowed


def test_what_pods_believe_the_api_server_by_is_not_changed() -> None:
    """Wherever it is. Deleted with all others it comes back by itself."""
    *writes, ended = _writes(CONFIG_MAPS, "kube-root-ca.crt", "payments")
    for asked in writes:
        assert refusal(decide(asked, state())) == "agents may not change who is who in the cluster"
    assert decide(ended, state()).allowed


@pytest.mark.parametrize(
    ("resource", "name", "fields"),
    [(SERVICES, "kubernetes", {}), (ENDPOINTS, "kubernetes", {}), (SLICES, "mine", OF_API_SERVER)],
)
def test_the_api_servers_service_is_not_for_agents(resource: GroupResource, name: str, fields: Any) -> None:
    """Deleted, its address goes to the next one; with a selector, or another slice, its callers go elsewhere."""
    for asked in _writes(resource, name, "default", **fields):
        assert (
            refusal(decide(asked, state())) == "agents may not change at which address the cluster finds its API server"
        )
    for asked in (*_writes(resource, name, "payments", **fields), *_writes(resource, "web", "default")):
        assert decide(asked, state()).allowed
    taken = update(target(SLICES, "mine", "default"), old={}, new=OF_API_SERVER)
    given = update(target(SLICES, "theirs", "default"), old=OF_API_SERVER, new={})
    for asked in (taken, given):
        assert not decide(asked, state()).allowed


@pytest.mark.parametrize("name", ["kube-node-lease", "kube-system", "kube-public", "default"])
def test_no_namespace_of_the_clusters_own_is_ended(name: str) -> None:
    """With kube-node-lease go the Leases of all nodes. Labels and finalizers on it are as elsewhere."""
    place = target(NAMESPACES, name)
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}
    for asked in (deletion(place), update(place, old={}, new={"ownerReferences": [owner]})):
        assert refusal(decide(asked, state())).startswith("agents may not change which ")
    assert decide(update(place, new={"labels": {"a": "b"}}), state()).allowed
    assert decide(deletion(place, PERSON), state()).allowed
    assert decide(deletion(target(NAMESPACES, "mine")), state()).allowed


def test_each_row_has_its_reason() -> None:
    """They are data for people, too."""
    assert all(row.reason and row.what for rows in ROWS.values() for row in rows)
