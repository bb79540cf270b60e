"""What people, agents and controllers do all day, none of which waits for anybody."""

from collections.abc import Iterator

from tests.corpus.builders.documents import (
    Document,
    changed,
    config_map,
    controller,
    make,
    namespace,
    owner,
    pod,
    pod_spec,
    policy,
    service_account,
    workload,
)
from tests.corpus.builders.reviews import AGENT, PERSON, account, connect, create, delete, scale, update
from tests.corpus.builders.scene import AUDIT, CHECKOUT, DEPLOYMENTS, NAMESPACES, Expected, case

FREE = "NotCovered"
POLICIES = (policy("production", "namespaces", "deployments.apps", "statefulsets.apps"),)


def cases() -> Iterator[Expected]:
    """Give them all."""
    for who, caller in (("an agent", AGENT), ("a person", PERSON)):
        for what, body in _work(caller):
            yield case(f"{who} {what}", FREE, body, *POLICIES)
        for what, body in list(_work(caller))[:4]:
            yield case(f"{who} {what}, to Audit", FREE, body, *POLICIES, path=AUDIT)
    for what, by, body in _controllers():
        yield case(
            f"{by} {what}",
            "Exempt",
            body | {"request": body["request"] | {"userInfo": account("kube-system", by)}},
            *POLICIES,
        )
    stale = update(CHECKOUT, changed(CHECKOUT, labels={"a": "b"}))
    yield case("an agent's label, where the view may be out of date", "InternalError", stale, *POLICIES, fresh=False)
    yield case(
        "an agent's ConfigMap, where the view may be out of date", FREE, create(config_map()), *POLICIES, fresh=False
    )
    gone = delete(config_map())
    yield case(
        "an agent's DELETE of a ConfigMap, where the view may be out of date",
        "InternalError",
        gone,
        NAMESPACES,
        fresh=False,
    )
    yield case("an agent's DELETE of a ConfigMap, with namespaces to follow", FREE, gone, NAMESPACES, DEPLOYMENTS)


def _work(by: Document) -> Iterator[tuple[str, Document]]:
    yield "makes a ConfigMap", create(config_map(), by)
    yield "changes a ConfigMap", update(config_map(), config_map(data={"level": "debug"}), by)
    yield "deletes a ConfigMap", delete(config_map(), by)
    rolled = changed(CHECKOUT, spec__template={"spec": pod_spec(image="registry.example/checkout:1.5")})
    yield "rolls out an image", update(CHECKOUT, rolled, by)
    yield "labels a Deployment", update(CHECKOUT, changed(CHECKOUT, labels={"team": "payments"}), by)
    yield "annotates a Deployment", update(CHECKOUT, changed(CHECKOUT, annotations={"note": "x"}), by)
    yield (
        "applies a Deployment without a difference",
        update(CHECKOUT, CHECKOUT, by, manager="kubectl-client-side-apply"),
    )
    yield "scales a Deployment through its spec", update(CHECKOUT, changed(CHECKOUT, spec__replicas=5), by)
    yield "scales a Deployment", scale(CHECKOUT, 5, by)
    yield "makes a Deployment", create(workload("Deployment", "new"), by)
    yield "makes a namespace", create(namespace("new"), by)
    yield "labels a namespace", update(namespace(), changed(namespace(), labels={"a": "b"}), by)
    yield "makes a pod", create(pod(), by)
    yield "deletes a pod", delete(pod(), by)
    yield "runs a Job", create(workload("Job", "migrate", replicas=None), by)
    yield "makes a Service", create(make("Service", "checkout", spec={"ports": [{"port": 80}]}), by)
    yield "deletes an Ingress", delete(make("Ingress", "checkout", spec={}), by)
    yield "makes a ServiceAccount", create(service_account("worker"), by)
    owned = config_map(ownerReferences=[owner(CHECKOUT)])
    yield "makes an object with an owner", create(owned, by)
    yield "deletes an object that has an owner", delete(owned, by)
    yield "writes an Event", create(make("Event", "x", reason="y"), by)
    yield "takes a Lease", update(make("Lease", "x", spec={}), make("Lease", "x", spec={"holderIdentity": "y"}), by)
    yield "reaches a Service", connect(make("Service", "checkout", spec={}), "proxy", by)


def _controllers() -> Iterator[tuple[str, str, Document]]:
    made = workload("ReplicaSet", "checkout-5d8f", ownerReferences=[controller(CHECKOUT)])
    yield "makes a ReplicaSet", "deployment-controller", create(made)
    yield "deletes a ReplicaSet", "deployment-controller", delete(made)
    yield "scales a ReplicaSet down", "deployment-controller", scale(made, 0)
    yield "makes a pod", "replicaset-controller", create(pod(account="worker"))
    yield "deletes what nobody owns any more", "generic-garbage-collector", delete(made)
    yield "deletes what a namespace held", "namespace-controller", delete(CHECKOUT)
    yield "deletes a namespace", "namespace-controller", delete(namespace())
    yield "scales a Deployment", "horizontal-pod-autoscaler", scale(CHECKOUT, 1)
