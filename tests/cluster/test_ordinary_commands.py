"""What people do with kubectl all day with one manifest: an agent does it unasked, in whatever order."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest
from tests.support.cluster import Cluster, Result, eventually
from tests.support.manifests import MANIFEST

_LABELS: Final = {"app": "checkout"}
_POD: Final = MANIFEST["spec"]["template"]["spec"]
_WANTS: Final = {"requests": {"storage": "1Gi"}}


def _of(version: str, kind: str, name: str = "checkout", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": _LABELS}, **fields}


def _runs(app: str) -> dict[str, Any]:
    """What two controllers select is nobody's: each has a label of its own."""
    labels = {"app": app}
    return {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": _POD}}


_PATH: Final = {
    "path": "/",
    "pathType": "Prefix",
    "backend": {"service": {"name": "checkout", "port": {"number": 80}}},
}
_CLAIM: Final = {"accessModes": ["ReadWriteOnce"], "resources": _WANTS}
_GUARDED: Final = (
    MANIFEST | {"spec": MANIFEST["spec"] | {"strategy": {"type": "Recreate"}, "revisionHistoryLimit": 3}},
    _of("v1", "ConfigMap", data={"a": "1", "b": "2"}),
    _of("v1", "Secret", stringData={"a": "1"}, data={"b": "Mg=="}),
    _of("v1", "Service", spec={"selector": _LABELS, "ports": [{"port": 80, "targetPort": 8080}]}),
    _of("v1", "ServiceAccount"),
    _of("v1", "PersistentVolumeClaim", spec=_CLAIM),
    _of(
        "apps/v1",
        "StatefulSet",
        spec={
            "serviceName": "checkout",
            **_runs("database"),
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": _CLAIM}],
        },
    ),
    _of("apps/v1", "DaemonSet", spec={**_runs("logs"), "updateStrategy": {"type": "OnDelete"}}),
    _of(
        "batch/v1",
        "CronJob",
        spec={
            "schedule": "0 3 * * *",
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}},
        },
    ),
    _of(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        spec={
            "minReplicas": 2,
            "maxReplicas": 5,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                }
            ],
        },
    ),
    _of("policy/v1", "PodDisruptionBudget", spec={"minAvailable": 1, "selector": {"matchLabels": _LABELS}}),
    _of(
        "networking.k8s.io/v1",
        "Ingress",
        # Without a host it would have those of all that other tests protect.
        spec={"rules": [{"host": "checkout.ordinary.example.com", "http": {"paths": [_PATH]}}]},
    ),
    _of("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}, "policyTypes": ["Ingress"]}),
    _of("rbac.authorization.k8s.io/v1", "Role", rules=[{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]),
)
"""One object of each kind that manifests hold, with fields that are not free and have no default's value."""

_CREATE: Final = ("create",)
_SAVED: Final = ("create", "--save-config")
_CLIENT: Final = ("apply",)
_SERVER: Final = ("apply", "--server-side", "--force-conflicts")
_REPLACE: Final = ("replace",)
_EDITS: Final = (
    ("set", "image", "deployment/checkout", "main=none:7"),
    ("set", "env", "deployment/checkout", "MODE=b"),
    ("rollout", "restart", "deployment/checkout"),
    ("scale", "deployment/checkout", "--replicas=4"),
    ("label", "configmap/checkout", "a=b"),
    ("annotate", "service/checkout", "a=b"),
)


def _protected(cluster: Cluster) -> None:
    resources = [{"group": group, "resources": ["*"]} for group in ("", "apps", "batch", "autoscaling", "policy")]
    resources += [{"group": f"{group}.k8s.io", "resources": ["*"]} for group in ("networking", "rbac.authorization")]
    cluster.policy("all-of-it", resources=resources)
    ready = lambda: _run(cluster, cluster.agent, ("create", "--dry-run=server"), _GUARDED).code == 0  # noqa: E731
    eventually(ready, 30, "who owns what is known")


def _run(cluster: Cluster, who: Any, command: Sequence[str], manifests: Sequence[Mapping[str, Any]]) -> Result:
    stdin = ""
    if command[0] in ("create", "apply", "replace"):
        if command == _REPLACE:
            # That takes the finalizer off by which a claim stays as long as it is in use.
            manifests = [each for each in manifests if each["kind"] != "PersistentVolumeClaim"]
        command = (*command, "-f-")
        stdin = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    for _ in range(_TRIES):
        answer: Result = who(*command, f"--namespace={cluster.namespace}", stdin=stdin)
        # A controller wrote a status between kubectl's reading and its writing: it says to try again.
        if _CONFLICT not in answer.err:
            break
    return answer


def _told(answer: Result) -> list[str]:
    """What is wrong with an answer: which objects were refused, and why; or all that it says where that failed."""
    lines = [
        line.partition(", uid")[0] for line in answer.err.splitlines() if line.startswith(("object: ", "changes: "))
    ]
    return lines or ([answer.out, answer.err] if answer.code else [])


_CONFLICT: Final = "the object has been modified; please apply your changes to the latest version"
_TRIES: Final = 5

_ORDERS: Final = (
    (_CREATE, _CLIENT, _CLIENT, _REPLACE, _CLIENT, _SERVER, _CLIENT),
    (_CREATE, _SERVER, _SERVER, _CLIENT, _REPLACE, _SERVER),
    (_CREATE, _REPLACE, _CLIENT, _REPLACE, _SERVER),
    (_SAVED, _CLIENT, _REPLACE, _CLIENT, _SERVER, _REPLACE, _CLIENT),
    (_CLIENT, _REPLACE, _CLIENT, _SERVER, _CLIENT, _REPLACE, _CLIENT),
    (_CLIENT, _SERVER, _REPLACE, _CLIENT, _SERVER),
    (_SERVER, _CLIENT, _SERVER, _REPLACE, _CLIENT, _SERVER),
    (_CREATE, *_EDITS, _CLIENT, *_EDITS, _CLIENT),
    (_CLIENT, *_EDITS, _REPLACE, _CLIENT, *_EDITS, _SERVER),
)


@pytest.mark.parametrize(
    ("by", "commands"),
    [*(("agent", commands) for commands in _ORDERS), *(("human", _ORDERS[number]) for number in (0, 4, 6))],
    ids=lambda value: value if isinstance(value, str) else "-".join(each[-1].lstrip("-")[:6] for each in value[:6]),
)
def test_one_manifest_is_written_by_every_command(cluster: Cluster, by: str, commands: Any) -> None:
    """After whoever made its objects by the first of them."""
    _protected(cluster)
    first, *others = commands
    made = _run(cluster, getattr(cluster, by), first, _GUARDED)
    assert made.code == 0, made
    for command in others:
        assert _told(_run(cluster, cluster.agent, command, _GUARDED)) == [], command
