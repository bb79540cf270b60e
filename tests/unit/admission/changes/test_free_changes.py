"""The table of what agents may change freely, kind by kind."""

from dataclasses import replace

import pytest
from msgspec import Raw
from tests.support.builders import CONFIG_MAPS, DEPLOYMENTS, policy

from seconder.admission.changes import differences, free_changes, free_paths
from seconder.admission.changes.free_changes import TABLE, of, of_all, rows, taking_back
from seconder.admission.changes.free_paths import FreePaths, at, compiled, steps_of
from seconder.admission.kinds import BY_SELECTOR, CRON_JOBS
from seconder.api.resources import NAMESPACES, NODES, GroupResource

DAEMON_SETS = GroupResource("apps", "daemonsets")


def _is_free(free: FreePaths, path: str) -> bool:
    for step in steps_of(path):
        free = at(free, step)
    return free.all_free


def test_every_row_has_its_reason_and_a_path() -> None:
    """A path that is none would free nothing, or take nothing back."""
    for kind in TABLE:
        assert len({row.path for row in rows(kind)}) == len(rows(kind))
        for row in rows(kind):
            assert steps_of(row.path)
            assert row.reason


@pytest.mark.parametrize("kind", [*TABLE, CONFIG_MAPS], ids=str)
@pytest.mark.parametrize(
    "path",
    [
        "metadata.ownerReferences", "metadata.finalizers", "metadata.name", "spec", "status", "spec.selector",
        "spec.strategy", "spec.updateStrategy", "spec.paused", "spec.suspend", "spec.revisionHistoryLimit",
        "spec.ttlSecondsAfterFinished", "spec.successfulJobsHistoryLimit", "spec.failedJobsHistoryLimit",
        "spec.jobTemplate.spec.ttlSecondsAfterFinished", "spec.persistentVolumeClaimRetentionPolicy", "spec.ordinals",
        "spec.volumeClaimTemplates", "spec.parallelism", "spec.completions", "spec.activeDeadlineSeconds",
        "data", "rules",
    ],
)  # fmt: skip
def test_what_ends_something_is_free_on_no_kind(kind: GroupResource, path: str) -> None:
    """It is easily thought harmless."""
    assert not _is_free(of(policy(kind), kind), path)


def test_what_makes_a_rollout_harmless_is_not_free() -> None:
    """Pods that are not available are ended first, or all at once; a StatefulSet makes none after one."""
    for kind in BY_SELECTOR:
        free = of(policy(kind), kind)
        assert _is_free(free, "spec.template.spec.containers")
        assert not _is_free(free, "spec.minReadySeconds")


@pytest.mark.parametrize("kind", [*BY_SELECTOR, CRON_JOBS], ids=str)
def test_no_list_frees_what_holds_the_pods_that_a_template_makes(kind: GroupResource) -> None:
    """No controller takes finalizers away, or ends a pod before its time, and some make none where an old one stays."""
    template = "spec.jobTemplate.spec.template" if kind == CRON_JOBS else "spec.template"
    for free in (of(policy(kind), kind), of(replace(policy(kind), free_changes=("spec",)), kind)):
        assert not _is_free(free, f"{template}.metadata.finalizers")
        assert not _is_free(free, f"{template}.spec.terminationGracePeriodSeconds")
        assert _is_free(free, f"{template}.metadata.labels[a]")
        assert _is_free(free, f"{template}.spec.containers")


def test_the_everyday_work_of_an_agent_is_free() -> None:
    """And of a kind that is not in the table its labels and annotations alone."""
    free = of(policy(), DEPLOYMENTS)
    for path in ("spec.template.spec.containers", "spec.replicas", "metadata.labels.x", "metadata.annotations.y"):
        assert _is_free(free, path)
    for row in rows(CONFIG_MAPS):
        assert row.path.startswith(("metadata.labels", "metadata.annotations", "!"))


@pytest.mark.parametrize(
    "key",
    [
        "labels[app.kubernetes.io/instance]", "labels[argocd.argoproj.io/instance]",
        "annotations[argocd.argoproj.io/sync-options]", "labels[applyset.kubernetes.io/part-of]",
        "annotations[objectset.rio.cattle.io/applied]", "labels[cleanup.kyverno.io/ttl]",
        "labels[addonmanager.kubernetes.io/mode]", "annotations[configmanagement.gke.io/managed]",
        "annotations[downscaler/uptime]", "annotations[autoscaling.keda.sh/paused-replicas]",
        "annotations[autoscaling.keda.sh/paused]", "annotations[janitor/expires]",
        "annotations[helm.sh/resource-policy]", "annotations[external-dns.alpha.kubernetes.io/hostname]",
        "annotations[karpenter.sh/do-not-disrupt]",
        "annotations[cluster-autoscaler.kubernetes.io/scale-down-disabled]",
        "annotations[kustomize.toolkit.fluxcd.io/prune]", "annotations[banzaicloud.com/last-applied]",
        "annotations[zalando.org/schedule-actions]", "annotations[hoopla/scaling.schedule]",
        "labels[kube-monkey/enabled]", "annotations[pod-reaper/max-duration]", "labels[volsync.backube/cleanup]",
        "annotations[k8up.io/backup]", "labels[recurring-job.longhorn.io/snapshot-delete]",
        "labels[openshift.io/run-level]", "annotations[sleepmode.loft.sh/force]",
        "labels[apps.kruise.io/specified-delete]",
        "labels[operator.istio.io/component]", "labels[clickhouse.altinity.com/chi]",
        "labels[core.rekuberate.io/sleepcycle]", "labels[com.openfaas.scale.zero]", "labels[istio-injection]",
        "labels[cassandra.datastax.com/cluster]", "annotations[drain.planetscale.com/started]",
    ],
)  # fmt: skip
def test_keys_by_which_programs_end_something_are_not_free(key: str) -> None:
    """Of whichever kind; of a program with a prefix of its own, all."""
    for kind in (*TABLE, CONFIG_MAPS):
        assert not _is_free(of(policy(kind), kind), f"metadata.{key}")


@pytest.mark.parametrize(
    "key",
    [
        "annotations[networking.istio.io/exportTo]", "labels[istio.io/use-waypoint]",
        "annotations[service.cilium.io/global]", "annotations[io.cilium/global-service]",
        "annotations[getambassador.io/config]", "annotations[haproxy-ingress.github.io/denylist-source-range]",
        "annotations[k8s.apisix.apache.org/blocklist-source-range]", "annotations[nginx.com/jwt-key]",
        "annotations[ingress.citrix.com/insecure-termination]", "annotations[metallb.io/loadBalancerIPs]",
        "annotations[k8s.ovn.org/routing-external-gws]", "annotations[cni.projectcalico.org/ipv4pools]",
        "annotations[cert-manager.io/cluster-issuer]", "annotations[cloud.google.com/neg]",
    ],
)  # fmt: skip
def test_keys_by_which_traffic_is_led_are_free_on_no_kind(key: str) -> None:
    """Nor in what a CronJob's Jobs carry. They mark nothing for its end."""
    for kind in (*TABLE, CONFIG_MAPS, GroupResource("", "services"), GroupResource("networking.k8s.io", "ingresses")):
        assert not _is_free(of(policy(kind), kind), f"metadata.{key}")
    kind = GroupResource("batch", "cronjobs")
    assert not _is_free(of(policy(kind), kind), f"spec.jobTemplate.metadata.{key}")
    assert _is_free(free_changes.MARKS, f"metadata.{key}")


@pytest.mark.parametrize(
    "key",
    [
        "labels[app.openshift.io/runtime]", "annotations[image.openshift.io/triggers]",
        "labels.team", "labels[example.com/team]", "labels[app.kubernetes.io/version]", "labels[helm.sh/chart]",
        "labels[kubernetes.io/metadata.name]", "annotations[kubernetes.io/change-cause]",
        "annotations[deployment.kubernetes.io/revision]", "annotations[reconcile.fluxcd.io/requestedAt]",
        "annotations[meta.helm.sh/release-name]", "annotations[prometheus.io/scrape]",
    ],
)  # fmt: skip
def test_keys_of_ones_own_and_those_that_tell_are_free(key: str) -> None:
    """Most of what agents label and annotate."""
    assert _is_free(of(policy(), DEPLOYMENTS), f"metadata.{key}")


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (DEPLOYMENTS, "annotations[deprecated.deployment.rollback.to]"),
        (GroupResource("", "persistentvolumeclaims"), "annotations[pv.kubernetes.io/bind-completed]"),
        (GroupResource("", "persistentvolumeclaims"), "annotations[volume.beta.kubernetes.io/storage-provisioner]"),
        (CONFIG_MAPS, "annotations[control-plane.alpha.kubernetes.io/leader]"),
        (GroupResource("apps", "statefulsets"), "labels[kueue.x-k8s.io/queue-name]"),
        (GroupResource("storage.k8s.io", "storageclasses"), "annotations[storageclass.kubernetes.io/is-default-class]"),
        (
            GroupResource("networking.k8s.io", "ingressclasses"),
            "annotations[ingressclass.kubernetes.io/is-default-class]",
        ),
        (
            GroupResource("snapshot.storage.k8s.io", "volumesnapshotclasses"),
            "annotations[snapshot.storage.kubernetes.io/is-default-class]",
        ),
        (GroupResource("batch", "jobs"), "annotations[batch.kubernetes.io/job-tracking]"),
        (GroupResource("", "services"), "labels[service.kubernetes.io/service-proxy-name]"),
        (GroupResource("", "endpoints"), "labels[endpointslice.kubernetes.io/skip-mirror]"),
        (GroupResource("", "endpoints"), "annotations[control-plane.alpha.kubernetes.io/leader]"),
        (GroupResource("discovery.k8s.io", "endpointslices"), "labels[endpointslice.kubernetes.io/managed-by]"),
        (GroupResource("discovery.k8s.io", "endpointslices"), "labels[kubernetes.io/service-name]"),
        (GroupResource("discovery.k8s.io", "endpointslices"), "labels[service.kubernetes.io/headless]"),
        (GroupResource("networking.k8s.io", "ingresses"), "annotations[nginx.ingress.kubernetes.io/rewrite-target]"),
        (GroupResource("networking.k8s.io", "ingresses"), "annotations[kubernetes.io/ingress.class]"),
        (GroupResource("apiextensions.k8s.io", "customresourcedefinitions"), "annotations[cert-manager.io/inject]"),
        (CONFIG_MAPS, "labels[config.openshift.io/inject-trusted-cabundle]"),
        (CONFIG_MAPS, "annotations[reflector.v1.k8s.emberstack.com/reflects]"),
        (NAMESPACES, "annotations[openshift.io/node-selector]"),
        (CONFIG_MAPS, "annotations[strimzi.io/delete-pod-and-pvc]"),
    ],
)
def test_what_a_kinds_own_controller_acts_by_is_not_free(kind: GroupResource, key: str) -> None:
    """The keys beside it are."""
    free = of(policy(kind), kind)
    assert not _is_free(free, f"metadata.{key}")
    for other in ("labels[example.com/team]", "annotations[example.com/team]"):
        assert _is_free(free, f"metadata.{other}")


@pytest.mark.parametrize(
    "kind",
    [
        GroupResource("", "persistentvolumes"), GroupResource("rbac.authorization.k8s.io", "clusterroles"),
        GroupResource("apps", "controllerrevisions"), GroupResource("", "pods"), GroupResource("apps", "replicasets"),
    ],
    ids=str,
)  # fmt: skip
def test_labels_by_which_a_kind_is_selected_are_not_free(kind: GroupResource) -> None:
    """Claims select volumes, roles others that they are made of, controllers what they take for their own."""
    free = of(policy(kind), kind)
    assert not _is_free(free, "metadata.labels.team")
    assert _is_free(free, "metadata.annotations[example.com/team]")


def test_of_a_service_account_what_clouds_read_is_not_free() -> None:
    """They take it for the identity of its pods, by prefixes that nobody can list."""
    kind = GroupResource("", "serviceaccounts")
    free = of(policy(kind), kind)
    for key in ("eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id"):
        assert not _is_free(free, f"metadata.annotations[{key}]")
    assert not _is_free(free, "metadata.annotations[kubernetes.io/enforce-mountable-secrets]")
    assert not _is_free(free, "metadata.labels[azure.workload.identity/use]")
    told = ("kubectl.kubernetes.io/last-applied-configuration", "meta.helm.sh/release-name")
    for path in (
        "labels.team",
        "labels[example.com/team]",
        "annotations.note",
        *(f"annotations[{key}]" for key in told),
    ):
        assert _is_free(free, f"metadata.{path}")


@pytest.mark.parametrize("kind", [*TABLE, CONFIG_MAPS], ids=str)
def test_keys_of_kubernetes_own_are_free_on_no_kind(kind: GroupResource) -> None:
    """Whatever acts by them, today or tomorrow; those that tell something to people and clients are."""
    free = of(policy(kind), kind)
    for key in ("kubernetes.io/x", "k8s.io/x", "made.up.kubernetes.io/x", "sig.k8s.io/x", "jobset.x-k8s.io/x"):
        for where in ("labels", "annotations"):
            assert not _is_free(free, f"metadata.{where}[{key}]")
    for told in ("app.kubernetes.io/version", "kubectl.kubernetes.io/restartedAt", "kubernetes.io/change-cause"):
        assert _is_free(free, f"metadata.annotations[{told}]") == (kind != NODES)


def test_the_same_holds_for_the_jobs_that_a_cron_job_makes() -> None:
    """Kueue, say, suspends what carries the name of a queue, and kube-janitor deletes what carries its mark."""
    kind = GroupResource("batch", "cronjobs")
    free = of(policy(kind), kind)
    assert not _is_free(free, "spec.jobTemplate.metadata.labels[kueue.x-k8s.io/queue-name]")
    assert not _is_free(free, "spec.jobTemplate.metadata.labels[app.kubernetes.io/instance]")
    assert not _is_free(free, "spec.jobTemplate.metadata.annotations[janitor/ttl]")
    assert _is_free(free, "spec.jobTemplate.metadata.labels[app.kubernetes.io/version]")
    assert _is_free(free, "spec.jobTemplate.metadata.labels.team")


def test_a_label_by_which_no_job_can_be_made_is_not_free() -> None:
    """The API server gives a Job's pods these itself, and refuses a Job whose template has others."""
    kind = GroupResource("batch", "cronjobs")
    free = of(policy(kind), kind)
    for key in ("job-name", "controller-uid", "batch.kubernetes.io/job-name"):
        assert not _is_free(free, f"spec.jobTemplate.spec.template.metadata.labels[{key}]")
    assert _is_free(free, "spec.jobTemplate.spec.template.metadata.labels.team")
    assert _is_free(free, "spec.jobTemplate.spec.template.spec.containers")


def test_no_list_frees_what_puts_a_former_template_back() -> None:
    """Whoever frees annotations thinks of no template; on other kinds the key says nothing."""
    own = policy(DEPLOYMENTS, CONFIG_MAPS, free_changes=("metadata.annotations",))
    rollback = "metadata.annotations[deprecated.deployment.rollback.to]"
    assert not _is_free(of(own, DEPLOYMENTS), rollback)
    assert _is_free(of(own, DEPLOYMENTS), "metadata.annotations.team")
    assert _is_free(of(own, CONFIG_MAPS), rollback)


def test_what_may_run_in_a_namespace_is_not_free() -> None:
    """Its other labels are."""
    free = of(policy(NAMESPACES), NAMESPACES)
    assert _is_free(free, "metadata.labels.team")
    for mode in ("enforce", "enforce-version", "warn", "audit"):
        assert not _is_free(free, f"metadata.labels[pod-security.kubernetes.io/{mode}]")


def test_where_a_daemon_sets_pods_run_is_not_free() -> None:
    """Nowhere would be a scale to nothing."""
    free = of(policy(DAEMON_SETS), DAEMON_SETS)
    assert _is_free(free, "spec.template.spec.containers")
    for field in ("nodeSelector", "affinity", "tolerations"):
        assert not _is_free(free, f"spec.template.spec.{field}")


def test_a_policys_own_list_stands_in_the_place_of_the_table() -> None:
    """An empty one frees nothing; of several policies each has its say."""
    assert of(policy(CONFIG_MAPS, free_changes=()), CONFIG_MAPS) == FreePaths()
    assert of(policy(free_changes=()), DEPLOYMENTS).none_free
    assert of(policy(CONFIG_MAPS, free_changes=("spec.paused",)), CONFIG_MAPS) == compiled(("spec.paused",))
    lists = of_all([policy(), policy(name="q"), policy(name="r", free_changes=("spec",))], DEPLOYMENTS)
    assert len(lists) == 2
    assert not any(_is_free(free, "spec.replicas") for free in taking_back(lists, free_changes.NAMED))


@pytest.mark.parametrize(
    ("group", "key", "other"),
    [
        ("postgresql.cnpg.io", "cnpg.io/hibernation", "example.com/hibernation"),
        ("postgresql.cnpg.io", "alpha.cnpg.io/unrecoverable", "notcnpg.io/x"),
        ("kafka.example.com", "pause.kafka.example.com/now", "example.org/x"),
        ("gateway.networking.k8s.io", "gateway.networking.k8s.io/x", "example.com/x"),
        ("kueue.x-k8s.io", "kueue.x-k8s.io/x", "example.com/x"),
    ],
)
def test_of_a_custom_kind_keys_of_its_authors_domain_are_not_free(group: str, key: str, other: str) -> None:
    """Operators name their commands by the domain of their kinds."""
    kind = GroupResource(group, "clusters")
    free = of(policy(kind), kind)
    for where in ("labels", "annotations"):
        assert not _is_free(free, f"metadata.{where}[{key}]")
        assert _is_free(free, f"metadata.{where}[{other}]")
        assert _is_free(free, f"metadata.{where}.team")


def test_nothing_of_a_node_is_free() -> None:
    """Distributions take its annotations for commands, such as to leave etcd."""
    nodes = GroupResource("", "nodes")
    free = of(policy(nodes), nodes)
    for key in ("annotations[etcd.k3s.cattle.io/remove]", "annotations.x", "labels.x"):
        assert not _is_free(free, f"metadata.{key}")


def test_a_step_as_long_as_an_object_is_not_kept() -> None:
    """A client makes up keys where a kind takes any, and what is remembered of them is bounded in bytes, too."""
    long, everything = "x" * 100_000, (compiled(("*",)),)
    before = (free_paths._at.cache_info().currsize, free_paths.below.cache_info().currsize)
    assert at(*everything, long).all_free
    assert not differences.surely_free({long: Raw(b"1")}, {}, everything), "it takes more to tell"
    assert (free_paths._at.cache_info().currsize, free_paths.below.cache_info().currsize) == before
    assert differences.surely_free({long[:300]: Raw(b"1")}, {}, everything)


@pytest.mark.parametrize("kind", free_changes.ENDED, ids=str)
@pytest.mark.parametrize(
    "key", ["kubernetes.io/description", "kubernetes.io/change-cause", "app.kubernetes.io/version"]
)
def test_what_tells_something_to_people_ends_nothing(kind: GroupResource, key: str) -> None:
    """So a policy that asks about deletions alone asks about no more than one that asks about every change."""
    for place in ("labels", "annotations"):
        assert _is_free(free_changes.ending(kind), f"metadata.{place}[{key}]")
