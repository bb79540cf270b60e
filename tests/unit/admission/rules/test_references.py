"""An agent's custom resource that names something protected needs a peer, whatever program acts on it."""

from typing import Any

import pytest
from tests.support.builders import (
    PERSON,
    approved_for,
    creation,
    deletion,
    live,
    policy,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide

from seconder.admission.decision import Decision
from seconder.admission.lookups import Called, Placed, ReadObjects
from seconder.admission.state import ClusterState
from seconder.api.reasons import Reason
from seconder.api.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    SERVICES,
    GroupResource,
    ResolvedResource,
    Target,
)

ROLLOUT = target(GroupResource("argoproj.io", "rollouts"), "mine")
SHOP = target(DEPLOYMENTS, "shop")
REFERENCE = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
MANIFEST = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop", "namespace": SHOP.namespace}}
THERE = live(SHOP)
_ROLES = GroupResource("rbac.authorization.k8s.io", "roles")
_RULE: dict[str, Any] = {"apiGroups": ["shop"], "resources": ["deployments"]}
_MANY_RULES = [
    {"apiGroups": ["apps"], "resources": [kind], "verbs": [f"shop-{number}" for number in range(40)]}
    for kind in ("deployments", "statefulsets", "daemonsets")
]


def _inventory(*entries: str) -> dict[str, Any]:
    return {"inventory": {"entries": [{"id": entry, "v": "v1"} for entry in entries]}}


@pytest.mark.parametrize(
    "spec",
    [
        {"workloadRef": REFERENCE | {"scaleDown": "onsuccess"}},
        {"workloadRef": {"kind": "Deployment", "name": "shop"}},
        {"scaleTargetRef": {"kind": "deployment", "name": "shop"}},
        {"ref": {"apiVersion": "v1", "kind": "Deployment", "name": "shop"}},
        {"ref": {"apiVersion": "apps", "kind": "Deployment", "name": "shop"}},
        {"ref": {"kind": "Deployment", "names": ["other", "shop"]}},
        {"ref": {"resource": "deployments", "group": "apps", "name": "shop"}},
        {"ref": {"kind": "Deployment.apps", "name": "shop"}},
        {"ref": {"type": "deployment", "name": "shop"}},
        {"targetKind": "Deployment", "targetName": "shop"},
        {"kind": "Deployment", "targets": [{"name": "shop"}]},
        {"kind": "Deployment", "workload": "shop"},
        {"deployments": ["shop"]},
        {"kind": ["Deployment"], "name": "shop"},
        {"deployments": [{"name": "shop"}]},
        {"workloads": {"Deployment": ["shop"]}},
        {"target": "deployment/shop"},
        {"target": "deployment:shop"},
        {"target": "a/b, deployment/shop"},
        {"target": f"{SHOP.namespace}/deployment/shop"},
        {"target": f"apps/v1/Deployment/{SHOP.namespace}/shop"},
        {"target": f"/apis/apps/v1/namespaces/{SHOP.namespace}/deployments/shop"},
        {"target": f"https://server/apis/apps/v1/namespaces/{SHOP.namespace}/deployments/shop/scale"},
        {"target": "apps/deployment/shop"},
        {"target": "deployments/shop/scale"},
        {"selector": "deployment/shop"},
        {"kinds": ["Deployment"], "names": ["shop"]},
        {"resourceKinds": ["Deployment"], "name": "shop"},
        {"kinds": [{"group": "apps", "kind": "Deployment"}], "name": "shop"},
        {"kind": "StatefulSet,Deployment", "name": "shop"},
        {"kindName": "Deployment", "name": "shop"},
        {"Kind": "Deployment", "Name": "shop"},
        {"groupVersionKind": {"group": "apps", "kind": "Deployment"}, "name": "shop"},
        {"objectRef": {"gvk": {"group": "apps", "version": "v1", "kind": "Deployment"}, "name": "shop"}},
        {"resource": {"group": "apps", "resource": "deployments"}, "name": "shop"},
        {"typeMeta": {"kind": "Deployment"}, "objectMeta": {"name": "shop"}},
        {"type": "apps/v1/Deployment", "name": "shop"},
        {"kind": "Deployment.apps/v1", "name": "shop"},
        {"gvk": {"group": "apps", "version": "v1", "kind": "Deployment"}, "name": "shop"},
        {"objectKind": {"kind": "Deployment"}, "name": "shop"},
        {"target": "apps/v1/Deployment/shop"},
        {"target": "Deployment:shop"},
        {"deploymentLabels": {"a": [{"kind": "Deployment", "name": "shop"}]}},
        {"deploymentAnnotations": {"apply": {"targetRef": REFERENCE}}},
        {"kind": "Deployment", "metadata": {"name": "shop"}},
        {"kind": "Deployment", "names": "shop,web"},
        {"kind": "Deployment", "name": f"{SHOP.namespace}/shop"},
        {"kind": "Deployment", "target": {"ref": {"name": "shop"}}},
        {"workloadLabels": {"kind": "Deployment", "name": "shop"}},
        {"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}]},
        {"resource_type": "deployments", "resource_name": "shop"},
        {"deploymentNames": ["shop"]},
        {"deploymentRefs": [{"name": "shop"}]},
        {"deploymentRef": {"kind": "", "name": "shop"}},
        {"targetDeployment": "shop"},
        {"targetDeploymentRef": {"name": "shop"}},
        {"deployment_name": "shop"},
        {"DEPLOYMENT-NAME": "shop"},
        {"deployments.apps": ["shop"]},
        {"deployments": {"shop": {"replicas": 0}}},
        {"deployments": [f"{SHOP.namespace}/shop"]},
        {"rules": [{"resources": ["deployments"], "resourceNames": ["shop"], "verbs": ["get", "delete"]}]},
        {"rules": [{"resources": ["deployments"], "resourceNames": ["shop"], "operations": ["CREATE"]}]},
        {"verbs": ["get"], "kind": "Deployment", "name": "shop"},
        {"scaleTargetRef": {"deployment": "shop"}},
        {"deploymentName": "shop"},
        {"ref": REFERENCE | {"namespace": ["odd"]}},
        {"targets": [{"a": [{"group": "apps", "kind": "Deployment", "name": "shop", "namespace": SHOP.namespace}]}]},
        {"target": "deploy/shop"},
        {"target": f"{SHOP.namespace}/Deploy/shop"},
        {"target": "deploy.apps/shop"},
        {"ref": {"kind": "deploy", "name": "shop"}},
        {"resource": "deploy", "names": ["shop"]},
        {"target": "apps/v1:Deployment:shop"},
        {"target": "a, apps:Deployment:shop"},
        {"target": f"apps/v1/Deployment:{SHOP.namespace}/shop"},
        {"target": f"apps:v1:deploy:{SHOP.namespace}:shop"},
        {"manifest": {"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [{"metadata": {"name": "shop"}}]}},
        {"manifest": {"kind": "DeploymentList", "items": [{"metadata": {"name": "shop"}}]}},
        {"manifest": {"apiVersion": "apps/v1", "kind": "List", "items": [{**MANIFEST, "apiVersion": ""}]}},
        {"manifest": {"apiVersion": "v1", "kind": "DeploymentList", "items": [{**MANIFEST, "kind": None}]}},
        {"forProvider": {"manifest": MANIFEST}},
        {"workload": {"manifests": [MANIFEST]}},
        {"path": "/apis/apps/v1/namespaces/payments/deployments/shop"},
        {"workloadPath": "deploy/shop"},
        {"targetsFile": "deploy/shop"},
        {"key": f"apps/v1:Deployment:{SHOP.namespace}/shop"},
        {"targetUrl": "deploy/shop"},
        {"path": {"target": "deploy/shop"}},
    ],
)
def test_who_names_a_protected_workload_needs_a_peer(spec: dict[str, Any]) -> None:
    """By whatever field, made or changed or taken away, at whatever depth."""
    stored = {"spec": spec}
    for asked in (
        creation(ROLLOUT, new=stored),
        update(ROLLOUT, old={"spec": {}}, new=stored),
        update(ROLLOUT, old=stored, new={"spec": {}}),
        update(ROLLOUT, old=stored, new={"spec": spec | {"more": 1}}),
        deletion(ROLLOUT, stored=stored),
    ):
        decided = decide(asked, state(policy(DEPLOYMENTS)), answers=Answers(objects=THERE))
        assert decided.reason is Reason.APPROVAL_MISSING
        assert "some program acts on what this object names" in decided.message
        approved = Answers(objects=live(SHOP, annotations=approved_for(SHOP)))
        assert decide(asked, state(policy(DEPLOYMENTS)), answers=approved).allowed


def test_what_its_program_says_in_a_status_counts_as_well() -> None:
    """An Application of Argo CD deletes with itself what stands there."""
    stored = {
        "spec": {},
        "status": {"resources": [{"group": "apps", "version": "v1", "kind": "Deployment", "name": "shop"}]},
    }
    asked = deletion(target(GroupResource("argoproj.io", "applications"), "mine"), stored=stored)
    assert not decide(asked, state(policy(DEPLOYMENTS)), answers=Answers(objects=THERE)).allowed


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"workloadRef": REFERENCE | {"namespace": "elsewhere"}},
        {"workloadRef": REFERENCE | {"apiVersion": "example.com/v1"}},
        {"backendRefs": [{"kind": "Service", "name": "shop"}]},
        {"selector": {"kind": "Deployment"}},
        {"labels": {"deployment": "shop"}},
        {"selector": {"matchLabels": {"deployment": "shop"}}},
        {"params": [{"name": "shop", "default": "deploy", "region": "ds"}]},
        {"destinations": [{"namespace": f"n{number}"} for number in range(40)]},
        {"rules": [_RULE | {"verbs": ["get", "list", "watch", "shop"]}]},
        {"rules": [_RULE | {"resourceNames": ["shop"], "verbs": ["get", "list"]}]},
        {"rules": [_RULE | {"apiVersions": ["v1"], "operations": ["CREATE"], "nonResourceURLs": ["shop"]}]},
        {"includedNamespaces": ["shop"], "includedResources": ["deployments", "shop"], "storageLocation": "shop"},
        {"template": {"includedNamespaces": ["shop"], "includedResources": ["deployments"]}},
        {"clusterPermissions": [{"serviceAccountName": "shop", "rules": _MANY_RULES}]},
        {"resource": {"resourceAttributes": {"deployment": "shop", "k8s.deployment.name": "shop"}}},
        {"matchers": [{"deployment": "shop"}], "tags": ["deployment:shop"], "selector": {"deployment": "shop"}},
        {"kind": "Deployment", "serviceAccountName": "shop", "secretRef": {"name": "shop"}, "image": "shop"},
        {"kind": "Deployment", "sourceRef": {"kind": "GitRepository", "name": "shop"}},
        {"kind": "Deployment", "containers": [{"name": "shop"}], "namespace": "shop", "labels": ["shop"]},
        {"deployment": {"annotations": {"shop": "shop"}, "replicas": "shop"}, "kind": "DaemonSet"},
        {"deployment.kubernetes.io/revision": "shop", "deploymentStrategy": "shop"},
        {"params": [{"name": "deployment", "value": "shop"}, {"name": "kind", "value": "Deployment"}]},
        {"name": "shop", "match": {"any": [{"resources": {"kinds": ["Deployment"]}}]}},
        {"target": f"/apis/example.com/v1/namespaces/{SHOP.namespace}/deployments/shop"},
        {"source": f"https://example.com/{SHOP.namespace}/deployments/shop"},
        {
            "path": "a/deploy",
            "at": "rs:1",
            "ratio": "1:shop",
            "url": "https://deploy.example.com/shop",
        },
        {
            "manifest": {
                "apiVersion": "v1",
                "kind": "ConfigMapList",
                "items": [{"metadata": {"name": "shop"}}, "shop", {}],
            }
        },
        {"kind": "DeploymentList", "items": "shop", "deploy": "shop"},
        {"source": {"path": "deploy/shop", "repoURL": "https://git.example.com/deploy/shop"}},
        {"ref": {"branch": "deploy/shop", "tag": "deployment/shop"}, "paths": ["apps/deployments/shop"]},
        {"steps": [{"workingDir": "deploy/shop", "image": "deploy/shop"}]},
        {"rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/deploy/shop"}}]}]},
        {"groups": [{"rules": [{"record": "deployment:shop", "expr": "deployment:shop"}]}], "folder": "deploy/shop"},
        {"data": [{"remoteRef": {"key": "payments/deployment/shop"}}], "topicName": "deployment:shop"},
        {"ticket": "CHG/0034567", "branch": "chg/add-cache", "path": "approvers/list", "revision": "apr/15"},
    ],
)
def test_what_names_nothing_protected_is_free(spec: dict[str, Any]) -> None:
    """Nothing is looked up for it."""
    answers = Answers()
    policies = [policy(DEPLOYMENTS, namespaces={SHOP.namespace}), policy(SERVICES, name="services")]
    for asked in (creation(ROLLOUT, new={"spec": spec}), deletion(ROLLOUT, stored={"spec": spec})):
        assert decide(asked, state(*policies), answers=answers).allowed
    assert answers.questions(ReadObjects) == []


_GUARD = "seconder-system"
_RBAC = "rbac.authorization.k8s.io"
_HOOKS = "admissionregistration.k8s.io"


def _whole(version: str, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    place = {"namespace": namespace} if namespace else {}
    return {"forProvider": {"manifest": {"apiVersion": version, "kind": kind, "metadata": {"name": name} | place}}}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"ref": REFERENCE | {"name": "seconder-webhook", "namespace": _GUARD}}, "in the guard's own namespace"),
        ({"ref": REFERENCE | {"name": "whatever", "namespace": _GUARD}}, "in the guard's own namespace"),
        ({"target": f"{_GUARD}/deployment/seconder-webhook"}, "in the guard's own namespace"),
        ({"deployments": ["seconder-webhook"], "targetNamespace": _GUARD}, "in the guard's own namespace"),
        ({"ref": {"kind": "Namespace", "name": _GUARD}}, "the guard's own namespace"),
        ({"ref": {"apiVersion": "v1", "kind": "Namespace", "name": "seconder-agents"}}, "a namespace of agents"),
        ({"resources": ["namespaces"], "names": ["kube-node-lease"]}, "by which nodes live"),
        ({"target": f"namespace/{_GUARD}"}, "the guard's own namespace"),
        ({"target": f"/api/v1/namespaces/{_GUARD}"}, "the guard's own namespace"),
        ({"ref": {"kind": "ValidatingWebhookConfiguration", "name": "seconder"}}, "webhook configuration"),
        ({"ref": {"group": _HOOKS, "resource": "validatingwebhookconfigurations", "name": "seconder"}}, "webhook"),
        ({"target": f"{_HOOKS}/v1/ValidatingWebhookConfiguration/seconder"}, "webhook configuration"),
        ({"target": f"https://server/apis/{_HOOKS}/v1/validatingwebhookconfigurations/seconder"}, "webhook"),
        ({"ref": {"kind": "ClusterRoleBinding", "name": "seconder-webhook"}}, "the guard's own roles"),
        ({"gvk": {"group": _RBAC, "kind": "ClusterRole"}, "name": "seconder-agent"}, "the guard's own roles"),
        ({"ref": {"kind": "CustomResourceDefinition", "name": "approvers.seconder.dev"}}, "resource definitions"),
        ({"ref": {"apiVersion": "seconder.dev/v1alpha1", "kind": "Approver", "name": "alice"}}, "policies, approvers"),
        ({"ref": {"kind": "protectionpolicies.seconder.dev", "name": "default"}}, "policies, approvers"),
        (_whole("apps/v1", "Deployment", "seconder-webhook", _GUARD), "in the guard's own namespace"),
        (_whole("v1", "Secret", "seconder-webhook", _GUARD), "in the guard's own namespace"),
        (_whole("v1", "Secret", "seconder-webhook") | {"namespace": _GUARD}, "in the guard's own namespace"),
        (_whole("v1", "Namespace", _GUARD), "the guard's own namespace"),
        (_whole("v1", "Namespace", "seconder-agents"), "a namespace of agents"),
        (_whole("v1", "ServiceAccount", "bot", "seconder-agents"), "ServiceAccounts of agents"),
        (_whole(f"{_HOOKS}/v1", "ValidatingWebhookConfiguration", "seconder"), "webhook configuration"),
        (_whole("seconder.dev/v1alpha1", "ProtectionPolicy", "default"), "policies, approvers"),
        (_whole(f"{_RBAC}/v1", "ClusterRole", "seconder-approver"), "the guard's own roles"),
        (_whole("apiextensions.k8s.io/v1", "CustomResourceDefinition", "approvers.seconder.dev"), "definitions"),
        (_whole("v1", "ConfigMap", "aws-auth", "kube-system"), "who is who in the cluster"),
        (_whole("v1", "ConfigMap", "kubelet-config-1.30", "kube-system"), "who is who in the cluster"),
        (_whole("v1", "Endpoints", "kubernetes", "default"), "finds its API server"),
        (_whole("apiregistration.k8s.io/v1", "APIService", "v1.apps"), "which server answers for an API"),
        (_whole(f"{_HOOKS}/v1", "MutatingWebhookConfiguration", "mine"), "who is asked about changes"),
        (_whole("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", "mine"), "serves first"),
        ({"target": f"ns/{_GUARD}"}, "the guard's own namespace"),
        ({"ref": {"kind": "crd", "name": "approvers.seconder.dev"}}, "resource definitions"),
        ({"target": "ppol/default"}, "policies, approvers"),
        ({"target": f"{_RBAC}/v1:ClusterRole:seconder-agent"}, "the guard's own roles"),
        ({"target": f"apps/v1:Deployment:{_GUARD}/seconder-webhook"}, "in the guard's own namespace"),
        (
            {
                "a": {
                    "apiVersion": "seconder.dev/v1alpha1",
                    "kind": "ApproverList",
                    "items": [{"metadata": {"name": "a"}}],
                }
            },
            "policies, approvers",
        ),
        (_inventory(f"{_GUARD}_seconder-webhook_apps_Deployment"), "in the guard's own namespace"),
        (_inventory(f"{_GUARD}_settings__ConfigMap"), "in the guard's own namespace"),
        (_inventory(f"_{_GUARD}__Namespace"), "the guard's own namespace"),
        (_inventory(f"_seconder-agent_{_RBAC}_ClusterRole"), "the guard's own roles"),
    ],
)
def test_what_no_agent_writes_is_named_by_none(spec: dict[str, Any], told: str) -> None:
    """Whatever policies say, or if there are none; nothing is looked up, and no approval counts."""
    stored = {"spec": spec}
    cleaner = target(GroupResource("example.com", "cleaners"), "mine", namespace="")
    for one in (ROLLOUT, cleaner):
        for asked in (
            creation(one, new=stored),
            update(one, old={"spec": {}}, new=stored),
            update(one, old=stored, new={"spec": {}}),
            deletion(one, stored=stored),
        ):
            for policies in (state(), state(policy(DEPLOYMENTS, namespaces={"elsewhere"}))):
                decided = decide(asked, policies)
                assert decided.reason is Reason.PROTECTED_CONFIGURATION
                assert "agents may not have another program change " in decided.message
                assert told in decided.message
    assert decide(creation(ROLLOUT, PERSON, new=stored), state()).allowed
    assert decide(update(ROLLOUT, old=stored, new=stored | {"labels": {"a": "b"}}), state()).allowed


def test_in_no_namespace_a_name_of_the_guards_own_means_that() -> None:
    """Where no namespace is said anywhere; in one it means what is there."""
    cleaner = target(GroupResource("example.com", "cleaners"), "mine", namespace="")
    for spec in ({"ref": {"kind": "Deployment", "name": "seconder-webhook"}}, _whole("v1", "Secret", "seconder-ca")):
        assert decide(creation(cleaner, new={"spec": spec}), state()).reason is Reason.PROTECTED_CONFIGURATION
        assert decide(creation(cleaner, new={"spec": {**spec, "namespace": "dev"}}), state()).allowed
        assert decide(creation(ROLLOUT, new={"spec": spec}), state()).allowed


@pytest.mark.parametrize(
    "spec",
    [
        {"namespaceSelector": {"matchNames": [_GUARD]}, "selector": {"matchLabels": {"app": "seconder-webhook"}}},
        {"namespaces": [_GUARD, "shop"], "deployments": ["shop"]},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": _GUARD}}},
        {"targetNamespace": _GUARD, "name": "seconder-webhook"},
        {"backendRefs": [{"kind": "Service", "name": "seconder-webhook", "namespace": _GUARD}]},
        {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": _GUARD}]},
        {"valuesFrom": [{"kind": "ConfigMap", "name": "kube-root-ca.crt"}]},
        {"ref": {"kind": "ServiceAccount", "name": "bot", "namespace": "seconder-agents"}},
        {"ref": {"kind": "Namespace", "name": "shop"}, "spaces": {"kind": "Namespace", "names": ["default"]}},
        {"ref": {"kind": "ClusterRole", "name": "view"}, "kind": "ValidatingWebhookConfiguration", "name": "other"},
        {"ref": {"apiVersion": "example.com/v1", "kind": "Approver", "name": "alice"}},
        {"rules": [{"resources": ["namespaces"], "resourceNames": [_GUARD], "verbs": ["get"]}]},
        {"scope": f"namespace:{_GUARD}", "path": f"/api/v1/namespaces/{_GUARD}/services"},
        {"image": f"namespace/{_GUARD}:1", "host": f"{_GUARD}.example.com/namespaces/x"},
        _whole("v1", "Namespace", "kube-system"),
        _whole("v1", "ConfigMap", "aws-auth", "shop"),
        _whole("example.com/v1", "ClusterRole", "seconder-agent", "shop"),
        _whole(f"{_RBAC}/v1", "ClusterRole", "shop"),
        _inventory("shop_web_apps_Deployment", "_metrics_apiregistration.k8s.io_APIService", "_default__Namespace"),
    ],
)
def test_who_only_mentions_the_guard_is_free(spec: dict[str, Any]) -> None:
    """Monitors, routes and selectors do."""
    answers = Answers()
    policies = state(policy(DEPLOYMENTS, namespaces={"elsewhere"}))
    for asked in (creation(ROLLOUT, new={"spec": spec}), deletion(ROLLOUT, stored={"spec": spec})):
        assert decide(asked, policies, answers=answers).allowed
    assert answers.questions(ReadObjects) == []


@pytest.mark.parametrize(
    ("object_", "entry"),
    [
        (SHOP, f"{SHOP.namespace}_shop_apps_Deployment"),
        (target(CONFIG_MAPS, "settings"), "payments_settings__ConfigMap"),
        (target(NAMESPACES, "payments"), "_payments__Namespace"),
        (target(_ROLES, "system:shop"), f"payments_system__shop_{_RBAC}_Role"),
    ],
)
def test_whatever_an_inventory_lists_counts(object_: Target, entry: str) -> None:
    """A Kustomization of Flux prunes with itself what stands there."""
    asked = deletion(
        target(GroupResource("kustomize.toolkit.fluxcd.io", "kustomizations"), "mine", namespace="flux"),
        stored={"spec": {}, "status": _inventory("payments_other_apps_Deployment", entry)},
    )
    kind = ResolvedResource(object_.resource, "v1", bool(object_.namespace), custom=False, kind=entry.split("_")[-1])
    policies = state(policy(object_.resource, resolved={object_.resource: kind}))
    decided = decide(asked, policies, answers=Answers(objects=live(object_)))
    assert decided.reason is Reason.APPROVAL_MISSING
    assert decide(asked, policies, answers=Answers(objects={})).allowed


def test_very_many_entries_of_an_inventory_are_not_looked_at() -> None:
    """Nor is what they are told, so that nothing of the guard's hides among them."""
    stored = {"spec": {}, "status": _inventory(*(f"shop_n{number}__ConfigMap" for number in range(2_000)))}
    answers = Answers(objects={})
    for policies in (state(), state(policy(DEPLOYMENTS))):
        decided = decide(deletion(ROLLOUT, stored=stored), policies, answers=answers)
        assert "more objects than can be looked at" in decided.message
    assert answers.questions(ReadObjects) == []


def test_labels_and_what_is_gone_and_people_are_free() -> None:
    """Where the object that is named is not there, nothing is lost."""
    stored = {"spec": {"workloadRef": REFERENCE}}
    policies = state(policy(DEPLOYMENTS))
    labelled = update(ROLLOUT, old=stored, new=stored | {"labels": {"a": "b"}})
    assert decide(labelled, policies, answers=Answers(objects=THERE)).allowed
    assert decide(creation(ROLLOUT, new=stored), policies, answers=Answers(objects={})).allowed
    assert decide(creation(ROLLOUT, PERSON, new=stored), policies, answers=Answers(objects=THERE)).allowed


def test_a_whole_manifest_counts_for_whatever_policies_name() -> None:
    """A reference to what is no workload does not: routes name Services all day."""
    config = target(CONFIG_MAPS, "settings")
    resolved = {CONFIG_MAPS: ResolvedResource(CONFIG_MAPS, "v1", namespaced=True, custom=False, kind="ConfigMap")}
    policies = state(policy(CONFIG_MAPS, resolved=resolved))
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    answers = Answers(objects=live(config))
    assert not decide(creation(ROLLOUT, new={"spec": {"manifest": manifest}}), policies, answers=answers).allowed
    reference = {"kind": "ConfigMap", "name": "settings"}
    assert decide(creation(ROLLOUT, new={"spec": {"ref": reference}}), policies, answers=answers).allowed


def test_the_namespace_may_stand_elsewhere_in_the_object() -> None:
    """A field that speaks of namespaces counts for all that says none itself."""
    elsewhere = target(ROLLOUT.resource, "mine", namespace="dev")
    policies = state(policy(DEPLOYMENTS, namespaces={SHOP.namespace}))
    for told in ({"targetNamespace": SHOP.namespace}, {"namespaces": ["x", SHOP.namespace]}):
        asked = creation(elsewhere, new={"spec": {**told, "targetRef": REFERENCE}})
        assert not decide(asked, policies, answers=Answers(objects=THERE)).allowed
    asked = creation(elsewhere, new={"spec": {"targetRef": REFERENCE}})
    assert decide(asked, policies, answers=Answers(objects=THERE)).allowed


def test_who_is_in_no_namespace_means_what_is_called_so_anywhere() -> None:
    """Unless it says a namespace. What is in none, or called otherwise, is none of it. A placeholder is no name."""
    cleaner = target(GroupResource("example.com", "cleaners"), "mine", namespace="")
    anywhere = state(policy(DEPLOYMENTS))
    placed = [Placed(SHOP.namespace, "shop", SHOP.uid), Placed("other", "shop", "2")]

    def decided(spec: dict[str, Any], policies: ClusterState = anywhere, **given: Any) -> Decision:
        return decide(creation(cleaner, new={"spec": spec}), policies, answers=Answers(**given))

    refused = decided({"target": REFERENCE}, objects=THERE, called=placed)
    assert refused.reason is Reason.APPROVAL_MISSING
    assert "Delete of deployments.apps payments/shop needs approval" in refused.message
    assert decided({"target": REFERENCE}, objects=live(SHOP, annotations=approved_for(SHOP)), called=placed).allowed
    assert decided({"target": REFERENCE}).allowed
    unknown = decided({"target": REFERENCE}, unknown=[Called])
    assert (unknown.allowed, "could not be looked up" in unknown.message) == (False, True)
    elsewhere = state(policy(DEPLOYMENTS, namespaces={"elsewhere"}))
    assert decided({"target": REFERENCE}, elsewhere, objects=THERE, called=placed).allowed
    assert decided({"target": REFERENCE}, state(policy(CONFIG_MAPS)), objects=THERE, called=placed).allowed
    assert not decided({"target": REFERENCE | {"namespace": SHOP.namespace}}, objects=THERE).allowed
    template = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "${schema.spec.name}"}}
    assert decided({"resources": [{"template": template}]}, objects=THERE, called=placed).allowed
    many = [Placed(f"n{number}", "shop", str(number)) for number in range(65)]
    assert "more objects than can be looked at" in decided({"target": REFERENCE}, called=many).message


def test_rules_of_rights_and_of_webhooks_name_nothing_where_no_namespace_is_said() -> None:
    """By whatever rights and operations on a kind, made, changed or deleted: there is nothing to look up."""
    role = target(GroupResource("management.cattle.io", "roletemplates"), "viewer", namespace="")
    for rule in (_RULE | {"verbs": ["*"]}, _RULE | {"operations": ["CREATE"]}, _RULE):
        stored = {"rules": [rule]}
        answers = Answers()
        for asked in (creation(role, new=stored), update(role, old={}, new=stored), deletion(role, stored=stored)):
            assert decide(asked, state(policy(DEPLOYMENTS)), answers=answers).allowed
        assert answers.questions(Called) == []


def test_fields_beside_the_specification_count_as_well() -> None:
    """But for the object's own kind."""
    stored = {"deployments": ["shop"]}
    assert not decide(creation(ROLLOUT, new=stored), state(policy(DEPLOYMENTS)), answers=Answers(objects=THERE)).allowed
    job = target(GroupResource("batch.volcano.sh", "jobs"), "mine")
    asked = creation(job, new={"kind": "Deployment", "name": "shop"})
    assert decide(asked, state(policy(DEPLOYMENTS)), answers=Answers(objects=THERE)).allowed


def test_very_many_names_cost_no_more_than_a_few() -> None:
    """Of a package with many new objects, none is there; past a bound nobody looks."""
    manifests = [{**MANIFEST, "metadata": {"name": f"n{number}"}} for number in range(40)]
    policies = state(*(policy(DEPLOYMENTS, name=f"p{number}") for number in range(30)))
    answers = Answers(objects={})
    assert decide(creation(ROLLOUT, new={"spec": {"manifests": manifests}}), policies, answers=answers).allowed
    assert len(answers.questions(ReadObjects)) == 1
    references = [{"kind": "Deployment", "name": f"n{number}"} for number in range(40_000)]
    answers = Answers(objects={})
    decided = decide(creation(ROLLOUT, new={"spec": {"many": references}}), policies, answers=answers)
    assert "more objects than can be looked at" in decided.message
    assert answers.questions(ReadObjects) == []


def test_kinds_of_the_table_count_by_what_they_name_besides() -> None:
    """A Canary that says no version of its target, which Flagger never reads."""
    canary = target(GroupResource("flagger.app", "canaries"), "mine")
    for reference in ({"kind": "Deployment", "name": "shop"}, REFERENCE | {"apiVersion": "v1"}):
        asked = creation(canary, new={"spec": {"targetRef": reference}})
        assert not decide(asked, state(policy(DEPLOYMENTS)), answers=Answers(objects=THERE)).allowed


def test_a_very_deep_object_is_read_to_its_end() -> None:
    """What it names may stand at the bottom."""
    spec: Any = {"workloadRef": REFERENCE}
    for _ in range(900):
        spec = [spec]
    asked = creation(ROLLOUT, new={"spec": {"a": spec}})
    assert not decide(asked, state(policy(DEPLOYMENTS)), answers=Answers(objects=THERE)).allowed
