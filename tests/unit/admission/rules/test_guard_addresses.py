"""The addresses of the guard's own Services stay theirs, whatever policies say."""

from typing import Any

import pytest
from tests.support.builders import PERSON, creation, deletion, state, target, update
from tests.support.resolving import decide, refusal

from seconder.api.resources import GroupResource, Target

ADDRESS = Target(GroupResource("networking.k8s.io", "ipaddresses"), "IPAddress", "", "10.0.0.9", "uid-ip")
LEAVING = {"deletionTimestamp": "2026-11-22T09:00:00Z", "finalizers": ["a/b"]}
WHAT = "agents may not free the addresses of the guard's own Services"


@pytest.mark.parametrize(("namespace", "said"), [("seconder-system", WHAT), ("payments", "")])
def test_an_agent_frees_no_address_of_the_guards_services(namespace: str, said: str) -> None:
    """Another Service could be given it. Labels are free, and people free what they like."""
    parent = {"group": "", "resource": "services", "namespace": namespace, "name": "seconder-webhook"}
    held = {"spec": {"parentRef": parent}}
    assert refusal(decide(deletion(ADDRESS, stored=held), state())) == said
    assert refusal(decide(update(ADDRESS, old=held | LEAVING, new=held), state())) == said
    assert decide(update(ADDRESS, old=held, new=held | {"labels": {"a": "b"}}), state()).allowed
    assert decide(deletion(ADDRESS, PERSON, stored=held), state()).allowed


def test_an_agent_takes_no_range_of_addresses_from_the_cluster() -> None:
    """Nobody's new Service would get any. Labels are free."""
    range_ = Target(GroupResource("networking.k8s.io", "servicecidrs"), "ServiceCIDR", "", "kubernetes", "uid-range")
    held = {"spec": {"cidrs": ["10.0.0.0/24"]}}
    what = "agents may not take addresses of Services from the cluster"
    assert refusal(decide(deletion(range_, stored=held), state())) == what
    not_ready = held | {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    assert refusal(decide(update(range_, old=held, new=not_ready, subResource="status"), state())) == what
    assert refusal(decide(update(range_, old=held | LEAVING, new=held | LEAVING | {"finalizers": []}), state())) == what
    assert decide(update(range_, old=held, new=held | {"labels": {"a": "b"}}), state()).allowed
    assert decide(deletion(range_, PERSON, stored=held), state()).allowed


@pytest.mark.parametrize("kind", ["servicecidrs", "ipaddresses"])
def test_an_agent_makes_no_addresses_for_services(kind: str) -> None:
    """Its Service would take what is sent to a node, or to a host outside: each node sends it to whoever has it."""
    asked = Target(GroupResource("networking.k8s.io", kind), "", "", "198.51.100.7", "")
    what = "agents may not say which addresses Services have"
    assert refusal(decide(creation(asked, new={"spec": {"cidrs": ["198.51.100.0/24"]}}), state())) == what
    assert decide(creation(asked, PERSON, new={"spec": {}}), state()).allowed


def test_an_agent_does_not_free_the_api_servers_address() -> None:
    """By which pods find it."""
    parent = {"group": "", "resource": "services", "namespace": "default", "name": "kubernetes"}
    held = {"spec": {"parentRef": parent}}
    assert (
        refusal(decide(deletion(ADDRESS, stored=held), state())) == "agents may not free the address of the API server"
    )


SERVICE = target(GroupResource("", "services"), "web")
TAKES = "agents may not have a Service take addresses"


def _external(*addresses: str) -> dict[str, Any]:
    return {"spec": {"externalIPs": list(addresses)}}


def test_no_service_takes_an_address_on_an_agents_word() -> None:
    """Neither as external nor as a load balancer's, whomever it belongs to. What a person has given it, it keeps."""
    held, more = _external("192.0.2.1"), _external("192.0.2.1", "10.0.0.1")
    balanced = {"spec": {}, "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}}
    for asked in (
        creation(SERVICE, new=held),
        update(SERVICE, old={"spec": {}}, new=held),
        update(SERVICE, old=held, new=more),
        update(SERVICE, old={"spec": {}}, new=balanced, subResource="status"),
    ):
        assert refusal(decide(asked, state())) == TAKES
    for asked in (
        creation(SERVICE, new={"spec": {"selector": {"a": "b"}}}),
        update(SERVICE, old=held, new=held | {"labels": {"a": "b"}}),
        update(SERVICE, old=more, new=held),
        update(SERVICE, old=balanced, new={"spec": {}, "status": {"loadBalancer": {}}}, subResource="status"),
        update(SERVICE, old=balanced, new=balanced, subResource="status"),
        deletion(SERVICE, stored=held),
        creation(SERVICE, PERSON, new=held),
    ):
        assert decide(asked, state()).allowed
