"""Programs that delete or shrink others' objects on the word of an object of their own.

No ownerReference leads from the one to the others, so deleting the object counts as nothing unless a policy names it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from seconder.admission.policy_index import protects
from seconder.api import policy_documents
from seconder.api.policy import Mode, Policy, Subjects
from seconder.api.resources import NAMESPACES, GroupResource
from seconder.client.discovery import Catalogue
from seconder.operator.conditions import condition
from seconder.operator.policy_status import Judged

CONDITION: Final = "DeputiesUnprotected"
"""Type of the condition that is there, and true, while some such kind is installed and protected by no policy."""

_INDIRECT_DELETERS: Final = {
    GroupResource("apps.projectsveltos.io", "cleaners"): "Sveltos",
    GroupResource("argoproj.io", "applications"): "Argo CD",
    GroupResource("argoproj.io", "applicationsets"): "Argo CD",
    GroupResource("argoproj.io", "rollouts"): "Argo Rollouts",
    GroupResource("autoscaling.alibabacloud.com", "cronhorizontalpodautoscalers"): "Alibaba Cloud",
    GroupResource("autoscaling.k8s.io", "verticalpodautoscalers"): "Vertical Pod Autoscaler",
    GroupResource("chaos-mesh.org", "podchaos"): "Chaos Mesh",
    GroupResource("chaos.datadoghq.com", "disruptions"): "Datadog",
    GroupResource("cluster.open-cluster-management.io", "managedclusters"): "Open Cluster Management",
    GroupResource("cluster.x-k8s.io", "machinedeployments"): "Cluster API",
    GroupResource("cluster.x-k8s.io", "machines"): "Cluster API",
    GroupResource("config.projectsveltos.io", "clusterprofiles"): "Sveltos",
    GroupResource("config.projectsveltos.io", "profiles"): "Sveltos",
    GroupResource("configsync.gke.io", "reposyncs"): "Config Sync",
    GroupResource("configsync.gke.io", "rootsyncs"): "Config Sync",
    GroupResource("core.gardener.cloud", "projects"): "Gardener",
    GroupResource("core.oam.dev", "applications"): "KubeVela",
    GroupResource("flagger.app", "canaries"): "Flagger",
    GroupResource("fleet.cattle.io", "bundles"): "Rancher Fleet",
    GroupResource("fleet.cattle.io", "gitrepos"): "Rancher Fleet",
    GroupResource("helm.cattle.io", "helmcharts"): "k3s",
    GroupResource("helm.crossplane.io", "releases"): "Crossplane",
    GroupResource("helm.toolkit.fluxcd.io", "helmreleases"): "Flux",
    GroupResource("http.keda.sh", "httpscaledobjects"): "KEDA",
    GroupResource("k3s.cattle.io", "addons"): "k3s",
    GroupResource("kappctrl.k14s.io", "apps"): "kapp-controller",
    GroupResource("karpenter.sh", "nodeclaims"): "Karpenter",
    GroupResource("karpenter.sh", "nodepools"): "Karpenter",
    GroupResource("keda.sh", "scaledobjects"): "KEDA",
    GroupResource("kube-green.com", "sleepinfos"): "kube-green",
    GroupResource("kubernetes.crossplane.io", "objects"): "Crossplane",
    GroupResource("kustomize.toolkit.fluxcd.io", "kustomizations"): "Flux",
    GroupResource("management.cattle.io", "projects"): "Rancher",
    GroupResource("management.loft.sh", "spaceinstances"): "vCluster Platform",
    GroupResource("management.loft.sh", "virtualclusterinstances"): "vCluster Platform",
    GroupResource("nodemaintenance.medik8s.io", "nodemaintenances"): "Medik8s",
    GroupResource("resources.gardener.cloud", "managedresources"): "Gardener",
    GroupResource("tenant.kubesphere.io", "workspaces"): "KubeSphere",
    GroupResource("tenantoperator.stakater.com", "tenants"): "Stakater MTO",
    GroupResource("velero.io", "restores"): "Velero",
    GroupResource("work.open-cluster-management.io", "manifestworks"): "Open Cluster Management",
}
"""Kinds and the programs that act on them."""

_AS_NAMESPACES: Final = "OpenShift, where a policy for Everyone must name namespaces"

PROJECTS: Final = GroupResource("project.openshift.io", "projects")
"""OpenShift's API server asks no admission webhook about their deletion. That of the Namespace is then asked for by a
ServiceAccount of its own, whom policies for Everyone alone bind."""


def unprotected(served: Catalogue, policies: Iterable[Policy]) -> list[GroupResource]:
    """The kinds of indirect deleters that this cluster serves and no policy protects from deletion."""
    protecting = [policy for policy in policies if protects(policy)]
    named = {resource for policy in protecting for resource in policy.resolved}
    everyones = (policy for policy in protecting if policy.subjects is Subjects.EVERYONE and not policy.places)
    if any(NAMESPACES in policy.resolved for policy in everyones):
        named.add(PROJECTS)
    else:
        named.discard(PROJECTS)
    return [kind for kind in sorted([*_INDIRECT_DELETERS, PROJECTS]) if kind in served and kind not in named]


def status(judged: Judged, document: Mapping[str, Any], found: Sequence[GroupResource]) -> dict[str, Any]:
    """A policy's status, with a warning where it protects something. ``document`` is the one that was judged."""
    if not found or judged.problem or judged.mode is Mode.AUDIT or not any(map(protects, judged.policies)):
        return judged.status
    kinds = ", ".join(f"{kind} ({_INDIRECT_DELETERS.get(kind, _AS_NAMESPACES)})" for kind in found)
    warning = condition(
        CONDITION,
        ok=True,
        reason="NamedByNoPolicy",
        text=f"deleting one of these may delete or shrink what it manages, and no policy names them: {kinds}",
        generation=document["metadata"].get("generation", 0),
        before=policy_documents.status_of(document).conditions,
    )
    return judged.status | {"conditions": [*judged.status["conditions"], msgspec.to_builtins(warning)]}
