"""A platform's program that edits webhook configurations, as AKS' Admissions Enforcer does."""

import json
import threading
from typing import Any

from tests.support.cluster import Cluster

EXCLUSIONS = [
    {"key": "control-plane", "operator": "NotIn", "values": ["true"]},
    {"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]},
]


class Enforcer(threading.Thread):
    """Puts expressions into every namespaceSelector that has none, five times a second, as AKS' enforcer does."""

    def __init__(self, cluster: Cluster, expressions: list[dict[str, Any]]) -> None:
        super().__init__(daemon=True)
        self.writes = 0
        self._cluster = cluster
        self._expressions = expressions
        self._stopping = threading.Event()

    def run(self) -> None:
        """See threading.Thread."""
        while not self._stopping.wait(0.2):
            stored = self._cluster.objects.find("validatingwebhookconfiguration", "seconder")
            if stored is None or all(entry["namespaceSelector"] for entry in stored["webhooks"]):
                continue
            for entry in stored["webhooks"]:
                entry["namespaceSelector"] = {"matchExpressions": self._expressions}
            del stored["metadata"]["managedFields"]
            replaced = self._cluster.kubectl(
                self._cluster.scene.admin_kubeconfig,
                *("replace", "--field-manager=admissionsenforcer", "--filename=-"),
                stdin=json.dumps(stored),
            )
            self.writes += replaced.code == 0

    def __enter__(self) -> "Enforcer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join()
