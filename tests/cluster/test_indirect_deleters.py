"""Programs that delete on the word of an object of their own: the examples that name them, and the warning if none."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.cluster import Cluster, eventually

_EXAMPLE = Path(__file__).parents[2] / "manifests" / "examples" / "optional" / "indirect-deleters.yaml"
_KINDS = {
    "applications.argoproj.io": "Application",
    "kustomizations.kustomize.toolkit.fluxcd.io": "Kustomization",
    "helmreleases.helm.toolkit.fluxcd.io": "HelmRelease",
    "scaledobjects.keda.sh": "ScaledObject",
}


def _definition(name: str, kind: str) -> dict[str, Any]:
    plural, _, group = name.partition(".")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    metadata: dict[str, Any] = {"name": name}
    if group.endswith(".sh"):
        metadata["annotations"] = {"api-approved.kubernetes.io": "unapproved, a test's own"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


@pytest.fixture
def installed(cluster: Cluster) -> Iterator[None]:
    """The kinds of indirect deleters, without their programs."""
    cluster.apply(*(_definition(name, kind) for name, kind in _KINDS.items()))
    for name in _KINDS:
        cluster.established(name)
    yield
    cluster.admin("delete", "crd", *_KINDS)


def _warning(cluster: Cluster, policy: str) -> str:
    conditions = cluster.get("protectionpolicy", policy).get("status", {}).get("conditions", [])
    return next((each["message"] for each in conditions if each["type"] == "DeputiesUnprotected"), "")


def _unwarned(cluster: Cluster, policy: str) -> bool:
    return _warning(cluster, policy) == ""


@pytest.mark.usefixtures("installed")
def test_unnamed_indirect_deleters_are_warned_of_until_policies_name_them(cluster: Cluster) -> None:
    """On every policy that refuses deletions, and on no other; the examples name them all."""
    first = cluster.policy(f"some-{cluster.namespace}")
    watching = cluster.policy(f"audit-{cluster.namespace}", mode="Audit")
    eventually(lambda: all(name in _warning(cluster, first) for name in _KINDS), 10, "all are named")
    assert _warning(cluster, watching) == ""
    policies = [document["metadata"]["name"] for document in yaml.safe_load_all(_EXAMPLE.read_text())]
    cluster.admin("apply", f"--filename={_EXAMPLE}")
    cluster.admin("wait", "--for=condition=Ready", "--timeout=10s", f"--filename={_EXAMPLE}")
    for policy in (first, *policies):
        # Each pass of the operator tells it; a policy that changes is what wakes one.
        cluster.admin("label", "protectionpolicy", policy, "--overwrite", "seen=1")
        eventually(partial(_unwarned, cluster, policy), 10, "no warning is left")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", sorted(_KINDS))
def test_an_agent_deletes_no_indirect_deleters_object_under_the_examples(cluster: Cluster, name: str) -> None:
    """Its deletion needs approval as that of a Deployment does."""
    cluster.admin("apply", f"--filename={_EXAMPLE}")
    cluster.admin("wait", "--for=condition=Ready", "--timeout=10s", f"--filename={_EXAMPLE}")
    group = name.partition(".")[2]
    document = {
        "apiVersion": f"{group}/v1",
        "kind": _KINDS[name],
        "metadata": {"name": "shop", "namespace": cluster.namespace},
    }
    assert cluster.human("create", "--filename=-", stdin=json.dumps(document)).code == 0
    answer = cluster.delete(cluster.agent, name, "shop")
    assert answer.refused_with("ApprovalMissing"), answer.err
