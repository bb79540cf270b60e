"""Nothing of an agent's routes to the host where approvers sign in, or names it where it would be found by that."""

from typing import Any

import pytest
from tests.support.builders import CONFIG_MAPS, DEPLOYMENTS, PERSON, creation, deletion, state, target, update
from tests.support.resolving import decide, refusal

from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.rules import portal_host
from seconder.api.resources import GroupResource

INGRESS = target(GroupResource("networking.k8s.io", "ingresses"), "mine")
ROUTE = target(GroupResource("gateway.networking.k8s.io", "httproutes"), "mine")
SERVICE = target(GroupResource("", "services"), "mine")
CERTIFICATE = target(GroupResource("cert-manager.io", "certificates"), "mine")
OTHERS = target(GroupResource("traefik.io", "ingressroutes"), "mine")
WITH = state(installation=Installation(portal_host="approve.example.com"))
WHAT = "agents may not change what routes or names the host of the approvers' portal"


@pytest.mark.parametrize(
    "host",
    [
        "approve.example.com",
        "APPROVE.example.com",
        "*.example.com",
        "*.com",
        "x.approve.example.com",
        "approve.example.com.",
    ],
)
def test_no_agent_routes_to_the_portals_host(host: str) -> None:
    """Below it, or by a wildcard over it; with whichever kind."""
    for object_, fields in (
        (INGRESS, {"rules": [{"host": host}]}),
        (ROUTE, {"hostnames": [host]}),
        (CERTIFICATE, {"dnsNames": [host]}),
        (OTHERS, {"routes": [{"match": f"Host(`{host}`) && PathPrefix(`/static`)"}]}),
    ):
        made, other = {"spec": fields}, {"spec": {"a": "b"}}
        for asked in (
            creation(object_, new=made),
            update(object_, old=other, new=made),
            update(object_, old=made, new=other),
            deletion(object_, stored=made),
        ):
            assert refusal(decide(asked, WITH)) == WHAT
        assert decide(update(object_, old=made, new=made | {"labels": {"a": "b"}}), WITH).allowed
        assert decide(creation(object_, PERSON, new=made), WITH).allowed
        assert decide(creation(object_, new=made), state()).allowed
    named = {"annotations": {"external-dns.alpha.kubernetes.io/hostname": host}, "spec": {}}
    assert refusal(decide(creation(SERVICE, new=named), WITH)) == WHAT


@pytest.mark.parametrize(
    "host",
    ["shop.example.com", "*.shop.example.com", "approve.example.com.evil.org", "disapprove.example.com", "*.org"],
)
def test_other_hosts_are_free(host: str) -> None:
    """An agent's own."""
    assert decide(creation(INGRESS, new={"spec": {"rules": [{"host": host}]}}), WITH).allowed


def test_links_to_it_are_free() -> None:
    """In what runs pods, and where nothing is routed."""
    link = "https://approve.example.com/requests"
    run = {"spec": {"template": {"metadata": {"annotations": {"docs": link}}, "spec": {"containers": []}}}}
    data: dict[str, Any] = {"data": {"portal": link}}
    assert decide(creation(target(DEPLOYMENTS, "mine"), new=run), WITH).allowed
    assert decide(creation(target(CONFIG_MAPS, "mine"), new=data), WITH).allowed


def test_without_a_portal_nothing_is_asked() -> None:
    """There is no host."""
    assert portal_host.prefilters(PolicyIndex([]), Installation()) == []
    assert portal_host.prefilters(PolicyIndex([]), Installation(portal_host="approve.example.com"))
