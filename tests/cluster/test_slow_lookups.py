"""A review that needs many look-ups of an API server that answers none: the caller gets a reason, and in time."""

import copy
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
import urllib3
from tests.support.cluster import AGENT, Cluster, eventually
from tests.support.requests import delete_review, post_review

from localstack.pins import Binary
from localstack.stack import Stack

_LONGEST: Final = 9.0
"""Seconds for a whole answer. The API server waits 10, and then tells of a deadline that was exceeded."""


@contextmanager
def _api_server_silent(stack: Stack) -> Iterator[None]:
    """Keep the API server from answering anybody; connections to it stay, and new ones are taken."""
    pid = stack.control_plane.pid_of(Binary.APISERVER)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _update_review(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Give the review of an agent's update of a Deployment."""
    review = delete_review(before, AGENT)
    options = {"apiVersion": "meta.k8s.io/v1", "kind": "UpdateOptions"}
    review["request"] |= {"operation": "UPDATE", "object": after, "options": options}
    return review


def _owner(cluster: Cluster, name: str) -> dict[str, str]:
    uid = cluster.get("deployment", name)["metadata"]["uid"]
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": uid}


def _owned(cluster: Cluster) -> None:
    """Let a ConfigMap own a Deployment, and wait until the webhook has seen it."""
    place = f"--namespace={cluster.namespace}"
    cluster.admin("create", "configmap", "owner", place)
    uid = cluster.get("configmap", "owner")["metadata"]["uid"]
    cluster.deployment(
        "owned", ownerReferences=[{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}]
    )
    attempt = ("delete", "configmap", "owner", "--dry-run=server", place)
    eventually(lambda: cluster.agent(*attempt).refused_with("ApprovalMissing"), 10, "the owner is known")


def _everything_at_once(cluster: Cluster) -> dict[str, Any]:
    """Give an update of a Deployment that needs look-ups of several kinds.

    Its pods would run as another ServiceAccount, whose rights, and the kinds of owners here, must be known; and it
    would get an owner that is protected too. That one is approved, so that nothing but look-ups can refuse it.
    """
    cluster.deployment()
    cluster.deployment("other")
    _owned(cluster)
    cluster.approve(cluster.alice, detail={"actions": ["ChangeOwners"]})
    before = cluster.get("deployment", "checkout")
    after = copy.deepcopy(before)
    after["metadata"]["ownerReferences"] = [_owner(cluster, "other")]
    after["spec"]["template"]["spec"]["serviceAccountName"] = "deployer"
    return _update_review(before, after)


def _refused_in_time(cluster: Cluster, review: dict[str, Any]) -> None:
    secret = cluster.get("secret", "seconder-webhook-tls", "seconder-system")
    address = cluster.stack.seconder.webhook_address
    with _api_server_silent(cluster.stack):
        started = time.monotonic()
        try:
            response = post_review(address, secret, review, "/validate?timeout=10s", _LONGEST)
        except urllib3.exceptions.HTTPError as error:
            pytest.fail(f"no answer within {_LONGEST} s: {type(error).__name__}")
        taken = time.monotonic() - started
    assert taken < _LONGEST
    assert response["allowed"] is False
    status = response["status"]
    assert (status["code"], status["details"]["causes"][0]["reason"]) == (403, "InternalError"), json.dumps(status)
    assert "(InternalError)" in status["message"]


def test_an_update_that_needs_many_look_ups_is_refused_with_a_reason_and_in_time(cluster: Cluster) -> None:
    """All of them together have the time of one: what they say after the caller has gone helps nobody."""
    _refused_in_time(cluster, _everything_at_once(cluster))
    eventually(lambda: cluster.delete(cluster.agent).refused_with("WrongAction"), 10, "all goes on")
