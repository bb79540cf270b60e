"""Pods that agents make or enter: what runs there acts as the pod's ServiceAccount."""

from collections.abc import Iterator, Sequence
from typing import Any

from tests.corpus.builders.documents import (
    Document,
    binding,
    changed,
    cluster_role,
    config_map,
    definition,
    deployment,
    make,
    owner,
    pod,
    pod_spec,
    policy,
    role,
    rule,
    service_account,
    subject,
    workload,
)
from tests.corpus.builders.reviews import PERSON, account, connect, create, delete, update, user
from tests.corpus.builders.scene import AUDIT, DEPLOYMENTS, Expected, case

REFUSED = "ProtectedConfiguration"
FREE = "NotCovered"
UNKNOWN = "InternalError"
WORKER = subject("ServiceAccount", "worker")
SLOW = {"path": "/apis/authorization.k8s.io/v1/subjectaccessreviews", "status": 503}


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _made()
    yield from _changed()
    yield from _entered()
    yield from _rights()
    yield from _rights_by_policies()
    yield from _rights_beyond()
    yield from _agents()
    yield from _not_known()


def may(*rules: Document, to: Document = WORKER, space: str = "") -> list[Document]:
    """Give a role with these rules, and its binding to a ServiceAccount: everywhere, or in one namespace."""
    if space:
        held = role("power", *rules)
        held["metadata"]["namespace"] = space
        given = binding("power", held, to)
        given["metadata"]["namespace"] = space
        return [held, given]
    held = cluster_role("power", *rules)
    return [held, binding("power", held, to, cluster=True)]


POWER = may(rule("delete", "deployments.apps"))


def _made() -> Iterator[Expected]:
    made = pod(account="worker")
    yield case(
        "an agent's pod as an account that may delete what is protected", REFUSED, create(made), DEPLOYMENTS, *POWER
    )
    yield case("an agent's pod as an account that may do nothing", FREE, create(made), DEPLOYMENTS)
    yield case("a person's pod as such an account", FREE, create(made, PERSON), DEPLOYMENTS, *POWER)
    yield case(
        "a controller's pod as such an account",
        "Exempt",
        create(made, account("kube-system", "replicaset-controller")),
        DEPLOYMENTS,
        *POWER,
    )
    default = subject("ServiceAccount", "default")
    plain = make("Pod", "x", spec={"containers": []})
    yield case(
        "an agent's pod that names no account runs as the default",
        REFUSED,
        create(plain),
        DEPLOYMENTS,
        *may(rule("delete", "deployments.apps"), to=default),
    )
    yield case(
        "an agent's pod under a policy that Audit watches",
        FREE,
        create(made),
        policy("production", "deployments.apps", mode="Audit"),
        *may(rule("delete", "deployments.apps"), space="payments"),
    )
    yield case("an agent's pod is none of Audit's business", FREE, create(made), DEPLOYMENTS, *POWER, path=AUDIT)
    kinds = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job")
    for kind in kinds:
        yield case(
            f"an agent's {kind} as such an account",
            REFUSED,
            create(workload(kind, "x", account="worker")),
            DEPLOYMENTS,
            *POWER,
        )
    job = {"spec": {"template": {"spec": pod_spec("worker")}}}
    cron = make("CronJob", "x", spec={"schedule": "@hourly", "jobTemplate": job})
    yield case("an agent's CronJob as such an account", REFUSED, create(cron), DEPLOYMENTS, *POWER)


def _changed() -> Iterator[Expected]:
    made = pod(account="worker")
    for spec in (
        {},
        {"jobTemplate": None},
        {"jobTemplate": {"spec": None}},
        {"jobTemplate": {"spec": {"template": None}}},
        None,
    ):
        yield case(
            f"an agent's CronJob whose spec is {spec}",
            FREE,
            create(make("CronJob", "x", spec=spec)),
            DEPLOYMENTS,
            *POWER,
        )
    worker = workload("Deployment", "x", account="worker")
    yield case(
        "an agent changes the image of such a workload",
        REFUSED,
        update(worker, changed(worker, spec__template={"spec": pod_spec("worker", "other")})),
        policy("p", "nodes"),
        *may(rule("delete", "nodes")),
    )
    yield case(
        "an agent scales such a workload",
        FREE,
        update(worker, changed(worker, spec__replicas=5)),
        policy("p", "nodes"),
        *may(rule("delete", "nodes")),
    )
    yield case(
        "an agent deletes such a workload", FREE, delete(worker), policy("p", "nodes"), *may(rule("delete", "nodes"))
    )
    yield case(
        "an agent adds an ephemeral container to a pod",
        REFUSED,
        update(made, changed(made, spec__ephemeralContainers=[{"name": "debug"}]), below="ephemeralcontainers"),
        DEPLOYMENTS,
        *POWER,
    )
    yield case("an agent binds a pod to a node", FREE, create(made, below="binding"), DEPLOYMENTS, *POWER)
    ours = pod(namespace_="seconder-system", account="seconder-webhook")
    yield case("an agent's pod in the guard's namespace", REFUSED, create(ours), DEPLOYMENTS)
    yield case("an agent's ConfigMap runs nothing", FREE, create(config_map()), DEPLOYMENTS, *POWER)


def _entered() -> Iterator[Expected]:
    running = pod(account="worker")
    for below in ("exec", "attach", "portforward", "proxy"):
        yield case(
            f"an agent's {below} into a pod of such an account",
            REFUSED,
            connect(running, below),
            DEPLOYMENTS,
            running,
            *POWER,
        )
    yield case(
        "an agent's exec into a pod of an account that may do nothing",
        FREE,
        connect(running, "exec"),
        DEPLOYMENTS,
        running,
    )
    yield case("a person's exec", FREE, connect(running, "exec", PERSON), DEPLOYMENTS, running, *POWER)
    yield case("an agent's exec into a pod that is not there", UNKNOWN, connect(running, "exec"), DEPLOYMENTS)
    yield case(
        "an agent's exec into a pod whose name is a path",
        UNKNOWN,
        connect(changed(running, uid=None) | {"metadata": {"name": "a/b", "namespace": "payments"}}, "exec"),
        DEPLOYMENTS,
    )
    broken = running | {"spec": {"serviceAccountName": 7}}
    yield case(
        "an agent's exec into a pod whose account is none", UNKNOWN, connect(running, "exec"), DEPLOYMENTS, broken
    )
    plain = running | {"spec": {}}
    yield case("an agent's exec into a pod of the default account", FREE, connect(running, "exec"), DEPLOYMENTS, plain)
    fault = {"path": "/api/v1/namespaces/payments/pods/checkout-1", "status": 503}
    yield case(
        "an agent's exec into a pod that cannot be read",
        UNKNOWN,
        connect(running, "exec"),
        DEPLOYMENTS,
        running,
        faults=[fault],
    )
    yield case("an agent reads a pod's log", FREE, connect(running, "log"), DEPLOYMENTS, running, *POWER)
    service = make("Service", "x", spec={})
    yield case("an agent connects to a Service", FREE, connect(service, "proxy"), DEPLOYMENTS, service, *POWER)


def _rights() -> Iterator[Expected]:
    made = create(pod(account="worker"))
    powers: Sequence[tuple[str, Document, str]] = (
        (REFUSED, rule("impersonate", "users"), ""),
        (REFUSED, rule("impersonate", "groups"), ""),
        (REFUSED, rule("impersonate", "serviceaccounts"), "payments"),
        (FREE, rule("impersonate", "serviceaccounts"), "elsewhere"),
        (REFUSED, rule("create", "serviceaccounts/token"), "payments"),
        (REFUSED, rule("create", "pods/exec"), "payments"),
        (REFUSED, rule("create", "nodes/proxy"), ""),
        (REFUSED, rule("bind", "clusterroles.rbac.authorization.k8s.io"), ""),
        (REFUSED, rule("escalate", "clusterroles.rbac.authorization.k8s.io"), ""),
        (REFUSED, rule("patch", "validatingwebhookconfigurations.admissionregistration.k8s.io"), ""),
        (REFUSED, rule("create", "mutatingwebhookconfigurations.admissionregistration.k8s.io"), ""),
        (REFUSED, rule("update", "protectionpolicies.seconder.dev"), ""),
        (REFUSED, rule("create", "approvers.seconder.dev"), ""),
        (REFUSED, rule("patch", "certificatesigningrequests.certificates.k8s.io/approval"), ""),
        (REFUSED, rule("patch", "pods"), "payments"),
        (REFUSED, rule("patch", "deployments.apps/scale"), "payments"),
        (REFUSED, rule("delete", "namespaces"), "payments"),
        (REFUSED, rule("*", "*.*"), ""),
        (REFUSED, rule("get", "secrets"), ""),
        (FREE, rule("get", "secrets"), "payments"),
        (FREE, rule("delete", "widgets.example.com"), ""),
        (FREE, rule("delete", "deployments.apps"), "elsewhere"),
        (FREE, rule("delete", "deployments.apps", names=("checkout",)), "payments"),
        # These end the guard as well.
        (REFUSED, rule("delete", "customresourcedefinitions.apiextensions.k8s.io"), ""),
        (REFUSED, rule("create", "apiservices.apiregistration.k8s.io"), ""),
        (REFUSED, rule("create", "secrets"), ""),
        (REFUSED, rule("create", "deployments.apps"), ""),
        (REFUSED, rule("create", "jobs.batch"), ""),
        (FREE, rule("create", "jobs.batch"), "elsewhere"),
    )
    for reason, each, space in powers:
        spelled = f"{' '.join(each['verbs'])} {', '.join(each['resources'])} of {each['apiGroups']}"
        spelled += f" named {each['resourceNames']}" if "resourceNames" in each else ""
        where = f" in {space}" if space else ""
        yield case(f"as an account that may {spelled}{where}", reason, made, DEPLOYMENTS, *may(each, space=space))


def _rights_by_policies() -> Iterator[Expected]:
    made = create(pod(account="worker"))
    two = policy("production", "deployments.apps", namespaces=["payments", "staging"])
    yield case(
        "as an account that may delete in another namespace that the policy names",
        REFUSED,
        made,
        two,
        *may(rule("delete", "deployments.apps"), space="staging"),
    )
    for place, reason in (("payments", REFUSED), ("staging", FREE)):
        one = policy("production", "deployments.apps", namespaces=[place])
        name = f"as an account that may delete where it runs, under a policy on {place}"
        yield case(name, reason, made, one, *may(rule("delete", "deployments.apps"), space="payments"))
    nodes = policy("platform", "nodes")
    yield case(
        "as an account that may delete something cluster-scoped", REFUSED, made, nodes, *may(rule("delete", "nodes"))
    )
    wide = policy("production", "*.apps")
    yield case(
        "as an account that may delete what a wildcard names",
        REFUSED,
        made,
        wide,
        *may(rule("delete", "statefulsets.apps")),
    )
    many = [
        policy(
            f"p-{number:02}", "deployments.apps", namespaces=[f"space-{at}" for at in range(number * 8, number * 8 + 8)]
        )
        for number in range(6)
    ]
    yield case(
        "as an account with a right in the last of many namespaces",
        REFUSED,
        made,
        *many,
        *may(rule("delete", "deployments.apps"), space="space-47"),
    )


def _rights_beyond() -> Iterator[Expected]:
    made = create(pod(account="worker"))
    many = [
        policy(
            f"p-{number:02}", "deployments.apps", namespaces=[f"space-{at}" for at in range(number * 8, number * 8 + 8)]
        )
        for number in range(6)
    ]
    yield case(
        "as an account with a right in one of many namespaces",
        REFUSED,
        made,
        *many,
        *may(rule("delete", "deployments.apps"), space="space-3"),
    )
    stack = make("Stack", "app", spec={})
    owned = deployment(ownerReferences=[owner(stack)])
    yield case(
        "as an account that may delete what owns something protected",
        REFUSED,
        made,
        DEPLOYMENTS,
        definition("Stack"),
        stack,
        owned,
        *may(rule("delete", "stacks.example.com")),
    )
    yield case(
        "the same behind many namespaces",
        REFUSED,
        made,
        DEPLOYMENTS,
        *many,
        definition("Stack"),
        stack,
        owned,
        *may(rule("delete", "stacks.example.com")),
    )


def _agents() -> Iterator[Expected]:
    own = pod(namespace_="seconder-agents", account="kiro")
    yield case("an agent's pod as itself", FREE, create(own), DEPLOYMENTS)
    yield case(
        "an agent's pod as another agent",
        REFUSED,
        create(pod(namespace_="seconder-agents", account="other")),
        DEPLOYMENTS,
    )
    yield case(
        "an agent of a group runs a pod as an agent",
        REFUSED,
        create(own, user("x", "seconder.dev:agents")),
        DEPLOYMENTS,
    )
    keyed = account("seconder-agents", "kiro", extra={"seconder.dev/agent": ["kiro"]})
    yield case("an agent's pod as itself, which would lose an extra key", REFUSED, create(own, keyed), DEPLOYMENTS)
    ends = service_account("kiro", "seconder-agents", token_end="2026-11-23T00:00:00Z")
    yield case("an agent's pod as itself, where its tokens have an end", REFUSED, create(own), DEPLOYMENTS, ends)
    yield case("an agent's exec into a pod of itself", FREE, connect(own, "exec"), DEPLOYMENTS, own)
    named = policy("p", "nodes", agents={"users": ["system:serviceaccount:payments:worker"]})
    yield case("an agent's pod as an agent by its user name", REFUSED, create(pod(account="worker")), named)
    yield case(
        "an agent by its user name runs a pod as itself",
        FREE,
        create(pod(account="worker"), account("payments", "worker")),
        named,
    )
    powerful = may(rule("*", "*.*"), to=subject("ServiceAccount", "kiro", "seconder-agents"))
    yield case("an agent's pod as itself, whatever that may do", FREE, create(own), DEPLOYMENTS, *powerful)


def _not_known() -> Iterator[Expected]:
    made = create(pod(account="worker"))
    for status in (503, 403, 0):
        yield case(
            f"what an account may do cannot be told: the authorizer gives {status}",
            UNKNOWN,
            made,
            DEPLOYMENTS,
            faults=[SLOW | {"status": status}],
        )
    yield case(
        "a person need not wait for that", FREE, create(pod(account="worker"), PERSON), DEPLOYMENTS, faults=[SLOW]
    )
    lists: dict[str, Any] = {"path": "/apis/apps/v1/deployments", "status": 503}
    yield case("a pod, while who owns what is not known", UNKNOWN, made, DEPLOYMENTS, faults=[lists])
    yield case(
        "a pod to be refused anyway, while that is not known",
        UNKNOWN,
        made,
        DEPLOYMENTS,
        *POWER,
        faults=[lists],
    )
    yield case(
        "a pod as itself, while that is not known",
        UNKNOWN,
        create(pod(namespace_="seconder-agents", account="kiro")),
        DEPLOYMENTS,
        faults=[lists],
    )
    yield case("a pod, where the view may be out of date", UNKNOWN, made, DEPLOYMENTS, fresh=False)
    yield case(
        "a pod that is refused anyway, where the view may be out of date",
        REFUSED,
        made,
        DEPLOYMENTS,
        *POWER,
        fresh=False,
    )
