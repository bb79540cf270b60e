"""Manifests as people and agents apply them."""

from typing import Any, Final

MANIFEST: Final[dict[str, Any]] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "checkout", "labels": {"app": "checkout"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "checkout"}},
        "template": {
            "metadata": {"labels": {"app": "checkout"}},
            "spec": {"containers": [{"name": "main", "image": "none:0", "env": [{"name": "MODE", "value": "a"}]}]},
        },
    },
}
"""A Deployment with something of each kind that agents change freely."""
