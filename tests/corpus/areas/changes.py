"""Changes by agents: what is free by the table or a policy's own list, and what needs a peer."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from tests.corpus.builders.documents import (
    Document,
    changed,
    config_map,
    controller,
    deployment,
    make,
    namespace,
    pod_spec,
    policy,
    workload,
)
from tests.corpus.builders.reviews import PERSON, scale, update
from tests.corpus.builders.scene import AUDIT, CHECKOUT, DEPLOYMENTS, Expected, case
from tests.corpus.builders.signing import approved

MISSING = "ApprovalMissing"
FREE = "NotCovered"
UNKNOWN = "InternalError"
STRICT = policy("peer-review", "deployments.apps", freeChanges=[])
ROLLED = changed(CHECKOUT, spec__template={"spec": pod_spec(image="registry.example/checkout:1.5")})
LABELLED = changed(CHECKOUT, labels={"team": "payments"})
PAUSED = changed(CHECKOUT, spec__paused=True)
RUNS = workload("ReplicaSet", "checkout-5d8f", labels={"app": "checkout"}, ownerReferences=[controller(CHECKOUT)])
"""What it has while it is paused."""

POD_SECURITY = "pod-security.kubernetes.io/enforce"
TAG = {"seconder.dev/agent": "kiro"}


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _by_the_table()
    yield from _of_the_next_apply()
    yield from _of_other_kinds()
    yield from _by_own_lists()
    yield from _through_subresources()
    yield from _by_others()
    yield from _approved()


def _by_the_table() -> Iterator[Expected]:
    for what, wanted in (
        ("its pause", PAUSED),
        ("its pause beside a rollout", changed(ROLLED, spec__paused=True)),
        ("its strategy", changed(CHECKOUT, spec__strategy={"type": "Recreate"})),
        ("its selector", changed(CHECKOUT, spec__selector={"matchLabels": {"app": "other"}})),
        ("its history's limit", changed(CHECKOUT, spec__revisionHistoryLimit=0)),
        ("a finalizer of it", changed(CHECKOUT, finalizers=["a.example.com/x"])),
        ("how long its pods must be ready to count", changed(CHECKOUT, spec__minReadySeconds=10)),
        ("a field that nobody knows", CHECKOUT | {"extra": True}),
        ("all of its spec", CHECKOUT | {"spec": None}),
    ):
        yield case(f"an agent changes {what}", MISSING, update(CHECKOUT, wanted), DEPLOYMENTS)
    for what, wanted in (
        ("its size, its template and its labels", changed(ROLLED, spec__replicas=9, labels={"a": "b"})),
        ("when its rollout counts as stuck", changed(CHECKOUT, spec__progressDeadlineSeconds=60)),
        ("its annotations", changed(CHECKOUT, annotations={"seconder.dev/reason": "INC-1"})),
        ("what the API server keeps", changed(CHECKOUT, generation=7)),
    ):
        yield case(f"an agent changes {what}", FREE, update(CHECKOUT, wanted), DEPLOYMENTS)
    yield case("a change by dry run", MISSING, update(CHECKOUT, PAUSED, dryRun=True), DEPLOYMENTS)
    watching = policy("p", "deployments.apps", mode="Audit")
    yield case("a change under Audit", MISSING, update(CHECKOUT, PAUSED), watching, path=AUDIT)
    losses = policy("p", "deployments.apps", actions=["Delete", "ScaleToZero"])
    yield case("a change under a policy on losses alone", FREE, update(CHECKOUT, PAUSED), losses, RUNS)


def _owned(manager: str, operation: str, *fields: str) -> Document:
    below: Document = {f"f:{field}": {} for field in fields}
    return {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": {"f:spec": below}}


def _of_the_next_apply() -> Iterator[Expected]:
    """What somebody's next apply takes away, by what was applied last and by who owns which fields."""
    last = "kubectl.kubernetes.io/last-applied-configuration"

    def applied(*fields: str) -> Document:
        held = {"metadata": {"name": "checkout"}, "spec": dict.fromkeys(fields, 1)}
        return changed(CHECKOUT, annotations={last: json.dumps(held)})

    made, flux = _owned("kubectl-create", "Update", "selector"), _owned("kustomize-controller", "Apply", "selector")

    def owned(*entries: Document) -> Document:
        return changed(CHECKOUT, managedFields=list(entries))

    for what, stored, wanted, reason in (
        ("names no more than was applied last", applied("replicas"), applied("replicas", "template"), FREE),
        ("names less than was applied last", applied("strategy"), applied(), FREE),
        ("names more than was applied last", applied("replicas"), applied("replicas", "strategy"), MISSING),
        ("names nothing that can be read", applied(), changed(CHECKOUT, annotations={last: "["}), MISSING),
        ("applies beside who made it", owned(made), owned(made, flux), FREE),
        ("leaves a field to who applies", owned(made, flux), owned(flux), FREE),
        ("gives who applies a field", owned(flux), owned(_owned("kustomize-controller", "Apply", "paused")), MISSING),
    ):
        yield case(f"an agent {what}", reason, update(stored, wanted), DEPLOYMENTS)


def _of_other_kinds() -> Iterator[Expected]:
    kinds = policy("p", "statefulsets.apps", "daemonsets.apps", "cronjobs.batch", "namespaces", "secrets", "configmaps")
    ledger = workload("StatefulSet", "ledger")
    daemon = workload("DaemonSet", "logs", replicas=None)
    released = {"spec__persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}
    nowhere: Document = {"spec": pod_spec() | {"nodeSelector": {"no": "where"}}}
    job: Document = {"spec": {"template": {"spec": pod_spec()}, "ttlSecondsAfterFinished": 1}}
    cron = make("CronJob", "report", spec={"schedule": "@daily", "jobTemplate": {"spec": {"template": {}}}})
    secret = make("Secret", "card", data={"pin": "MTIzNA=="})
    for what, stored, wanted, reason in (
        ("a StatefulSet's size", ledger, changed(ledger, spec__replicas=2), FREE),
        ("a StatefulSet's claims' retention", ledger, changed(ledger, **released), MISSING),
        ("a DaemonSet's image", daemon, changed(daemon, spec__template={"spec": pod_spec(image="x")}), FREE),
        ("a DaemonSet's nodes", daemon, changed(daemon, spec__template=nowhere), MISSING),
        ("a CronJob's image", cron, changed(cron, spec__jobTemplate={"spec": {"template": nowhere}}), FREE),
        ("a CronJob's Jobs' time to live", cron, changed(cron, spec__jobTemplate=job), MISSING),
        ("a CronJob's suspension", cron, changed(cron, spec__suspend=True), MISSING),
        ("a namespace's label", namespace(), namespace(labels={"team": "x"}), FREE),
        ("a namespace's Pod Security", namespace(), namespace(labels={POD_SECURITY: "privileged"}), MISSING),
        ("a Secret's data", secret, secret | {"data": {"pin": "OTk5OQ=="}}, MISSING),
        ("a ConfigMap's data", config_map(), config_map(data={}), MISSING),
    ):  # fmt: skip
        yield case(f"an agent changes {what}", reason, update(stored, wanted), kinds)


def _by_own_lists() -> Iterator[Expected]:
    for what, wanted in (("rolls out", ROLLED), ("labels", LABELLED), ("sizes", changed(CHECKOUT, spec__replicas=5))):
        yield case(f"an agent {what} where nothing is free", MISSING, update(CHECKOUT, wanted), STRICT)
    yield case("an apply without a difference where nothing is free", FREE, update(CHECKOUT, CHECKOUT), STRICT)
    listed = policy("own", "deployments.apps", freeChanges=["metadata.labels[a.example.com/x]", "spec", "!spec.paused"])
    for what, wanted, reason in (
        ("the one label", changed(CHECKOUT, labels={"a.example.com/x": "1"}), FREE),
        ("another label", changed(CHECKOUT, labels={"a.example.com/y": "1"}), MISSING),
        ("a field of the spec", changed(CHECKOUT, spec__strategy={"type": "Recreate"}), FREE),
        ("what is taken back", PAUSED, MISSING),
    ):
        yield case(f"by a list of its own: {what}", reason, update(CHECKOUT, wanted), listed)
    yield case("two lists: free is what both free", MISSING, update(CHECKOUT, LABELLED), listed, DEPLOYMENTS)
    wrong = policy("wrong", "deployments.apps", freeChanges=["spec..paused"])
    yield case("a list that is none", "PolicyInvalid", update(CHECKOUT, LABELLED), wrong)


def _through_subresources() -> Iterator[Expected]:
    status = CHECKOUT | {"status": {"replicas": 3}}
    yield case("an agent writes a Deployment's status", MISSING, update(CHECKOUT, status, below="status"), DEPLOYMENTS)
    yield case("an agent labels it through its status", FREE, update(CHECKOUT, LABELLED, below="status"), DEPLOYMENTS)
    yield case("a scale where sizes are not free", MISSING, scale(CHECKOUT, 5), STRICT, CHECKOUT)
    yield case("a scale to the same size", FREE, scale(CHECKOUT, 3), STRICT, CHECKOUT)
    yield case("a scale of what is not there", UNKNOWN, scale(CHECKOUT, 5), STRICT)
    yield case("a scale of what has another size by now", UNKNOWN, scale(CHECKOUT, 5), STRICT, deployment(replicas=4))
    alone = policy("alone", "deployments.apps", actions=["Change"])
    yield case("a scale to nothing where that has no name", MISSING, scale(CHECKOUT, 0), alone, CHECKOUT)
    yield case("a scale where it has no name", FREE, scale(CHECKOUT, 5), alone, CHECKOUT)


def _by_others() -> Iterator[Expected]:
    tagged = changed(CHECKOUT, annotations=TAG)
    changes: Any = update(tagged, changed(tagged, spec__paused=True), PERSON)
    yield case("a person changes what is tagged as an agent's", FREE, changes, DEPLOYMENTS)
    everyone = policy("everyone", "deployments.apps", subjects="Everyone", actions=["Delete", "Change"])
    yield case("a person changes it under a policy for Everyone", FREE, update(CHECKOUT, PAUSED, PERSON), everyone)
    yield case("an agent changes it under a policy for Everyone", MISSING, update(CHECKOUT, PAUSED), everyone)
    bots = policy("bots", "deployments.apps", agents={"fieldManagers": ["bot"]})
    yield case(
        "an agent by its field manager changes it", MISSING, update(CHECKOUT, PAUSED, PERSON, manager="bot"), bots
    )


def _approved() -> Iterator[Expected]:
    def judged(name: str, reason: str, stored: Document, /, **wanted: Any) -> Expected:
        return case(name, reason, update(stored, changed(stored, **wanted)), DEPLOYMENTS, RUNS)

    yield judged("a change under an approval of the deletion", "WrongAction", approved(CHECKOUT), spec__paused=True)
    named = {"from": FROM, "to": TO}
    ready = approved(CHECKOUT, detail={"actions": ["Change"], "change": named})
    yield judged("an approved change", "Approved", ready, spec__paused=True)
    resized = changed(ready, spec__replicas=4)
    yield judged("an approved change after free work", "Approved", resized, spec__paused=True)
    more = {"spec__paused": True, "spec__revisionHistoryLimit": 0}
    yield judged("more than the approved change", "WrongAction", ready, **more)
    other = changed(ready, spec__revisionHistoryLimit=3)
    yield judged("an approved change from another state", "WrongAction", other, spec__paused=True)
    paused = changed(ready, spec__paused=True)
    yield case("an approved change the other way round", "WrongAction", update(paused, ready), DEPLOYMENTS)
    yield judged("a scale to nothing under an approval of a change", "WrongAction", ready, spec__replicas=0)


def _digest(document: Document) -> str:
    """Give the digest of the Deployment without what is free: by hand, for what the code must reach."""
    metadata = {key: value for key, value in document["metadata"].items() if key in _KEPT}
    spec = {key: value for key, value in document["spec"].items() if key not in {"replicas", "template"}}
    plain = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


_KEPT = frozenset({"creationTimestamp", "name", "namespace", "uid"})
FROM, TO = _digest(CHECKOUT), _digest(PAUSED)
