"""What the real API server sends, recorded anew in each run: it still has the shape that everything here assumes.

The recordings in tests/edge/reviews are what tests without a cluster go by. After a change of the API server's version
write them anew: ``SECONDER_RECORD=1 make test``.
"""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import Cluster, eventually
from tests.support.recorder import Recorder

from seconder.admission import codec

pytestmark = pytest.mark.since("1.37", "reviews as they are recorded")

REVIEWS = Path(__file__).parents[1] / "edge" / "reviews"


def _in(cluster: Cluster) -> str:
    return f"--namespace={cluster.namespace}"


_ACTIONS: dict[str, Callable[[Cluster], object]] = {
    "delete-deployment": lambda c: c.human("delete", "deployment", "checkout", _in(c)),
    "deletecollection-deployments": lambda c: c.human(
        "delete", "--raw", f"/apis/apps/v1/namespaces/{c.namespace}/deployments"
    ),
    "delete-dry-run": lambda c: c.human("delete", "deployment", "checkout", _in(c), "--dry-run=server"),
    "delete-namespace": lambda c: c.human("delete", "namespace", c.namespace, "--wait=false"),
    "update-annotate": lambda c: c.human("annotate", "deployment", "checkout", _in(c), "note=x"),
    "update-scale": lambda c: c.human("scale", "deployment", "checkout", _in(c), "--replicas=0"),
    "update-status": lambda c: c.human(
        *("patch", "deployment", "checkout", _in(c), "--subresource=status", "--type=merge"),
        *("-p", '{"metadata":{"annotations":{"note":"x"}}}'),
    ),
    "create-configmap": lambda c: c.human("create", "configmap", "settings", _in(c)),
    "create-token": lambda c: c.human("create", "token", "default", _in(c)),
    "delete-impersonated": lambda c: c.human(
        *("delete", "deployment", "checkout", _in(c), "--as=mallory", "--as-group=people"),
        "--as-user-extra=seconder.dev/agent=kiro",
    ),
}


@pytest.mark.parametrize("name", _ACTIONS)
def test_the_api_server_sends_what_was_recorded(cluster: Cluster, tmp_path: Path, name: str) -> None:
    """Recorded again, the review has the same keys and types as the one on file."""
    cluster.deployment()
    with Recorder(tmp_path) as recorder:
        configuration = _configuration(cluster, recorder)
        cluster.apply(configuration)
        try:
            eventually(lambda: _probe(cluster, recorder), 5, "the recorder is called")
            recorder.came.clear()
            _ACTIONS[name](cluster)
            eventually(lambda: recorder.reviews, 5, "a review was recorded")
            recorded = _first(recorder.reviews, name.partition("-")[0])
        finally:
            cluster.admin("delete", "validatingwebhookconfiguration", configuration["metadata"]["name"])
    path = REVIEWS / f"{name}.json"
    if os.environ.get("SECONDER_RECORD"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")
    assert _shape(recorded) == _shape(json.loads(path.read_text()))
    codec.decode(json.dumps(recorded).encode())


def _first(reviews: list[dict[str, Any]], verb: str) -> dict[str, Any]:
    operation = {"deletecollection": "DELETE"}.get(verb, verb.upper())
    return next(each for each in reviews if each["request"]["operation"] == operation)


def _probe(cluster: Cluster, recorder: Recorder) -> bool:
    cluster.human("create", "configmap", "probe", _in(cluster), "--dry-run=server")
    return bool(recorder.reviews)


def _configuration(cluster: Cluster, recorder: Recorder) -> dict[str, Any]:
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
    people = {"name": "people", "expression": '"people" in request.userInfo.groups'}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": f"recorder-{cluster.namespace[-6:]}"},
        "webhooks": [
            {
                "name": "recorder.example.com",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": recorder.url, "caBundle": base64.b64encode(recorder.authority).decode()},
                "rules": [rule],
                "matchConditions": [people],
                "sideEffects": "None",
                "failurePolicy": "Ignore",
            }
        ],
    }


def _shape(value: object, path: str = "") -> object:
    """Reduce a review to its structure. What belongs to the object or the build, not to the review, is left out."""
    if path in {".request.object", ".request.oldObject"}:
        if not isinstance(value, dict):
            return value
        return {
            "kind": value.get("kind"),
            "metadata": sorted({"name", "uid", "namespace"} & set(value.get("metadata") or {})),
        }
    if isinstance(value, dict):
        return {key: _shape(each, f"{path}.{key}") for key, each in sorted(value.items())}
    return type(value).__name__
