"""What other programs end on the word of an object of theirs, and what leads people to a protected one."""

from typing import Any

import pytest
from tests.support.builders import (
    DEPLOYMENT,
    DEPLOYMENTS,
    PERSON,
    approved_for,
    creation,
    deletion,
    document,
    live,
    policy,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, ended

from seconder.admission.indirect import programs
from seconder.admission.lookups import OfClass, Placed
from seconder.admission.request import Request
from seconder.admission.rules import indirect_deletion
from seconder.api.reasons import Reason
from seconder.api.resources import NODES, PODS, Action, GroupResource, Target

SERVICES = GroupResource("", "services")
SLICES = GroupResource("discovery.k8s.io", "endpointslices")
INGRESSES = GroupResource("networking.k8s.io", "ingresses")
CLASS = Target(GroupResource("networking.k8s.io", "ingressclasses"), "IngressClass", "", "nginx", "uid-class")
SHOP = target(SERVICES, "shop", uid="uid-shop")
INGRESS = Target(INGRESSES, "Ingress", "payments", "shop", "uid-ingress")
BACKUPS = GroupResource("velero.io", "backups")


def _lost(asked: Request, named: GroupResource, *there: Target, **given: Any) -> list[str]:
    objects = {key: one for each in there for key, one in live(each).items()}
    answers = Answers(objects=objects, **given)
    return ended(decide(asked, state(policy(named)), answers=answers, rules=[indirect_deletion.RULE]))


def _awaits(asked: Request, named: GroupResource) -> bool:
    """Whether it names what is not there, of a protected kind, so that nobody can approve it."""
    decided = decide(asked, state(policy(named)), answers=Answers())
    return decided.change is None and "is not there, so that nobody can approve it" in decided.message


@pytest.mark.parametrize("row", programs._ANYTHING, ids=lambda row: f"{row.plural}.{row.group}")
def test_what_ends_whatever_fits_is_an_agents_to_describe_and_no_more(row: programs._Untold) -> None:
    """No peer can sign for what nobody can tell. People write it, and where nothing is protected anybody does."""
    kind = target(GroupResource(row.group, row.plural), "x")
    made = creation(kind, new={"spec": {"schedule": "* * * * *"}})
    old, new = {"spec": {"a": 1}}, {"spec": {"a": 2}}
    for asked in (made, update(kind, old=old, new=new)):
        decided = decide(asked, state(policy()))
        assert decided.reason is Reason.APPROVAL_MISSING
        assert "cannot be told" in decided.message
        assert decided.change is None
    for free in (update(kind, old=old, new=old | {"labels": {"a": "b"}}), deletion(kind)):
        assert decide(free, state(policy()), answers=Answers()).allowed
    assert decide(creation(kind, PERSON), state(policy())).allowed
    assert decide(made, state()).allowed


def test_a_canary_takes_over_the_workload_that_it_names() -> None:
    """With the approval of that one's end."""
    canary = target(GroupResource("flagger.app", "canaries"), "c")

    def asked(name: str = "checkout", kind: str = "Deployment") -> Request:
        reference = {"apiVersion": "apps/v1", "kind": kind, "name": name}
        return creation(canary, new={"spec": {"targetRef": reference}})

    assert _lost(asked(), DEPLOYMENTS, DEPLOYMENT) == ["checkout"]
    assert _awaits(asked("other"), DEPLOYMENTS)
    assert _lost(asked("other"), SERVICES) == []
    assert _lost(asked(kind="Service"), DEPLOYMENTS, DEPLOYMENT) == []
    signed = Answers(objects=live(DEPLOYMENT, annotations=approved_for(DEPLOYMENT)))
    assert decide(asked(), state(policy()), answers=signed).reason is Reason.APPROVED
    for odd in ({"spec": "x"}, {"spec": {"targetRef": ["x"]}}, {"spec": {"targetRef": {"kind": 1}}}):
        assert decide(creation(canary, new=odd), state(policy())).reason is Reason.INTERNAL_ERROR
    assert _lost(creation(canary, new={"spec": {}}), DEPLOYMENTS) == []


def test_an_agent_says_of_no_job_that_a_cron_job_runs_it() -> None:
    """The CronJob's controller would delete it, wherever it is and whosever. What runs may be left out or stay."""
    cron = target(GroupResource("batch", "cronjobs"), "mine")
    own = {"kind": "Job", "namespace": "payments", "name": "mine-1", "uid": "u1"}
    others = own | {"namespace": "shop", "name": "precious"}

    def asked(before: object, after: object, **given: Any) -> Request:
        old, new = ({"status": {"active": active}} for active in (before, after))
        return update(cron, old=old, new=new, subResource="status", **given)

    added: list[tuple[object, object]] = [(None, [others]), ([own], [own, others]), ([own], [own | {"uid": "u2"}])]
    for before, after in added:
        decided = decide(asked(before, after), state(policy()))
        assert decided.reason is Reason.APPROVAL_MISSING
        assert decided.change is None
        assert decide(asked(before, after), state()).allowed
    kept: list[tuple[object, object]] = [([own], [own]), ([own], []), ([own], None), (None, None)]
    for before, after in kept:
        assert decide(asked(before, after), state(policy()), answers=Answers()).allowed
    assert decide(asked(None, "x"), state(policy())).reason is Reason.INTERNAL_ERROR


@pytest.mark.parametrize("plural", ["evictionrequests", "evictions"])
def test_a_request_for_an_eviction_is_the_end_of_the_pod(plural: str) -> None:
    """One that stands beside the pod, and not below it (KEP-4563). Its labels are free."""
    kind, pod = target(GroupResource("lifecycle.k8s.io", plural), "x"), target(PODS, "broker", uid="uid-pod")
    spec = {"spec": {"target": {"pod": {"name": "broker", "uid": "uid-pod"}}, "requester": "mine.example.com"}}
    for asked in (creation(kind, new=spec), update(kind, old={"spec": {}}, new=spec)):
        assert _lost(asked, PODS, pod) == ["broker"]
        assert _lost(asked, DEPLOYMENTS, pod) == []
    assert _lost(update(kind, old=spec, new=spec | {"labels": {"a": "b"}}), PODS, pod) == []
    assert _lost(creation(kind, new=spec), PODS) == [], "one of that uid is gone"
    assert _awaits(creation(kind, new={"spec": {"target": {"pod": {"name": "db-7"}}}}), PODS)


def test_a_request_for_a_backups_end_is_the_backups_end() -> None:
    """In the same namespace."""
    backup = target(BACKUPS, "nightly", uid="uid-backup")
    asked = creation(
        target(GroupResource("velero.io", "deletebackuprequests"), "r"), new={"spec": {"backupName": "nightly"}}
    )
    assert _lost(asked, BACKUPS, backup) == ["nightly"]
    assert _awaits(asked, BACKUPS)
    assert _lost(asked, DEPLOYMENTS) == []


@pytest.mark.parametrize("group", ["cluster.x-k8s.io", "machine.openshift.io"])
def test_a_machine_takes_its_node_along(group: str) -> None:
    """And with the node the pods on it."""
    node = target(NODES, "n1", uid="uid-node")
    pod = target(PODS, "broker", uid="uid-pod")
    machine = target(GroupResource(group, "machines"), "m")
    gone = deletion(machine, stored={"status": {"nodeRef": {"name": "n1"}}})
    assert _lost(gone, NODES, node) == ["n1"]
    on_it = [Placed(pod.namespace, pod.name, pod.uid)]
    assert _lost(gone, PODS, node, pod, pods=on_it, whole=document(node)) == ["broker"]
    assert _lost(deletion(machine), NODES, node) == []


MACHINES = [
    target(GroupResource("cluster.x-k8s.io", "machines"), "m"),
    target(GroupResource("machine.openshift.io", "machines"), "m"),
    target(GroupResource("karpenter.sh", "nodeclaims"), "m", namespace=""),
]
OF_INSTANCE: list[dict[str, Any]] = [
    {"spec": {"providerID": "aws:///eu/i-1"}},
    {"status": {"providerID": "aws:///eu/i-1"}},
    {"status": {"providerStatus": {"instanceId": "i-1"}}},
]

OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u"}


def _of_node(machine: Target, name: str) -> dict[str, Any]:
    return {"nodeName": name} if machine.resource.group == "karpenter.sh" else {"nodeRef": {"name": name}}


@pytest.mark.parametrize("instance", OF_INSTANCE, ids=["spec", "status", "openshift"])
@pytest.mark.parametrize("machine", MACHINES, ids=lambda each: str(each.resource))
def test_a_machine_that_tells_its_instance_alone_is_no_agents_to_end(machine: Target, instance: dict[str, Any]) -> None:
    """Its controller ends that, and which Node runs there is not told. People end what they like."""
    nowhere = {**instance, "status": instance.get("status", {}) | _of_node(machine, "")}
    for asked in (
        deletion(machine, stored=instance),
        deletion(machine, stored=nowhere),
        update(machine, old=instance, new=instance | {"ownerReferences": [OWNER]}),
    ):
        decided = decide(asked, state(policy(NODES)), rules=[indirect_deletion.RULE])
        assert (decided.allowed, decided.reason) == (False, Reason.INTERNAL_ERROR)
    assert decide(deletion(machine, PERSON, stored=instance), state(policy(NODES))).allowed
    labelled = instance | {"labels": {"team": "b"}}
    assert _lost(update(machine, old=instance, new=labelled), NODES) == []


@pytest.mark.parametrize("machine", MACHINES, ids=lambda each: str(each.resource))
def test_no_agent_says_of_which_node_a_machine_is(machine: Target) -> None:
    """By its instance nobody can approve it; by a Node's name it counts as the end of that, old and new."""
    node, other = target(NODES, "n1", uid="uid-1"), target(NODES, "n2", uid="uid-2")
    named, renamed = ({"status": _of_node(machine, name)} for name in ("n1", "n2"))
    for instance in OF_INSTANCE:
        told = {**named, **instance, "status": named["status"] | instance.get("status", {})}
        for asked in (
            creation(machine, new=instance),
            update(machine, old={}, new=instance),
            update(machine, old={}, new=instance | {"finalizers": [], "ownerReferences": [OWNER]}),
            update(machine, old=instance, new={}),
            # What has not joined yet, and then tells the name of some other.
            update(machine, old=instance, new=told),
            update(machine, old=named, new=told),
            update(machine, old=told, new=named),
        ):
            decided = decide(asked, state(policy(NODES)), rules=[indirect_deletion.RULE])
            assert (decided.allowed, decided.reason) == (False, Reason.INTERNAL_ERROR)
        assert _lost(deletion(machine, stored=told), NODES, node) == ["n1"]
    assert _lost(creation(machine, new=named), NODES, node) == ["n1"]
    assert _lost(update(machine, old={}, new=named), NODES, node) == ["n1"]
    assert _lost(update(machine, old=named, new=renamed), NODES, node, other) == ["n1", "n2"]
    assert _lost(creation(machine, new={"spec": {"x": 1}}), NODES) == []


def test_an_ingress_is_dropped_with_its_class() -> None:
    """Wherever it is. The class's labels are free."""
    found = [Placed(INGRESS.namespace, INGRESS.name, INGRESS.uid)]
    given: dict[str, Any] = {"of_class": found}
    assert _lost(deletion(CLASS), INGRESSES, INGRESS, **given) == ["shop"]
    old, new = {"spec": {"controller": "a/b"}}, {"spec": {"controller": "c/d"}}
    assert _lost(update(CLASS, old=old, new=new), INGRESSES, INGRESS, **given) == ["shop"]
    assert _lost(update(CLASS, old=old, new=old | {"labels": {"a": "b"}}), INGRESSES, INGRESS, **given) == []
    unknown = Answers(unknown=[OfClass])
    assert decide(deletion(CLASS), state(policy(INGRESSES)), answers=unknown).reason is Reason.INTERNAL_ERROR
    assert _lost(deletion(CLASS), DEPLOYMENTS, unknown=[OfClass]) == []


def test_endpoints_go_with_the_service_of_their_name() -> None:
    """With its end, or another selector; made with one, too. Where the Service is asked about, that is all."""
    endpoints = GroupResource("", "endpoints")
    there = target(endpoints, "shop", uid="uid-e")
    service, selects = target(SERVICES, "shop", uid="uid-s"), {"spec": {"selector": {"app": "x"}}}
    assert _lost(deletion(service), endpoints, there) == ["shop"]
    assert _lost(update(service, old={"spec": {}}, new=selects), endpoints, there) == ["shop"]
    assert _lost(creation(service, new=selects), endpoints, there) == ["shop"]
    assert _lost(creation(service, new=selects), endpoints) == []
    assert _lost(creation(service, new={"spec": {"ports": []}}), endpoints, there) == []
    assert _lost(update(service, old=selects, new=selects | {"labels": {"a": "b"}}), endpoints, there) == []
    both = policy(SERVICES, endpoints)
    decided = decide(update(service, old={"spec": {}}, new=selects), state(both), answers=Answers(objects=live(there)))
    assert (decided.action, decided.parts[1:]) == (Action.CHANGE, ())


def test_endpoints_are_their_services() -> None:
    """Made, changed or deleted, by a label or by a name; but for those that its controller makes anew."""
    mine = target(SLICES, "mine")
    of_it = {"labels": {"kubernetes.io/service-name": "shop"}}
    assert _lost(creation(mine, new=of_it), SERVICES, SHOP) == ["shop"]
    assert _lost(update(mine, old={}, new=of_it), SERVICES, SHOP) == ["shop"]
    assert _lost(update(mine, old=of_it | {"endpoints": []}, new=of_it), SERVICES, SHOP) == ["shop"]
    assert _lost(deletion(mine, stored=of_it), SERVICES, SHOP) == ["shop"]
    assert _lost(creation(mine), SERVICES, SHOP) == []
    assert _lost(update(mine, old=of_it, new=of_it | {"annotations": {"a": "b"}}), SERVICES, SHOP) == []
    made = {"labels": of_it["labels"] | {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}}
    assert _lost(deletion(mine, stored=made), SERVICES, SHOP) == []
    endpoints = target(GroupResource("", "endpoints"), "shop")
    assert _lost(creation(endpoints), SERVICES, SHOP) == ["shop"]
    assert _lost(creation(endpoints), DEPLOYMENTS, SHOP) == []


def test_what_an_agent_calls_an_object_that_is_not_there_is_quoted() -> None:
    """A name in the agent's own object may hold anything, and stands in the refusal."""
    canary = target(GroupResource("flagger.app", "canaries"), "mine")
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web\x1b[2J is approved"}
    asked = creation(canary, new={"spec": {"targetRef": reference}})
    told = decide(asked, state(policy(DEPLOYMENTS)), answers=Answers(objects={})).message
    assert '"payments/web[2J is approved" is not there' in told
