"""Losing an object without deleting it: an agent scales to zero, empties finalizers, gives objects to the collector."""

import json
from typing import Any

import pytest
from tests.support.cluster import Cluster, eventually
from tests.support.plugin import Plugin

pytestmark = pytest.mark.core

_PATCH = ("patch", "deployment", "checkout", "--type=merge")


def _patch(cluster: Cluster, what: dict[str, Any], *more: str) -> Any:
    return cluster.agent(*_PATCH, "-n", cluster.namespace, f"--patch={json.dumps(what)}", *more)


def _owner(kind: str, name: str, uid: str, version: str = "v1") -> dict[str, Any]:
    owner = {"apiVersion": version, "kind": kind, "name": name, "uid": uid}
    return {"metadata": {"ownerReferences": [owner]}}


@pytest.mark.parametrize(
    "attempt",
    [
        ("scale", "deployment", "checkout", "--replicas=0"),
        ("patch", "deployment", "checkout", "--type=merge", '--patch={"spec":{"replicas":0}}'),
        (
            "patch",
            "deployment",
            "checkout",
            "--type=json",
            '--patch=[{"op":"replace","path":"/spec/replicas","value":0}]',
        ),
        ("patch", "deployment", "checkout", "--subresource=scale", "--type=merge", '--patch={"spec":{"replicas":0}}'),
    ],
    ids=["kubectl scale", "merge patch", "JSON patch", "patch of the scale"],
)
def test_scaling_to_zero_needs_approval(cluster: Cluster, attempt: tuple[str, ...]) -> None:
    """Through the object and through its scale; with an approval of it the same goes through."""
    cluster.deployment()
    answer = cluster.agent(*attempt, "-n", cluster.namespace)
    assert answer.refused_with("ApprovalMissing"), answer.err
    assert "ScaleToZero of deployments.apps" in answer.err
    cluster.approve(cluster.alice, detail={"actions": ["ScaleToZero"]})
    done = cluster.agent(*attempt, "-n", cluster.namespace)
    assert done.code == 0, done.err
    assert cluster.get("deployment", "checkout")["spec"]["replicas"] == 0
    assert cluster.delete(cluster.agent).refused_with("WrongAction"), "an approval of a scale is none of a deletion"


def test_an_approval_of_a_deletion_covers_scaling_to_zero(cluster: Cluster) -> None:
    """Who may delete it may stop it."""
    cluster.deployment()
    cluster.approve(cluster.alice)
    assert cluster.agent("scale", "deployment", "checkout", "--replicas=0", "-n", cluster.namespace).code == 0


def _autoscaler(cluster: Cluster, least: int, name: str = "checkout") -> str:
    external = {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "1"}}}
    return json.dumps(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": f"h{least}", "namespace": cluster.namespace},
            "spec": {
                "minReplicas": least,
                "maxReplicas": 3,
                "metrics": [external],
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            },
        }
    )


def test_an_autoscaler_that_may_scale_to_zero_needs_approval(cluster: Cluster) -> None:
    """On the workload that it would empty; made so, or changed to be so. Others are ordinary work."""
    cluster.deployment()
    answer = cluster.agent("create", "-f", "-", stdin=_autoscaler(cluster, 0))
    assert answer.refused_with("ApprovalMissing"), answer.err
    assert f"ScaleToZero of deployments.apps {cluster.namespace}/checkout" in answer.err
    assert cluster.agent("create", "-f", "-", stdin=_autoscaler(cluster, 1)).code == 0
    least = ("patch", "hpa", "h1", "-n", cluster.namespace, "--type=merge", '--patch={"spec":{"minReplicas":0}}')
    assert cluster.agent(*least).refused_with("ApprovalMissing")
    missing = cluster.agent("create", "-f", "-", stdin=_autoscaler(cluster, 0, "not-there"))
    assert "is not there" in missing.err
    cluster.approve(cluster.alice, detail={"actions": ["ScaleToZero"]})
    done = cluster.agent(*least)
    assert done.code == 0, done.err
    labelled = cluster.agent("label", "hpa", "h1", "a=b", "-n", cluster.namespace)
    assert labelled.code == 0, labelled.err


def test_an_autoscaler_is_raised_beside_a_canary_and_none_is_made_over_that(cluster: Cluster) -> None:
    """Which shares pods with the Deployment, as its own ReplicaSet does: of two that scale such pods, neither does."""
    uid = cluster.deployment()
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": uid, "controller": True}
    of_it, of_canary = ({"app": "checkout", **more} for more in ({"pod-template-hash": "a"}, {"track": "canary"}))
    for kind, name, labels, owners in (
        ("ReplicaSet", "checkout-a", of_it, [owner]),
        ("Deployment", "canary", of_canary, []),
    ):
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "none:0"}]}}
        metadata = {"name": name, "namespace": cluster.namespace, "labels": labels, "ownerReferences": owners}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        cluster.objects.apply({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec})
    made = cluster.agent("create", "-f", "-", stdin=_autoscaler(cluster, 1))
    assert made.code == 0, made.err
    more = ("patch", "hpa", "h1", "-n", cluster.namespace, "--type=merge", '--patch={"spec":{"maxReplicas":9}}')
    raised = cluster.agent(*more)
    assert raised.code == 0, raised.err
    second = cluster.agent("create", "-f", "-", stdin=_autoscaler(cluster, 2, "canary"))
    assert second.refused_with("ApprovalMissing"), second.err
    assert f"Delete of deployments.apps {cluster.namespace}/checkout" in second.err


def test_ordinary_work_stays_free(cluster: Cluster) -> None:
    """Images, scaling up and down, labels, annotations, a new object with an owner."""
    uid = cluster.deployment()
    for attempt in (
        ("set", "image", "deployment/checkout", "main=none:1"),
        ("scale", "deployment", "checkout", "--replicas=3"),
        ("scale", "deployment", "checkout", "--replicas=1"),
        ("label", "deployment", "checkout", "a=b"),
        ("annotate", "deployment", "checkout", "a=b"),
    ):
        answer = cluster.agent(*attempt, "-n", cluster.namespace)
        assert answer.code == 0, answer.err
    owned = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": cluster.namespace}
        | _owner("Deployment", "checkout", uid, "apps/v1")["metadata"],
    }
    assert cluster.agent("create", "-f", "-", stdin=json.dumps(owned)).code == 0


@pytest.mark.parametrize("subresource", ["", "status"])
def test_emptying_finalizers_under_deletion_needs_approval(cluster: Cluster, subresource: str) -> None:
    """It is what keeps the object: whoever removes the last one removes the object."""
    cluster.deployment(finalizers=["example.com/backup"])
    assert cluster.delete(cluster.human).code == 0
    more = [f"--subresource={subresource}"] if subresource else []
    answer = _patch(cluster, {"metadata": {"finalizers": None}}, *more)
    assert answer.refused_with("ApprovalMissing"), answer.err
    assert "RemoveFinalizers of deployments.apps" in answer.err
    assert cluster.exists("deployment", "checkout")
    cluster.approve(cluster.alice, detail={"actions": ["RemoveFinalizers"]})
    assert _patch(cluster, {"metadata": {"finalizers": None}}, *more).code == 0
    assert not cluster.exists("deployment", "checkout")


def test_a_persons_controller_goes_on_removing_finalizers(cluster: Cluster) -> None:
    """A policy for agents binds agents."""
    cluster.deployment(finalizers=["example.com/backup"])
    assert cluster.delete(cluster.human).code == 0
    freed = cluster.human(*_PATCH, "-n", cluster.namespace, '--patch={"metadata":{"finalizers":null}}')
    assert freed.code == 0, freed.err


def test_an_owner_that_is_protected_too_needs_approval(cluster: Cluster) -> None:
    """It is protected from agents alone: people end it unasked. An old or invented uid is a ghost's."""
    cluster.deployment()
    uid = cluster.deployment("owner")
    for owner in (uid, "00000000-0000-0000-0000-000000000000"):
        answer = _patch(cluster, _owner("Deployment", "owner", owner, "apps/v1"))
        assert answer.refused_with("ApprovalMissing"), answer.err
        assert "ChangeOwners of deployments.apps" in answer.err


def test_a_protected_owner_on_its_way_out_needs_approval(cluster: Cluster) -> None:
    """Its end is decided already, and the garbage collector takes along what it owns by then."""
    cluster.deployment()
    owner = cluster.deployment("owner", finalizers=["example.com/hold"])
    assert cluster.human("delete", "deployment", "owner", "--wait=false", "-n", cluster.namespace).code == 0
    answer = _patch(cluster, _owner("Deployment", "owner", owner, "apps/v1"))
    assert answer.refused_with("ApprovalMissing"), answer.err
    freed = cluster.human(
        "patch", "deployment", "owner", "--type=merge", '-p={"metadata":{"finalizers":null}}', "-n", cluster.namespace
    )
    assert freed.code == 0, freed.err
    assert cluster.exists("deployment", "checkout")


@pytest.mark.parametrize("name", ["../../../v1/namespaces/kube-system", "a/b", "..", "%2e%2e", "x" * 300])
def test_an_owners_name_steers_no_look_up(cluster: Cluster, name: str) -> None:
    """The API server takes any text there; ours goes into no path."""
    cluster.deployment()
    uid = cluster.get("namespace", "kube-system")["metadata"]["uid"]
    assert _patch(cluster, _owner("Deployment", name, uid, "apps/v1")).refused_with("ApprovalMissing")


def test_one_update_that_does_two_things_needs_both(cluster: Cluster) -> None:
    """An approval of one is none of the other."""
    cluster.deployment()
    ghost = _owner("ConfigMap", "ghost", "00000000-0000-0000-0000-000000000000")
    both = ghost | {"spec": {"replicas": 0}}
    cluster.approve(cluster.alice, detail={"actions": ["ScaleToZero"]})
    assert _patch(cluster, both).refused_with("WrongAction")
    assert _patch(cluster, {"spec": {"replicas": 0}}).code == 0


def test_a_policys_actions_are_its_own(cluster: Cluster) -> None:
    """What it does not name stays free there."""
    cluster.policy(
        f"scale-{cluster.namespace}",
        resources=[{"group": "apps", "resources": ["statefulsets"]}],
        actions=["ScaleToZero"],
    )
    document = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": cluster.namespace},
        "spec": {
            "serviceName": "db",
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "m", "image": "none:0"}]},
            },
        },
    }
    cluster.apply(document)
    scale = ("scale", "statefulset", "db", "--replicas=0", "-n", cluster.namespace)
    eventually(lambda: cluster.agent(*scale, "--dry-run=server").refused, 5, "in force")
    assert cluster.agent(*scale).refused_with("ApprovalMissing")
    assert cluster.delete(cluster.agent, "statefulset", "db").code == 0


def test_people_scale_to_zero_under_a_policy_for_everyone_only_with_approval(cluster: Cluster) -> None:
    """And go on with all the rest, without the webhook being asked."""
    cluster.policy(f"all-{cluster.namespace}", subjects="Everyone")
    cluster.deployment()
    scale = ("scale", "deployment", "checkout", "-n", cluster.namespace)
    eventually(lambda: cluster.human(*scale, "--replicas=0", "--dry-run=server").refused, 5, "in force")
    assert cluster.human(*scale, "--replicas=2").code == 0
    assert cluster.human("label", "deployment", "checkout", "a=b", "-n", cluster.namespace).code == 0
    log = cluster.stack.seconder.log_of("webhook").read_text().splitlines()
    asked = [line for line in log if f'"namespace":"{cluster.namespace}"' in line and '"decision":"allow"' in line]
    assert asked == []


def test_an_object_of_a_kind_of_its_own_may_hold_anything_in_its_spec(cluster: Cluster) -> None:
    """A word, a list, or replicas that are no number: people and agents update it as they like."""
    crd = _definition("example.com", "oddities")
    cluster.apply(crd)
    try:
        cluster.established("oddities.example.com")
        odd = [{"group": "example.com", "resources": ["oddities"]}]
        cluster.policy(f"odd-{cluster.namespace}", subjects="Everyone", resources=odd)
        for number, spec in enumerate(("a word", ["a", "list"], {"replicas": "0"}, {"replicas": 0.5}, 7, None)):
            document = {
                "apiVersion": "example.com/v1",
                "kind": crd["spec"]["names"]["kind"],
                "metadata": {"name": f"o{number}", "namespace": cluster.namespace},
                "spec": spec,
            }
            assert cluster.human("create", "-f", "-", stdin=json.dumps(document)).code == 0
            for who in (cluster.human, cluster.agent):
                answer = who("label", "oddities", f"o{number}", "--overwrite", "a=b", "-n", cluster.namespace)
                assert answer.code == 0, (spec, answer.err)
    finally:
        cluster.admin("delete", "crd", "oddities.example.com")


def test_deleting_the_definition_of_a_protected_custom_resource_needs_approval(cluster: Cluster) -> None:
    """All objects of the kind go with it, without admission of their own; a definition that nobody names is free."""
    group = f"g{cluster.namespace[-6:]}.example.com"
    for plural in ("widgets", "gadgets"):
        cluster.apply(_definition(group, plural))
        cluster.established(f"{plural}.{group}")
    named = [{"group": group, "resources": ["widgets"]}]
    cluster.policy(f"widgets-{cluster.namespace}", resources=named)
    delete = ("delete", "crd", "--wait=false")
    eventually(
        lambda: cluster.agent(*delete, f"widgets.{group}", "--dry-run=server").refused_with("ApprovalMissing"),
        5,
        "refused",
    )
    cluster.approve(
        cluster.alice,
        "crd",
        f"widgets.{group}",
        resource="customresourcedefinitions",
        group="apiextensions.k8s.io",
    )
    for plural in ("widgets", "gadgets"):
        done = cluster.agent(*delete, f"{plural}.{group}")
        assert done.code == 0, done.err


def test_no_key_of_a_field_reads_as_more_than_a_key(cluster: Cluster, plugin: Plugin) -> None:
    """In a refusal, in the record, in the table of what waits, and before somebody signs."""
    group = f"{cluster.namespace[-6:]}.example.com"
    cluster.apply(_definition(group, "widgets"))
    eventually(lambda: cluster.human("get", f"widgets.{group}").code == 0, 20, "the kind is served")
    cluster.policy("widgets", resources=[{"group": group, "resources": ["widgets"]}])
    metadata = {"name": "one", "namespace": cluster.namespace}
    widget = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": metadata, "spec": {"size": 1}}
    cluster.apply(widget)
    keys = {"z (approved: 1 of 1), metadata.labels": 1, 'q"uo': 1, "plain/key": 1, "size": 1}
    patch = f"-p={json.dumps({'spec': keys})}"
    answer = cluster.agent("patch", f"widgets.{group}/one", "-n", cluster.namespace, "--type=merge", patch)
    assert answer.refused_with("ApprovalMissing"), answer.err
    told = 'spec.plain/key, spec["q\\"uo"], spec["z (approved: 1 of 1), metadata.labels"]'
    assert f"\nchanges: {told}\n" in answer.err
    named = next(line for line in answer.err.splitlines() if line.startswith("change request: "))
    chg = named.removeprefix("change request: ").strip()
    assert ", ".join(cluster.recorded(chg)["spec"]["change"]["paths"]) == told
    for verb in (("pending",), ("show", chg)):
        assert told in plugin.script(cluster.alice.kubeconfig, *verb).out
    cluster.objects.delete("customresourcedefinitions", f"widgets.{group}")


def _definition(group: str, plural: str) -> dict[str, Any]:
    kind = plural.removesuffix("s").capitalize()
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def test_deleting_the_replica_set_of_a_protected_deployment_needs_approval(cluster: Cluster) -> None:
    """It comes back, but not while the Deployment is paused; its pods do, and are free."""
    cluster.deployment()
    listed = ("get", "replicasets", "-n", cluster.namespace, "-l", "app=checkout", "-o", "name")
    eventually(lambda: cluster.admin(*listed), 10, "a ReplicaSet")
    (name,) = cluster.admin(*listed).split()
    delete = ("delete", name, "-n", cluster.namespace, "--wait=false")
    answer = cluster.agent(*delete)
    assert answer.refused_with("ApprovalMissing"), answer.err
    assert f"Delete of deployments.apps {cluster.namespace}/checkout" in answer.err
    pods = cluster.agent("delete", "pods", "-n", cluster.namespace, "-l", "app=checkout", "--wait=false")
    assert pods.code == 0, pods.err
    cluster.approve(cluster.alice)
    done = cluster.agent(*delete)
    assert done.code == 0, done.err


def test_deleting_a_replica_set_that_nobody_made_stays_free(cluster: Cluster) -> None:
    """It is named by no policy here."""
    labels = {"app": "alone"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "none:0"}]}}
    cluster.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": "alone", "namespace": cluster.namespace},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
        }
    )
    done = cluster.delete(cluster.agent, "replicaset", "alone")
    assert done.code == 0, done.err
