"""Whoever is named as a target hears of a refusal and of what became of it, soon; and of emergencies."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from standardwebhooks.webhooks import Webhook
from tests.cluster.test_change_requests import refused
from tests.support import receivers
from tests.support.cluster import Cluster, eventually
from tests.support.operator import operator_with
from tests.support.receivers import Posted, Sink

_SECRET = "whsec_dGhpcnR5LXR3byBieXRlcyBvZiBhIHRlc3QncyBvd24="


class _Receivers(NamedTuple):
    """One of each kind: CloudEvents over TLS, a chat's endpoint, and a mail server."""

    hook: Sink
    chat: Sink
    mail: Sink


@contextmanager
def _told(cluster: Cluster, folder: Path) -> Iterator[_Receivers]:
    """An operator that tells three receivers of everything."""
    pair = receivers.certificate(folder)
    targets = folder / "targets"
    targets.mkdir()
    with receivers.http(pair) as hook, receivers.http() as chat, receivers.smtp() as mail:
        (targets / "hook").write_text(f"cloudevents+{hook.url}/?secret={_SECRET}")
        (targets / "ca.crt").write_bytes(pair[0].read_bytes())
        (targets / "chat").write_text(f"mmost://127.0.0.1:{chat.port}/abcdefghijklmnopqrstuvwxyz")
        (targets / "mail").write_text(
            f"mailto://127.0.0.1:{mail.port}?from=s@example.com&to=p@example.com&mode=insecure"
        )
        with operator_with(cluster.stack, f"--notification-targets={targets}"):
            yield _Receivers(hook, chat, mail)


def _read(posted: list[Posted]) -> list[Any]:
    """The CloudEvents, their signatures verified."""
    return [Webhook(_SECRET).verify(one.body, dict(one.headers)) for one in posted]


def test_each_receiver_is_told_within_two_seconds_of_the_refusal(cluster: Cluster, tmp_path: Path) -> None:
    """Signed where that is asked for; and again when it is approved, and when it is done."""
    for name in ("other", "checkout"):
        cluster.deployment(name)
    with _told(cluster, tmp_path) as told:
        # An operator that has just begun to lead is still loading what it tells them by.
        assert cluster.delete(cluster.agent, "deployment", "other").refused
        for sink in told:
            sink.wait(1, 20)
        assert cluster.delete(cluster.agent).refused
        until = time.monotonic() + 2.0
        for sink in told:
            sink.wait(2, until - time.monotonic())
        name = refused(cluster)
        cluster.approve(cluster.alice)
        told.hook.wait(3)
        assert cluster.delete(cluster.agent).code == 0
        found = _read(told.hook.wait(4, 15))[1:]
    assert [one["type"].rpartition(".")[2] for one in found] == ["pending", "approved", "used"]
    assert {one["subject"] for one in found} == {name}
    assert cluster.namespace in json.dumps(found[0]["data"])
    assert f"kubectl seconder approve {name}".encode() in told.chat.posted[1].body


def test_an_emergency_is_told(cluster: Cluster, tmp_path: Path) -> None:
    """Who, what and why; from Seconder's own namespace, where no agent can make one up."""
    cluster.deployment()
    on_call = tmp_path / "erin.kubeconfig"
    cluster.stack.control_plane.client_kubeconfig("erin@example.com", ["people", "oncall"], on_call)
    cluster.policy(f"all-{cluster.namespace}", subjects="Everyone", breakGlass={"groups": ["oncall"]})
    broken = ("deployment", "checkout", f"--namespace={cluster.namespace}")
    eventually(lambda: cluster.human("delete", *broken, "--dry-run=server").refused, 5, "the policy is in force")
    end = (datetime.now(UTC) + timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with _told(cluster, tmp_path) as told:
        before = len(told.hook.posted)
        marked = cluster.kubectl(on_call, "annotate", *broken, f"seconder.dev/break-glass={end} INC-7 disk full")
        assert marked.code == 0, marked.err
        gone = cluster.kubectl(on_call, "delete", *broken, "--wait=false")
        assert gone.code == 0, gone.err
        found = _read(told.hook.wait(before + 1, 10))
        left = json.loads(
            cluster.admin("get", "events", "-nseconder-system", "--field-selector=reason=BreakGlassUsed", "-ojson")
        )["items"]
        forged = left[0] | {"metadata": {"name": "forged", "annotations": left[0]["metadata"]["annotations"]}}
        tried = cluster.agent("create", "-nseconder-system", "--filename=-", stdin=json.dumps(forged))
        assert tried.refused_with("ProtectedConfiguration"), tried.err
    (event,) = [one for one in found if one["type"] == "dev.seconder.breakglass"]
    data = event["data"]
    assert (data["requester"], data["action"]) == ("erin@example.com", "DELETE")
    assert data["object"] == f"deployments.apps {cluster.namespace}/checkout"
    assert "INC-7 disk full" in data["words"]
