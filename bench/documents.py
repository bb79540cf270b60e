"""Objects that benchmarks on a running stack make. Nothing in them ever runs."""

from typing import Any


def deployment(name: str, **metadata: Any) -> dict[str, Any]:
    """A Deployment (apps/v1) of one replica."""
    labels = {"app": name}
    containers = [{"name": "main", "image": "none:0"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, **metadata}, "spec": spec}
