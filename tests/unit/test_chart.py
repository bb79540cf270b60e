"""What the chart renders, for whatever values; and which values it refuses."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart import files
from localstack import generate
from localstack.binaries import provide
from localstack.pins import Binary
from seconder import __main__ as program

_CHART = files.CHART
_PLATFORMS = [*(_CHART / "platforms").glob("*.yaml")]
_PORTAL = ["portal.enabled=true", "portal.origin=https://approve.example.com", "operator.copyApprovals=true"]
_MATRIX: dict[str, list[str]] = {
    "defaults": [],
    "a portal": [*_PORTAL, "clusterId=blue"],
    "two portals behind an Ingress": [
        *_PORTAL,
        "portal.replicas=2",
        "portal.ingress.enabled=true",
        "portal.ingress.className=nginx",
        "portal.ingress.tlsSecretName=approve-tls",
        "portal.ingress.annotations.a=b",
        "portal.priorityClassName=high",
        "portal.env[0].name=NO_PROXY",
        "portal.env[0].value=10.0.0.1",
    ],
    "one replica": ["webhook.replicas=1"],
    "digest": [f"image.digest=sha256:{'0' * 64}", "image.repository=example/seconder"],
    "cert-manager": ["certificates.provider=cert-manager"],
    "cert-manager with an issuer": [
        "certificates.provider=cert-manager",
        "certificates.certManager.issuerName=ours",
        "certificates.certManager.issuerKind=ClusterIssuer",
    ],
    "secret": ["certificates.provider=secret", "certificates.secretName=ours"],
    "everything": [
        "serviceMonitor.enabled=true",
        "serviceMonitor.additionalLabels.release=prom",
        "prometheusRule.enabled=true",
        "prometheusRule.additionalLabels.release=prom",
        "prometheusRule.runbookBase=https://example.com/runbooks/",
        "dashboard.enabled=true",
        "operator.copyApprovals=true",
        "notifications.secretName=targets",
        "notifications.routes[0].teams={payments}",
        "webhook.namespaceLabel=true",
        "webhook.clientCA=-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----",
        "webhook.openChangeRequests.perRequester=5",
        "webhook.openChangeRequests.inAll=100",
        "webhook.priorityClassName=system-cluster-critical",
        "operator.priorityClassName=system-cluster-critical",
        "webhook.nodeSelector.disk=ssd",
        "webhook.tolerations[0].key=control-plane",
        "webhook.affinity.nodeAffinity.x=y",
        "imagePullSecrets[0].name=registry",
        "controllers[0]=system:serviceaccount:argocd:controller",
        "namespaceAliases[0].group=example.com",
        "namespaceAliases[0].resource=spaces",
        "namespaceAliases[0].field=spec.namespace",
        "namespaceAliases[0].optional=true",
        "clusterId=blue",
    ],
    "ports and names of one's own": [
        "webhook.hostNetwork=true",
        "webhook.port=10250",
        "webhook.metricsPort=10251",
        "operator.metricsPort=10252",
        "operator.hostNetwork=true",
        "operator.dnsPolicy=Default",
        "webhook.env[0].name=NO_PROXY",
        "webhook.env[0].value=10.0.0.1",
        "webhook.podLabels.team=guard",
        "webhook.podAnnotations.a=b",
        "operator.podLabels.team=guard",
        "webhook.serviceAccountAnnotations.a=b",
        "webhook.topologySpreadConstraints[0].maxSkew=1",
        "resourceQuota.enabled=true",
    ],
    "nothing": [
        "defaultPolicy.enabled=false",
        "platformPolicy.enabled=false",
        "systemPolicy.enabled=false",
        "flowControl.enabled=false",
        "roles.enabled=false",
        "admissionPolicy.enabled=false",
        "networkPolicy.enabled=false",
    ],
}


def _helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    helm = provide((Binary.HELM,), any_kubectl=False)[Binary.HELM]
    return subprocess.run([helm, *arguments], capture_output=True, text=True, check=False, timeout=60)


def _render(*values: str) -> subprocess.CompletedProcess[str]:
    flags = [f"--set={value}" for value in values]
    return _helm("template", "seconder", _CHART, "--namespace=guard", *flags)


def _documents(*values: str) -> list[dict[str, Any]]:
    done = _render(*values)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def _of(documents: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in documents if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def test_helm_finds_nothing_to_mend() -> None:
    """``helm lint --strict``: a warning is an error."""
    done = _helm("lint", "--strict", _CHART)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("values", _MATRIX.values(), ids=list(_MATRIX))
def test_pods_are_restricted_and_started_with_flags_that_there_are(values: list[str]) -> None:
    """As the Pod Security Standard "restricted" asks, with a root that nobody writes to; each flag is one of ours."""
    documents = _documents(*values)
    for component in ("webhook", "operator", *(["portal"] if "portal.enabled=true" in values else [])):
        pod = _of(documents, "Deployment", f"seconder-{component}")["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["serviceAccountName"] == f"seconder-{component}"
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["livenessProbe"]
        assert container["readinessProbe"]
        assert container["resources"]["requests"]
        parsed = program._parser().parse_args(container["args"])
        assert parsed.command == component
        assert component == "portal" or parsed.namespace == "guard"
        # Killed before it has drained, it would drop reviews.
        if component == "webhook":
            assert pod["terminationGracePeriodSeconds"] > parsed.drain_delay + 20


@pytest.mark.parametrize("platform", sorted(_PLATFORMS), ids=lambda path: path.stem)
def test_a_platforms_values_render_pods_that_it_lets_in(platform: Path) -> None:
    """Restricted as ever; where OpenShift chooses the user, none is given."""
    done = _helm("template", "seconder", _CHART, "--namespace=guard", f"--values={platform}")
    assert done.returncode == 0, done.stderr
    documents = [each for each in yaml.safe_load_all(done.stdout) if each]
    for component in ("webhook", "operator"):
        pod = _of(documents, "Deployment", f"seconder-{component}")["spec"]["template"]["spec"]
        user = {} if platform.stem == "openshift" else {"runAsUser": 65532, "runAsGroup": 65532}
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}} | user
        assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}
        assert "hostNetwork" not in pod
    quotas = [each["metadata"]["name"] for each in documents if each["kind"] == "ResourceQuota"]
    assert quotas == ["seconder-priority"]


def test_each_platforms_values_are_told_of_in_the_document() -> None:
    """What each is for, and no other."""
    page = (files.ROOT / "docs" / "platforms.md").read_text()
    assert {path.name for path in _PLATFORMS} == set(re.findall(r"`([-a-z0-9]+\.yaml)`", page))


def test_ports_are_the_same_wherever_they_are_told() -> None:
    """To the program, in the pod, in what the network lets in; Services go by name. DNS works on the host's network."""
    values = [
        "webhook.port=10250",
        "webhook.metricsPort=10251",
        "operator.metricsPort=10252",
        "webhook.hostNetwork=true",
    ]
    documents = _documents(*values)
    pod = _of(documents, "Deployment", "seconder-webhook")["spec"]["template"]["spec"]
    assert pod["hostNetwork"] is True
    assert pod["dnsPolicy"] == "ClusterFirstWithHostNet"
    (container,) = pod["containers"]
    assert {each["name"]: each["containerPort"] for each in container["ports"]} == {"reviews": 10250, "metrics": 10251}
    assert {"--bind-address=[::]:10250", "--metrics-bind-address=[::]:10251"} < {*container["args"]}
    ingress = _of(documents, "NetworkPolicy", "seconder")["spec"]["ingress"]
    assert [port["port"] for port in ingress[0]["ports"]] == [10250, 10251, 10252]
    service = _of(documents, "Service", "seconder-webhook")["spec"]["ports"]
    assert [(each["port"], each["targetPort"]) for each in service] == [(443, "reviews"), (9090, "metrics")]


def test_labels_of_ones_own_never_hide_pods_from_their_services() -> None:
    """Those of the chart win."""
    documents = _documents("webhook.podLabels.app\\.kubernetes\\.io/name=other", "webhook.podLabels.team=guard")
    labels = _of(documents, "Deployment", "seconder-webhook")["spec"]["template"]["metadata"]["labels"]
    assert (labels["app.kubernetes.io/name"], labels["team"]) == ("seconder", "guard")


def test_names_that_look_like_numbers_or_yaml_stay_text() -> None:
    """A namespace may be called 1234, and Helm's own templates write values as they are."""
    given = {
        "webhook.priorityClassName": "1",
        "image.tag": "1.0",
        "certificates.secretName": "0x1",
        "clusterId": "blue #1: {a}",
        "controllers[0]": "- x: #y",
        "serviceMonitor.interval": "30",
    }
    flags = [f"--set-string={key}={value}" for key, value in given.items()]
    parts = [f"--set={each}.enabled=true" for each in ("serviceMonitor", "prometheusRule", "dashboard")]
    for provider in ("operator", "cert-manager"):
        more = f"--set=certificates.provider={provider}"
        done = _helm("template", "1234", _CHART, "--namespace=5678", *flags, *parts, more)
        assert done.returncode == 0, done.stderr
        documents = [each for each in yaml.safe_load_all(done.stdout) if each]
        assert {each["metadata"].get("namespace", "5678") for each in documents} == {"5678"}
        for each in documents:
            labels = each["metadata"].get("labels") or {}
            assert {type(value) for value in labels.values()} <= {str}, each["metadata"]
        for component in ("webhook", "operator"):
            pod = _of(documents, "Deployment", f"seconder-{component}")["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            assert {"--cluster-id=blue #1: {a}", "--controller=- x: #y", "--serving-secret=0x1"} < {*container["args"]}
        subjects = [subject for each in documents for subject in each.get("subjects", ())]
        assert {each["namespace"] for each in subjects} == {"5678"}


@pytest.mark.parametrize("component", ["webhook", "operator"])
def test_two_of_each_are_kept_apart_and_one_is_always_there(component: str) -> None:
    """A drained node, or a rollout, leaves one that answers, and one that leads or stands by."""
    documents = _documents()
    name = f"seconder-{component}"
    deployment = _of(documents, "Deployment", name)["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"] == {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    pods = deployment["selector"]["matchLabels"]
    spread = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert [each["labelSelector"]["matchLabels"] for each in spread] == [pods, pods]
    budget = _of(documents, "PodDisruptionBudget", name)["spec"]
    assert (budget["minAvailable"], budget["selector"]["matchLabels"]) == (1, pods)


@pytest.mark.parametrize("component", ["webhook", "operator"])
def test_one_alone_has_no_budget_that_would_keep_its_node_from_being_drained(component: str) -> None:
    """And constraints of one's own stand in the place of the chart's."""
    own = "maxSkew=2,topologyKey=rack,whenUnsatisfiable=DoNotSchedule"
    constraints = [f"{component}.topologySpreadConstraints[0].{each}" for each in own.split(",")]
    documents = _documents(f"{component}.replicas=1", *constraints)
    budgets = [each["metadata"]["name"] for each in documents if each["kind"] == "PodDisruptionBudget"]
    assert f"seconder-{component}" not in budgets
    (spread,) = _of(documents, "Deployment", f"seconder-{component}")["spec"]["template"]["spec"][
        "topologySpreadConstraints"
    ]
    assert spread["topologyKey"] == "rack"


def test_selectors_find_the_pods() -> None:
    """Services and the budget by the same labels as the Deployments' pods; both programs' metrics by one name."""
    documents = _documents("serviceMonitor.enabled=true")
    for component in ("webhook", "operator"):
        labels = _of(documents, "Deployment", f"seconder-{component}")["spec"]["template"]["metadata"]["labels"]
        service = _of(documents, "Service", f"seconder-{component}")
        assert service["spec"]["selector"].items() <= labels.items()
        monitor = _of(documents, "ServiceMonitor", "seconder")["spec"]
        assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert "metrics" in [port["name"] for port in service["spec"]["ports"]]


@pytest.mark.parametrize(
    ("provider", "flags", "verbs"),
    [
        ("operator", [], {"seconder-ca": {"get", "update"}, "seconder-webhook-tls": {"get", "update"}}),
        ("cert-manager", ["--certificates=secret"], {"seconder-webhook-tls": {"get"}}),
        ("secret", ["--certificates=secret"], {"seconder-webhook-tls": {"get"}}),
    ],
)
def test_only_an_operator_that_makes_certificates_may_write_secrets(
    provider: str, flags: list[str], verbs: dict[str, set[str]]
) -> None:
    """Whoever else makes them, it reads one Secret."""
    documents = _documents(f"certificates.provider={provider}")
    args = _of(documents, "Deployment", "seconder-operator")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert [each for each in args if each.startswith("--certificates")] == flags
    named: dict[str, set[str]] = {}
    for rule in _of(documents, "Role", "seconder-operator")["rules"]:
        assert rule["resources"] in (["leases"], ["secrets"])
        for name in rule.get("resourceNames", []) if rule["resources"] == ["secrets"] else []:
            named.setdefault(name, set()).update(rule["verbs"])
    assert named == verbs


def test_optional_parts_are_there_when_asked_for_and_not_otherwise() -> None:
    """Nothing that needs somebody else's CRDs by default."""
    kinds = {each["kind"] for each in _documents()}
    assert not kinds & {"ServiceMonitor", "PrometheusRule", "Certificate", "Issuer", "ConfigMap"}
    assert {"NetworkPolicy", "ProtectionPolicy", "ValidatingAdmissionPolicy", "FlowSchema"} <= kinds
    everything = _documents(*_MATRIX["everything"])
    rule = _of(everything, "PrometheusRule", "seconder")
    urls = [each["annotations"]["runbook_url"] for group in rule["spec"]["groups"] for each in group["rules"]]
    assert urls
    assert all(url.startswith("https://example.com/runbooks/Seconder") for url in urls)
    assert _of(everything, "ConfigMap", "seconder-dashboard")["metadata"]["labels"]["grafana_dashboard"] == "1"
    nothing = {each["kind"] for each in _documents(*_MATRIX["nothing"])}
    assert not nothing & {"NetworkPolicy", "ProtectionPolicy", "ValidatingAdmissionPolicy", "FlowSchema"}


def test_the_guard_is_not_preempted() -> None:
    """Both programs have the highest priority but one, and may have it; a larger number of pods, too."""
    documents = _documents()
    for name in ("seconder-webhook", "seconder-operator"):
        assert _of(documents, "Deployment", name)["spec"]["template"]["spec"]["priorityClassName"] == (
            "system-cluster-critical"
        )
    assert _of(documents, "ResourceQuota", "seconder-priority")["spec"]["hard"] == {"pods": "10"}
    many = _documents("webhook.replicas=9")
    assert _of(many, "ResourceQuota", "seconder-priority")["spec"]["hard"] == {"pods": "22"}


def test_agents_reach_no_nodes_unless_the_chart_lets_them() -> None:
    """Both programs are told, and where the portal is."""
    for given, told in (((), False), (("agentPods.reachNodes=true", *_PORTAL), True)):
        documents = _documents(*given)
        for name in ("seconder-webhook", "seconder-operator"):
            arguments = _of(documents, "Deployment", name)["spec"]["template"]["spec"]["containers"][0]["args"]
            assert ("--agents-reach-nodes" in arguments) is told
            assert any(argument.startswith("--portal-origin=https://") for argument in arguments) is told


def test_the_footing_of_the_cluster_is_protected_by_a_policy_of_its_own() -> None:
    """Definitions, nodes, volumes, priority and storage classes; and the two programs are served by themselves."""
    documents = _documents()
    named = _of(documents, "ProtectionPolicy", "platform")["spec"]["resources"]
    assert {plural for each in named for plural in each["resources"]} == {
        "customresourcedefinitions",
        "nodes",
        "persistentvolumes",
        "priorityclasses",
        "storageclasses",
    }
    system = _of(documents, "ProtectionPolicy", "system")["spec"]
    assert system["namespaces"] == ["kube-system"]
    named = {(each["group"], plural) for each in system["resources"] for plural in each["resources"]}
    assert named == {("", "services"), ("", "configmaps"), ("apps", "daemonsets"), ("apps", "deployments")}
    flow = _of(documents, "FlowSchema", "seconder")["spec"]
    assert flow["priorityLevelConfiguration"]["name"] == "seconder"
    accounts = [each["serviceAccount"]["name"] for each in flow["rules"][0]["subjects"]]
    assert accounts == ["seconder-operator", "seconder-webhook"]
    assert _of(documents, "PriorityLevelConfiguration", "seconder")["spec"]["limited"]["nominalConcurrencyShares"] > 0


def test_agents_are_served_by_themselves_and_nobody_else_with_them() -> None:
    """Whom the default policy calls an agent by groups, users and namespaces, after the control plane's own flows."""
    spec = _of(_documents(), "FlowSchema", "seconder-agents")["spec"]
    assert _subjects(spec) == {"seconder.dev:agents", "*/seconder-agents"}
    # The built-in ones of the control plane have 900 at most, that of all ServiceAccounts has 9000.
    assert 900 < spec["matchingPrecedence"] < 9000
    limited = _of(_documents(), "PriorityLevelConfiguration", "seconder-agents")["spec"]["limited"]
    assert limited["borrowingLimitPercent"] == 0
    given = ("groups[0]=bots", "users[0]=hal", "serviceAccountNamespaces[0]=rooms")
    more = ("groups[0]=drones", "serviceAccountNamespaces[0]=seconder-agents")
    sets = [f"defaultPolicy.spec.agents.{each}" for each in given] + [f"flowControl.agents.{each}" for each in more]
    others = _of(_documents(*sets), "FlowSchema", "seconder-agents")["spec"]
    assert _subjects(others) == {"seconder.dev:agents", "bots", "drones", "hal", "*/seconder-agents", "*/rooms"}
    for off in ("flowControl.enabled=false", "flowControl.agents.enabled=false"):
        assert not [each for each in _documents(off) if each["metadata"]["name"] == "seconder-agents"]


@pytest.mark.parametrize("given", ["groups[0]=system:authenticated", "serviceAccountNamespaces[0]=kube-system"])
def test_people_and_controllers_are_not_served_as_agents(given: str) -> None:
    """Not by a slip."""
    done = _render(f"flowControl.agents.{given}")
    assert done.returncode != 0
    assert "flowControl" in done.stderr


def _subjects(spec: dict[str, Any]) -> set[str]:
    (rule,) = spec["rules"]
    found = set()
    for subject in rule["subjects"]:
        (named,) = [value for key, value in subject.items() if key != "kind"]
        found.add(f"{named['name']}/{named['namespace']}" if "namespace" in named else named["name"])
    return found


def test_a_portal_is_told_where_it_is_and_so_is_the_operator() -> None:
    """Links lead there, approvals are copied, and it is let in by its own port; without one there is nothing of it."""
    documents = _documents(*_MATRIX["two portals behind an Ingress"])
    args = {
        component: _of(documents, "Deployment", f"seconder-{component}")["spec"]["template"]["spec"]["containers"][0]
        for component in ("operator", "portal")
    }
    assert {"--portal-origin=https://approve.example.com", "--copy-approvals"} <= {*args["operator"]["args"]}
    assert "--origin=https://approve.example.com" in args["portal"]["args"]
    assert args["portal"]["resources"]["limits"]["memory"] == "128Mi"
    (rule,) = _of(documents, "Ingress", "seconder-portal")["spec"]["rules"]
    assert rule["host"] == "approve.example.com"
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "seconder-portal", "port": {"name": "http"}}
    policy = _of(documents, "NetworkPolicy", "seconder-portal")["spec"]
    assert [port["port"] for port in policy["ingress"][0]["ports"]] == [8080, 9090]
    labels = _of(documents, "Deployment", "seconder-portal")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert _of(documents, "Service", "seconder-portal")["spec"]["selector"].items() <= labels.items()
    assert _of(documents, "PodDisruptionBudget", "seconder-portal")["spec"]["maxUnavailable"] == 1
    assert not [each for each in _documents() if "portal" in each["metadata"]["name"]]


@pytest.mark.parametrize(
    "value",
    [
        "portal.origin=http://approve.example.com",
        "portal.origin=https://approve.example.com/path",
        "portal.origin=https://Approve.example.com",
        "portal.replicas=3",
        "portal.orign=https://approve.example.com",
        "webhook.replica=3",
        "image.pullPolcy=Never",
        "certificate.provider=secret",
        "certificates.provider=vault",
        "certificates.certManager.issuer=x",
        "webhook.replicas=0",
        "image.pullPolicy=Sometimes",
        "image.digest=latest",
        "networkPolicy.apiServerPorts[0]=70000",
        "operator.copyApprovals=often",
        "image.repository=",
        "certificates.secretName=",
        "certificates.secretName=Ours/tls",
        "prometheusRule.runbookBase=x: y",
    ],
)
def test_a_misspelled_or_impossible_value_is_refused(value: str) -> None:
    """By the schema, at every level: what is passed over in silence protects nobody."""
    done = _render(value)
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["image.tag=v1", f"image.digest=sha256:{'0' * 64}"], "give one of them"),
        (["webhook.minAvailable=2"], "no node with a webhook could be drained"),
        (["certificates.certManager.issuerName=x"], "set the provider, or leave the name out"),
        (
            ["certificates.provider=cert-manager", "certificates.certManager.issuerKind=ClusterIssuer"],
            "no issuerName says which",
        ),
        (["webhook.openChangeRequests.perRequester=2000"], "lower it, or raise inAll"),
        (["defaultPolicy.spec.resources=null"], "name what is to be protected"),
        (["certificates.secretName=seconder-ca"], "give another name"),
        (["portal.enabled=true", "operator.copyApprovals=true"], "say where browsers find it"),
        (["portal.enabled=true", "portal.origin=https://a.example.com"], "needs operator.copyApprovals=true"),
        ([*_PORTAL, "portal.port=9090"], "give each a port of its own"),
        (["portal.ingress.enabled=true"], "set that, too"),
        (["networkPolicy.apiServerPorts=null"], "name the API server's ports"),
        (["defaultPolicy.spec.agents.serviceAccountNamespaces={guard}"], "a namespace of its own"),
    ],
)
def test_values_that_contradict_each_other_fail_with_a_sentence(values: list[str], said: str) -> None:
    """Before anything is installed, with what to do."""
    done = _render(*values)
    assert done.returncode != 0
    assert said in done.stderr


def test_what_is_made_from_the_chart_is_as_it_would_be_made() -> None:
    """Else: make generate."""
    stale = [
        str(path) for path, content in (files.within() | generate.from_chart()).items() if path.read_text() != content
    ]
    assert stale == []


def test_the_next_three_commands_are_told() -> None:
    """Whoever has installed it is not done: nobody can approve yet."""
    notes = (_CHART / "templates/NOTES.txt").read_text()
    for command in ("kubectl get protectionpolicies", "kubectl apply -f -", "kubectl seconder agent-kubeconfig"):
        assert command in notes


_PERMISSIONS: Mapping[tuple[str, str], Mapping[str, str]] = {
    # What each of the two may do, and where the code does it. A permission that is not here is one too many.
    ("ClusterRole", "seconder-webhook"): {
        "seconder.dev protectionpolicies,approvers,approverauthorities get,list,watch": "client/cache.py",
        " serviceaccounts get,list,watch": "client/cache.py",
        "seconder.dev changerequests create,get,list,watch": "webhook/recorder.py",
        "seconder.dev changerequests/status update": "webhook/recorder.py",
        " events create,patch": "client/events.py",
        " namespaces[kube-system] get": "client/cache.py",
        " namespaces list,watch": "client/namespace_labels.py",
        "rbac.authorization.k8s.io clusterroles,roles get": "client/access.py",
        " pods get": "client/access.py",
        " secrets get,list": "client/access.py",
        "apiregistration.k8s.io apiservices list": "client/kinds.py",
        "apiextensions.k8s.io customresourcedefinitions get,list,watch": "client/guard_owners.py",
        "rbac.authorization.k8s.io clusterroles,clusterrolebindings list,watch": "client/guard_owners.py",
        "rbac.authorization.k8s.io roles,rolebindings list,watch": "client/grants.py",
        "admissionregistration.k8s.io validatingwebhookconfigurations list,watch": "client/guard_owners.py",
        "authorization.k8s.io subjectaccessreviews create": "client/access.py",
        "/api,/api/*,/apis,/apis/* get": "client/kinds.py",
    },
    ("Role", "seconder-webhook"): {
        " secrets[seconder-webhook-tls] get,list,watch": "http/tls.py",
        "apps deployments list,watch": "client/guard_owners.py",
        " services list,watch": "client/guard_owners.py",
        " pods list": "client/objects.py",
    },
    ("ClusterRole", "seconder-operator"): {
        "/api,/api/*,/apis,/apis/* get": "client/discovery.py",
        "seconder.dev protectionpolicies,approvers,approverauthorities get,list,watch": "operator/reconciler.py",
        "seconder.dev protectionpolicies/status,approvers/status,approverauthorities/status"
        " update": "operator/reconciler.py",
        "seconder.dev changerequests get,list,watch,delete": "operator/change_request_controller.py",
        "seconder.dev changerequests/status update": "operator/change_request_controller.py",
        "kustomize.toolkit.fluxcd.io kustomizations get": "operator/managers.py",
        "helm.toolkit.fluxcd.io helmreleases get": "operator/managers.py",
        "argoproj.io applications get": "operator/managers.py",
        " events create,patch": "client/events.py",
        " serviceaccounts get,list,watch": "client/cache.py",
        " namespaces[kube-system] get": "client/cache.py",
        " namespaces list,watch": "client/namespace_labels.py",
        "admissionregistration.k8s.io validatingwebhookconfigurations create,get,list,watch": "operator/trial.py",
        "admissionregistration.k8s.io validatingwebhookconfigurations[seconder]"
        " update,delete": "operator/configuration_keeper.py",
        "admissionregistration.k8s.io validatingadmissionpolicies,validatingadmissionpolicybindings"
        " create": "operator/label_guard.py",
        "admissionregistration.k8s.io validatingadmissionpolicies,validatingadmissionpolicybindings"
        "[seconder-namespace-labels] get,update,delete": "operator/label_guard.py",
        "apiextensions.k8s.io customresourcedefinitions get,list,watch": "client/discovery.py",
        "apiregistration.k8s.io apiservices list": "client/discovery.py",
        "rbac.authorization.k8s.io clusterroles[seconder-webhook-lookups,seconder-operator-objects]"
        " get,list,watch,create,update,escalate": "operator/reconciler.py",
        "rbac.authorization.k8s.io clusterroles[seconder-operator] get": "operator/reconciler.py",
    },
    ("Role", "seconder-operator"): {
        "coordination.k8s.io leases create": "operator/election.py",
        "coordination.k8s.io leases[seconder-operator] get,list,watch,update": "operator/election.py",
        " secrets create": "operator/reconciler.py",
        " secrets[seconder-ca,seconder-webhook-tls] get,update": "operator/reconciler.py",
    },
    ("ClusterRole", "seconder-portal"): {
        "seconder.dev changerequests get,list,patch": "portal/answers.py",
        "seconder.dev protectionpolicies,approvers,approverauthorities list,watch": "client/policy_watches.py",
        " namespaces[kube-system] get": "client/policy_watches.py",
    },
    ("ClusterRole", "seconder-operator-portal"): {
        "rbac.authorization.k8s.io clusterroles[seconder-portal-objects]"
        " get,list,watch,create,update,escalate": "operator/reconciler.py",
    },
    ("Role", "seconder-operator-notifications"): {" events list,watch": "operator/emergencies.py"},
    # The operator keeps the rules of these at what policies name.
    ("ClusterRole", "seconder-webhook-lookups"): {},
    ("ClusterRole", "seconder-operator-objects"): {},
    ("ClusterRole", "seconder-portal-objects"): {},
}


def test_webhooks_read_no_secrets_where_they_shall_not() -> None:
    """Whoever takes a webhook's credential then reads none."""
    role = ("ClusterRole", "seconder-webhook")
    assert " secrets get,list" in dict(_permissions(_documents()))[role]
    assert " secrets get,list" not in dict(_permissions(_documents("webhook.readSecrets=false")))[role]


def _permissions(documents: list[dict[str, Any]]) -> Iterator[tuple[tuple[str, str], set[str]]]:
    for each in documents:
        key = (each["kind"], each["metadata"]["name"])
        if key in _PERMISSIONS:
            yield (
                key,
                {
                    f"{','.join(rule['nonResourceURLs'])} get"
                    if "nonResourceURLs" in rule
                    else f"{','.join(rule['apiGroups'])} {','.join(rule['resources'])}"
                    + (f"[{','.join(rule['resourceNames'])}]" if "resourceNames" in rule else "")
                    + f" {','.join(rule['verbs'])}"
                    for rule in each.get("rules") or ()
                },
            )


def test_every_permission_is_one_that_is_used() -> None:
    """A new one is written down here with where it is used, or is not given."""
    documents = _documents("roles.enabled=false", "notifications.secretName=targets", *_PORTAL)
    found = dict(_permissions(documents))
    assert found == {key: set(rules) for key, rules in _PERMISSIONS.items()}
    named = {file for rules in _PERMISSIONS.values() for file in rules.values()}
    assert [file for file in named if not (files.ROOT / "controller/seconder" / file).is_file()] == []
    roles = {(each["kind"], each["metadata"]["name"]) for each in documents if each["kind"].endswith("Role")}
    assert roles == set(_PERMISSIONS)


def test_roles_that_the_operator_fills_have_no_rules_to_overwrite() -> None:
    """An upgrade that brought ``rules: []`` would take what policies need away for a moment."""
    documents = _documents(*_PORTAL)
    for name in ("seconder-webhook-lookups", "seconder-operator-objects", "seconder-portal-objects"):
        assert "rules" not in _of(documents, "ClusterRole", name)


def test_the_ca_of_api_servers_is_where_the_webhook_reads_it_and_a_new_one_brings_new_pods() -> None:
    """Nothing of it without one; what is no certificate is rejected."""

    def webhook(*values: str) -> tuple[list[str], list[Any], dict[str, Any]]:
        documents = _documents(*values)
        held = {each["metadata"]["name"]: each.get("data") for each in documents if each["kind"] == "ConfigMap"}
        (pods,) = (
            each["spec"]["template"]["spec"]
            for each in documents
            if each["kind"] == "Deployment" and each["metadata"]["name"] == "seconder-webhook"
        )
        (container,) = pods["containers"]
        flags = [flag for flag in container["args"] if flag.startswith("--client-ca=")]
        named = [each["configMap"]["name"] for each in pods["volumes"] if each["name"] == "client-ca"]
        mounted = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == "client-ca"]
        return flags, [*named, *mounted], held

    assert webhook()[:2] == ([], [])
    names = set()
    for content in ("AAAA", "BBBB"):
        pem = f"-----BEGIN CERTIFICATE-----{content}-----END CERTIFICATE-----"
        (flag,), (name, folder), held = webhook(f"webhook.clientCA={pem}")
        assert flag == f"--client-ca={folder}/ca.crt"
        assert held[name] == {"ca.crt": pem}
        names.add(name)
    assert len(names) == 2
    assert _render("webhook.clientCA=nonsense").returncode != 0
