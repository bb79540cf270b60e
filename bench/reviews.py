"""AdmissionReviews as kube-apiserver sends them for an agent's DELETE of a Deployment of ordinary size."""

import json
import uuid
from collections.abc import Mapping
from typing import Any, Final

NAMESPACE: Final = "payments"
NAME: Final = "checkout"
UID: Final = "6f0c3a52-9a51-4c1e-8c55-0d8f3a1f7e21"
AGENT: Final = "kiro"
REQUESTER: Final = f"system:serviceaccount:seconder-agents:{AGENT}"

_LABELS: Final = {
    "app.kubernetes.io/name": "checkout",
    "app.kubernetes.io/instance": "checkout-production",
    "app.kubernetes.io/version": "4.17.2",
    "app.kubernetes.io/part-of": "payments",
    "app.kubernetes.io/managed-by": "Helm",
}
_ENVIRONMENT: Final = {
    "LOG_LEVEL": "info",
    "HTTP_PORT": "8080",
    "LEDGER_URL": "http://ledger.payments.svc:8080",
    "CARDS_URL": "http://cards.payments.svc:8080",
    "CURRENCY": "EUR",
    "TRACING_ENDPOINT": "http://collector.observability.svc:4317",
    "REQUEST_TIMEOUT": "2500ms",
}


def deployment(annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Give a stored Deployment with server-filled defaults, managedFields and status, about 6.5 kB of JSON."""
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "uid": UID,
            "resourceVersion": "184467",
            "generation": 7,
            "creationTimestamp": "2026-03-02T08:14:05Z",
            "labels": _LABELS,
            "annotations": {
                "deployment.kubernetes.io/revision": "7",
                "meta.helm.sh/release-name": "checkout-production",
                "meta.helm.sh/release-namespace": NAMESPACE,
                **(annotations or {}),
            },
            "managedFields": _managed_fields(),
        },
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app.kubernetes.io/name": "checkout"}},
            "template": {
                "metadata": {"labels": _LABELS},
                "spec": {
                    "volumes": [
                        {"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}},
                        {"name": "settings", "configMap": {"name": "checkout-settings", "defaultMode": 420}},
                    ],
                    "containers": [_container()],
                    "restartPolicy": "Always",
                    "terminationGracePeriodSeconds": 30,
                    "dnsPolicy": "ClusterFirst",
                    "serviceAccountName": "checkout",
                    "serviceAccount": "checkout",
                    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                    "schedulerName": "default-scheduler",
                },
            },
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
        "status": {
            "observedGeneration": 7,
            "replicas": 3,
            "updatedReplicas": 3,
            "readyReplicas": 3,
            "availableReplicas": 3,
            "conditions": [
                _condition("Progressing", "NewReplicaSetAvailable", "ReplicaSet has successfully progressed."),
                _condition("Available", "MinimumReplicasAvailable", "Deployment has minimum availability."),
            ],
        },
    }


def review(annotations: Mapping[str, str] | None = None, requester: str = REQUESTER) -> bytes:
    """Encode one AdmissionReview with a uid of its own: the requester's DELETE of the Deployment."""
    options = {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "propagationPolicy": "Background"}
    return _encoded("DELETE", requester, None, deployment(annotations), options)


def update() -> bytes:
    """Encode one AdmissionReview with a uid of its own: the agent scales the Deployment up, which nothing refuses."""
    stored, incoming = deployment(), deployment()
    incoming["spec"]["replicas"] = stored["spec"]["replicas"] + 2
    options = {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "helm"}
    return _encoded("UPDATE", REQUESTER, incoming, stored, options)


def _encoded(
    operation: str,
    requester: str,
    incoming: Mapping[str, Any] | None,
    stored: Mapping[str, Any],
    options: Mapping[str, Any],
) -> bytes:
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    resource = {"group": "apps", "version": "v1", "resource": "deployments"}
    document = {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": str(uuid.uuid4()),
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": NAME,
            "namespace": NAMESPACE,
            "operation": operation,
            "userInfo": {
                "username": requester,
                "uid": "1f2a6c0e-4a37-4a39-93c5-61b4b1f1c0aa",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:seconder-agents", "system:authenticated"],
                "extra": {
                    "authentication.kubernetes.io/credential-id": ["JTI=7ee52be0-9045-4653-aa5e-0da57b8dccdc"],
                },
            },
            "object": incoming,
            "oldObject": stored,
            "dryRun": False,
            "options": options,
        },
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _container() -> dict[str, Any]:
    return {
        "name": "checkout",
        "image": "registry.example.com/payments/checkout:4.17.2",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [
            *({"name": name, "value": value} for name, value in _ENVIRONMENT.items()),
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "checkout", "key": "token"}}},
        ],
        "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "250m", "memory": "256Mi"}},
        "volumeMounts": [
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 - a path inside a container
            {"name": "settings", "readOnly": True, "mountPath": "/etc/checkout"},
        ],
        "livenessProbe": _probe("/healthz"),
        "readinessProbe": _probe("/readyz"),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
        },
    }


def _probe(path: str) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def _condition(kind: str, reason: str, message: str) -> dict[str, Any]:
    return {
        "type": kind,
        "status": "True",
        "lastUpdateTime": "2026-05-18T15:02:44Z",
        "lastTransitionTime": "2026-03-02T08:14:05Z",
        "reason": reason,
        "message": message,
    }


def _managed_fields() -> list[dict[str, Any]]:
    """Repeat the object's shape as the API server's field ownership does; about a third of a stored object."""
    leaf: dict[str, Any] = {}
    probe = {
        ".": leaf,
        "f:failureThreshold": leaf,
        "f:httpGet": {".": leaf, "f:path": leaf, "f:port": leaf, "f:scheme": leaf},
        "f:periodSeconds": leaf,
        "f:successThreshold": leaf,
        "f:timeoutSeconds": leaf,
    }
    labels = {f"f:{label}": leaf for label in _LABELS}
    container = {
        ".": leaf,
        "f:env": {
            ".": leaf,
            **{f'k:{{"name":"{name}"}}': {".": leaf, "f:name": leaf, "f:value": leaf} for name in _ENVIRONMENT},
            'k:{"name":"TOKEN"}': {".": leaf, "f:name": leaf, "f:valueFrom": {".": leaf, "f:secretKeyRef": leaf}},
        },
        "f:image": leaf,
        "f:imagePullPolicy": leaf,
        "f:livenessProbe": probe,
        "f:name": leaf,
        "f:ports": {".": leaf, 'k:{"containerPort":8080,"protocol":"TCP"}': {".": leaf, "f:containerPort": leaf}},
        "f:readinessProbe": probe,
        "f:resources": {".": leaf, "f:limits": {".": leaf, "f:memory": leaf}, "f:requests": {".": leaf, "f:cpu": leaf}},
        "f:securityContext": {".": leaf, "f:capabilities": {".": leaf, "f:drop": leaf}},
        "f:terminationMessagePath": leaf,
        "f:terminationMessagePolicy": leaf,
        "f:volumeMounts": {
            ".": leaf,
            'k:{"mountPath":"/tmp"}': {".": leaf, "f:mountPath": leaf, "f:name": leaf},
            'k:{"mountPath":"/etc/checkout"}': {".": leaf, "f:mountPath": leaf, "f:name": leaf, "f:readOnly": leaf},
        },
    }
    return [
        {
            "manager": "helm",
            "operation": "Update",
            "apiVersion": "apps/v1",
            "time": "2026-05-18T15:02:21Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {
                    "f:annotations": {".": leaf, "f:meta.helm.sh/release-name": leaf},
                    "f:labels": {".": leaf, **labels},
                },
                "f:spec": {
                    "f:progressDeadlineSeconds": leaf,
                    "f:replicas": leaf,
                    "f:revisionHistoryLimit": leaf,
                    "f:selector": leaf,
                    "f:strategy": {"f:rollingUpdate": {".": leaf, "f:maxSurge": leaf}, "f:type": leaf},
                    "f:template": {
                        "f:metadata": {"f:labels": {".": leaf, **labels}},
                        "f:spec": {
                            "f:containers": {'k:{"name":"checkout"}': container},
                            "f:dnsPolicy": leaf,
                            "f:restartPolicy": leaf,
                            "f:schedulerName": leaf,
                            "f:securityContext": {".": leaf, "f:runAsNonRoot": leaf, "f:seccompProfile": leaf},
                            "f:serviceAccountName": leaf,
                            "f:terminationGracePeriodSeconds": leaf,
                            "f:volumes": {".": leaf, 'k:{"name":"scratch"}': leaf, 'k:{"name":"settings"}': leaf},
                        },
                    },
                },
            },
        },
        {
            "manager": "kube-controller-manager",
            "operation": "Update",
            "apiVersion": "apps/v1",
            "time": "2026-05-18T15:02:44Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:annotations": {"f:deployment.kubernetes.io/revision": leaf}},
                "f:status": {
                    "f:availableReplicas": leaf,
                    "f:conditions": {
                        ".": leaf,
                        'k:{"type":"Available"}': {".": leaf, "f:reason": leaf, "f:status": leaf, "f:type": leaf},
                        'k:{"type":"Progressing"}': {".": leaf, "f:reason": leaf, "f:status": leaf, "f:type": leaf},
                    },
                    "f:observedGeneration": leaf,
                    "f:readyReplicas": leaf,
                    "f:replicas": leaf,
                    "f:updatedReplicas": leaf,
                },
            },
            "subresource": "status",
        },
    ]
