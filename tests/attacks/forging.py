"""Reviews that nobody but the API server should send: made up, and posted to the guard's port."""

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import urllib3
from tests.attacks.attack import attack
from tests.attacks.field import RECORDS, Field

_HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_INNOCENT = "system:serviceaccount:seconder-agents:innocent"


def _addresses(field: Field) -> Iterator[str]:
    """Where webhooks that ask about deletions listen, as far as this machine reaches them."""
    for configuration in field.admin("GET", _HOOKS).document.get("items", ()):
        for webhook in configuration.get("webhooks", ()):
            if any("DELETE" in rule["operations"] for rule in webhook.get("rules", ())):
                yield webhook["clientConfig"].get("url", "")


def _review(target: Mapping[str, Any], uid: str) -> dict[str, Any]:
    metadata = {**target["metadata"], "uid": uid}
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": secrets.token_hex(8),
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "operation": "DELETE",
            "userInfo": {"username": _INNOCENT, "extra": {"seconder.dev/operator": ["ceo@example.com"]}},
            "object": None,
            "oldObject": {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata},
            "dryRun": False,
        },
    }


@attack()
def post_reviews_of_what_is_not_there(field: Field) -> None:
    """Anybody who reaches the guard's port posts a review of an object that is not there, in somebody's name."""
    field.deployment()
    gone = {"metadata": {"name": "never-there", "namespace": field.place}}
    _post(field, _review(gone, "00000000-0000-4000-8000-00000000000a"))
    # A refusal of the agent's own is recorded behind it, so that nothing is still to come.
    field.refused("DELETE", f"/apis/apps/v1/namespaces/{field.place}/deployments/checkout")
    _no_record(field)


@attack()
def post_reviews_in_the_name_of_nobody(field: Field) -> None:
    """Anybody who reaches the guard's port posts a review of what is there, in the name of an agent that is not."""
    stored = field.deployment()
    _post(field, _review(stored, stored["metadata"]["uid"]))
    field.refused("DELETE", f"/apis/apps/v1/namespaces/{field.place}/deployments/checkout")
    _no_record(field)


@attack()
def post_reviews_of_another_object_of_the_name(field: Field) -> None:
    """Anybody who reaches the guard's port posts a review of an object under another uid, in somebody's name."""
    stored = field.deployment()
    _post(field, _review(stored, "00000000-0000-4000-8000-00000000000b"))
    field.refused("DELETE", f"/apis/apps/v1/namespaces/{field.place}/deployments/checkout")
    _no_record(field)


def _post(field: Field, review: Mapping[str, Any]) -> None:
    anyone = urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False)
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    sent = 0
    for url in sorted({url for url in _addresses(field) if url}):
        try:
            anyone.request(
                "POST", url, body=json.dumps(review), headers={"Content-Type": "application/json"}, timeout=10
            )
        except urllib3.exceptions.HTTPError:
            continue
        sent += 1
    anyone.clear()
    if not sent:
        raise field.untried(
            "no webhook's port is reached from here: its NetworkPolicy, or a Service inside the cluster"
        )


def _no_record(field: Field) -> None:
    """Nothing in the innocent's name, while what the agent itself did is told."""
    if field.admin("GET", RECORDS).done:
        field.eventually(lambda: _told(field, field.agents_name()), "the agent's own refusal is recorded", 15)
    if _told(field, _INNOCENT):
        field.lost("a change request stands in the name of somebody who asked for nothing")
    events = field.admin("GET", f"/api/v1/namespaces/{field.place}/events").document.get("items", ())
    if any(_INNOCENT in json.dumps(event) for event in events):
        field.lost("an event stands in the name of somebody who asked for nothing")


def _told(field: Field, name: str) -> bool:
    items = field.admin("GET", RECORDS).document.get("items", ())
    here = (each for each in items if each["spec"]["object"].get("namespace") == field.place)
    return any(name in json.dumps(each["spec"]) for each in here)
