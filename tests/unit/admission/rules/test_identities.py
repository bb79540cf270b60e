"""What identities rest on is not for agents."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.builders import PERSON, creation, deletion, document, request, state, target, update
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.kinds import BUILT_IN_GROUPS
from seconder.admission.lookups import ServedElsewhere
from seconder.admission.request import Malformed, Operation
from seconder.api.reasons import Reason
from seconder.api.resources import DEFINITIONS, NODES, SECRETS, GroupResource

CERTIFICATES = target(GroupResource("certificates.k8s.io", "certificatesigningrequests"), "x", "")
SERVERS = target(GroupResource("apiregistration.k8s.io", "apiservices"), "v1.apps", "")
SECRET = target(SECRETS, "x")


@pytest.mark.parametrize("secret_type", ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"])
def test_secrets_that_become_tokens_are_guarded(secret_type: str) -> None:
    """Wherever they are; others are free, and so is deleting one."""
    token = {"type": secret_type}
    for made in (creation(SECRET, new=token), update(SECRET, old=token, new=token)):
        assert refusal(decide(made, state())) == "agents may not change Secrets that hold tokens of identities"
    for free in (
        creation(SECRET, new={"type": "Opaque"}),
        creation(SECRET),
        deletion(SECRET, stored=token),
        creation(target(GroupResource("", "events")), new=token),
        creation(SECRET, PERSON, new=token),
    ):
        assert decide(free, state()).allowed


def test_the_type_of_a_secret_is_read() -> None:
    """Of nothing else; what is none is refused."""
    strange: dict[str, Any] = {"type": 5}
    with pytest.raises(Malformed, match="the Secret's type is not understood"):
        decide(creation(SECRET, new=strange), state())
    assert decide(creation(target(GroupResource("example.com", "widgets")), new=strange), state()).allowed


def test_certificates_are_guarded() -> None:
    """Asking, approving and signing; a request that nobody wants any more may go."""
    refused = "agents may not change certificates that identities rest on"
    assert refusal(decide(creation(CERTIFICATES), state())) == refused
    for subresource in ("", "approval", "status"):
        assert refusal(decide(update(CERTIFICATES, subResource=subresource), state())) == refused
    assert decide(deletion(CERTIFICATES), state()).allowed


def test_nodes_are_not_entered() -> None:
    """Whatever else an agent does with them is not the guard's business."""
    node = target(NODES, "n1")
    entered = request(Operation.CONNECT, node, subResource="proxy", object={"kind": "NodeProxyOptions"})
    assert refusal(decide(entered, state())) == "agents may not change what runs on nodes"
    assert decide(update(node), state()).allowed


@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.UPDATE, Operation.DELETE])
def test_which_server_answers_is_guarded(operation: Operation) -> None:
    """For any group: aggregation goes by group and version, and the API server's own may be taken over."""
    made = request(operation, SERVERS, object=document(SERVERS), oldObject=document(SERVERS))
    assert refusal(decide(made, state())) == "agents may not change which server answers for an API"


@pytest.mark.parametrize("name", ["ingresses.networking.k8s.io", "roles.rbac.authorization.k8s.io", "x.storage.k8s.io"])
def test_no_kind_is_defined_in_kubernetes_own_groups(name: str) -> None:
    """Its version would come first in what people discover; people may, and agents elsewhere."""
    definition = target(DEFINITIONS, name)
    refused = "agents may not change the API groups of Kubernetes itself"
    assert refusal(decide(creation(definition), state())) == refused
    assert refusal(decide(update(definition, new={"labels": {"a": "b"}}), state())) == refused
    assert decide(creation(definition, PERSON), state()).allowed
    assert decide(creation(target(DEFINITIONS, "gateways.gateway.networking.k8s.io")), state()).allowed


def _converting(service: str, strategy: str = "Webhook") -> dict[str, Any]:
    webhook = {"clientConfig": {"service": {"name": service}}}
    return {"spec": {"conversion": {"strategy": strategy, "webhook": webhook}}}


def test_no_webhook_converts_objects_on_an_agents_word() -> None:
    """One that does not answer holds up the deletion of every namespace. What a person has named may stay."""
    definition = target(DEFINITIONS, "gears.example.com")
    refused = "agents may not change which webhook converts a kind's objects between versions"
    held, none = _converting("people"), {"spec": {"conversion": {"strategy": "None"}}}
    for made in (
        creation(definition, new=held),
        update(definition, old=none, new=held),
        update(definition, old={"spec": {}}, new=held),
        update(definition, old=held, new=_converting("nobody")),
    ):
        assert refusal(decide(made, state())) == refused
    for free in (
        creation(definition, new=none),
        creation(definition, PERSON, new=held),
        update(definition, old=held, new=held | {"labels": {"a": "b"}}),
        update(definition, old=held, new=none),
        deletion(definition, stored=held),
    ):
        assert decide(free, state()).allowed


def test_the_status_of_a_definition_is_the_api_servers() -> None:
    """Whatever it says, and of whichever definition: names that are accepted are served, and looked for."""
    definition = target(DEFINITIONS, "zowners.example.com")
    refused = "agents may not change the status of definitions, which says what the API server serves"
    for new in ({}, {"status": {"acceptedNames": {"kind": "Owner"}}}):
        assert refusal(decide(update(definition, subResource="status", new=new), state())) == refused
    assert decide(update(definition, PERSON, subResource="status"), state()).allowed
    assert decide(update(definition, new={"labels": {"a": "b"}}), state()).allowed


def test_kubernetes_own_groups_are_all_known() -> None:
    """Those of the API server that the corpus was made with, in which a kind can be defined."""
    discovered = json.loads((Path(__file__).parents[3] / "corpus" / "discovery.json").read_text())
    groups = {group["metadata"].get("name", "") for root in discovered.values() for group in root["items"]}
    assert {group for group in groups if "." in group} <= BUILT_IN_GROUPS


def test_no_kind_is_defined_in_a_group_that_another_server_answers_for() -> None:
    """Its versions would come before those; what is not known is refused. Labels, and people, are free."""
    vaults = target(DEFINITIONS, "vaults.acme.example.com")
    made = creation(vaults, new={"spec": {"group": "acme.example.com"}})
    there = Answers(elsewhere={"acme.example.com"})
    assert (
        refusal(decide(made, state(), answers=there))
        == "agents may not change API groups that another server answers for"
    )
    assert not decide(update(vaults, old={"spec": {}}, new={"spec": {"a": 1}}), state(), answers=there).allowed
    assert decide(made, state(), answers=Answers(unknown=[ServedElsewhere])).reason is Reason.INTERNAL_ERROR
    assert decide(made, state(), answers=Answers(elsewhere={"example.com"})).allowed
    for free in (
        update(vaults, new={"labels": {"a": "b"}}),
        deletion(vaults),
        creation(vaults, PERSON, new={"spec": {"group": "acme.example.com"}}),
    ):
        assert decide(free, state(), answers=there).allowed
        assert there.questions(ServedElsewhere)[2:] == []


@pytest.mark.parametrize("group", ["metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"])
def test_what_autoscalers_measure_by_is_not_defined(group: str) -> None:
    """On a cluster without such a server, too."""
    made = creation(target(DEFINITIONS, f"pods.{group}"))
    assert refusal(decide(made, state())) == "agents may not change what autoscalers measure by"
